"""A folder as the working copy of a remote one: what is sent, what is fetched, what is refused."""

import os
import re
import shutil
from pathlib import Path

import pytest

from dlf.command import BadInputError
from tests.support.s3_server import S3Server
from tracking.remote.folder import RemoteFolder
from tracking.remote.mirror import STATE_FILE, ChangedElsewhereError, Mirror

CONTENT = {"tracking.jsonl": "one\n", "best.yaml": "a: 1\n", "models/trial-1/card.json": "{}"}
UNSENT = (
    *("tracking.lock", "study.driver.json", "study.driver.lock", "best.yaml.123"),
    *("checkpoints/trial-1/training.pt", "tune/trial-1/params.json", "models/trial-2.44/card.json"),
    *("promotions/a/checkpoints/trial-0/training.pt", "promotions/a/tune/x"),
)


@pytest.fixture(params=["file", "s3"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> RemoteFolder:
    if request.param == "file":
        return RemoteFolder.at((tmp_path / "there").as_uri()).child("mosi")
    server: S3Server = request.getfixturevalue("s3_server")
    return RemoteFolder.at(server.bucket()).child("mosi")


@pytest.fixture
def mirror(remote: RemoteFolder, tmp_path: Path) -> Mirror:
    """The working copy of the machine that began the study, which has sent some files."""
    first = Mirror(tmp_path / "first", remote)
    first.fetch()
    for name, text in CONTENT.items():
        write(first, name, text)
    assert first.send() == len(CONTENT)
    return first


@pytest.fixture
def another(mirror: Mirror, tmp_path: Path) -> Mirror:
    """That of another machine, which has fetched them."""
    second = Mirror(tmp_path / "second", mirror.remote)
    second.fetch()
    return second


def write(mirror: Mirror, name: str, text: str) -> None:
    path = mirror.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def read(mirror: Mirror, name: str) -> str:
    return (mirror.folder / name).read_text()


def there(mirror: Mirror, name: str) -> str:
    target = mirror.folder.parent / "looked at"
    with target.open("wb") as file:
        mirror.remote.download(name, file)
    return target.read_text()


def test_another_machine_fetches_what_was_sent(another: Mirror) -> None:
    assert {name: read(another, name) for name in CONTENT} == CONTENT
    assert another.send() == 0


def test_what_is_of_one_machine_alone_is_not_sent(mirror: Mirror) -> None:
    for name in UNSENT:
        write(mirror, name, "mine")
    assert mirror.send() == 0
    assert sorted(mirror.remote.files()) == sorted(CONTENT)


def test_only_what_has_changed_is_sent(mirror: Mirror) -> None:
    write(mirror, "tracking.jsonl", "one\ntwo\n")
    assert mirror.send() == 1
    assert there(mirror, "tracking.jsonl") == "one\ntwo\n"
    assert mirror.send() == 0


def test_what_was_removed_here_is_removed_there(mirror: Mirror, another: Mirror) -> None:
    shutil.rmtree(mirror.folder / "models")
    assert mirror.send() == 1
    assert sorted(mirror.remote.files()) == ["best.yaml", "tracking.jsonl"]
    another.fetch()
    assert another.send() == 1, "what another machine still has is a new file"


def test_each_goes_on_from_the_other(mirror: Mirror, another: Mirror) -> None:
    write(another, "tracking.jsonl", "one\ntwo\n")
    another.send()
    mirror.fetch()
    assert read(mirror, "tracking.jsonl") == "one\ntwo\n"
    write(mirror, "tracking.jsonl", "one\ntwo\nthree\n")
    mirror.send()
    another.fetch()
    assert read(another, "tracking.jsonl") == "one\ntwo\nthree\n"


def test_what_is_ahead_here_stays(mirror: Mirror) -> None:
    write(mirror, "tracking.jsonl", "one\ntwo\n")
    mirror.fetch()
    assert read(mirror, "tracking.jsonl") == "one\ntwo\n"
    assert mirror.send() == 1


def test_what_has_changed_here_and_there_is_not_fetched_over(
    mirror: Mirror, another: Mirror
) -> None:
    write(mirror, "tracking.jsonl", "one\nnever sent\n")
    write(another, "tracking.jsonl", "one\ntwo\nthree\n")
    another.send()
    words = f"{re.escape(str(mirror.folder))} has a tracking.jsonl that was never sent to .*mosi"
    with pytest.raises(BadInputError, match=words) as refused:
        mirror.fetch()
    assert "open-sesame" not in str(refused.value)
    assert read(mirror, "tracking.jsonl") == "one\nnever sent\n"


def test_what_has_changed_there_is_not_sent_over(mirror: Mirror, another: Mirror) -> None:
    write(another, "tracking.jsonl", "one\ntwo\nthree\n")
    another.send()
    write(mirror, "tracking.jsonl", "one\nnever sent\n")
    with pytest.raises(ChangedElsewhereError, match=r"mosi/tracking\.jsonl was written by another"):
        mirror.send()
    assert there(mirror, "tracking.jsonl") == "one\ntwo\nthree\n"


def test_two_machines_may_write_different_files(mirror: Mirror, another: Mirror) -> None:
    write(another, "promotions/a/promotion.json", "{}")
    another.send()
    write(mirror, "tracking.jsonl", "one\ntwo\n")
    assert mirror.send() == 1
    another.fetch()
    assert read(another, "tracking.jsonl") == "one\ntwo\n"
    mirror.fetch()
    assert read(mirror, "promotions/a/promotion.json") == "{}"


def test_a_report_that_was_written_for_a_look_gives_way(mirror: Mirror, another: Mirror) -> None:
    write(mirror, "report.html", "of the driver")
    mirror.send()
    write(another, "report.html", "of somebody who looked")
    another.fetch()
    assert read(another, "report.html") == "of the driver"


@pytest.mark.parametrize("goes_on_by", ["fetching", "sending"])
def test_a_process_that_was_killed_before_it_knew_that_a_file_was_sent(
    mirror: Mirror, goes_on_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(mirror, "best.yaml", "a: 2\n")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    (mirror.folder / "models/trial-1/card.json").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(RemoteFolder, "delete", killed)
        with pytest.raises(KeyboardInterrupt):
            mirror.send()
    assert there(mirror, "best.yaml") == "a: 2\n"
    write(mirror, "best.yaml", "a: 3\n")
    again = Mirror(mirror.folder, mirror.remote)
    if goes_on_by == "fetching":
        again.fetch()
        assert read(again, "best.yaml") == "a: 3\n"
    again.send()
    assert there(mirror, "best.yaml") == "a: 3\n"


def test_sendings_that_are_broken_off_again_and_again(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, left = RemoteFolder.upload, {"tries": 0}

    def failing(self: RemoteFolder, name: str, *rest: object) -> None:
        left["tries"] -= 1
        if left["tries"] < 0:
            raise OSError("away")
        upload(self, name, *rest)

    monkeypatch.setattr(RemoteFolder, "upload", failing)
    for round_, tries in enumerate([1, 0, 2, 1]):
        left["tries"] = tries
        for name in CONTENT:
            write(mirror, name, f"{round_}")
        with pytest.raises(OSError, match="away"):
            mirror.send()
    left["tries"] = 3
    assert mirror.send() == len(CONTENT)
    assert {there(mirror, name) for name in CONTENT} == {"3"}


def test_what_grows_while_it_is_sent_is_sent_whole_the_next_time(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(mirror, "tracking.jsonl", "one\ntwo\n")
    upload = RemoteFolder.upload

    def growing(self: RemoteFolder, name: str, *rest: object) -> None:
        with (mirror.folder / "tracking.jsonl").open("a") as file:
            file.write("three\n")
        upload(self, name, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(RemoteFolder, "upload", growing)
        mirror.send()
    assert there(mirror, "tracking.jsonl") == "one\ntwo\n"
    assert mirror.send() == 1
    assert there(mirror, "tracking.jsonl") == "one\ntwo\nthree\n"


def test_a_remote_folder_that_was_emptied_empties_nothing_here(mirror: Mirror) -> None:
    for name in CONTENT:
        mirror.remote.delete(name)
    mirror.fetch()
    assert {name: read(mirror, name) for name in CONTENT} == CONTENT
    assert mirror.send() == len(CONTENT)


def test_a_file_that_was_lost_here_is_fetched_again(mirror: Mirror) -> None:
    (mirror.folder / "best.yaml").unlink()
    mirror.fetch()
    assert read(mirror, "best.yaml") == CONTENT["best.yaml"]


def test_a_folder_that_is_no_working_copy_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    begun_here = Mirror(tmp_path / "begun here", mirror.remote)
    write(begun_here, "tracking.jsonl", "mine")
    of_another = Mirror(mirror.folder, mirror.remote.child("else"))
    for refused in (begun_here, of_another):
        with pytest.raises(BadInputError, match=r"is no working copy of .*; move it away"):
            refused.fetch()
    assert read(begun_here, "tracking.jsonl") == "mine"
    (mirror.folder / STATE_FILE).write_text("{")
    with pytest.raises(BadInputError, match="is no working copy of"):
        mirror.fetch()


def test_times_alone_make_no_conflict(mirror: Mirror, another: Mirror) -> None:
    os.utime(another.folder / "best.yaml", (1, 1))
    write(mirror, "best.yaml", "a: 1\n")
    mirror.send()
    another.fetch()
    assert read(another, "best.yaml") == "a: 1\n"
