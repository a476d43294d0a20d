"""The plain word on what the figures here have in common with those of the paper's Table 1.

The paper fine-tunes bert-base-uncased on the published aligned features, and trains on train alone.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from dlf.data.published import Published
from dlf.modalities import Modality
from dlf.text.source import PAPER_ENCODER
from tracking.promotion_report.records import PromotionReport
from tracking.promotion_report.wording import clause
from tracking.records import Record


class PublishedData(Record):
    """The aligned feature file that the paper trains on."""

    name: str
    widths: Mapping[Modality, int]
    clips: Mapping[str, int]


PUBLISHED = {
    "mosi": PublishedData(
        name=str(Published("mosi", "aligned")),
        widths={"text": 768, "audio": 5, "vision": 20},
        clips={"train": 1284, "valid": 229, "test": 686},
    ),
    "mosei": PublishedData(
        name=str(Published("mosei", "aligned")),
        widths={"text": 768, "audio": 74, "vision": 35},
        clips={"train": 16326, "valid": 1871, "test": 4659},
    ),
}
"""by dataset"""

READ: tuple[Modality, ...] = ("audio", "vision")
"""those whose features the paper takes from the file; its text comes from BERT"""


class Difference(Record):
    """One thing that is not as in the paper, or may not be."""

    what: str
    differs: str
    """the verb that goes with it"""
    sentence: str
    known: bool = True
    """that it differs; otherwise it may"""


class Comparability(Record):
    """Whether figures here and there measure the same thing."""

    head: str
    """in a sentence"""
    sentences: Sequence[str]
    """what differs, or may, a sentence each"""


def comparability(promotion: PromotionReport) -> Comparability:
    """Return what is comparable with Table 1."""
    published = PUBLISHED.get(promotion.dataset)
    if published is None:
        head = f"There is nothing to compare with: the paper has no figures for {promotion.dataset}"
        return Comparability(head=f"{head}.", sentences=())
    differences = [
        *_text(promotion),
        *_features(promotion, published),
        *_training_data(promotion),
    ]
    return Comparability(head=_head(differences), sentences=[each.sentence for each in differences])


def _head(differences: Sequence[Difference]) -> str:
    known = [each for each in differences if each.known]
    if known:
        verb = known[0].differs if len(known) == 1 else "differ"
        what = _joined([each.what for each in known])
        return f"These figures are not comparable with Table 1: {what} {verb}."
    if differences:
        what = _joined([each.what for each in differences])
        return f"Whether these figures are comparable with Table 1 is not known: {what} may differ."
    return (
        "These figures are comparable with Table 1: the text encoder and the features are the same."
    )


def _joined(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _text(promotion: PromotionReport) -> list[Difference]:
    text = promotion.text
    if text.way == "finetune" and text.encoder is not None:
        if PurePath(text.encoder).name == PAPER_ENCODER:
            return []
        here = f"here {clause(text.encoder)} is"
    elif text.way == "frozen" and text.encoder is not None:
        here = f"here {clause(text.encoder)} encodes the text and stays frozen"
    else:
        width = promotion.data.widths["text"]
        here = f"here the file's own text features of {width} channels are taken as they are"
    sentence = f"The paper fine-tunes {PAPER_ENCODER}; {here}."
    return [Difference(what="the text encoder", differs="differs", sentence=sentence)]


def _features(promotion: PromotionReport, published: PublishedData) -> list[Difference]:
    data = promotion.data
    if data.published == published.name:
        return []
    paper = f"The paper takes audio and vision from the published file of {published.name}"
    known = True
    if data.published is not None:
        here = f"the data here are {data.published}"
    elif data.clips != published.clips:
        here = f"the data here have {_listed(data.clips)} clips, not {_listed(published.clips)}"
    elif any(data.widths[each] != published.widths[each] for each in READ):
        here = "; ".join(
            f"{each} has {data.widths[each]} channels here, not {published.widths[each]}"
            for each in READ
            if data.widths[each] != published.widths[each]
        )
    else:
        known = False
        here = (
            f"{clause(data.source)} is not recognised as that file, though its clips are as many "
            "and its widths the same"
        )
    sentence = f"{paper}; {here}."
    return [Difference(what="the features", differs="differ", sentence=sentence, known=known)]


def _training_data(promotion: PromotionReport) -> list[Difference]:
    if promotion.refit is None:
        return []
    sentence = "The paper trains on train alone; the final models here on train and valid together."
    return [Difference(what="the training data", differs="differ", sentence=sentence)]


def _listed(clips: Mapping[str, int]) -> str:
    return ", ".join(f"{clips[split]} {split}" for split in ("train", "valid", "test"))
