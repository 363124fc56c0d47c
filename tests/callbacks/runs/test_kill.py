import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lightning.pytorch import Callback, Trainer
from torch.distributed import TCPStore, get_rank  # type: ignore[attr-defined]
from torch.multiprocessing.spawn import ProcessException

from callbacks import RankWatch, StopOnSignal
from callbacks.runs.rank_answers import RankAnswers, tell
from callbacks.runs.rank_store import client
from datamodules import LabelledTable
from lightning_modules import MetricLearner
from tests.support.command_line import QUIET, tiny, write
from tests.support.methods import build
from tests.support.trainers import QUIET_TRAINER, same
from wasserstein_critics.cli import app
from wasserstein_critics.cli.app import command_line
from wasserstein_critics.cli.config_files import read_config
from wasserstein_critics.cli.errors import Stopped, exit_code, explain

pytestmark = QUIET

STEPS, EVERY = 120, 10
KILLER = """
import os
import signal

from lightning.pytorch import Callback


class Killer(Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == int(os.environ.get("KILL_AT", -1)):
            os.killpg(0, signal.SIGKILL)  # this process and its fellow ranks
"""


def command(config: Path, directory: Path, *arguments: str) -> list[str]:
    """Train an experiment, with a checkpoint every 10 player updates."""
    job = read_config(config)
    job["trainer"] |= {
        "max_steps": STEPS,
        "val_check_interval": 50,
        "log_every_n_steps": 1,
        "enable_progress_bar": False,
        "logger": {
            "class_path": "CSVLogger",
            "init_args": {"save_dir": str(directory), "name": "killed"},
        },
        "callbacks": [
            {"class_path": "killer.Killer"},
            {"class_path": "callbacks.WeightEMA"},
            {
                "class_path": "callbacks.Checkpoint",
                "init_args": {"every_n_train_steps": EVERY, "save_last": True},
            },
        ],
    }
    directory.mkdir()
    (directory / "killer.py").write_text(KILLER)
    path = directory / "job.yaml"
    path.write_text(yaml.safe_dump(job))
    program = str(config.parents[2] / "train.py")
    return [sys.executable, program, "fit", "--config", str(path), *arguments]


