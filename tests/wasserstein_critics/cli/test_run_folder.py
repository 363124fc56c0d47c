"""Everything about a run stands in its folder (docs/decisions/0020)."""

import csv
import errno
import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch import Callback, Trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from callbacks.runs.wandb_run import finish_open_run
from lightning_modules.core.files import damage
from tests.support.command_line import QUIET, Run, tiny, traces, write
from tests.support.trainers import same
from wasserstein_critics.cli import app
from wasserstein_critics.cli.errors import Stopped
from wasserstein_critics.cli.run_folder import claim, home_of

pytestmark = [
    *QUIET,
    # wandb 0.31 complains about settings that Lightning 2.6 still passes.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:wandb"),
]


@pytest.fixture(autouse=True)
def _no_wandb_run_left_open() -> Iterator[None]:
    yield
    finish_open_run()


FIRST = Path("runs/tiny/version_0")
LAST = FIRST / "checkpoints/last.ckpt"
BEST: dict[str, Any] = {
    "class_path": "callbacks.Checkpoint",
    "init_args": {
        "monitor": "val/sliced_wasserstein",
        "filename": "best-{step}",
        "auto_insert_metric_name": False,
        "save_last": True,
        "every_n_train_steps": 2,
    },
}


class Killer(Callback):
    """Ends the process, as far as a test can, after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            raise InterruptedError


def validated(**trainer: Any) -> Path:
    """A config whose runs of 8 steps are validated after every second."""
    settings: dict[str, Any] = {
        "max_steps": 8,
        "max_epochs": -1,
        "val_check_interval": 4,
        "check_val_every_n_epoch": None,
        "num_sanity_val_steps": 0,
        "log_every_n_steps": 1,
        "callbacks": [BEST],
    }
    return write(tiny(**settings | trainer), Path("validated.yaml"))


def fit(*words: str | Path, kill: int = 0) -> app.CLI:
    callbacks = [Killer(kill)] if kill else []
    call = ["fit", "--config", "validated.yaml", *map(str, words)]
    return app.command_line(call, callbacks=callbacks)


def files(folder: Path) -> dict[Path, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in paths}


def record(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "run.json").read_text()))


def steps_in(path: Path) -> list[int]:
    with path.open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def test_folders_that_are_claimed_at_once_are_different(tmp_path: Path) -> None:
    (tmp_path / "version_7").mkdir()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: claim(tmp_path), range(16)))
    assert {path.name for path in found} == {f"version_{n}" for n in range(8, 24)}
    named = [claim(tmp_path, "test-last").name for _ in range(3)]
    assert named == ["test-last", "test-last-1", "test-last-2"]


def test_a_killed_and_resumed_run_leaves_the_folder_of_an_uninterrupted_one() -> None:
    validated()
    fit()
    second = Path("runs/tiny/version_1")
    with pytest.raises(InterruptedError):
        fit(kill=7)
    last = second / "checkpoints/last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 6
    # a kill may come while a file is written
    parts = [second / ".metrics.csv.1.part", second / "checkpoints/last.ckpt.part"]
    for part in parts:
        part.touch()
    fit("--ckpt_path", last)
    assert sorted(path.name for path in second.parent.iterdir()) == [
        *("version_0", "version_1"),
    ]
    whole, resumed = files(FIRST), files(second)
    assert resumed[Path("metrics.csv")] == whole[Path("metrics.csv")]
    assert resumed.keys() - whole.keys() == {Path("after-step-6/metrics.csv")}
    assert whole.keys() <= resumed.keys()
    assert not any(part.exists() for part in parts)
    states = [torch.load(f / "checkpoints/last.ckpt", weights_only=True)
              for f in (FIRST, second)]  # fmt: skip
    for key in states[0].keys() - {"callbacks", "loops"}:
        assert same(states[0][key], states[1][key]), key
    (name,) = record(second)["best"]
    assert name == record(FIRST)["best"][0]
    assert record(second)["checkpoint"] == str(last)
    assert record(second)["first_step"] == 6
    assert record(second)["earlier"][0]["first_step"] == 0


def test_two_processes_go_on_in_one_folder() -> None:
    validated()
    forked = ("--trainer.devices=2", "--trainer.strategy=ddp_fork")
    fit(*forked)
    fit(*forked, "--trainer.max_steps=4")
    second = Path("runs/tiny/version_1")
    fit(*forked, "--ckpt_path", second / LAST.relative_to(FIRST))
    metrics = [(folder / "metrics.csv").read_bytes() for folder in (FIRST, second)]
    assert metrics[0] == metrics[1]
    assert record(second)["best"] == record(FIRST)["best"] != []
    assert [record(f)["last_step"] for f in (FIRST, second)] == [8, 8]
    assert len(list(FIRST.parent.iterdir())) == 2


def test_what_a_run_had_made_after_its_checkpoint_is_kept_apart() -> None:
    validated(callbacks=[{**BEST, "init_args": BEST["init_args"] | {"save_top_k": -1}}])
    fit()
    before = files(FIRST)
    best = FIRST / "checkpoints/best-4.ckpt"
    fit("--ckpt_path", best, "--trainer.max_steps", "5", "--trainer.benchmark", "true")
    apart = FIRST / "after-step-4"
    later = {path.name for path in (apart / "checkpoints").iterdir()}
    assert later == {"best-6.ckpt", "best-8.ckpt", "last.ckpt", "last-previous.ckpt"}
    for name in later:
        assert (
            files(apart)[Path("checkpoints", name)] == before[Path("checkpoints", name)]
        )
    assert steps_in(apart / "metrics.csv") == [5, 6, 6, 7, 8, 8]
    assert steps_in(FIRST / "metrics.csv") == [1, 2, 2, 3, 4, 4, 5, 5]
    assert (FIRST / "config-1.yaml").read_bytes() == before[Path("config.yaml")]
    assert yaml.safe_load((FIRST / "config.yaml").read_text())["trainer"]["benchmark"]


def test_other_subcommands_write_into_a_folder_of_their_checkpoint() -> None:
    validated()
    fit()
    writer = "--trainer.callbacks+=SampleWriter"
    call = ("--config", str(FIRST / "config.yaml"), "--ckpt_path")
    seen = files(FIRST)
    for name, path in (
        ("test-last", LAST),
        ("test-last-1", LAST),
        ("validate-last-previous", LAST.with_stem("last-previous")),
        ("predict-last", LAST),
    ):
        subcommand = name.split("-")[0]
        words = [writer] if subcommand == "predict" else []
        assert app.main([subcommand, *call, str(path), *words]) == 0
        made = files(FIRST / name)
        assert files(FIRST) == seen | {Path(name, p): made[p] for p in made}
        seen = files(FIRST)
        assert record(FIRST / name)["checkpoint"] == str(path)
        assert record(FIRST / name)["command"]
        result = "predictions/samples.pt" if words else "metrics.csv"
        assert {Path("config.yaml"), Path(result)} <= made.keys()
    assert traces() == ["runs"]
    assert [path.name for path in FIRST.parent.iterdir()] == ["version_0"]


def test_a_finished_run_that_is_resumed_stays_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    validated()
    fit()
    before = files(Path("runs"))
    capsys.readouterr()
    fit("--ckpt_path", LAST)
    assert files(Path("runs")) == before
    said = capsys.readouterr().err
    assert "step 8 and trainer.max_steps is 8: raise it to go on" in said


def test_a_fit_ends_by_saying_where_and_what_was_best(
    capsys: pytest.CaptureFixture[str],
) -> None:
    validated()
    trainer = fit().trainer
    *_, line, report = capsys.readouterr().err.splitlines()
    assert report == f"report: {FIRST}/report.html"
    (saver,) = trainer.checkpoint_callbacks
    best = Path(saver.best_model_path)  # type: ignore[attr-defined]
    assert line.startswith("run: step 0 to 8 in 0:00:")
    assert f"best val/sliced_wasserstein {saver.best_model_score:.6g}" in line  # type: ignore[attr-defined]
    assert f"(checkpoints/{best.name})" in line
    assert line.endswith(f"all of it is in {FIRST}.")


@pytest.mark.parametrize("root", [[], ["--trainer.default_root_dir", "elsewhere"]])
def test_without_a_logger_each_run_has_its_folder_all_the_same(root: list[str]) -> None:
    validated()
    for version in range(2):
        fit("--trainer.logger", "false", *root)
        parent = Path("elsewhere" if root else "runs/wgangp-pointclouds")
        folder = parent / f"version_{version}"
        expected = {"config.yaml", "run.json", "checkpoints", "report.html"}
        assert {path.name for path in folder.iterdir()} == expected
    assert traces() == [parent.parts[0]]
    last = folder / "checkpoints/last.ckpt"
    fit(
        "--trainer.logger", "false", *root, "--trainer.max_steps=9", "--ckpt_path", last
    )
    assert len(list(parent.iterdir())) == 2


def scores(path: Path) -> Any:
    states = torch.load(path, weights_only=True)["callbacks"]
    return next(state for key, state in states.items() if "Checkpoint" in key)


@pytest.mark.parametrize("moved", [False, True])
def test_a_run_that_goes_on_elsewhere_remembers_its_best(moved: bool) -> None:
    validated()
    fit("--trainer.max_steps", "4")
    path = LAST
    if moved:  # the whole folder, say to another machine
        shutil.move("runs", "moved")
        path = Path("moved", *LAST.parts[1:])
    else:  # the checkpoints alone
        shutil.copytree(FIRST / "checkpoints", "mine")
        path = Path("mine/last.ckpt")
    state = torch.load(path, weights_only=True)
    key = next(key for key in state["callbacks"] if "Checkpoint" in key)
    (score,) = state["callbacks"][key]["best_k_models"].values()
    score.fill_(-1)  # none will be better
    name = Path(state["callbacks"][key]["best_model_path"]).name
    torch.save(state, path)
    cli = fit("--ckpt_path", path)
    folder = path.parents[1] if moved else Path("runs/tiny/version_1")
    (best,) = record(folder)["best"]
    assert best["value"] == -1
    assert best["path"] == f"checkpoints/{name}"
    assert (folder / best["path"]).is_file()
    assert record(folder)["checkpoint"] == str(path)
    (saver,) = cli.trainer.checkpoint_callbacks
    assert Path(saver.best_model_path).samefile(folder / best["path"])  # type: ignore[attr-defined]


def test_a_best_checkpoint_that_is_gone_is_named() -> None:
    validated()
    fit("--trainer.max_steps", "4")
    Path("mine").mkdir()
    shutil.copy(LAST, "mine")
    with pytest.warns(
        UserWarning, match=r"best-[24].ckpt, the best .* is not in 'mine'"
    ):
        fit("--ckpt_path", "mine/last.ckpt")
    (best,) = record(Path("runs/tiny/version_1"))["best"]
    assert Path("runs/tiny/version_1", best["path"]).is_file()


HOLDER = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read()
"""


