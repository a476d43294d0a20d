import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from dlf.command import BadInputError, WorkFailedError
from tests.support.mlflow_server import unused_port
from tracking.registry.champion import (
    CHAMPION,
    PREVIOUS,
    PROMOTION_TAG,
    Champion,
    RegisteredModel,
    champion_of,
    register_champion,
)
from tracking.store.location import TrackingLocation, resolve
from tracking.store.mlflow_store import MlflowStore

Register = Callable[..., RegisteredModel]


@pytest.fixture(autouse=True)
def _global_store(location: TrackingLocation) -> Iterator[None]:
    """Let the tests look files up where `register_champion` has done so meanwhile."""
    mlflow.set_tracking_uri(location.uri)
    yield
    mlflow.set_tracking_uri(None)


@pytest.fixture
def dataset(request: pytest.FixtureRequest) -> str:
    """One of this test alone, for all share a server."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)


@pytest.fixture
def run_id(store: MlflowStore, location: TrackingLocation) -> str:
    experiment = store.experiment("dlf-mosi", location.artifact_root)
    return store.create_run(experiment, "promotion", {}, 5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What has the form of a package."""
    model = tmp_path / "package" / "data" / "model"
    model.mkdir(parents=True)
    (tmp_path / "package" / "MLmodel").write_text("flavors: {}\n")
    (model / "config.yaml").write_text("margin: 0.15\n")
    (model / "card.json").write_text('{"dataset": "mosi"}')
    (model / "weights.bin").write_bytes(bytes(range(256)))
    return tmp_path / "package"


@pytest.fixture
def register(location: TrackingLocation, dataset: str, run_id: str, folder: Path) -> Register:
    def call(key: str, **changed: Any) -> RegisteredModel:
        given: dict[str, Any] = {
            "dataset": dataset,
            "run_id": run_id,
            "folder": folder,
            "tags": {"dlf.study": "s"},
            "metrics": {"test/mae": 0.75},
            "description": f"by **{key}**",
        }
        return register_champion(location, key=key, **(given | changed))

    return call


def aliases(store: MlflowStore, model: str) -> dict[str, int]:
    found = store.client.get_registered_model(model).aliases
    return {alias: int(version) for alias, version in found.items()}


def versions(store: MlflowStore, model: str) -> list[int]:
    return sorted(int(v.version) for v in store.client.search_model_versions(f"name = '{model}'"))


def test_the_crown_passes_on(
    register: Register, dataset: str, store: MlflowStore, capfd: pytest.CaptureFixture[str]
) -> None:
    model = f"dlf-{dataset}"
    kept = [{CHAMPION: 1}, {CHAMPION: 2, PREVIOUS: 1}, {CHAMPION: 3, PREVIOUS: 2}]
    for number, expected in enumerate(kept, 1):
        assert register(f"promotion {number}") == RegisteredModel(
            model=model, version=number, alias=CHAMPION, former=expected.get(PREVIOUS)
        )
        assert aliases(store, model) == expected
    assert versions(store, model) == [1, 2, 3]
    assert capfd.readouterr() == ("", "")


def test_a_version_has_its_files_tags_metrics_and_run(
    register: Register,
    location: TrackingLocation,
    dataset: str,
    store: MlflowStore,
    run_id: str,
    folder: Path,
    tmp_path: Path,
) -> None:
    register("a")
    version = store.client.get_model_version_by_alias(f"dlf-{dataset}", CHAMPION)
    assert version.run_id == run_id
    assert version.tags == {"dlf.study": "s", PROMOTION_TAG: "a"}
    assert version.description == "by **a**"
    assert store.client.get_run(run_id).data.metrics == {"test/mae": 0.75}
    logged = store.client.get_logged_model(version.source.removeprefix("models:/"))
    assert [(m.key, m.value) for m in logged.metrics] == [("test/mae", 0.75)]
    fetched = mlflow.artifacts.download_artifacts(
        artifact_uri=f"models:/dlf-{dataset}@champion", dst_path=str(tmp_path / "fetched")
    )
    weights = Path(fetched, "data", "model", "weights.bin")
    assert weights.read_bytes() == (folder / "data" / "model" / "weights.bin").read_bytes()


