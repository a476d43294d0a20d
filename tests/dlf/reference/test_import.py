"""The import of checkpoints: what becomes of them, and that nothing else is loaded or left."""

import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from dlf.modalities import MODALITIES
from dlf.model.dlf import DLF
from dlf.model.steps import Features
from dlf.presets import preset
from dlf.reference.checkpoint import TEXT_ENCODER_FILE, import_checkpoint
from dlf.trained_model import MODEL_FILES, TrainedModel
from tests.dlf.reference.conftest import Ran
from tests.dlf.reference.released import Released, Shape

Run = Callable[..., Ran]

SHAPE = Shape(encoder_layers=2, memory_layers=3)
TEXT_ENCODER = {
    "text_model.model.embeddings.word_embeddings.weight": torch.arange(12.0).view(4, 3),
    "text_model.model.embeddings.position_ids": torch.arange(5)[None],
}


def state_of(shape: Shape) -> dict[str, Tensor]:
    return {name: tensor.float() for name, tensor in Released(shape).state.items()}


def predictions(model: DLF) -> Tensor:
    """Of whole clips of random features, as the released code sees them."""
    generator = torch.Generator().manual_seed(5)
    inputs = {}
    for m in MODALITIES:
        steps, width = model.sizes.time_steps[m], model.sizes.widths[m]
        values = torch.randn(6, steps, width, generator=generator)
        inputs[m] = Features(values, torch.full((6,), steps))
    with torch.inference_mode():
        return model.eval().predict(inputs)


def imported(run: Run, tmp_path: Path, content: object, *more: object) -> tuple[Ran, TrainedModel]:
    path, folder = tmp_path / "dlf.pth", tmp_path / "a" / "model"
    torch.save(content, path)
    ran = run("import", path, "--heads", 2, "--output", folder, *more)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.endswith(f"written to {folder}\n")
    return ran, TrainedModel.load(folder)


def prefixed(state: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {f"{prefix}{name}": value for name, value in state.items()}


WRAPPINGS: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "none": lambda state: state,
    "ordered": OrderedDict,
    "Model.": lambda state: prefixed(state, "Model."),
    "module.": lambda state: prefixed(state, "module."),
    "module.Model.": lambda state: prefixed(state, "module.Model."),
    "state_dict": lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"lr": 1e-4}},
    "model": lambda state: {"model": prefixed(state, "module.")},
    "both": lambda state: {"model": {"state_dict": state}},
    "parameters": lambda state: {
        name: torch.nn.Parameter(x, x.is_floating_point()) for name, x in state.items()
    },
}


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
@pytest.mark.parametrize("text_encoder", [{}, TEXT_ENCODER], ids=["features", "text encoder"])
def test_round_trip(
    wrap: Callable[[dict[str, Tensor]], object],
    text_encoder: dict[str, Tensor],
    tmp_path: Path,
    run: Run,
) -> None:
    state = state_of(SHAPE)
    assert "encoder_c.version" in state
    ran, loaded = imported(run, tmp_path, wrap({**state, **text_encoder}))
    folder = tmp_path / "a" / "model"
    assert {file.name for file in folder.iterdir()} == {
        *MODEL_FILES,
        *([TEXT_ENCODER_FILE] if text_encoder else []),
    }
    if text_encoder:
        assert f"its text encoder is in {folder / TEXT_ENCODER_FILE}\n" in ran.out
        found = load_file(folder / TEXT_ENCODER_FILE)
        assert found.keys() == {"embeddings.word_embeddings.weight", "embeddings.position_ids"}
        for name, tensor in found.items():
            assert torch.equal(tensor, text_encoder[f"text_model.model.{name}"])
    else:
        assert "the checkpoint has no text encoder" in ran.out

    again, _ = import_checkpoint(
        tmp_path / "dlf.pth", heads=2, dataset="mosi", folder=tmp_path / "again"
    )
    assert torch.equal(predictions(loaded.model), predictions(again.model))
    assert loaded.config == again.config
    assert loaded.card == again.card


