"""Parity with the released implementation, by numbers that were computed with it once."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import dlf.training
from dlf.batching import Clips
from dlf.config import Config
from dlf.data import Split
from dlf.encoder import Steps
from dlf.losses import LossTerms, LossWeights, loss_terms
from dlf.modalities import MODALITIES, InputSizes, PerModality
from dlf.model import DLF, Outputs
from dlf.training import Training

Array = NDArray[Any]

GOLDEN = Path(__file__).parents[1] / "golden"
REFERENCES = ("deep", "mosei", "small", "unaligned")
OUTPUT_BOUND = 1e-4
"""absolute; the files' own float32 rounding is up to 2e-5 where sequences have 500 steps"""
RELATIVE_BOUNDS = {torch.float64: 1e-5, torch.float32: 1e-4}
"""of losses and gradient norms"""
LETTERS = {"text": "l", "audio": "a", "vision": "v"}

RELEASED_MODULES = {
    "shared": "encoder_c",
    "shared_head.first": "proj1_c",
    "shared_head.second": "proj2_c",
    "shared_head.out": "out_layer_c",
    "shared_gate": "projector_c",
    "fusion_head.first": "proj1",
    "fusion_head.second": "proj2",
    "fusion_head.out": "out_layer",
    "attractors.text": "trans_l_mem",
    "attractors.audio": "trans_l_with_a",
    "attractors.vision": "trans_l_with_v",
    "memories.audio": "trans_a_mem",
    "memories.vision": "trans_v_mem",
}
for _modality, _letter in LETTERS.items():
    RELEASED_MODULES |= {
        f"projections.{_modality}": f"proj_{_letter}",
        f"specific.{_modality}": f"encoder_s_{_letter}",
        f"reconstructions.{_modality}": f"decoder_{_letter}",
        f"alignments.{_modality}": f"align_c_{_letter}",
        f"summaries.{_modality}": f"self_attentions_c_{_letter}",
        f"specific_heads.{_modality}.first": f"proj1_{_letter}_high",
        f"specific_heads.{_modality}.second": f"proj2_{_letter}_high",
        f"specific_heads.{_modality}.out": f"out_layer_{_letter}_high",
        f"specific_gates.{_modality}": f"projector_{_letter}",
    }

RELEASED_LAYERS = {
    "attention_input": "self_attn.in_proj",
    "attention_output": "self_attn.out_proj",
    "attention_norm": "layer_norms.0",
    "feed_forward_norm": "layer_norms.1",
    "expand": "fc1",
    "contract": "fc2",
    "norm": "layer_norm",
}


def released_name(name: str) -> str:
    """The released implementation's name for one of our parameters."""
    module = next(known for known in RELEASED_MODULES if name.startswith(f"{known}."))
    *layers, leaf = name.removeprefix(f"{module}.").split(".")
    renamed = ".".join([RELEASED_MODULES[module], *(RELEASED_LAYERS.get(x, x) for x in layers)])
    joint = renamed.endswith("in_proj")
    return f"{renamed}_{leaf}" if joint else f"{renamed}.{leaf}"


class Golden(NamedTuple):
    """A golden file, and the configuration and sizes that its meta describes."""

    numbers: dict[str, Array]
    meta: dict[str, Any]
    config: Config
    sizes: InputSizes

    def state_for(self, model: DLF) -> dict[str, Tensor]:
        return {
            name: torch.tensor(self.numbers[f"state/{released_name(name)}"]).reshape(tensor.shape)
            for name, tensor in model.state_dict().items()
        }

    def part(self, prefix: str) -> dict[str, Array]:
        return {
            name.removeprefix(prefix): array
            for name, array in self.numbers.items()
            if name.startswith(prefix)
        }


@cache
def read_golden(name: str) -> Golden:
    with np.load(GOLDEN / f"{name}.npz") as file:
        numbers = {key: file[key] for key in file}
    meta = json.loads(numbers.pop("meta").item())
    config = Config().with_values(
        {
            "padding": "reference",
            "width": meta["d_model"],
            "heads": meta["heads"],
            "encoder_layers": meta["layers"],
            "attractor_layers": meta["layers"],
            "memory_layers": max(3, meta["layers"]),
            "text_kernel": meta["conv_kernel"],
            "audio_kernel": meta["conv_kernel"],
            "vision_kernel": meta["conv_kernel"],
            "orthogonality_width": meta["orthogonality_width"],
            "margin": meta["margin"],
            **meta["weights"],
        }
    )
    steps = {m: numbers[f"input/{m}"].shape[1] for m in MODALITIES}
    sizes = InputSizes(widths=PerModality(**meta["feature_dims"]), time_steps=PerModality(**steps))
    return Golden(numbers, meta, config, sizes)