@pytest.mark.parametrize(
    ("request_name", "alias"),
    [
        ("create_logged_model", None),
        ("log_model_artifacts", None),
        ("finalize_logged_model", None),
        ("create_model_version", None),
        ("set_registered_model_alias", PREVIOUS),
        ("set_registered_model_alias", CHAMPION),
    ],
)
def test_a_promotion_that_was_cut_off_goes_on(
    register: Register,
    dataset: str,
    store: MlflowStore,
    run_id: str,
    monkeypatch: pytest.MonkeyPatch,
    request_name: str,
    alias: str | None,
) -> None:
    model = f"dlf-{dataset}"
    register("first")
    request = getattr(mlflow.MlflowClient, request_name)

    def cut_off(client: mlflow.MlflowClient, *given: Any, **named: Any) -> Any:
        if alias is None or alias in given:
            raise ConnectionError(104, "Connection reset by peer")
        return request(client, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, request_name, cut_off)
        with pytest.raises(WorkFailedError, match=f"{model} could not be registered in"):
            register("second")
    assert aliases(store, model)[CHAMPION] == 1

    assert (register("second").version, register("second").former) == (2, 1)
    assert versions(store, model) == [1, 2]
    assert aliases(store, model) == {CHAMPION: 2, PREVIOUS: 1}
    experiment = store.client.get_run(run_id).info.experiment_id
    made = store.client.search_logged_models([experiment], f"name = '{model}'")
    assert [each.status for each in made] == ["READY", "READY"]
    assert len(store.points(run_id, "test/mae")) == 1


def test_an_older_promotion_done_again_crowns_its_version_again(
    register: Register, dataset: str, store: MlflowStore
) -> None:
    register("first")
    register("second")
    assert (register("first").version, register("first").former) == (1, 2)
    assert aliases(store, f"dlf-{dataset}") == {CHAMPION: 1, PREVIOUS: 2}


def test_a_champion_put_back_by_hand_follows_nobody(
    register: Register, dataset: str, store: MlflowStore
) -> None:
    register("first")
    register("second")
    store.client.set_registered_model_alias(f"dlf-{dataset}", CHAMPION, "1")
    assert register("first").former is None


def test_the_champion_can_be_read(
    register: Register, location: TrackingLocation, dataset: str, folder: Path
) -> None:
    assert champion_of(location, dataset) is None
    register("first")
    (folder / "data" / "model" / "config.yaml").write_text("margin: 0.2\n")
    register("second", tags={"dlf.max_epochs": "30"})
    assert champion_of(location, dataset) == Champion(
        model=f"dlf-{dataset}",
        version=2,
        config_yaml="margin: 0.2\n",
        card_json='{"dataset": "mosi"}',
        promotion="second",
        max_epochs=30,
    )
    register("third")
    third = champion_of(location, dataset)
    assert third is not None
    assert third.max_epochs is None


def test_a_model_without_the_alias_has_no_champion(
    register: Register, location: TrackingLocation, dataset: str, store: MlflowStore
) -> None:
    register("first")
    store.client.delete_registered_model_alias(f"dlf-{dataset}", CHAMPION)
    assert champion_of(location, dataset) is None


def test_a_champion_that_is_not_ours_is_named(
    register: Register, location: TrackingLocation, dataset: str, folder: Path
) -> None:
    (folder / "data" / "model" / "card.json").unlink()
    register("first")
    with pytest.raises(BadInputError) as raised:
        champion_of(location, dataset)
    assert str(raised.value).startswith(f"version 1 of dlf-{dataset}, the champion in ")
    assert "cannot be read (it has no file data/model/card.json): give" in str(raised.value)


def test_a_champion_in_a_store_of_no_file_is_none(tmp_path: Path) -> None:
    location = resolve(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert champion_of(location, "mosi") is None
    assert not (tmp_path / "mlflow.db").exists()


def test_a_store_that_is_away_is_named_without_its_password() -> None:
    location = resolve(f"http://somebody:secret@127.0.0.1:{unused_port()}")
    with pytest.raises(BadInputError) as raised:
        champion_of(location, "mosi")
    assert str(raised.value).startswith("the tracking store http://somebody:***@127.0.0.1")
    assert "cannot be used: Connection refused" in str(raised.value)


def test_a_server_that_went_away_takes_no_crown(folder: Path, dataset: str) -> None:
    location = resolve(f"http://127.0.0.1:{unused_port()}")
    with pytest.raises(WorkFailedError, match=r"could not be registered in .*Connection refused"):
        register_champion(
            location, dataset=dataset, run_id="r", folder=folder, key="k", tags={}, metrics={}
        )


def test_nothing_cannot_be_a_champion(register: Register, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="nothing to register"):
        register("first", folder=tmp_path / "absent")


def test_a_refusal_is_one_sentence(register: Register) -> None:
    with pytest.raises(WorkFailedError, match=r"could not be registered in .*0000"):
        register("first", run_id="0" * 32)


def test_mlflows_own_global_store_is_what_it_was(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    register("first")
    assert mlflow.get_tracking_uri() == os.environ["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:9"