def test_a_run_that_another_process_trains_is_not_gone_on_with(run: Run) -> None:
    assert run("fit", "--config", "tiny.yaml") == (0, "")
    before = files(FIRST)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, FIRST], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout
    holder.stdout.readline()
    words = ("fit", "--config", "tiny.yaml", "--trainer.max_steps", "3")
    code, sentence = run(*words, "--ckpt_path", LAST)
    assert code == 2
    assert f"'{FIRST}' is a run that another process trains" in sentence
    assert files(FIRST) == before
    holder.communicate()
    assert run(*words, "--ckpt_path", LAST) == (0, "")


def test_a_mistake_leaves_a_run_that_goes_on_as_it_was(run: Run) -> None:
    assert run("fit", "--config", "tiny.yaml", "--trainer.log_every_n_steps=1")[0] == 0
    before = files(Path("runs"))
    words = ("fit", "--config", "tiny.yaml", "--ckpt_path", LAST)
    code, sentence = run(
        *words, "--trainer.max_steps=4", "--trainer.callbacks+=FeatureMap"
    )
    assert code == 2
    assert "FeatureMap" in sentence
    assert files(Path("runs")) == before


class Unread(Callback):
    """Ends as rich's progress bar does where nobody reads what it prints."""

    def on_train_batch_end(self, *_: Any) -> None:
        try:
            raise BrokenPipeError
        except BrokenPipeError:
            raise SystemExit(1)  # noqa: B904  as rich does