def run(words: list[str], directory: Path, kill_at: int = -1) -> int:
    paths = os.pathsep.join([str(directory), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "KILL_AT": str(kill_at), "PYTHONPATH": paths}
    return subprocess.run(
        words, env=environment, start_new_session=True, check=False
    ).returncode


def final_state(folder: Path) -> dict[str, Any]:
    path = folder / "checkpoints/last.ckpt"
    state: dict[str, Any] = torch.load(path, weights_only=True)
    assert state["global_step"] == STEPS
    state["callbacks"] = state["callbacks"]["WeightEMA"]
    return {key: value for key, value in state.items() if key != "loops"}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("experiment", ["wgan_gp/digits", "wdgrl/digits_shift"])
def test_a_killed_and_resumed_run_equals_the_uninterrupted_one(
    tmp_path: Path, repository: Path, experiment: str, workers: int, devices: int
) -> None:
    config = repository / "configs" / f"{experiment}.yaml"
    settings = (f"--data.num_workers={workers}", f"--trainer.devices={devices}")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(command(config, whole, *settings), whole) == 0
    words, run_folder = command(config, killed, *settings), "killed/version_0"
    last = killed / run_folder / "checkpoints/last.ckpt"
    step = random.randint(EVERY + 1, STEPS - 1)
    assert run(words, killed, step) == -signal.SIGKILL, f"player update {step}"
    saved = (step - 1) // EVERY * EVERY  # the killer comes before Checkpoint
    assert torch.load(last, weights_only=True)["global_step"] == saved
    assert run([*words, f"--ckpt_path={last}"], killed) == 0
    first, second = final_state(whole / run_folder), final_state(killed / run_folder)
    different = [key for key in first if not same(first[key], second[key])]
    assert different == [], f"killed at player update {step}"
    assert not (killed / "killed" / "version_1").exists()
    metrics = [home / run_folder / "metrics.csv" for home in (whole, killed)]
    assert metrics[0].read_bytes() == metrics[1].read_bytes()


class AtCall(Callback):
    """Acts in the n-th call of a hook, not counting those of the sanity check."""

    def __init__(self, hook: str, call: int, act: Callable[[], None]) -> None:
        self.calls, self.act = call, act
        setattr(self, hook, self.count)

    def count(self, trainer: Trainer, *_: Any) -> None:
        self.calls -= not trainer.sanity_checking
        if not self.calls:
            self.act()


def signaller(number: int, hook: str, call: int) -> Callback:
    return AtCall(hook, call, lambda: os.kill(os.getpid(), number))


def interrupt() -> None:
    raise InterruptedError


def check_same_runs(*parts: str) -> None:
    """These parts of both last checkpoints, and both files of metrics, are equal."""
    folders = [FIRST, FIRST.with_name("version_1")]
    paths = [folder / "checkpoints/last.ckpt" for folder in folders]
    states = [torch.load(path, weights_only=True) for path in paths]
    for part in parts:
        assert same(*(state[part] for state in states)), part
    rows = [(folder / "metrics.csv").read_text() for folder in folders]
    assert rows[0] == rows[1]


FIT = ["fit", "--config", "tiny.yaml", "--trainer.max_steps=9"]
FIRST = Path("runs/tiny/version_0")


@pytest.fixture
def experiment() -> dict[str, Any]:
    config = tiny(val_check_interval=5, check_val_every_n_epoch=None)
    config["trainer"]["log_every_n_steps"] = 1
    config["trainer"]["callbacks"][0]["init_args"]["every_n_train_steps"] = 4
    config["trainer"]["callbacks"].append({"class_path": "callbacks.WeightEMA"})
    write(config)
    return config


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("hook", "batch"),
    [
        ("on_train_batch_start", 3),
        ("on_train_batch_end", 4),
        ("on_train_batch_start", 5),  # a validation follows
        ("on_validation_batch_end", 1),
        ("on_train_batch_end", 8),  # the last of an epoch
        ("on_train_epoch_end", 1),
        ("on_train_batch_start", 13),
    ],
)
@pytest.mark.usefixtures("experiment")
def test_a_run_that_a_signal_stopped_goes_on_as_if_it_had_not(
    number: signal.Signals, hook: str, batch: int, capsys: pytest.CaptureFixture[str]
) -> None:
    command_line(FIT)
    capsys.readouterr()
    with pytest.raises(Stopped, match=f"stopped by {number.name}; .* goes on") as stop:
        command_line(FIT, [signaller(number, hook, batch)])
    assert stop.value.code == 128 + number
    words = re.split(r"python train.py | goes on", str(stop.value))[1].split()
    assert app.main([*words, "--trainer.max_steps=9"]) == 0
    check_same_runs("state_dict", "schedule", "noise")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_process_at_once(number: signal.Signals) -> None:
    callback, killed = StopOnSignal(), []
    before = signal.getsignal(number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "kill", lambda pid, number: killed.append((pid, number)))
        for _ in range(2):
            assert killed == []
            callback._receive(number, None)
        assert signal.getsignal(number) == signal.SIG_DFL
    signal.signal(number, before)
    assert killed == [(os.getpid(), number)]


@pytest.mark.usefixtures("experiment")
def test_a_stopped_run_without_a_checkpoint_says_so() -> None:
    step_0 = signaller(signal.SIGTERM, "on_train_start", 1)
    with pytest.raises(Stopped, match="; no checkpoint was saved"):
        command_line(FIT, [step_0])
    words = [*FIT, "--trainer.callbacks", "null"]
    with pytest.raises(Stopped, match="; no checkpoint was saved"):
        command_line(words, [signaller(signal.SIGTERM, "on_train_batch_end", 3)])


