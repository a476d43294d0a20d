"""What a packaged model has with it."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from mlflow.models import Model

import dlf
from dlf.command import BadInputError
from dlf.config import Config
from dlf.modalities import InputSizes, PerModality
from dlf.model.dlf import DLF
from dlf.text.source import Encoder, TextSource
from dlf.trained_model import CARD_FILE, CONFIG_FILE, ModelCard, TrainedModel
from tests.support.registered_model import TINY
from tracking.registry.model_package import package_model

MINILM = Encoder(name="minilm", revision="r", width=384, layers=6, max_tokens=511)
FROZEN = TextSource(way="frozen", encoder=MINILM)
PRECOMPUTED = TextSource(way="precomputed")

Exports = Callable[..., Path]


@pytest.fixture
def exports(tmp_path: Path) -> Exports:
    def export(config: Config = TINY, text: TextSource | None = PRECOMPUTED) -> Path:
        """Keep a model with random weights."""
        sizes = InputSizes(
            widths=PerModality(text=6, audio=3, vision=8),
            time_steps=PerModality(text=9, audio=13, vision=6),
        )
        torch.manual_seed(0)
        card = ModelCard(dataset="mosi", dataset_digest="d", text=text, sizes=sizes)
        TrainedModel(DLF(config.model, sizes), config, card).save(tmp_path / "a model")
        return tmp_path / "a model"

    return export


def files_in(folder: Path) -> dict[str, bytes]:
    found = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in found}


def inputs(package: Path) -> list[str]:
    schema = Model.load(package).get_input_schema()
    assert schema is not None
    return list(schema.input_names())


def requirements(package: Path) -> dict[str, str]:
    lines = (package / "requirements.txt").read_text().split()
    return dict(line.split("==") for line in lines)


def test_it_has_the_model_and_the_code(
    exports: Exports, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    exported = exports()
    kept = files_in(exported)
    package = package_model(exported, tmp_path / "not there" / "package")
    assert package == tmp_path / "not there" / "package"
    assert files_in(package / "data" / "model") == files_in(exported) == kept
    ours = {
        name: of for name, of in files_in(Path(dlf.__file__).parent).items() if ".pyc" not in name
    }
    assert files_in(package / "code" / "dlf") == ours
    assert {path.name for path in (package / "code").iterdir()} == {"dlf", "dlf_loader.py"}
    assert [path.name for path in package.parent.iterdir()] == ["package"]
    assert capfd.readouterr() == ("", "")


def test_it_says_what_it_takes_and_needs(exports: Exports, tmp_path: Path) -> None:
    package = package_model(exports(), tmp_path / "package")
    assert inputs(package) == ["text", "audio", "vision"]
    needed = requirements(package)
    assert needed["torch"] == version("torch").partition("+")[0]
    assert needed["pydantic"] == version("pydantic")
    assert "mlflow" in needed
    assert "transformers" not in needed
    assert Model.load(package).metadata == {
        "dlf.dataset": "mosi",
        "dlf.dataset_digest": "d",
        "dlf.text": "precomputed",
    }


def test_with_an_encoder_it_needs_more(exports: Exports, tmp_path: Path) -> None:
    package = package_model(exports(text=FROZEN), tmp_path / "package")
    assert requirements(package)["transformers"] == version("transformers")
    assert Model.load(package).metadata["dlf.text_encoder"] == "minilm"
    assert "gladly" in (package / "serving_input_example.json").read_text()


def test_an_encoder_of_text_that_it_is_not_given_is_not_needed(
    exports: Exports, tmp_path: Path
) -> None:
    config = TINY.with_values({"modalities": "audio+vision", "attractor": "own"})
    package = package_model(exports(config, FROZEN), tmp_path / "package")
    assert inputs(package) == ["audio", "vision"]
    assert "transformers" not in requirements(package)


def test_an_imported_model_is_packed_too(exports: Exports, tmp_path: Path) -> None:
    package = package_model(exports(text=None), tmp_path / "package")
    assert "dlf.text" not in Model.load(package).metadata


def test_it_replaces_a_former_one_as_a_whole(exports: Exports, tmp_path: Path) -> None:
    package = package_model(exports(), tmp_path / "package")
    (package / "left over").touch()
    package_model(exports(TINY.with_values({"margin": 0.3})), package)
    assert not (package / "left over").exists()
    assert "0.3" in (package / "data" / "model" / CONFIG_FILE).read_text()


def test_one_that_cannot_be_written_leaves_the_former(
    exports: Exports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = package_model(exports(), tmp_path / "package")
    former = files_in(package)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlflow.pyfunc.save_model", full)
    with pytest.raises(OSError, match="No space left"):
        package_model(exports(), package)
    assert files_in(package) == former
    assert {path.name for path in tmp_path.iterdir()} == {"a model", "package"}


@pytest.mark.parametrize("name", [CONFIG_FILE, CARD_FILE])
def test_what_is_no_model_is_refused(exports: Exports, tmp_path: Path, name: str) -> None:
    exported = exports()
    (exported / name).unlink()
    with pytest.raises(BadInputError, match=f"there is no model to pack: .*{name} is missing"):
        package_model(exported, tmp_path / "package")
    assert not (tmp_path / "package").exists()
