"""The released model once more, as plainly as it can be written, and golden files made with it.

Nothing of `dlf` is used: batches of whole sequences, one encoder after the other, loops over
anchors, everything in float64. So files of any size can be made to hold `dlf` against.
"""

import json
import math
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

LETTERS = {"text": "l", "audio": "a", "vision": "v"}
WEIGHTS = {"beta_f": 1.0, "beta_sh": 1, "beta_sp_l": 3, "beta_sp_v": 1, "beta_sp_a": 1}
WEIGHTS |= {"lambda_r": 0.1, "lambda_s": 0.1, "lambda_m": 0.01, "lambda_o": 0.01}

EachModality = dict[str, int]


@dataclass(frozen=True, eq=False)
class Shape:
    """All by which one golden file differs from another."""

    width: int = 8
    heads: int = 2
    encoder_layers: int = 1
    attractor_layers: int = 1
    memory_layers: int = 1
    kernels: EachModality = field(default_factory=lambda: {"text": 3, "audio": 2, "vision": 4})
    features: EachModality = field(default_factory=lambda: {"text": 6, "audio": 3, "vision": 5})
    steps: EachModality = field(default_factory=lambda: {"text": 9, "audio": 11, "vision": 7})
    labels: tuple[float, ...] = (1.0, -0.4, 1.0, 2.6)
    margin: float = 0.15
    rows: int | None = None
    weights: dict[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    unused_convolutions: bool = True
    """whether a modality of the model's own width has a convolution, which nothing reads"""

    def convolved(self, modality: str) -> bool:
        return self.features[modality] != self.width

    def encoded_steps(self, modality: str) -> int:
        lost = self.kernels[modality] - 1 if self.convolved(modality) else 0
        return self.steps[modality] - lost


@cache
def entries_of(shape: Shape) -> dict[str, Any]:
    """All entries of the golden file of a shape."""
    released = Released(shape)
    return {**released.numbers(), "meta": json.dumps(released.meta())}


def write_golden(path: Path, shape: Shape, **changed: Any) -> Path:
    """Write a golden file in which some entries are changed, or left out when none is given."""
    entries = {**entries_of(shape), **changed}
    np.savez(path, **{name: x for name, x in entries.items() if x is not None})
    return path


class Released:
    """Random parameters, and what the released code makes of a batch with them."""

    def __init__(self, shape: Shape, seed: int = 0) -> None:
        self.shape = shape
        self.random = torch.Generator().manual_seed(seed)
        self.state: dict[str, Tensor] = {}
        width = shape.width
        for m, x in LETTERS.items():
            if shape.convolved(m) or shape.unused_convolutions:
                self._add(f"proj_{x}.weight", width, shape.features[m], shape.kernels[m])
            flattened = width * shape.encoded_steps(m)
            self._encoder(f"encoder_s_{x}", shape.encoder_layers)
            self._encoder(f"self_attentions_c_{x}", shape.encoder_layers)
            self._add(f"decoder_{x}.weight", width, 2 * width, 1)
            self._linear(f"align_c_{x}", flattened, width)
            self._linear(f"proj1_{x}_high", width, width)
            self._linear(f"proj2_{x}_high", width, width)
            self._linear(f"out_layer_{x}_high", width, 1)
            self._linear(f"projector_{x}", width, width)
            self._linear(f"proj_cosine_{x}", flattened, width)
            self._linear(f"proj1_{x}_low", flattened, width)
        for name in ("trans_l_mem", "trans_l_with_a", "trans_l_with_v"):
            self._encoder(name, shape.attractor_layers)
        for name in ("trans_a_mem", "trans_v_mem"):
            self._encoder(name, shape.memory_layers)
        self._encoder("encoder_c", shape.encoder_layers)
        self._encoder("trans_a_with_v", shape.attractor_layers + 1)
        for suffix, inputs in (("_c", 3 * width), ("", 6 * width)):
            self._linear(f"proj1{suffix}", inputs, inputs)
            self._linear(f"proj2{suffix}", inputs, inputs)
            self._linear(f"out_layer{suffix}", inputs, 1)
        self._linear("projector_c", 3 * width, 3 * width)

    def inputs(self) -> dict[str, Tensor]:
        """Random features whose ends are padding of zeros in every clip but the first."""
        found = {}
        for m in LETTERS:
            steps, clips = self.shape.steps[m], len(self.shape.labels)
            values = self._draw(clips, steps, self.shape.features[m])
            lengths = torch.randint(1, steps + 1, (clips,), generator=self.random)
            lengths[0] = steps
            found[m] = values * (torch.arange(steps) < lengths[:, None])[:, :, None]
        return found

    def numbers(self) -> dict[str, NDArray[Any]]:
        """All entries of a golden file but the meta."""
        inputs = self.inputs()
        labels = torch.tensor(self.shape.labels)[:, None]
        for name, tensor in self.state.items():
            tensor.requires_grad_(not name.endswith(("version", "_float_tensor")))
        outputs = self.outputs({m: values.double() for m, values in inputs.items()})
        losses = self.losses(outputs, labels.double())
        live = {name: tensor for name, tensor in self.state.items() if tensor.requires_grad}
        gradients = torch.autograd.grad(losses["total"], list(live.values()), allow_unused=True)
        arrays: dict[str, Tensor] = {
            **{f"state/{name}": tensor.float() for name, tensor in self.state.items()},
            **{f"input/{m}": values for m, values in inputs.items()},
            "input/label": labels,
            **{f"output/{name}": tensor for name, tensor in outputs.items()},
            **{f"loss/{name}": tensor for name, tensor in losses.items()},
        }
        for name, gradient in zip(live, gradients, strict=True):
            if gradient is not None:
                arrays[f"grad_norm/{name}"] = gradient.norm()
        return {name: tensor.detach().numpy() for name, tensor in arrays.items()}

    def meta(self) -> dict[str, Any]:
        return {
            "heads": self.shape.heads,
            "margin": self.shape.margin,
            "weights": self.shape.weights,
            "orthogonality_width": self.shape.rows,
        }

    def outputs(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        ends: dict[str, Tensor] = {}
        own: dict[str, Tensor] = {}
        for m, x in LETTERS.items():
            origin = inputs[m]
            if self.shape.convolved(m):
                weight = self._own(f"proj_{x}.weight")
                origin = F.conv1d(origin.transpose(1, 2), weight).transpose(1, 2)
            own[x] = specific = self.encode(f"encoder_s_{x}", origin)
            shared = self.encode("encoder_c", origin)
            both = torch.cat([specific, shared], dim=2).transpose(1, 2)
            rebuilt = F.conv1d(both, self._own(f"decoder_{x}.weight")).transpose(1, 2)
            flat = shared.transpose(1, 2).flatten(1)
            found |= {
                f"origin_{x}": origin.transpose(0, 1),
                f"s_{x}": specific.transpose(0, 1),
                f"c_{x}": shared.transpose(0, 1),
                f"recon_{x}": rebuilt.transpose(0, 1),
                f"s_{x}_r": self.encode(f"encoder_s_{x}", rebuilt).transpose(1, 2),
                f"c_{x}_sim": self.apply(f"align_c_{x}", flat),
            }
            ends[f"c_{x}"] = self.encode(f"self_attentions_c_{x}", shared)[:, -1]
        ends["l"] = self.encode("trans_l_mem", own["l"])[:, -1]
        for x in "av":
            drawn = self.encode(f"trans_l_with_{x}", own["l"], own[x])
            ends[x] = self.encode(f"trans_{x}_mem", drawn)[:, -1]
        gated = []
        for x in "lva":
            hidden = self.residual(f"proj*_{x}_high", ends[x])
            found[f"logits_{x}_hetero"] = self.apply(f"out_layer_{x}_high", hidden)
            gated.append(self.apply(f"projector_{x}", hidden).sigmoid())
        common = torch.cat([ends[f"c_{x}"] for x in "lva"], dim=1)
        found["logits_c"] = self.apply("out_layer_c", self.residual("proj*_c", common))
        fused = torch.cat([*gated, self.apply("projector_c", common).sigmoid()], dim=1)
        found["output_logit"] = self.apply("out_layer", self.residual("proj*", fused))
        return found

    def losses(self, outputs: dict[str, Tensor], labels: Tensor) -> dict[str, Tensor]:
        predictions = {"f": "output_logit", "sh": "logits_c"}
        predictions |= {f"sp_{x}": f"logits_{x}_hetero" for x in "lva"}
        found = {
            f"beta_{name}": (outputs[output] - labels).abs().mean()
            for name, output in predictions.items()
        }
        zero = torch.zeros((), dtype=torch.float64)
        found |= {"r": zero, "s": zero, "o": zero}
        for x in LETTERS.values():
            specific, shared = outputs[f"s_{x}"], outputs[f"c_{x}"]
            found["r"] = found["r"] + F.mse_loss(outputs[f"recon_{x}"], outputs[f"origin_{x}"])
            again = outputs[f"s_{x}_r"].permute(2, 0, 1)
            found["s"] = found["s"] + F.mse_loss(again, specific)
            row = self.shape.rows or self.shape.width
            cosines = F.cosine_similarity(specific.reshape(-1, row), shared.reshape(-1, row))
            found["o"] = found["o"] + cosines.clamp(min=0).mean()
        found["m"] = self.margin(outputs, labels)
        weights = self.shape.weights
        found["total"] = sum(
            (weights.get(name, weights.get(f"lambda_{name}", 0)) * x for name, x in found.items()),
            zero,
        )
        return found

    def margin(self, outputs: dict[str, Tensor], labels: Tensor) -> Tensor:
        features = torch.cat([outputs[f"c_{x}_sim"] for x in LETTERS.values()])
        cosines = F.cosine_similarity(features[:, None], features[None], dim=2)
        values = labels.flatten().repeat(3).tolist()
        costs = []
        for i, value in enumerate(values):
            near = [j for j, other in enumerate(values) if other == value and j != i]
            triplets = [
                self.shape.margin * abs(value - other) - cosines[i, near] + cosines[i, k]
                for k, other in enumerate(values)
                if other != value and near
            ]
            if triplets:
                costs.append(torch.stack(triplets).clamp(min=0).mean())
        return torch.stack(costs).mean() if costs else torch.zeros((), dtype=torch.float64)

    def encode(self, name: str, query: Tensor, memory: Tensor | None = None) -> Tensor:
        """Encode [B, T, width]."""
        hidden = self.embed(query)
        source = None if memory is None else self.embed(memory)
        layer = 0
        while f"{name}.layers.{layer}.fc1.weight" in self.state:
            hidden = self.layer(f"{name}.layers.{layer}", hidden, source)
            layer += 1
        return self.norm(f"{name}.layer_norm", hidden)

    def layer(self, name: str, hidden: Tensor, source: Tensor | None) -> Tensor:
        query = self.norm(f"{name}.layer_norms.0", hidden)
        keys = query if source is None else self.norm(f"{name}.layer_norms.0", source)
        weights = self._own(f"{name}.self_attn.in_proj_weight").chunk(3)
        biases = self._own(f"{name}.self_attn.in_proj_bias").chunk(3)
        q, k, v = (
            F.linear(x, weight, bias).unflatten(2, (self.shape.heads, -1)).transpose(1, 2)
            for x, weight, bias in zip((query, keys, keys), weights, biases, strict=True)
        )
        steps, seen = q.shape[2], k.shape[2]
        later = torch.ones(steps, seen).triu(1 + abs(seen - steps)).bool()
        scores = (q @ k.transpose(2, 3) / math.sqrt(q.shape[3])).masked_fill(later, -math.inf)
        attended = (scores.softmax(3) @ v).transpose(1, 2).flatten(2)
        hidden = hidden + self.apply(f"{name}.self_attn.out_proj", attended)
        inner = self.apply(f"{name}.fc1", self.norm(f"{name}.layer_norms.1", hidden)).relu()
        return hidden + self.apply(f"{name}.fc2", inner)

    def embed(self, values: Tensor) -> Tensor:
        _, steps, width = values.shape
        half = width // 2
        table = torch.zeros(steps, width, dtype=torch.float64)
        for step in range(steps):
            for i in range(half):
                angle = (step + 1) * math.exp(-i * math.log(10000) / (half - 1))
                table[step, i], table[step, half + i] = math.sin(angle), math.cos(angle)
        return math.sqrt(width) * values + table * (values[:, :, :1] != 0)

    def norm(self, name: str, values: Tensor) -> Tensor:
        weight, bias = self._own(f"{name}.weight"), self._own(f"{name}.bias")
        return F.layer_norm(values, values.shape[-1:], weight, bias)

    def apply(self, name: str, values: Tensor) -> Tensor:
        return F.linear(values, self._own(f"{name}.weight"), self._own(f"{name}.bias"))

    def residual(self, name: str, values: Tensor) -> Tensor:
        inner = self.apply(name.replace("*", "1"), values).relu()
        return values + self.apply(name.replace("*", "2"), inner)

    def _own(self, name: str) -> Tensor:
        return self.state[name]

    def _draw(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.random)

    def _add(self, name: str, *shape: int) -> None:
        scale = 1 / math.sqrt(math.prod(shape[1:]))
        self.state[name] = (self._draw(*shape) * scale).double()

    def _linear(self, name: str, inputs: int, outputs: int) -> None:
        self._add(f"{name}.weight", outputs, inputs)
        self._add(f"{name}.bias", outputs)

    def _norm(self, name: str) -> None:
        self.state[f"{name}.weight"] = (1 + self._draw(self.shape.width) / 5).double()
        self._add(f"{name}.bias", self.shape.width)

    def _encoder(self, name: str, layers: int) -> None:
        width = self.shape.width
        for unused in ("version", "embed_positions._float_tensor"):
            self.state[f"{name}.{unused}"] = torch.ones(1)
        for i in range(layers):
            layer = f"{name}.layers.{i}"
            self._add(f"{layer}.self_attn.in_proj_weight", 3 * width, width)
            self._add(f"{layer}.self_attn.in_proj_bias", 3 * width)
            self._linear(f"{layer}.self_attn.out_proj", width, width)
            self._linear(f"{layer}.fc1", width, 4 * width)
            self._linear(f"{layer}.fc2", 4 * width, width)
            self._norm(f"{layer}.layer_norms.0")
            self._norm(f"{layer}.layer_norms.1")
        self._norm(f"{name}.layer_norm")