def evaluate(
    golden: Golden, dtype: torch.dtype, spoil: Callable[[DLF], object] = DLF.eval
) -> tuple[Outputs, LossTerms, dict[str, float]]:
    """The outputs, losses and gradient norms of our model on a reference file's inputs."""
    model = DLF(golden.config.model, golden.sizes)
    model.load_state_dict(golden.state_for(model))
    model.to(dtype).eval()
    spoil(model)
    inputs = {
        m: Steps(
            torch.tensor(golden.numbers[f"input/{m}"], dtype=dtype),
            torch.tensor([5] * golden.meta["batch"]),
        )
        for m in MODALITIES
    }
    labels = torch.tensor(golden.numbers["input/label"], dtype=dtype).squeeze(-1)
    outputs = model(inputs)
    weights = LossWeights.of(golden.config.loss, torch.device("cpu"))
    losses = loss_terms(outputs, labels, weights, golden.config.loss.orthogonality_width)
    losses.total.backward()
    norms = {
        released_name(name): float(parameter.grad.norm())
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    return outputs, losses, norms


@cache
def evaluated(name: str, dtype: torch.dtype) -> tuple[Outputs, LossTerms, dict[str, float]]:
    return evaluate(read_golden(f"reference_{name}"), dtype)


def in_released_layout(outputs: Outputs) -> dict[str, Array]:
    """Our outputs under the released names: sequences [T, B, width], predictions [B, 1]."""
    found = {"output_logit": outputs.prediction[:, None]}
    found["logits_c"] = outputs.shared_prediction[:, None]
    for m, letter in LETTERS.items():
        found |= {
            f"origin_{letter}": outputs.projected[m].values.transpose(0, 1),
            f"s_{letter}": outputs.specific[m].values.transpose(0, 1),
            f"c_{letter}": outputs.shared[m].values.transpose(0, 1),
            f"recon_{letter}": outputs.reconstructed[m].values.transpose(0, 1),
            f"s_{letter}_r": outputs.respecified[m].values.transpose(1, 2),
            f"c_{letter}_sim": outputs.aligned[m],
            f"logits_{letter}_hetero": outputs.specific_predictions[m][:, None],
        }
    return {name: tensor.detach().numpy() for name, tensor in found.items()}


def assert_outputs_agree(ours: dict[str, Array], theirs: dict[str, Array], bound: float) -> None:
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        np.testing.assert_allclose(ours[name], array, rtol=0, atol=bound, err_msg=name)


def assert_losses_agree(ours: LossTerms, golden: Golden, bound: float) -> None:
    theirs = golden.part("loss/")
    weights = golden.meta["weights"]
    expected = {
        "total": theirs["total"],
        "task": sum(weights[name] * theirs[name] for name in theirs if name in weights),
        "reconstruction": theirs["r"],
        "specific": theirs["s"],
        "margin": theirs["m"],
        "orthogonality": theirs["o"],
    }
    for name, tensor in ours._asdict().items():
        assert tensor.item() == pytest.approx(float(expected[name]), rel=bound, abs=0), name


def assert_norms_agree(ours: dict[str, float], theirs: dict[str, Array], bound: float) -> None:
    assert ours.keys() == theirs.keys()
    for name, norm in theirs.items():
        assert ours[name] == pytest.approx(float(norm), rel=bound, abs=0), name


@pytest.mark.parametrize("dtype", RELATIVE_BOUNDS)
@pytest.mark.parametrize("name", REFERENCES)
class TestReference:
    def test_outputs(self, name: str, dtype: torch.dtype) -> None:
        outputs, _, _ = evaluated(name, dtype)
        theirs = read_golden(f"reference_{name}").part("output/")
        assert_outputs_agree(in_released_layout(outputs), theirs, OUTPUT_BOUND)

    def test_losses(self, name: str, dtype: torch.dtype) -> None:
        _, losses, _ = evaluated(name, dtype)
        assert_losses_agree(losses, read_golden(f"reference_{name}"), RELATIVE_BOUNDS[dtype])

    def test_gradients_of_the_same_parameters(self, name: str, dtype: torch.dtype) -> None:
        golden = read_golden(f"reference_{name}")
        _, _, norms = evaluated(name, dtype)
        assert_norms_agree(norms, golden.part("grad_norm/"), RELATIVE_BOUNDS[dtype])
        model = DLF(golden.config.model, golden.sizes)
        assert {released_name(own) for own, _ in model.named_parameters()} == norms.keys()


class TestTheComparisonCanFail:
    """Every number of a file counts."""

    golden = read_golden("reference_deep")

    @pytest.mark.parametrize("name", golden.part("output/"))
    def test_output(self, name: str) -> None:
        ours = in_released_layout(evaluated("deep", torch.float64)[0])
        theirs = {key: array.copy() for key, array in self.golden.part("output/").items()}
        theirs[name].flat[-1] += 2e-4
        with pytest.raises(AssertionError, match=name):
            assert_outputs_agree(ours, theirs, OUTPUT_BOUND)

    @pytest.mark.parametrize("name", golden.part("loss/"))
    def test_loss(self, name: str) -> None:
        numbers = dict(self.golden.numbers)
        numbers[f"loss/{name}"] = numbers[f"loss/{name}"] * 1.01
        spoiled = self.golden._replace(numbers=numbers)
        with pytest.raises(AssertionError):
            assert_losses_agree(evaluated("deep", torch.float64)[1], spoiled, 1e-4)

    def test_gradient(self) -> None:
        ours = evaluated("deep", torch.float64)[2]
        for name, norm in self.golden.part("grad_norm/").items():
            theirs = self.golden.part("grad_norm/") | {name: norm * 1.001}
            with pytest.raises(AssertionError, match=name):
                assert_norms_agree(ours, theirs, 1e-4)

    def test_dead_or_missing_parameter(self) -> None:
        ours = evaluated("deep", torch.float64)[2]
        theirs = self.golden.part("grad_norm/")
        name = next(iter(theirs))
        with pytest.raises(AssertionError):
            assert_norms_agree(ours, theirs | {"another.weight": theirs[name]}, 1e-4)
        with pytest.raises(AssertionError):
            assert_norms_agree(ours | {"another.weight": 1.0}, theirs, 1e-4)

    def test_weight(self) -> None:
        def spoil(model: DLF) -> None:
            with torch.no_grad():
                model.specific["text"].layers[0].contract.weight *= 1.01

        outputs, losses, norms = evaluate(self.golden, torch.float64, spoil)
        with pytest.raises(AssertionError, match="s_l"):
            assert_outputs_agree(
                in_released_layout(outputs), self.golden.part("output/"), OUTPUT_BOUND
            )
        with pytest.raises(AssertionError):
            assert_losses_agree(losses, self.golden, 1e-4)
        with pytest.raises(AssertionError):
            assert_norms_agree(norms, self.golden.part("grad_norm/"), 1e-4)


def test_training(split_of: Callable[..., Split], monkeypatch: pytest.MonkeyPatch) -> None:
    golden = read_golden("training")
    meta = golden.meta
    no_dropout = {name: 0.0 for name in golden.config.values() if name.endswith("_dropout")}
    config = golden.config.with_values(
        {
            **no_dropout,
            "learning_rate": meta["learning_rate"],
            "batch_size": meta["batch"],
            "accumulation": meta["accumulate"],
            "clip_value": meta["clip_value"],
        }
    )
    labels = golden.numbers["input/label"][:, 0]
    split = split_of({m: list(golden.numbers[f"input/{m}"]) for m in MODALITIES}, labels)
    rows = np.arange(len(labels)).reshape(meta["batches_per_epoch"], meta["batch"])
    monkeypatch.setattr(Clips, "shuffled", lambda *_: list(rows))
    totals, predictions = [], []

    def recorded(outputs: Outputs, *others: Any) -> LossTerms:
        terms = loss_terms(outputs, *others)
        totals.append(terms.total.item())
        predictions.append(outputs.prediction.detach().numpy())
        return terms

    monkeypatch.setattr(dlf.training, "loss_terms", recorded)
    training = Training(config, golden.sizes, split, split, seed=0, max_epochs=meta["epochs"])
    training.model.load_state_dict(golden.state_for(training.model))
    records = list(training.epochs())

    expected = golden.numbers["trajectory/total"]
    np.testing.assert_allclose(totals, expected, rtol=1e-4)
    np.testing.assert_allclose(predictions, golden.numbers["trajectory/prediction"], atol=1e-4)
    means = expected.reshape(meta["epochs"], -1).mean(axis=1)
    np.testing.assert_allclose([record.loss.total for record in records], means, rtol=1e-4)
    by_epoch = golden.numbers["trajectory/prediction"].reshape(meta["epochs"], -1)
    np.testing.assert_allclose(
        [record.train.mae for record in records], np.abs(by_epoch - labels).mean(axis=1), atol=1e-4
    )
