"""Trials that go wrong in every way that there is, on a real Ray: in one search, which goes on."""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import optuna
import pytest
import torch

from search.study.records import NOTES, REASON
from search.study.summary import faults_of
from search.trial.checkpoints import STATE_FILE, Checkpoints, DamagedCheckpointError
from tests.support import faulty_trainable as fault
from tests.support.commands import Command
from tests.support.searches import Search
from tracking.sending.recorded import recorded_trials
from tracking.store.connection import connect
from tracking.store.location import resolve

pytestmark = pytest.mark.slow

TRIALS = 14
EPOCHS = 3
TIMEOUT = 15
HEALTHY = (0, 12, 13)
HANGING = (fault.SPINNING, fault.HOLDING_THE_LOCK, fault.HANGING_AT_ITS_BEGINNING)
AT_THEIR_BEGINNING = (fault.HANGING_AT_ITS_BEGINNING, fault.RAISING_AT_ITS_BEGINNING)

REASONS = {
    fault.KILLED: "the worker process died: it was killed, crashed, or had no memory left (Ray",
    fault.RAISING: "RuntimeError: the fan is on fire",
    fault.DIVERGING: "NonFiniteError: loss/total is nan in epoch 2",
    fault.REPORTING_NAN: "valid/mae is nan after epoch 2",
    fault.SPINNING: "it hung, and was ended, at File ",
    fault.HOLDING_THE_LOCK: "it hung, and was ended, at File ",
    fault.OUT_OF_MEMORY: "MemoryError",
    fault.OUT_OF_TENSORS: "RuntimeError: ",
    fault.HANGING_AT_ITS_BEGINNING: "it hung, and was ended, at File ",
    fault.RAISING_AT_ITS_BEGINNING: "RuntimeError: there is no such model",
}


class Faulty(NamedTuple):
    """A search in which most trials went wrong."""

    search: Search
    done: Command

    @property
    def trials(self) -> list[optuna.trial.FrozenTrial]:
        return self.search.study.trials


@pytest.fixture(scope="module")
def faulty(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory, ray_here: None) -> Faulty:
    search = Search(tmp_path_factory.mktemp("faulty"), tiny_data, at_once=3)
    size = ("--trials", TRIALS, "--max-epochs", EPOCHS, "--trial-timeout", TIMEOUT)
    done = search.run(*size, "--cpus-per-trial", 0.5, trainable=fault.FaultyTrainable)
    return Faulty(search, done)


def test_the_search_goes_on_to_its_end(faulty: Faulty) -> None:
    assert faulty.done.code == 0, faulty.done.err
    assert faulty.done.err == ""
    states = {trial.number: trial.state.name for trial in faulty.trials}
    complete = dict.fromkeys((*HEALTHY, fault.DISK_FULL), "COMPLETE")
    assert states == {**dict.fromkeys(REASONS, "FAIL"), **complete}
    epochs = {trial.number: sorted(trial.intermediate_values) for trial in faulty.trials}
    assert epochs == {
        **{number: [1] for number in REASONS},
        **{number: [] for number in AT_THEIR_BEGINNING},
        **{number: [1, 2, 3] for number in complete},
    }


def test_optuna_tune_and_mlflow_agree_on_all_of_them(faulty: Faulty) -> None:
    assert faulty.search.audit() == []


@pytest.mark.parametrize("number", REASONS)
def test_a_trial_fails_with_the_reason_in_words(faulty: Faulty, number: int) -> None:
    reason = faulty.trials[number].user_attrs[REASON]
    assert reason.startswith(REASONS[number])
    assert len(reason.splitlines()) == 1
    assert len(reason) < 250
    assert "Traceback" not in reason


def test_torch_says_that_it_has_no_memory(faulty: Faulty) -> None:
    assert "can't allocate memory" in faulty.trials[fault.OUT_OF_TENSORS].user_attrs[REASON]


def test_mlflow_has_the_failure_and_its_reason(faulty: Faulty) -> None:
    opened = faulty.search.place.load()
    location = resolve(f"sqlite:///{faulty.search.folder / 'ml.db'}")
    runs = recorded_trials(location, opened.key)
    store = connect(location)
    for number in REASONS:
        (run,) = runs[number]
        assert run.status == "FAILED"
        told = store.client.get_run(run.run_id).data.tags["dlf.failure"]
        assert told == faulty.trials[number].user_attrs[REASON]


@pytest.mark.parametrize("number", HANGING)
def test_the_stack_of_a_trial_that_hung_is_shown(faulty: Faulty, number: int) -> None:
    place = faulty.trials[number].user_attrs[REASON].partition(" at ")[2]
    shown = faulty.search.status("--trial", number)
    stack = shown[shown.index(f"Timeout (0:00:{TIMEOUT})!") :]
    assert place in stack
    assert "most recent call first" in stack
    hangs_in = "sleep_with_the_lock" if number == fault.HOLDING_THE_LOCK else "spin"
    assert f"in {hangs_in}\n" in stack