def test_a_training_whose_reader_is_gone_says_how_it_ended() -> None:
    write(tiny())
    with pytest.raises(Stopped, match="stopped by SIGPIPE; no checkpoint") as stop:
        app.command_line(["fit", "--config", "tiny.yaml"], [Unread()])
    assert stop.value.code == 128 + signal.SIGPIPE


def test_a_version_that_exists_is_refused(run: Run) -> None:
    words = ("fit", "--config", "tiny.yaml", "--trainer.logger.version", "mine")
    assert run(*words) == (0, "")
    assert Path("runs/tiny/mine/config.yaml").is_file()
    code, sentence = run(*words)
    assert code == 2
    assert "trainer.logger.version mine names runs/tiny/mine, which exists" in sentence


def with_wandb() -> list[str]:
    return ["--trainer.logger=WandbLogger", "--trainer.logger.project=ours",
            "--trainer.callbacks+=WandbRun"]  # fmt: skip


def test_each_wandb_run_of_a_process_is_its_own_and_goes_on() -> None:
    validated()
    for seed in (3, 4):
        fit(*with_wandb(), "--seed_everything", str(seed))
    second = Path("runs/tiny/version_1")
    runs = [next((f / "wandb").glob("offline-run-*")) for f in (FIRST, second)]
    ids = [path.name.split("-")[3] for path in runs]
    assert ids[0] != ids[1]
    last = second / "checkpoints/last.ckpt"
    fit(
        *with_wandb(),
        "--seed_everything=4",
        "--trainer.max_steps=9",
        "--ckpt_path",
        last,
    )
    going_on = {path.name.split("-")[3] for path in (second / "wandb").glob("offl*")}
    assert going_on == {ids[1]}
    assert traces() == ["runs"]
    assert len(list(FIRST.parent.iterdir())) == 2


