"""What an epoch takes on this machine, measured on a part of the data without training a trial."""

import dataclasses
from pathlib import Path

import numpy as np
import torch

from dlf.data import Sequences, Split, open_split, read_manifest
from dlf.text.finetuned import pretrained_encoder
from dlf.training.training import Training
from search.resources.allotment import Resources
from search.study.identity import StudyIdentity

SAMPLE = 64
"""clips of each split that are trained on, and predicted"""


def seconds_of_an_epoch(identity: StudyIdentity, data_dir: Path, resources: Resources) -> float:
    """Time an epoch of the paper's configuration on a sample, and scale it to the whole data.

    Text that is not encoded yet is replaced by noise of the same size, which takes as long.
    """
    manifest = read_manifest(identity.dataset, data_dir)
    data = identity.data_in(data_dir)
    parts, clips = [], 0
    for name in ("train", "valid"):
        split = open_split(identity.dataset, data_dir, name)
        rows = np.linspace(0, len(split) - 1, min(SAMPLE, len(split))).astype(np.int64)
        parts.append(_with_text(identity, split.take(rows)))
        clips += len(split)
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, int(resources.cpus_per_trial)))
    training = Training(
        identity.paper,
        data.sizes(manifest, identity.paper),
        *parts,
        seed=0,
        max_epochs=2,
        device=resources.driver_device,
        text_encoder=pretrained_encoder(identity.text, identity.paper.finetuning),
    )
    _, warm = training.epochs()
    torch.set_num_threads(threads)
    return warm.seconds * clips / sum(map(len, parts))


def _with_text(identity: StudyIdentity, split: Split) -> Split:
    """Give a sample as many steps of text as its tokens are, wherever an encoder makes them."""
    encoder = identity.text.encoder
    if encoder is None:
        return split
    tokens = split.token_ids
    lengths = np.clip(tokens.lengths, 1, encoder.max_tokens)
    steps = int(lengths.sum())
    if identity.text.way == "frozen":
        noise = np.random.default_rng(0).standard_normal((steps, encoder.width), np.float32)
    else:
        noise = np.full((steps, 1), 1, np.int32)
    text = Sequences(noise, np.cumsum(lengths) - lengths, lengths)
    return dataclasses.replace(split, text=text)