@pytest.mark.usefixtures("experiment")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_mean_what_they_meant_after_a_fit(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    command_line(FIT)
    assert signal.getsignal(number) == before


# Ranks --------------------------------------------------------------------------------


class OnRank(Callback):
    """Acts before the third batch of one of two ranks."""

    def __init__(self, rank: int, act: Callable[[], None]) -> None:
        self.rank, self.act = rank, act

    def on_train_batch_start(self, trainer: Trainer, *args: Any) -> None:
        if trainer.global_rank == self.rank and args[2] == 2:
            self.act()


class OtherBatches(Callback):
    """Leaves the second rank a batch less."""

    def on_train_start(self, trainer: Trainer, *_: Any) -> None:
        trainer.fit_loop.max_batches -= trainer.global_rank


def fit_on_two(*callbacks: Callback) -> str:
    """What a run of two forked ranks that fails tells."""
    options = QUIET_TRAINER | {"devices": 2, "strategy": "ddp_fork", "max_steps": 9}
    module, data = build(MetricLearner)
    trainer = Trainer(**options, limit_val_batches=0, callbacks=list(callbacks))
    with pytest.raises(ProcessException) as failure:
        trainer.fit(module, data)
    assert exit_code(failure.value) == 1
    return explain(failure.value) or ""


FIRST_BEAT = (1, signal.SIGSTOP)
"""The case in which the rank is stopped before its thread has said anything."""


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_does_not_answer_is_named_and_all_processes_end(
    number: signal.Signals, rank: int, capfd: pytest.CaptureFixture[str]
) -> None:
    lost = OnRank(rank, lambda: os.kill(os.getpid(), number))
    timeout = 5.0 if (rank, number) == FIRST_BEAT else 1.5
    sentence = fit_on_two(RankWatch(timeout), lost)
    told = capfd.readouterr().err
    if number == signal.SIGSTOP:
        assert told.count(f"error: rank {rank} does not answer (last seen at ") == 1
    else:
        assert sentence.startswith(f"rank {rank} was ended by SIGKILL")
    assert multiprocessing.active_children() == []


def test_ranks_that_have_different_data_are_told_before_the_first_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sentence = fit_on_two(OtherBatches(), RankWatch())
    assert "rank 0 has '3 training batches', rank 1 has '2 training" in sentence
    monkeypatch.setattr(LabelledTable, "summary", lambda _: f"{get_rank()} rows")
    sentence = fit_on_two(RankWatch())
    assert "rank 0 has '0 rows', rank 1 has '1 rows'; give all of them" in sentence


def test_a_mistake_is_told_by_the_first_rank_that_makes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = TCPStore("127.0.0.1", 0, is_master=True)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(store.port))
    answers = RankAnswers(60.0)
    assert [tell("a"), tell("a")] == [True, True]  # one process
    monkeypatch.setattr(RankAnswers, "active", answers)
    assert [tell("a"), tell("b"), tell("a")] == [True, True, False]
    assert client().get("told/a") == b"2"


# Chains of kills ----------------------------------------------------------------------

BY_EPOCH = {"max_epochs": 4, "max_steps": -1}
EACH_EPOCH = {"val_check_interval": 1.0, "check_val_every_n_epoch": 1}
NEVER = {"limit_val_batches": 0}
HOOKS = (
    "on_train_batch_start",
    "on_train_batch_end",
    "on_validation_batch_end",
    "on_train_epoch_end",
)


def chained(words: list[str], chain: list[tuple[str, int]]) -> None:
    """A run that is killed again and again, and resumed until it has ended."""
    last = FIRST.with_name("version_1") / "checkpoints/last.ckpt"
    for link in [*chain, None]:
        callbacks = [] if link is None else [AtCall(*link, interrupt)]
        resumed = ["--ckpt_path", str(last)] if last.is_file() else []
        if not resumed:
            shutil.rmtree(last.parents[1], ignore_errors=True)
        try:
            command_line([*words, *resumed], callbacks)
        except InterruptedError:
            continue
        return


def check_chain(
    every: int, n_critic: int, trainer: dict[str, Any], chain: list[tuple[str, int]]
) -> None:
    config = tiny(log_every_n_steps=1, num_sanity_val_steps=0, **trainer)
    config["model"]["init_args"]["n_critic"] = n_critic
    config["trainer"]["callbacks"][0]["init_args"]["every_n_train_steps"] = every
    config["trainer"]["callbacks"].append({"class_path": "callbacks.WeightEMA"})
    write(config)
    shutil.rmtree("runs", ignore_errors=True)
    command_line(FIT[:3])
    chained(FIT[:3], chain)
    check_same_runs("global_step", "epoch", "state_dict", "optimizer_states", "noise")


