"""The representations of clips in two dimensions, coloured by what is true of the clips.

After Figure 5 of Wang et al., AAAI 2025, by t-SNE.
"""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from tracking.figures.sheet import DARK, GREY, LABEL_SIZE, Sheet

FEWEST_CLIPS = 3
PERPLEXITY = 30.0
"""as usual, where there are clips enough for it"""
SEED = 0

Floats = NDArray[np.float32]


def perplexity_for(clips: int) -> float:
    """Return the perplexity for a number of clips: a third of the others of each, at most 30."""
    return min(PERPLEXITY, (clips - 1) / 3)


def project(representations: Floats) -> Floats:
    """Return the representations [N, F] in two dimensions [N, 2], by t-SNE of a fixed seed.

    Meanwhile the numeric libraries of the process use one thread: several wait for each other
    where something else is at work, and take many times as long.

    Raises:
        ValueError: for fewer than three clips, or a value that is not finite.
    """
    clips = len(representations)
    if clips < FEWEST_CLIPS:
        raise ValueError(f"a projection needs {FEWEST_CLIPS} clips, and there are {clips}")
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    # Without any variance there are no principal components to begin with.
    begin = "pca" if np.ptp(representations, axis=0).any() else "random"
    method = TSNE(perplexity=perplexity_for(clips), init=begin, random_state=SEED)
    with threadpool_limits(1):
        places: Floats = method.fit_transform(representations)
    return places


def projection(representations: Floats, labels: Floats) -> bytes:
    """Draw the representations [N, F] of clips of these labels [N] as a PNG.

    Raises:
        ValueError: as in `project`.
    """
    places = project(representations)
    sheet = Sheet(6.0, 5.0)
    axes = sheet.axes((0.05, 0.05, 0.76, 0.86))
    axes.set(xticks=[], yticks=[])
    x, y = places.T
    colours, range_ = colormaps["viridis"], Normalize(-3, 3)
    points = axes.scatter(x, y, 16, labels, cmap=colours, norm=range_, linewidths=0.3, ec=GREY)
    bar = sheet.figure.colorbar(points, cax=sheet.axes((0.84, 0.05, 0.03, 0.86)))
    bar.set_label("true sentiment", fontsize=LABEL_SIZE, color=DARK)
    clips, perplexity = len(labels), perplexity_for(len(labels))
    sheet.title(0.43, 0.94, f"t-SNE of {clips} clips, perplexity {perplexity:.3g}, seed {SEED}")
    return sheet.png()