def test_a_hang_is_placed_in_our_own_code(faulty: Faulty) -> None:
    places = {number: faulty.trials[number].user_attrs[REASON] for number in HANGING}
    assert "/dlf/training/replicates.py" in places[fault.SPINNING]
    assert "in train_epoch" in places[fault.HOLDING_THE_LOCK]
    assert "/search/engine/trainable.py" in places[fault.HANGING_AT_ITS_BEGINNING]


def test_a_trial_whose_disk_is_full_goes_on_and_says_so(faulty: Faulty) -> None:
    (note,) = faulty.trials[fault.DISK_FULL].user_attrs[NOTES]
    assert note.startswith(f"no checkpoint from epoch {fault.FAULTY_EPOCH} on: ")
    assert note.endswith(": File too large")
    assert note in faulty.search.status("--trial", fault.DISK_FULL)


def test_the_end_and_the_status_list_what_happened(faulty: Faulty) -> None:
    faults = faults_of(faulty.search.study)
    assert len(faults) == len(REASONS) + len(HANGING) + 1
    for number, trial in enumerate(faulty.trials):
        if number in REASONS:
            assert f"trial {number} failed: {trial.user_attrs[REASON]}" in faults
    for told in (faulty.done.out, faulty.search.status()):
        assert told.rstrip().endswith("\n".join(faults))
    assert "(raylet)" not in faulty.done.out


def test_nothing_is_left_of_trials_that_ended(faulty: Faulty) -> None:
    assert not list((faulty.search.place.folder / "checkpoints").rglob(STATE_FILE))


@pytest.mark.usefixtures("ray_here")
def test_a_worker_that_ray_ends_for_memory_is_told_as_such(tiny_data: Path, tmp_path: Path) -> None:
    search = Search(tmp_path, tiny_data)
    size = ("--trials", 1, "--max-epochs", 1)
    no_memory = {"RAY_memory_usage_threshold": "0.0001", "RAY_memory_monitor_refresh_ms": "100"}
    with search.running(*size, **no_memory) as driver:
        out, err = driver.communicate(timeout=120)
    assert driver.returncode == 1
    assert err.splitlines() == ["no trial was completed; MLflow has the reason with each trial"]
    reason = "the worker process was killed by Ray, since its machine ran low on memory ("
    assert f"trial 0 (paper) failed: {reason}" in out
    again = search.run("--resume", "--trials", 2)
    assert again.code == 0, again.err
    assert search.states == ["FAIL", "COMPLETE"]
    assert search.audit() == []


def cut_off(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_a_byte(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.usefixtures("ray_here")
def test_a_trial_with_a_damaged_checkpoint_is_trained_again_from_the_start(
    tiny_data: Path, tmp_path: Path
) -> None:
    search = Search(tmp_path, tiny_data, at_once=2)
    size = ("--trials", 2, "--max-epochs", 6)
    with search.after_epochs(2 * fault.EPOCHS_BEFORE_STUCK, press_ctrl_c):
        first = search.run(*size, trainable=fault.StuckTrainable)
    assert first.code == 130, first.err
    before = {t.number: t.intermediate_values for t in search.study.trials}
    assert [sorted(epochs) for epochs in before.values()] == [[1, 2], [1, 2]]
    checkpoints = Checkpoints(folder=search.place.folder / "checkpoints")
    for number, damage in ((0, cut_off), (1, flip_a_byte)):
        file = checkpoints.folder / f"trial-{number}" / STATE_FILE
        file.write_bytes(damage(file.read_bytes()))
    again = search.run(*size, "--resume")
    assert again.code == 0, again.err
    assert search.states == ["COMPLETE", "COMPLETE"]
    assert search.audit() == []
    for trial in search.study.trials:
        assert sorted(trial.intermediate_values) == list(range(1, 7))
        assert trial.intermediate_values.items() >= before[trial.number].items()
        (note,) = trial.user_attrs[NOTES]
        assert note.startswith("trained again from the start: ")
        assert STATE_FILE in note
        assert note in again.out


@pytest.mark.parametrize("damage", [cut_off, flip_a_byte, lambda _: b""])
def test_a_damaged_checkpoint_is_never_taken_for_a_good_one(
    damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    checkpoints = Checkpoints(folder=tmp_path)
    checkpoints.write(3, {"weights": torch.arange(100.0)})
    file = checkpoints.folder / "trial-3" / STATE_FILE
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DamagedCheckpointError, match=STATE_FILE):
        checkpoints.read(3)


def test_a_flipped_byte_anywhere_is_seen_or_does_no_harm(tmp_path: Path) -> None:
    checkpoints, chance = Checkpoints(folder=tmp_path), random.Random(0)
    state = {"weights": torch.arange(20.0), "history": [{"epoch": 1, "mae": 0.5}]}
    checkpoints.write(3, state)
    file = checkpoints.folder / "trial-3" / STATE_FILE
    content = file.read_bytes()
    seen = 0
    for position in chance.sample(range(len(content)), 400):
        wrong = content[position] ^ (1 << chance.randrange(8))
        file.write_bytes(content[:position] + bytes([wrong]) + content[position + 1 :])
        try:
            found = checkpoints.read(3)
        except DamagedCheckpointError:
            seen += 1
        else:
            assert found is not None
            assert torch.equal(found["weights"], state["weights"])
            assert found["history"] == state["history"]
    assert seen > 100