@pytest.mark.parametrize(
    ("every", "n_critic", "trainer", "chain"),
    [
        # the checkpoint lies on the last batch of an epoch, and is resumed from twice
        (8, 1, BY_EPOCH | NEVER, [(HOOKS[0], 12), (HOOKS[0], 6), (HOOKS[0], 12)]),
        (8, 1, BY_EPOCH | EACH_EPOCH, [(HOOKS[3], 1), (HOOKS[0], 12), (HOOKS[3], 1)]),
        (1, 2, BY_EPOCH | NEVER, [(HOOKS[1], 9), (HOOKS[3], 2), (HOOKS[0], 13)]),
        (2, 2, {"max_steps": 14}, [(HOOKS[0], 9), (HOOKS[3], 1), (HOOKS[3], 1)]),
        # it is the newest, though batches of the critic came after it
        (1, 3, BY_EPOCH | EACH_EPOCH, [(HOOKS[3], 3), (HOOKS[3], 1)]),
    ],
)
def test_a_run_that_was_killed_again_and_again_equals_the_uninterrupted_one(
    every: int, n_critic: int, trainer: dict[str, Any], chain: list[tuple[str, int]]
) -> None:
    check_chain(every, n_critic, trainer, chain)


def test_values_of_the_step_that_was_checkpointed_are_not_lost(
    repository: Path,
) -> None:
    config = read_config(repository / "configs/metric_learner/wine.yaml")
    config["trainer"] |= tiny(log_every_n_steps=1)["trainer"] | EACH_EPOCH
    config["trainer"] |= {"max_epochs": 3, "max_steps": -1}  # of one batch each
    write(config)
    command_line(FIT[:3])
    if not (child := os.fork()):  # no logger of it is finalised
        command_line(FIT[:3], [AtCall(HOOKS[3], 2, lambda: os._exit(9))])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    last = FIRST.with_name("version_1") / "checkpoints/last.ckpt"
    command_line([*FIT[:3], "--ckpt_path", str(last)])
    check_same_runs("global_step", "epoch", "state_dict", "optimizer_states")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_two_processes_save_together_when_one_gets_a_signal(
    tmp_path: Path, repository: Path, number: signal.Signals
) -> None:
    config = repository / "configs/wdgrl/digits_shift.yaml"
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert run(command(config, whole, "--trainer.devices=2"), whole) == 0
    words = command(config, stopped, "--trainer.devices=2")
    metrics = stopped / "killed/version_0/metrics.csv"
    with (stopped / "said").open("w") as said:
        environment = {**os.environ, "PYTHONPATH": str(stopped)}
        child = subprocess.Popen(words, env=environment, stderr=said)
        while not metrics.exists() or metrics.read_text().count("\n") < 20:
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(number)
        assert child.wait(60) == 128 + number
    text = (stopped / "said").read_text()
    assert f"stopped by {number.name}; " in text
    last = stopped / "killed/version_0/checkpoints/last.ckpt"
    step = torch.load(last, weights_only=True)["global_step"]
    assert 0 < step < STEPS
    assert run([*words, f"--ckpt_path={last}"], stopped) == 0
    states = [final_state(home / "killed/version_0") for home in (whole, stopped)]
    assert [key for key in states[0] if not same(states[0][key], states[1][key])] == []


@pytest.mark.slow
@given(
    every=st.sampled_from([1, 2, 3, 4, 5, 7, 8, 16]),
    n_critic=st.integers(1, 3),
    limit=st.sampled_from([BY_EPOCH, *({"max_steps": n} for n in (8, 13, 16, 20))]),
    validation=st.sampled_from(
        [EACH_EPOCH, NEVER]
        + [{"val_check_interval": n, "check_val_every_n_epoch": None} for n in (3, 8)]
    ),
    chain=st.lists(st.tuples(st.sampled_from(HOOKS), st.integers(1, 14)), max_size=5),
)
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
def test_every_chain_of_kills_equals_the_uninterrupted_run(
    every: int,
    n_critic: int,
    limit: dict[str, Any],
    validation: dict[str, Any],
    chain: list[tuple[str, int]],
) -> None:
    check_chain(every, n_critic, limit | validation, chain)
