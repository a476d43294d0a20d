from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from dlf.command import BadInputError, WorkFailedError
from tracking.location import TrackingLocation
from tracking.mlflow_store import MlflowStore
from tracking.registry import RegisteredModel, register_champion


@pytest.fixture(autouse=True)
def _global_store() -> Iterator[None]:
    yield
    mlflow.set_tracking_uri(None)


@pytest.fixture
def run_id(store: MlflowStore, location: TrackingLocation) -> str:
    experiment = store.experiment("dlf-mosi", location.artifact_root)
    return store.create_run(experiment, "promotion", {}, 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model" / "final").mkdir(parents=True)
    (tmp_path / "model" / "config.yaml").write_text("margin: 0.15\n")
    (tmp_path / "model" / "final" / "weights.bin").write_bytes(bytes(range(256)))
    return tmp_path / "model"


def test_a_champion_can_be_found_and_fetched_again(
    location: TrackingLocation,
    store: MlflowStore,
    run_id: str,
    folder: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    known = {
        "location": location,
        "dataset": "mosi",
        "run_id": run_id,
        "tags": {"dlf.study": "s"},
        "metrics": {"test/mae": 0.75},
    }
    first = register_champion(**known, folder=folder)
    assert first == RegisteredModel(model="dlf-mosi", version=first.version, alias="champion")
    (folder / "config.yaml").write_text("margin: 0.2\n")
    second = register_champion(**known, folder=folder)
    assert second.version == first.version + 1
    assert capfd.readouterr() == ("", "")

    version = store.client.get_model_version_by_alias("dlf-mosi", "champion")
    assert int(version.version) == second.version
    assert version.run_id == run_id
    assert version.tags == {"dlf.study": "s"}
    assert store.client.get_model_version("dlf-mosi", str(first.version)).aliases == []
    assert store.client.get_run(run_id).data.metrics == {"test/mae": 0.75}
    model = store.client.get_logged_model(version.source.removeprefix("models:/"))
    assert [(m.key, m.value) for m in model.metrics] == [("test/mae", 0.75)]

    fetched = mlflow.artifacts.download_artifacts(
        artifact_uri="models:/dlf-mosi@champion", dst_path=str(tmp_path)
    )
    assert (Path(fetched) / "config.yaml").read_text() == "margin: 0.2\n"
    assert (Path(fetched) / "final" / "weights.bin").read_bytes() == bytes(range(256))


def test_nothing_cannot_be_a_champion(sqlite_location: TrackingLocation, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="nothing to register"):
        register_champion(
            sqlite_location,
            dataset="mosi",
            run_id="r",
            folder=tmp_path / "absent",
            tags={},
            metrics={},
        )


def test_a_refusal_is_one_sentence(sqlite_location: TrackingLocation, folder: Path) -> None:
    with pytest.raises(WorkFailedError, match="dlf-mosi could not be registered"):
        register_champion(
            sqlite_location, dataset="mosi", run_id="0" * 32, folder=folder, tags={}, metrics={}
        )
