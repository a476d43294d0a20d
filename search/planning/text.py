"""Where the text features of a study or an ablation come from, and why, before it begins."""

from pathlib import Path
from typing import Protocol

from dlf.data import GENERATED, Manifest, open_split
from dlf.text.choice import choose_text
from dlf.text.source import TextSource, TextWay
from dlf.text.tokens import has_words
from search.resources.allotment import Resources


class TextRequest(Protocol):
    """What the flags say of the text."""

    @property
    def text(self) -> TextWay | None:
        """The way to take it, or none."""

    @property
    def text_encoder(self) -> str | None:
        """What reads it, or none."""

    @property
    def data_dir(self) -> Path:
        """Where the datasets lie."""


def settle_text(
    request: TextRequest,
    manifest: Manifest,
    resources: Resources,
    former: TextSource | None,
    as_before: str,
) -> tuple[TextSource, str]:
    """Return where the text comes from, and why in words.

    Args:
        request: the flags.
        manifest: of the dataset.
        resources: whose GPUs make a difference.
        former: where it came from when what is resumed was begun; none otherwise.
        as_before: why it comes from there again, where the flags say nothing.

    Raises:
        BadInputError: when what the flags say cannot be had.
    """
    if former is not None and request.text is None and request.text_encoder is None:
        return former, f"{former.way}: {as_before}"
    choice = choose_text(
        request.text,
        request.text_encoder,
        synthetic=manifest.dataset == GENERATED,
        readable=has_words(open_split(manifest.dataset, request.data_dir, "train")),
        gpu=resources.gpus_per_trial > 0,
    )
    return choice.source, str(choice)
