"""Where studies lie: paths, addresses, and what is said of those that are of no use."""

from pathlib import Path
from typing import NoReturn

import pytest

from dlf.command import BadInputError
from tests.support.mlflow_server import unused_port
from tests.support.s3_server import SECRET, S3Server
from tracking.remote.folder import RemoteFolder
from tracking.remote.output import Output


def test_a_path_is_a_folder_here(tmp_path: Path) -> None:
    output = Output.at(str(tmp_path))
    output.refuse_without(None)
    study = output.of("mosi")
    assert study.folder == tmp_path / "mosi"
    assert study.for_workers(study.folder / "checkpoints") == tmp_path / "mosi" / "checkpoints"
    study.refuse_unusable(to_write=True)
    study.fetch()
    assert study.recorders(print) == []
    assert list(tmp_path.iterdir()) == []


def test_an_address_has_a_working_copy_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    output = Output.at("s3://key:open-sesame@bucket/some/where/?scheme=http&region=us-east-1")
    study = output.of("mosi")
    assert study.folder == tmp_path / "runs" / "mosi"
    place = study.for_workers(study.folder / "promotions" / "a" / "checkpoints")
    assert str(place) == "s3://key:***@bucket/some/where/mosi/promotions/a/checkpoints"
    assert SECRET not in repr(place)
    assert str(output) == "s3://key:open-sesame@bucket/some/where/?scheme=http&region=us-east-1"


def test_a_remote_output_needs_a_storage() -> None:
    output = Output.at("s3://bucket/runs?region=us-east-1")
    with pytest.raises(BadInputError, match=r"s3://bucket/runs; give the study a database by"):
        output.refuse_without(None)
    output.refuse_without("sqlite:///study.db")


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("s4://bucket/runs", "Unrecognized filesystem type"),
        ("s3://?region=us-east-1", "it names no folder"),
        ("s3://bucket/runs?region=us-east-1&colour=red", "Unexpected query parameter"),
        ("s3://key:open/sesame@bucket/runs", "Cannot parse URI"),
        ("file://runs", "File URI cannot be relative"),
        ("http://127.0.0.1/runs", "Unrecognized filesystem type"),
    ],
)
def test_an_address_of_no_file_system_is_refused_in_a_sentence(uri: str, reason: str) -> None:
    with pytest.raises(BadInputError, match=reason) as refused:
        Output.at(uri)
    said = str(refused.value)
    assert said.startswith("the --output ")
    assert said.endswith(
        "such as s3://bucket/folder, gs://bucket/folder or hdfs://host:port/folder"
    )
    assert "sesame" not in said
    assert len(said) < 400


def test_a_bucket_that_is_not_there_is_refused(s3_server: S3Server) -> None:
    study = Output.at(s3_server.uri("no-such-bucket/runs")).of("mosi")
    for to_write in (True, False):
        with pytest.raises(BadInputError, match="no-such-bucket/runs/mosi cannot be used") as said:
            study.refuse_unusable(to_write=to_write)
        assert SECRET not in str(said.value)


def test_a_bucket_is_made_when_the_address_says_so(s3_server: S3Server) -> None:
    uri = s3_server.uri("a-new-bucket/runs", "allow_bucket_creation=true")
    Output.at(uri).of("mosi").refuse_unusable(to_write=True)
    Output.at(s3_server.uri("a-new-bucket/runs")).of("mosi").refuse_unusable(to_write=False)


def test_a_store_that_lets_nobody_in_is_refused(tmp_path: Path) -> None:
    server = S3Server(tmp_path, INITIAL_NO_AUTH_ACTION_COUNT="0")
    try:
        study = Output.at(server.uri("bucket/runs")).of("mosi")
        with pytest.raises(BadInputError, match="cannot be used") as said:
            study.refuse_unusable(to_write=True)
    finally:
        server.end()
    assert "ACCESS_DENIED" in str(said.value) or "INVALID_ACCESS_KEY_ID" in str(said.value)
    assert SECRET not in str(said.value)


def test_a_store_that_is_away_is_refused() -> None:
    options = f"scheme=http&region=us-east-1&endpoint_override=127.0.0.1:{unused_port()}"
    study = Output.at(f"s3://key:open-sesame@bucket/runs?{options}").of("mosi")
    with pytest.raises(BadInputError, match="Could not connect to server") as said:
        study.refuse_unusable(to_write=False)
    assert "runs/mosi cannot be used (NETWORK_CONNECTION during" in str(said.value)
    assert SECRET not in str(said.value)


def test_a_store_that_kept_one_waiting_in_vain_is_not_asked_for_as_long_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, asked = [100.0], []
    folder = RemoteFolder.at("s3://patient/runs?region=us-east-1")

    def silent(uri: str) -> NoReturn:
        asked.append(uri)
        clock[0] += 10.0
        raise OSError("no answer")

    monkeypatch.setattr("tracking.remote.folder.monotonic", lambda: clock[0])
    monkeypatch.setattr("tracking.remote.folder._opened", silent)
    for at, times in ((100.0, 1), (110.0, 1), (119.9, 1), (120.0, 2), (139.9, 2), (141.0, 3)):
        clock[0] = at
        with pytest.raises(OSError, match=r"^no answer$"):
            folder.child(f"study-{at}").look()
        assert len(asked) == times


def test_a_folder_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(BadInputError, match="file:///proc/runs/mosi cannot be used"):
        Output.at("file:///proc/runs").of("mosi").refuse_unusable(to_write=True)
