"""The projection of representations: near clips stay near, however few there are."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_info

from tests.support.pictures import pixels_of
from tracking.figures.projection import Floats, perplexity_for, project, projection


def clusters(each: int) -> Floats:
    """Three far groups of clips."""
    random = np.random.default_rng(0)
    centres = np.repeat(np.eye(3, 12) * 5, each, axis=0)
    return (centres + random.normal(scale=0.1, size=centres.shape)).astype(np.float32)


def test_groups_stay_groups() -> None:
    places = project(clusters(20)).reshape(3, 20, 2)
    centres = places.mean(axis=1)
    within = np.linalg.norm(places - centres[:, None], axis=2).max()
    between = min(np.linalg.norm(centres[i] - centres[i - 1]) for i in range(3))
    assert between > 2 * within


@pytest.mark.parametrize("representations", [clusters(10), np.ones((30, 4), np.float32)])
def test_the_same_every_time(representations: Floats) -> None:
    labels = np.linspace(-3, 3, 30, dtype=np.float32)
    assert projection(representations, labels) == projection(representations, labels)


def test_on_one_thread_and_afterwards_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    fit_transform, meanwhile = TSNE.fit_transform, []

    def seen(method: TSNE, representations: Floats) -> Floats:
        meanwhile.extend(pool["num_threads"] for pool in threadpool_info())
        return fit_transform(method, representations)

    monkeypatch.setattr(TSNE, "fit_transform", seen)
    before = threadpool_info()
    project(clusters(4))
    assert set(meanwhile) == {1}
    assert threadpool_info() == before


@pytest.mark.parametrize("clips", [3, 4, 5, 12])
def test_few_clips(clips: int) -> None:
    png = projection(clusters(4)[:clips], np.zeros(clips, np.float32))
    assert pixels_of(png).shape == (500, 600, 3)


def test_perplexity_is_below_the_number_of_clips() -> None:
    assert perplexity_for(3) == pytest.approx(2 / 3)
    assert perplexity_for(31) == 10
    assert perplexity_for(686) == perplexity_for(4659) == 30


def test_clips_that_are_all_the_same() -> None:
    assert np.isfinite(project(np.ones((8, 4), np.float32))).all()


def test_two_clips_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 3 clips, and there are 2"):
        projection(clusters(1)[:2], np.zeros(2, np.float32))


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        project(np.full((5, 4), np.nan, np.float32))


def test_figures_of_trials_load_neither_pyplot_nor_sklearn() -> None:
    code = (
        "import sys\n"
        "import tracking.figures.projection, tracking.figures.class_accuracy\n"
        "from tracking.sending.trial_pictures import TrialPictures\n"
        "TrialPictures()\n"
        "assert not {'matplotlib.pyplot', 'sklearn', 'scipy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=True)
