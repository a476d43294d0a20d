"""The page that `info` prints for a person."""

from collections.abc import Iterator

from dlf.data.information import DatasetInformation, SplitInformation
from dlf.data.split import SPLITS
from dlf.modalities import MODALITIES
from dlf.model.normalisation import widely_apart

BAR = 40


def render(information: DatasetInformation) -> str:
    """Return the page as text."""
    return "\n".join([*_head(information), *_splits(information), *_tail(information)])


def _head(information: DatasetInformation) -> Iterator[str]:
    manifest = information.manifest
    source = f"sha256 {manifest.source_sha256 or 'none'}"
    clips = ", ".join(f"{name} {getattr(manifest.clips, name)}" for name in SPLITS)
    widths = ", ".join(f"{m} {manifest.widths[m]}" for m in MODALITIES)
    steps = ", ".join(f"{m} {manifest.time_steps[m]}" for m in MODALITIES)
    scales = (
        f"{m} {ratio:.3g} times{', so it is normalised' if widely_apart(ratio) else ''}"
        for m, ratio in information.scale_ratios.items()
    )
    yield f"dataset     {manifest.dataset} in {information.folder}"
    yield f"source      {manifest.source}, {source}"
    if manifest.published:
        yield f"published   as {manifest.published}"
    yield f"digest      {manifest.digest}"
    yield f"clips       {clips}"
    yield f"widths      {widths}"
    yield f"time steps  {steps}, as padded in the source"
    yield f"text        one step per {manifest.text_kind.removesuffix('s')}"
    yield (
        f"non-finite  audio {manifest.nonfinite.audio}, vision {manifest.nonfinite.vision}, "
        "replaced by zero"
    )
    yield f"scales      apart in {', in '.join(scales)}"


def _splits(information: DatasetInformation) -> Iterator[str]:
    for name, split in (("train", information.train), ("valid", information.valid)):
        yield ""
        yield f"{name}: {split.clips} clips"
        yield from _split(split)


def _split(split: SplitInformation) -> Iterator[str]:
    for modality, steps in split.steps.items():
        yield (
            f"  {modality:6}  steps min {steps.shortest}, median {steps.median:g}, "
            f"90% up to {steps.ninetieth:g}, max {steps.longest}; absent in {steps.absent} clips"
        )
    most = max(split.labels.values())
    for label, count in split.labels.items():
        yield f"  {label:+d}  {count:6d}  {'#' * round(BAR * count / most)}".rstrip()


def _tail(information: DatasetInformation) -> Iterator[str]:
    probes = [f"{m} {found:.2f}" for m, found in information.probes.items() if found is not None]
    yield ""
    if probes:
        yield f"one modality by a straight line, correlation on valid: {', '.join(probes)}"
    for each in information.encoded:
        encoding = each.encoding
        yield (
            f"encoded     {encoding.kind} by {encoding.encoder} (revision "
            f"{encoding.revision[:12]}, from {encoding.tokens_from}): "
            f"{', '.join(each.finished) or 'unfinished'}"
        )
    if not information.encoded:
        yield "encoded     no text so far"
    yield from (f"warning: {warning}" for warning in information.warnings)
