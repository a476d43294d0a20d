"""The check of golden files: of other shapes, spoiled in every way, and of no use at all."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.dlf.reference.conftest import Ran
from tests.dlf.reference.released import LETTERS, WEIGHTS, Released, Shape, entries_of, write_golden

Run = Callable[..., Ran]

GOLDEN = Path(__file__).parents[2] / "golden"
ROOT = Path(__file__).parents[3]
ERRORS = ("max_output_error", "max_loss_error", "max_grad_norm_error")
SAME_WIDTH = {"text": 8, "audio": 3, "vision": 8}

SHAPES = {
    "smallest": Shape(width=4, heads=1, steps={"text": 3, "audio": 2, "vision": 4}),
    "odd width": Shape(width=7, heads=7),
    "layers": Shape(encoder_layers=3, attractor_layers=2, memory_layers=1),
    "kernel of one": Shape(kernels={"text": 1, "audio": 1, "vision": 1}),
    "one clip": Shape(labels=(0.6,)),
    "one label": Shape(labels=(0.6, 0.6, 0.6)),
    "many clips": Shape(labels=tuple((i % 5) / 5 for i in range(17))),
    "unaligned": Shape(steps={"text": 8, "audio": 60, "vision": 90}),
    "long text": Shape(steps={"text": 40, "audio": 9, "vision": 5}),
    "bypassed": Shape(features=SAME_WIDTH),
    "no convolution": Shape(features=SAME_WIDTH, unused_convolutions=False),
    "all bypassed": Shape(features=dict.fromkeys(LETTERS, 8), unused_convolutions=False),
    "rows": Shape(width=12, rows=4),
    "margin": Shape(margin=0.9),
    "weights": Shape(weights={**WEIGHTS, "lambda_s": 0, "lambda_m": 0, "beta_sh": 0.5}),
}


def result(ran: Ran) -> dict[str, Any]:
    assert ran.out.count("\n") == 1

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found: dict[str, Any] = json.loads(ran.out, parse_constant=refuse)
    assert tuple(found) == (*ERRORS, "ok")
    return found


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_shapes(shape: Shape, tmp_path: Path, run: Run) -> None:
    ran = run("check", write_golden(tmp_path / "made.npz", shape))
    assert (ran.code, ran.err) == (0, "")
    found = result(ran)
    assert found["ok"] is True
    assert all(found[name] < 1e-5 for name in ERRORS)


def test_as_a_command() -> None:
    command = [sys.executable, "-m", "dlf.reference", "check", GOLDEN / "reference_deep.npz"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stderr == ""
    assert result(Ran(0, done.stdout, ""))["ok"] is True


class TestSpoiled:
    shape = Shape()
    meta = Released(shape).meta()
    numbers = entries_of(shape)

    @pytest.mark.parametrize(
        ("name", "error"),
        [
            *((f"output/{name}_l", 0) for name in ("origin", "s", "c", "recon")),
            *((f"output/{name}", 0) for name in ("s_v_r", "c_a_sim", "logits_c", "output_logit")),
            *(
                (f"loss/{name}", 1)
                for name in ("r", "s", "m", "o", "beta_sh", "beta_sp_v", "total")
            ),
            ("grad_norm/encoder_c.layers.0.fc1.weight", 2),
            ("grad_norm/trans_v_mem.layer_norm.bias", 2),
        ],
    )
    @pytest.mark.parametrize("wrong", [0.01, np.nan, np.inf])
    def test_number(self, name: str, error: int, wrong: float, tmp_path: Path, run: Run) -> None:
        spoiled = {name: self.numbers[name] + wrong}
        ran = run("check", write_golden(tmp_path / "spoiled.npz", self.shape, **spoiled))
        assert ran.code == 1
        assert f"off by more than 0.0001: {name} by " in ran.err
        found = result(ran)
        assert found["ok"] is False
        assert (found[ERRORS[error]] is None) is not bool(np.isfinite(wrong))
        assert all(found[other] < 1e-5 for other in ERRORS if other != ERRORS[error])

    @pytest.mark.parametrize(
        "name", ["state/encoder_c.layers.0.fc1.weight", "input/audio", "input/label"]
    )
    @pytest.mark.parametrize("wrong", [0.5, np.nan])
    def test_source(self, name: str, wrong: float, tmp_path: Path, run: Run) -> None:
        spoiled = {name: self.numbers[name] + np.float32(wrong)}
        ran = run("check", write_golden(tmp_path / "spoiled.npz", self.shape, **spoiled))
        assert ran.code == 1
        assert result(ran)["ok"] is False

    @pytest.mark.parametrize(
        "changed", [{"heads": 4}, {"margin": 0.2}, {"orthogonality_width": 4}, {"weights": 2}]
    )
    def test_meta(self, changed: dict[str, Any], tmp_path: Path, run: Run) -> None:
        if "weights" in changed:
            changed = {"weights": {**WEIGHTS, "lambda_r": changed["weights"]}}
        meta = json.dumps({**self.meta, **changed})
        ran = run("check", write_golden(tmp_path / "spoiled.npz", self.shape, meta=meta))
        assert ran.code == 1
        assert result(ran)["ok"] is False

    @pytest.mark.parametrize(
        ("name", "there"),
        [("grad_norm/encoder_c.layer_norm.bias", False), ("grad_norm/proj1_l_low.bias", True)],
    )
    def test_gradient_on_one_side(self, name: str, there: bool, tmp_path: Path, run: Run) -> None:
        changed = {name: np.float64(1e-3) if there else None}
        ran = run("check", write_golden(tmp_path / "spoiled.npz", self.shape, **changed))
        assert ran.code == 1
        assert result(ran)["max_grad_norm_error"] == 1.0

    def test_what_nothing_reads_may_be_anything(self, tmp_path: Path, run: Run) -> None:
        dead = {
            f"state/{name}": np.ones((2, 2)) for name in ("proj_cosine_l.bias", "encoder_c.version")
        }
        ran = run("check", write_golden(tmp_path / "made.npz", self.shape, **dead))
        assert ran.code == 0


class TestRefused:
    shape = Shape()
    meta = Released(shape).meta()

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"meta": None}, "has no meta"),
            ({"meta": "{"}, "the meta of "),
            ({"meta": "[1]"}, "is no JSON object"),
            ({"meta": np.ones(3)}, "is no JSON object"),
            ({"meta": "{}"}, "the meta does not say how many heads"),
            ({"state/proj1.bias": None}, "proj1.bias is missing among the parameters"),
            ({"state/proj_l.weight": None}, "proj_l.weight is missing"),
            ({"state/proj1.bias": np.ones(3)}, "proj1.bias has the shape (3,)"),
            ({"state/another.bias": np.ones(3)}, "another.bias is not among the parameters"),
            ({"state/proj1.bias": np.array(["a"])}, "state/proj1.bias of "),
            ({"state/proj1.bias": np.array([{}])}, "is no npz file of plain arrays"),
            ({"input/text": None}, "input/text is missing"),
            ({"input/label": None}, "input/label is missing"),
            ({"input/label": np.ones(3)}, "labels and parameters are for 3 of 9"),
            ({"input/text": np.ones((4, 8, 6))}, "input/text has 4 clips of 8 steps"),
            ({"input/text": np.ones((4, 9, 5))}, "but the text features have 5"),
            ({"input/text": np.ones((4, 9))}, "input/text has the shape (4, 9)"),
            ({"output/fused": np.ones(4)}, "output/fused is no output"),
            ({"output/output_logit": None}, "there is no output/output_logit"),
            ({"output/output_logit": np.ones(4)}, "output/output_logit has the shape (4,)"),
            ({"loss/o": None}, "there is no loss/o"),
            ({"loss/o": np.ones(2)}, "loss/o has the shape (2,)"),
            ({"loss/q": np.ones(1)}, "loss/q is no loss"),
        ],
    )
    def test_files(self, changed: dict[str, Any], words: str, tmp_path: Path, run: Run) -> None:
        path = write_golden(tmp_path / "made.npz", self.shape, **changed)
        ran = run("check", path)
        ran.assert_refused(words)
        assert str(path) in ran.err

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"heads": 3}, "3 heads do not divide the width of 8"),
            ({"heads": "2"}, "how many heads"),
            ({"margin": -1}, "margin"),
            ({"margin": None}, "margin"),
            ({"weights": {"beta_f": 1}}, "the weights of the meta must be lambda_r"),
            ({"weights": {**WEIGHTS, "width": 8}}, "the weights of the meta must be lambda_r"),
            ({"weights": {**WEIGHTS, "lambda_m": float("nan")}}, "lambda_m"),
            ({"orthogonality_width": 3}, "orthogonality rows of 3 do not fill a width of 8"),
        ],
    )
    def test_meta(self, changed: dict[str, Any], words: str, tmp_path: Path, run: Run) -> None:
        meta = json.dumps({**self.meta, **changed})
        run("check", write_golden(tmp_path / "made.npz", self.shape, meta=meta)).assert_refused(
            words
        )

    @pytest.mark.parametrize("name", ["margin", "orthogonality_width"])
    def test_meta_without(self, name: str, tmp_path: Path, run: Run) -> None:
        meta = json.dumps({key: value for key, value in self.meta.items() if key != name})
        path = write_golden(tmp_path / "made.npz", self.shape, meta=meta)
        run("check", path).assert_refused(f"the meta lacks {name}")

    def test_other_files(self, tmp_path: Path, run: Run) -> None:
        run("check", tmp_path / "none.npz").assert_refused("none.npz cannot be read: No such file")
        run("check", tmp_path).assert_refused("cannot be read: Is a directory")
        path = tmp_path / "file"
        for content in (b"", b"text", pickle.dumps({"meta": 1})):
            path.write_bytes(content)
            run("check", path).assert_refused("is no npz file of plain arrays, or damaged")
        with path.open("wb") as file:
            np.save(file, np.ones(3))
        run("check", path).assert_refused("is no npz file")
        torch.save({"a": torch.ones(2)}, path)
        run("check", path).assert_refused("has no meta")
        whole = write_golden(tmp_path / "made.npz", self.shape).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        run("check", path).assert_refused("is no npz file of plain arrays, or damaged")

    def test_a_training_is_no_evaluation(self, run: Run) -> None:
        run("check", GOLDEN / "training.npz").assert_refused("there is no loss/r to compare with")

    @pytest.mark.parametrize("arguments", [(), ("compare",), ("check",)])
    def test_usage(self, arguments: tuple[str, ...], run: Run) -> None:
        run(*arguments).assert_refused("--help lists what there is")