def test_wandb_files_are_in_the_folder_whatever_the_working_directory_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        validated()
        fit(*with_wandb(), "--trainer.max_steps=2")
        finish_open_run()
        assert list(FIRST.glob("wandb/offline-run-*/*.wandb"))


@pytest.mark.parametrize("order", [1, -1])
def test_two_loggers_of_a_new_run_warn_of_nothing(
    order: int, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    loggers = [
        {"class_path": "CSVLogger", "init_args": {"save_dir": "runs", "name": "two"}},
        {"class_path": "WandbLogger", "init_args": {"project": "ours"}},
    ]
    write(tiny(logger=loggers[::order]))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WANDB_SILENT")
        app.command_line(["fit", "--config", "tiny.yaml"])
    assert not [str(w.message) for w in recwarn if "directory" in str(w.message)]
    assert "WARNING" not in capfd.readouterr().err


def test_tensorboard_writes_into_the_folder_and_goes_on_there() -> None:
    validated()
    board = ["--trainer.logger=TensorBoardLogger"]
    fit(*board, "--trainer.max_steps=4")
    fit(*board, "--ckpt_path", LAST)
    assert [path.name for path in FIRST.parent.iterdir()] == ["version_0"]
    curves = EventAccumulator(str(FIRST)).Reload()
    steps = [event.step for event in curves.Scalars("val/sliced_wasserstein")]
    assert steps == [2, 4, 6, 8]


def test_a_checkpoint_has_a_home_only_beside_a_config(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "a.ckpt"
    assert home_of(None) is home_of(path) is None
    path.parent.mkdir()
    path.touch()
    assert home_of(path) is None
    (tmp_path / "config.yaml").touch()
    assert home_of(path) == tmp_path


@pytest.mark.parametrize("place", ["~/runs", "$HOME/runs"])
def test_a_home_directory_is_expanded(
    run: Run, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write(tiny())
    save_dir = f"--trainer.logger.save_dir={place}"
    assert run("fit", "--config", "tiny.yaml", save_dir)[0] == 0
    last = tmp_path / "home/runs/tiny/version_0/checkpoints/last.ckpt"
    assert last.is_file()
    path = f"--ckpt_path={place}/tiny/version_0/checkpoints/last.ckpt"
    assert run("test", "--config", "tiny.yaml", path, save_dir)[0] == 0
    assert (tmp_path / "home/runs/tiny/version_0/test-last").is_dir()


@pytest.mark.parametrize("size", [700, 3_000, 6_000, 12_000])
def test_a_disk_that_takes_no_more_is_told_and_leaves_whole_files(
    size: int, run: Run, limited_files: Callable[[int], None]
) -> None:
    limited_files(size)
    code, said = run("fit", "--config", "tiny.yaml")
    assert code == 2
    assert "a file would be larger than allowed, " in said
    assert not [path for path in Path("runs").rglob("*") if "part" in path.name]
    for path in Path("runs").rglob("*.ckpt"):
        assert damage(path) is None


def test_a_run_whose_disk_was_full_goes_on_from_its_last_checkpoint(
    run: Run, limited_files: Callable[[int], None]
) -> None:
    assert run("fit", "--config", "tiny.yaml") == (0, "")
    (last,) = Path("runs").rglob("last.ckpt")
    limited_files(3_000)
    words = ["fit", "--config", "tiny.yaml", "--ckpt_path", str(last)]
    code, said = run(*words, "--trainer.max_steps", "4")
    assert (code, said.rpartition("make room")[2]) == (
        2,
        f", then go on with --ckpt_path {last}.",
    )
    limited_files(resource.RLIM_INFINITY)
    assert run(*words, "--trainer.max_steps", "4") == (0, "")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_every_error_of_a_disk_names_the_folder(
    code: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr(Trainer, "save_checkpoint", refuse)
    exit_code, said = run("fit", "--config", "tiny.yaml")
    assert exit_code == 2
    assert said.endswith("version_0' was written: make room, then start again.")


LEFT = ("version_0", "version_0/checkpoints", "version_0/predict-last")
PARTS = (".config.yaml.9.part", ".predictions.building", ".labels.csv.rank1")


def test_what_killed_commands_have_left_is_removed_by_the_next(run: Run) -> None:
    assert run("fit", "--config", "tiny.yaml") == (0, "")
    (last,) = Path("runs").rglob("last.ckpt")
    words = ["--config", "tiny.yaml", "--ckpt_path", str(last)]
    assert run("predict", *words) == (0, "")
    left = [Path("runs/tiny", place, name) for place in LEFT for name in PARTS]
    left.append(last.with_name("last.ckpt.part"))
    for path in left:
        path.parent.mkdir(exist_ok=True)
        if path.suffix == ".building":
            path.mkdir()
            (path / "half.csv").touch()
        else:
            path.touch()
    assert run("test", *words) == (0, "")
    assert not [path for path in left if path.exists()]


def test_another_process_keeps_its_unfinished_files(run: Run) -> None:
    assert run("fit", "--config", "tiny.yaml") == (0, "")
    (last,) = Path("runs").rglob("last.ckpt")
    part = last.parents[1] / PARTS[0]
    part.touch()
    handle = os.open(part.parent, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)  # as one that trains there
    assert run("test", "--config", "tiny.yaml", "--ckpt_path", str(last)) == (0, "")
    os.close(handle)
    assert part.is_file()


def test_a_checkpoint_needs_no_room_elsewhere(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not-there"))
    assert run("fit", "--config", "tiny.yaml") == (0, "")
    (last,) = Path("runs").rglob("last.ckpt")
    assert damage(last) is None