def test_predicts_what_the_released_code_does(tmp_path: Path, run: Run) -> None:
    released = Released(SHAPE)
    inputs = released.inputs()
    _, (model, _, _) = imported(run, tmp_path, state_of(SHAPE))
    features = {m: Features(x, torch.full((len(x),), x.shape[1])) for m, x in inputs.items()}
    with torch.inference_mode():
        mine = model.eval().predict(features)
    released.state = {name: tensor.float().double() for name, tensor in released.state.items()}
    theirs = released.outputs({m: values.double() for m, values in inputs.items()})["output_logit"]
    torch.testing.assert_close(mine, theirs.squeeze(1).float(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dataset", ["mosi", "mosei"])
def test_what_a_checkpoint_does_not_hold(dataset: str, tmp_path: Path, run: Run) -> None:
    shape = replace(SHAPE, width=20)
    _, (_, config, card) = imported(run, tmp_path, state_of(shape), "--dataset", dataset)
    values = {"padding": "reference", "width": 20, "heads": 2}
    values |= {"encoder_layers": 2, "attractor_layers": 1, "memory_layers": 3}
    values |= {"text_kernel": 3, "audio_kernel": 2, "vision_kernel": 4}
    assert config == preset("paper", dataset).with_values(values)
    assert (card.dataset, card.dataset_digest, card.seed, card.epoch) == (dataset, None, None, None)
    assert card.known_valid is None
    with pytest.raises(ValueError, match="no validation metrics"):
        _ = card.valid
    assert {m: card.sizes.widths[m] for m in MODALITIES} == shape.features
    assert {m: card.sizes.time_steps[m] for m in MODALITIES} == shape.steps


def test_rows_that_do_not_fill_the_width_are_left_out(tmp_path: Path, run: Run) -> None:
    _, trained = imported(run, tmp_path, state_of(SHAPE), "--dataset", "mosei")
    assert trained.config.loss.orthogonality_width is None
    assert trained.config.model.text_dropout == 0.1


def test_a_bypassed_convolution(tmp_path: Path, run: Run) -> None:
    shape = replace(SHAPE, features={"text": 8, "audio": 3, "vision": 5})
    _, trained = imported(run, tmp_path, state_of(shape))
    assert trained.model.projections["text"].convolution is None
    assert trained.card.sizes.widths["text"] == 8


def test_tied_weights_of_the_text_encoder(tmp_path: Path, run: Run) -> None:
    whole = torch.arange(6.0).view(2, 3)
    tied = {"text_model.model.a": whole, "text_model.model.b": whole.T}
    imported(run, tmp_path, {**state_of(SHAPE), **tied})
    found = load_file(tmp_path / "a" / "model" / TEXT_ENCODER_FILE)
    assert torch.equal(found["a"], whole)
    assert torch.equal(found["b"], whole.T)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_parameters_become_float32(dtype: torch.dtype, tmp_path: Path, run: Run) -> None:
    state = {name: tensor.to(dtype) for name, tensor in state_of(SHAPE).items()}
    _, trained = imported(run, tmp_path, state)
    assert {x.dtype for x in trained.model.state_dict().values()} == {torch.float32}


def test_beside_other_files(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "a" / "model"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    imported(run, tmp_path, state_of(SHAPE))
    assert {file.name for file in folder.iterdir()} == {*MODEL_FILES, "notes.txt"}


class Harmful:
    """Unpickled, it would leave a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


class TestRefused:
    @pytest.fixture
    def refuse(self, tmp_path: Path, run: Run) -> Callable[..., None]:
        """Assert that a checkpoint is refused, and that it leaves nothing behind."""

        def refuse(words: str, heads: object = 2, path: Path = tmp_path / "dlf.pth") -> None:
            folder = tmp_path / "model"
            run("import", path, "--heads", heads, "--output", folder).assert_refused(words)
            assert not folder.exists()

        return refuse

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("encoder_c.layer_norm.weight", None, "so it is no checkpoint of the model"),
            ("proj_l.weight", None, "proj_l.weight is missing among the parameters"),
            ("proj1.bias", None, "proj1.bias is missing among the parameters"),
            ("trans_v_mem.layer_norm.bias", None, "trans_v_mem.layer_norm.bias is missing"),
            ("proj1.bias", torch.ones(3), "proj1.bias has the shape (3,)"),
            ("proj4.bias", torch.ones(3), "proj4.bias is not among the parameters"),
            ("proj1.bias", 3.0, "is no state_dict"),
            ("proj1.bias", torch.ones(48, dtype=torch.complex64), "is no state_dict"),
            ("proj1.bias", torch.ones(48).to_sparse(), "is no state_dict"),
            ("proj1.bias", torch.ones(48, device="meta"), "is no state_dict"),
        ],
    )
    def test_parameters(
        self, name: str, value: object, words: str, tmp_path: Path, refuse: Callable[..., None]
    ) -> None:
        state: dict[str, object] = {**state_of(SHAPE)}
        state.pop(name, None)
        if value is not None:
            state[name] = value
        torch.save(state, tmp_path / "dlf.pth")
        refuse(words)

    @pytest.mark.parametrize(
        "content", [torch.ones(3), [torch.ones(3)], 3, {}, {"model": {}}, {1: torch.ones(3)}]
    )
    def test_content(self, content: object, tmp_path: Path, refuse: Callable[..., None]) -> None:
        torch.save(content, tmp_path / "dlf.pth")
        refuse(str(tmp_path / "dlf.pth"))

    @pytest.mark.parametrize("zipped", [True, False])
    def test_objects(self, zipped: bool, tmp_path: Path, refuse: Callable[..., None]) -> None:
        content = {**state_of(SHAPE), "more": Harmful(tmp_path / "trace")}
        torch.save(content, tmp_path / "dlf.pth", _use_new_zipfile_serialization=zipped)
        refuse("objects of other kinds are not loaded")
        assert not (tmp_path / "trace").exists()

    def test_files(self, tmp_path: Path, refuse: Callable[..., None]) -> None:
        refuse("dlf.pth cannot be read: No such file or directory")
        refuse("cannot be read: Is a directory", path=tmp_path)
        path = tmp_path / "dlf.pth"
        torch.save(state_of(SHAPE), path)
        whole = path.read_bytes()
        for content in (b"", b"some text", whole[: len(whole) // 2]):
            path.write_bytes(content)
            refuse("is no checkpoint")

    @pytest.mark.parametrize(
        ("heads", "words"),
        [(3, "3 heads do not divide the width of 8"), (0, "'0' is not a whole"), ("x", "'x'")],
    )
    def test_heads(
        self, heads: object, words: str, tmp_path: Path, refuse: Callable[..., None]
    ) -> None:
        torch.save(state_of(SHAPE), tmp_path / "dlf.pth")
        refuse(words, heads)

    @pytest.mark.parametrize("name", [*MODEL_FILES, TEXT_ENCODER_FILE])
    def test_a_folder_with_a_model(self, name: str, tmp_path: Path, run: Run) -> None:
        torch.save(state_of(SHAPE), tmp_path / "dlf.pth")
        folder = tmp_path / "model"
        folder.mkdir()
        (folder / name).write_text("mine")
        ran = run("import", tmp_path / "dlf.pth", "--heads", 2, "--output", folder)
        ran.assert_refused(f"{folder} holds a model already ({name})")
        assert [file.read_text() for file in folder.iterdir()] == ["mine"]

    def test_a_file_for_a_folder(self, tmp_path: Path, run: Run) -> None:
        path = tmp_path / "dlf.pth"
        torch.save(state_of(SHAPE), path)
        run("import", path, "--heads", 2, "--output", path).assert_refused("is no folder")

    def test_usage(self, tmp_path: Path, run: Run) -> None:
        more = ("--output", tmp_path / "model")
        run("import", "dlf.pth", *more).assert_refused("required: --heads")
        run("import", "dlf.pth", "--heads", 2).assert_refused("required: --output")
        run("import", "x", "--heads", 2, *more, "--dataset", "sims").assert_refused("mosei")


def test_a_folder_that_cannot_be_written(tmp_path: Path, run: Run) -> None:
    torch.save(state_of(SHAPE), tmp_path / "dlf.pth")
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "model"
    ran = run("import", tmp_path / "dlf.pth", "--heads", 2, "--output", folder)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"{folder} cannot be written: ")
    assert ran.err.count("\n") == 1


def test_a_failure_while_writing_leaves_no_model(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("dlf.reference.checkpoint.save_file", fail)
    torch.save({**state_of(SHAPE), **TEXT_ENCODER}, tmp_path / "dlf.pth")
    folder = tmp_path / "model"
    ran = run("import", tmp_path / "dlf.pth", "--heads", 2, "--output", folder)
    assert (ran.code, ran.err) == (1, f"{folder} cannot be written: the disk is full\n")
    assert list(folder.iterdir()) == []
