"""Kill, signal, fill, damage and deceive the command line, and write what held.

    python -m tests.torture                # or: make torture
    python -m tests.torture kills flips    # some of the classes
    python -m tests.torture page           # only rebuild docs/reliability.md

A class has blocks of trials; a block is kept as soon as it is finished, and a later
call goes on with those that are missing. Each command is a process of its own, forked
from one that has imported everything.
"""

import atexit
import contextlib
import fcntl
import importlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from argparse import ArgumentError
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from mmap import mmap
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is loaded; we fork

import torch
import yaml

from experiments import records
from experiments.jobs import at_least, command_parser
from experiments.provenance import ROOT, commit, hardware, require_root
from experiments.records import Record, RecordFile
from experiments.results.formats import markdown
from lightning_modules.core.files import damage, write_whole
from tests.support.command_line import tiny
from tests.support.methods import (
    CALLED,
    HOSTILE,
    NAMES,
    VALUES,
    WAYS,
    hostile_tree,
)
from tests.support.shipped import method_of
from tests.support.trainers import same
from wasserstein_critics.cli import app
from wasserstein_critics.cli.config_files import read_config

RAN = 66  # exit code of a process that ran what a file named
PATIENCE = 120.0  # seconds after which a command counts as hanging
CASES = (
    *("wgan_gp/ring8", "wgan/ring8", "gan/ring8", "wdgrl/digits_shift"),
    *("dann/digits_shift", "coral/digits_shift", "mmd/digits_shift"),
    *("deepjdot/digits_shift", "source_only/digits_shift"),
    *("cml/planted", "smooth_cml/planted", "bpr/planted", "warp/planted"),
    *("metric_learner/wine", "classifier/digits"),
)
NO_PREDICTION = {"classifier/digits"}
ON_TWO = ("wgan_gp/ring8", "wdgrl/digits_shift", "cml/planted", "bpr/planted")
PARTS = (
    *("global_step", "epoch", "state_dict", "optimizer_states", "lr_schedulers"),
    *("noise", "schedule", "random_states"),
)


# One command --------------------------------------------------------------------------


@dataclass
class Ended:
    """How a command ended: exit code (negative: the signal), stderr, session."""

    code: int
    told: str
    session: int


@dataclass
class Command:
    """A command line that runs in a folder, in a session of its own.

    Args:
        words: Behind ``python train.py``.
        folder: Where it runs.
        first: Called in the process before the command.
        main: What the command does with its words; returns the exit code.
    """

    words: list[str]
    folder: Path
    first: Callable[[], object] = bool
    main: Callable[[list[str]], int] = app.main
    pid: int = field(init=False, default=0)
    ended: Ended | None = field(init=False, default=None)

    def start(self) -> "Command":
        """Fork it."""
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            self._run()
        return self

    def _run(self) -> None:
        code = 1
        os.setsid()
        os.chdir(self.folder)
        for number, name in ((1, "out.txt"), (2, "err.txt")):
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, number)
        random.seed(0)
        try:
            self.first()
            code = self.main(self.words)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def wait(self, seconds: float = PATIENCE) -> Ended | None:
        """How it ended; None if it still runs after so long."""
        end = time.monotonic() + seconds
        while not self.ended and time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                text = (self.folder / "err.txt").read_text(errors="replace")
                self.ended = Ended(code, text, self.pid)
            else:
                time.sleep(0.005)
        return self.ended

    def end(self) -> Ended:
        """How it ended; killed if it hangs."""
        if ended := self.wait():
            return ended
        self.kill()
        ended = self.wait()
        assert ended is not None
        return Ended(-999, ended.told + "hangs", self.pid)

    def kill(self) -> None:
        """Kill it and all its processes, as a machine that fails does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def run(words: list[str], folder: Path, first: Callable[[], object] = bool) -> Ended:
    """Run a command to its end."""
    return Command(words, folder, first).start().end()


def members(session: int) -> list[int]:
    """Processes of a session that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, number = path.read_text().rpartition(")")[2].split()[:4]
            if int(number) == session and state != "Z":
                found.append(int(path.parent.name))
    return found


def sentence(ended: Ended, *codes: int) -> list[str]:
    """What is wrong with the end of a command that had to tell a mistake."""
    lines = [line for line in ended.told.splitlines() if line.startswith("error: ")]
    wrong = []
    if ended.code not in codes:
        wrong.append(f"exit code {ended.code}")
    if "Traceback" in ended.told:
        wrong.append("traceback: " + ended.told.strip().splitlines()[-1][:200])
    if codes != (0,) and len(lines) != 1:
        wrong.append(f"{len(lines)} sentences")
    return wrong


# Runs that are killed and go on -------------------------------------------------------


def settings(case: str, workers: int) -> dict[str, Any]:
    """A shipped experiment made short, with a checkpoint every third step."""
    job = read_config(ROOT / "configs" / f"{case}.yaml")
    kept = [
        one
        for one in job["trainer"]["callbacks"]
        if one["class_path"].endswith(("EMA", "Network", "Writer", "Table", "TopK"))
    ]
    saves = {"every_n_train_steps": 3, "save_last": True}
    job["trainer"] |= {
        "max_steps": 14,
        "max_epochs": None,
        "val_check_interval": 6,
        "check_val_every_n_epoch": None,
        "limit_val_batches": 0 if "ring8" in case else 1,  # exact transport is slow
        "limit_predict_batches": 2,
        "num_sanity_val_steps": 0,
        "log_every_n_steps": 1,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "logger": {
            "class_path": "CSVLogger",
            "init_args": {"save_dir": "runs", "name": "r"},
        },
        "callbacks": [
            *kept,
            {"class_path": "callbacks.Checkpoint", "init_args": saves},
        ],
    }
    job["data"].setdefault("init_args", {})["num_workers"] = workers
    return job


def fit_words(devices: int) -> list[str]:
    """The command that trains the job of a folder."""
    several = [f"--trainer.devices={devices}", "--trainer.strategy=ddp_fork"]
    return ["fit", "--config", "job.yaml", *(several if devices > 1 else [])]


def last_of(folder: Path) -> Path | None:
    """The last checkpoint of the newest run that has one."""
    found = sorted(folder.glob("runs/r/version_*/checkpoints/last.ckpt"))
    return found[-1] if found else None


def resumed(folder: Path) -> list[str]:
    """The option that goes on with a run, if it has a checkpoint."""
    path = last_of(folder)
    return ["--ckpt_path", str(path)] if path else []


class Writes:
    """Counts files that are opened to write, renamed or removed, and acts at one.

    Args:
        at: Number of the one to act at; -1: none.
        after: Seconds between it and the end of the process.
    """

    def __init__(self, at: int = -1, after: float = 0.0) -> None:
        self.at, self.after = at, after
        self._seen = mmap(-1, 4)  # shared with the forked process

    @property
    def number(self) -> int:
        """How many there were until now."""
        return int.from_bytes(self._seen[:4], "little")

    def watch(self) -> None:
        """Watch this process."""
        sys.addaudithook(self._see)

    def _see(self, event: str, args: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(args[2], int) and args[2] & 3
        if not writes and event not in ("os.rename", "os.remove", "os.mkdir"):
            return
        self._seen[:4] = (self.number + 1).to_bytes(4, "little")
        if self.number == self.at:
            if self.after:  # what SIGALRM ends, ends without a word, in C code too
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.setitimer(signal.ITIMER_REAL, self.after)
            else:
                os.killpg(0, signal.SIGKILL)


@dataclass
class Reference:
    """An uninterrupted run and its predictions."""

    folder: Path
    seconds: float
    writes: int

    @property
    def last(self) -> Path:
        """Its last checkpoint."""
        path = last_of(self.folder)
        assert path is not None
        return path


class Imports:
    """Modules that a forked process imports, for later ones to have already.

    They are not run in the parent: threads of theirs would not survive a fork.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        fcntl.fcntl(self._write, fcntl.F_SETPIPE_SZ, 1 << 20)

    def watch(self) -> None:
        """Report what this process imports."""
        sys.addaudithook(self._see)

    def _see(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "import":
            os.write(self._write, f"{args[0]}\n".encode())

    def repeat(self) -> None:
        """Import the same here."""
        os.close(self._write)
        with os.fdopen(self._read) as names:
            for name in names.read().split():
                with contextlib.suppress(Exception):
                    importlib.import_module(name)


@cache
def reference(case: str, devices: int = 1) -> Reference:
    """The uninterrupted run of a case, without loader workers."""
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "job.yaml").write_text(yaml.safe_dump(settings(case, 0)))
    if devices == 1:
        imports = Imports()
        assert run(fit_words(devices), folder, imports.watch).code == 0
        imports.repeat()
        shutil.rmtree(folder / "runs")
    writes, start = Writes(), time.monotonic()
    ended = run(fit_words(devices), folder, writes.watch)
    assert ended.code == 0, ended.told
    seconds = time.monotonic() - start
    if case not in NO_PREDICTION:
        ended = run(predict_words(folder), folder)
        assert ended.code == 0, ended.told
    return Reference(folder, seconds, writes.number)


@contextlib.contextmanager
def trial_folder() -> Iterator[Path]:
    """A folder of a trial, removed after it."""
    with tempfile.TemporaryDirectory(
        prefix="torture-", ignore_cleanup_errors=True
    ) as path:
        yield Path(path)


def predict_words(folder: Path) -> list[str]:
    """The command that predicts with the last checkpoint."""
    return ["predict", "--config", "job.yaml", *resumed(folder)]


def whole_files(folder: Path) -> list[str]:
    """Which checkpoints of a folder are damaged."""
    return [
        f"{path.name}: {wrong}"
        for path in folder.glob("runs/r/*/checkpoints/*.ckpt")
        if (wrong := damage(path))
    ]


def differences(first: Path, second: Path) -> list[str]:
    """In what two finished runs differ."""
    states = [torch.load(path, weights_only=True) for path in (first, second)]
    found = [p for p in PARTS if not same(states[0].get(p), states[1].get(p))]
    rows = [(path.parents[1] / "metrics.csv").read_bytes() for path in (first, second)]
    return found + (["metrics.csv"] if rows[0] != rows[1] else [])


def leftovers(run_folder: Path) -> list[str]:
    """Unfinished files of a run, and of what was last predicted from it.

    A folder that nobody has gone on in keeps what the kill left.
    """
    predicted = sorted(run_folder.glob("predict-*"), key=lambda p: p.stat().st_mtime)
    return [
        f"{path.relative_to(run_folder)} remains"
        for folder in (run_folder, run_folder / "checkpoints", *predicted[-1:])
        for path in folder.iterdir()
        if path.name.endswith((".part", ".building"))
    ]


def killed(words: list[str], folder: Path, like: Reference, rng: random.Random) -> bool:
    """Start a command and kill it at a random time or write; whether it was killed."""
    if rng.random() < 0.5:
        writes = Writes(rng.randint(1, like.writes), rng.choice([0.0, 0.0005, 0.003]))
        command = Command(words, folder, writes.watch).start()
    else:
        command = Command(words, folder).start()
        command.wait(rng.uniform(0.1, like.seconds))
        command.kill()
    ended = command.end()
    command.kill()  # loader workers
    return ended.code < 0


def kills(rng: random.Random) -> tuple[int, list[str]]:
    """Kills of one run, until it ended, and of its prediction; what was wrong."""
    case = rng.choice(CASES)
    workers = rng.choice([0, 0, 0, 2])
    devices = rng.choice([1, 1, 2]) if case in ON_TWO else 1
    like = reference(case, devices)
    name = f"{case} workers {workers} devices {devices}"
    wrong, kills = [], 0
    with trial_folder() as folder:
        (folder / "job.yaml").write_text(yaml.safe_dump(settings(case, workers)))
        for _ in range(rng.randint(1, 4)):
            words = [*fit_words(devices), *resumed(folder)]
            kills += killed(words, folder, like, rng)
            wrong += whole_files(folder)
        ended = run([*fit_words(devices), *resumed(folder)], folder)
        wrong += sentence(ended, 0)
        last = last_of(folder)
        if last is None:
            wrong.append("no last.ckpt")
        else:
            wrong += differences(like.last, last)
        if last and case not in NO_PREDICTION:
            kills += killed(predict_words(folder), folder, like, rng)
            wrong += sentence(run(predict_words(folder), folder), 0)
        wrong += leftovers(last.parents[1]) if last else []
    return kills, [f"{name}: {one}" for one in wrong]


def signals(rng: random.Random) -> tuple[int, list[str]]:
    """TERM or INT, once or twice, at a random time; the run goes on afterwards."""
    like = reference(rng.choice(CASES))
    number = rng.choice([signal.SIGTERM, signal.SIGINT])
    twice = rng.random() < 0.3
    wrong = []
    with trial_folder() as folder:
        shutil.copy(like.folder / "job.yaml", folder)
        command = Command(fit_words(1), folder).start()
        time.sleep(rng.uniform(0.5, 1) * like.seconds)
        for _ in range(2 if twice else 1):
            os.kill(command.pid, number)
            time.sleep(0.01)
        ended = command.end()
        # before the fit begins SIGTERM ends it as it ends any process
        fine = {0, 128 + number, -number}
        wrong += [] if ended.code in fine else [f"exit code {ended.code}"]
        wrong += ["traceback"] if "Traceback" in ended.told else []
        wrong += whole_files(folder)
        wrong += sentence(run([*fit_words(1), *resumed(folder)], folder), 0)
        last = last_of(folder)
        wrong += differences(like.last, last) if last else ["no last.ckpt"]
    return 1, [f"{signal.Signals(number).name}: {one}" for one in wrong]


# Disks and files ----------------------------------------------------------------------


@contextlib.contextmanager
def full_disk(size: int) -> Iterator[tuple[Path, Callable[[], object], str]]:
    """A folder that takes no more than some bytes.

    It is a tmpfs where it may be mounted; else files have a limit (RLIMIT_FSIZE).
    """
    with trial_folder() as folder:
        words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
        mounted = subprocess.run(words, capture_output=True, check=False)
        if mounted.returncode:
            limits = (size // 4, size // 4)
            yield (
                folder,
                lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
                "limit",
            )
            return
        try:
            yield folder, bool, "tmpfs"
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=False)


def disks(rng: random.Random) -> tuple[int, list[str]]:
    """A disk that is full at some time of the run, and then is not."""
    like = reference(rng.choice(CASES))
    needed = sum(p.stat().st_size for p in like.folder.rglob("*") if p.is_file())
    size = int(rng.uniform(0.1, 1.1) * needed) + 8192
    with full_disk(size) as (folder, first, kind):
        shutil.copy(like.folder / "job.yaml", folder)
        ended = run(fit_words(1), folder, first)
        wrong = sentence(ended, 2) if ended.code else sentence(ended, 0)
        wrong += whole_files(folder)
    return 1, [f"{kind} of {size}: {one}" for one in wrong]


def flips(rng: random.Random) -> tuple[int, list[str]]:
    """One bit of last.ckpt is another."""
    like = reference(rng.choice(CASES))
    with trial_folder() as folder:
        shutil.copytree(like.folder, folder, dirs_exist_ok=True)
        path = last_of(folder)
        assert path is not None
        content = bytearray(path.read_bytes())
        bit = rng.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        before = sorted(p for p in folder.rglob("*") if p.suffix != ".txt")
        words = rng.choice([fit_words(1), ["validate", "--config", "job.yaml"]])
        ended = run([*words, "--ckpt_path", str(path)], folder)
        if ended.code == 0:  # a byte that says nothing, such as a date in the archive
            states = [torch.load(p, weights_only=True) for p in (like.last, path)]
            equal = all(same(states[0][part], states[1][part]) for part in PARTS)
            return 1, [] if equal else [f"bit {bit} was accepted"]
        wrong = sentence(ended, 2)
        wrong += [] if "last.ckpt" in ended.told else ["the file is not named"]
        after = sorted(p for p in folder.rglob("*") if p.suffix != ".txt")
        wrong += ["other files"] if before != after else []
    return 1, [f"bit {bit}: {one}" for one in wrong]


def refuse_programs(event: str, args: tuple[Any, ...]) -> None:
    """End the process where it starts another, or imports the hostile module."""
    starts = event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn")
    if starts or (event == "import" and str(args[0]).startswith("evilmod")):
        os._exit(RAN)


def load(words: list[str]) -> int:
    """Load a checkpoint: 2 where it is refused, 0 where not, `RAN` if something ran."""
    sys.addaudithook(refuse_programs)
    cls: Any = method_of(ROOT / "configs" / f"{words[0]}.yaml")
    code = 0
    try:
        cls.load_from_checkpoint(words[1])
    except (ValueError, TypeError, RuntimeError, ArgumentError) as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        code = 2
    return RAN if CALLED or Path("ran").exists() else code


def hostile(rng: random.Random) -> tuple[int, list[str]]:
    """A checkpoint whose arguments name what must be neither imported nor called."""
    case = rng.choice(["wgan_gp/ring8", "wdgrl/digits_shift", "metric_learner/wine"])
    content = torch.load(reference(case).last, weights_only=True)
    arguments = content["hyper_parameters"]
    names = rng.sample(NAMES, rng.randint(0, len(NAMES)))
    path, way = rng.choice(HOSTILE), rng.choice(WAYS)
    tree = hostile_tree(path, {name: rng.choice(VALUES) for name in names}, way)
    key = rng.choice([key for key in sorted(arguments) if not key.startswith("_")])
    arguments[key] = tree
    with trial_folder() as folder:
        mark = (
            f"open({str(folder / 'ran')!r}, 'w')\nfrom torch.nn import Linear as Critic"
        )
        (folder / "evilmod.py").write_text(mark)
        torch.save(content, folder / "x.ckpt")
        seen = Command(
            [case, "x.ckpt"], folder, lambda: sys.path.insert(0, "."), load
        ).start()
        wrong = sentence(seen.end(), 2)
    return 1, [f"{case} {key}={tree}: {one}" for one in wrong]


# Ranks --------------------------------------------------------------------------------


def ranks(rng: random.Random) -> tuple[int, list[str]]:
    """One of two ranks is stopped or killed at a random time after the first step."""
    job = settings(rng.choice(ON_TWO), 0)
    job["trainer"]["max_steps"] = 100_000
    watch = {"class_path": "callbacks.RankWatch", "init_args": {"timeout": 6.0}}
    job["trainer"]["callbacks"].append(watch)
    number, rank = rng.choice([signal.SIGSTOP, signal.SIGKILL]), rng.choice([0, 1])
    wrong = []
    with trial_folder() as folder:
        (folder / "job.yaml").write_text(yaml.safe_dump(job))
        command = Command(fit_words(2), folder).start()
        while not last_of(folder) and not command.wait(0.1):
            pass
        time.sleep(rng.uniform(0, 2))
        forked = sorted(set(members(command.pid)) - {command.pid})
        os.kill(forked[rank], number)
        ended = command.wait(30)
        if ended is None:
            wrong = ["hangs"]
        else:
            wrong += sentence(ended, 1)
            wrong += (
                [] if f"error: rank {rank} " in ended.told else ["no rank is named"]
            )
            time.sleep(1)
            wrong += [f"{n} remains" for n in members(command.pid)]
        command.kill()
        wrong += whole_files(folder)
    return 1, [f"{signal.Signals(number).name} to rank {rank}: {one}" for one in wrong]


# Bad inputs ---------------------------------------------------------------------------

BAD = ("banana", "[[]]", "nan", "-7", "{a: 1}", "'0x'", "1e400", "[1,2,3,4,5]")
KEYS = (
    *("trainer.max_steps", "trainer.max_epochs", "trainer.devices"),
    *("trainer.precision", "trainer.accelerator", "trainer.strategy"),
    *("trainer.val_check_interval", "trainer.log_every_n_steps"),
    *("trainer.limit_val_batches", "trainer.limit_train_batches"),
    *("trainer.check_val_every_n_epoch", "trainer.callbacks", "trainer.logger"),
    *("trainer.num_sanity_val_steps", "trainer.max_time", "trainer.benchmark"),
    *("model", "model.n_critic", "model.penalty_weight", "model.norm_order"),
    *("model.slope", "model.critic", "model.critic.hidden", "model.critic.shape"),
    *("model.generator", "model.generator.hidden", "model.generator.latent_dim"),
    *("model.generator.shape", "model.critic_optimizer", "model.critic_clip_norm"),
    *("data", "data.batch_size", "data.n_train", "data.n_val", "data.n_test"),
    *("data.name", "data.num_workers", "data.seed", "seed_everything", "ckpt_path"),
)
FINE = {
    ("model.critic_clip_norm", "1e400"),  # infinity: no limit
    ("model.norm_order", "1e400"),  # the largest entry
    ("model.generator.hidden", "[1,2,3,4,5]"),
    ("model.critic.hidden", "[1,2,3,4,5]"),
}


def inputs(rng: random.Random) -> tuple[int, list[str]]:
    """A value that a key can't have."""
    key, value = rng.choice([(k, v) for k in KEYS for v in BAD if (k, v) not in FINE])
    with trial_folder() as folder:
        (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny()))
        ended = run(["fit", "--config", "tiny.yaml", f"--{key}={value}"], folder)
        wrong = sentence(ended, 2)
        made = {p.name for p in folder.iterdir()} - {"tiny.yaml", "out.txt", "err.txt"}
        wrong += [f"{sorted(made)} remains"] if made else []
    return 1, [f"{key}={value}: {one}" for one in wrong]


# Records and the page -----------------------------------------------------------------


@dataclass(frozen=True)
class Class:
    """A kind of trials: how many a block has, how many blocks, and the goal."""

    trial: Callable[[random.Random], tuple[int, list[str]]]
    per_block: int
    blocks: int
    goal: str


CLASSES = {
    "kills": Class(kills, 5, 40, "300 kills, 200 chains"),
    "signals": Class(signals, 5, 4, "20"),
    "disks": Class(disks, 10, 4, ""),
    "flips": Class(flips, 10, 6, "60"),
    "hostile": Class(hostile, 20, 10, "200"),
    "ranks": Class(ranks, 5, 4, ""),
    "inputs": Class(inputs, 20, 10, "200"),
}


def trials_file() -> RecordFile:
    """The records of finished blocks, in ``docs/reliability/trials.jsonl``."""
    path = records.RESULTS.parent / "reliability" / "trials.jsonl"
    return RecordFile(path, records.RUNS / "reliability", ("class", "block"))


HEADER = """# Reliability

Made by `make torture` (`python -m tests.torture`) from the records in
`docs/reliability/`; nothing is typed. Each command line is a process of its own,
forked from one that has imported everything, on shipped experiments made short. A
trial *held* if nothing of what its class promises was broken; what was is listed
below. The seed of a trial is the class's name, its block and its place in the block.

- **kills**: a run is killed up to four times (all its processes, at a random time, or
  at a random opening, renaming or removal of a file, or up to 3 ms later), resumed
  from `last.ckpt` each time, and ends equal to the uninterrupted run in every bit of
  weights, optimizers, schedules, random states and `metrics.csv`; `predict` is killed
  and repeated after it. No checkpoint is ever damaged, no unfinished file stays. Some
  have loader workers, some two processes. A trial is such a chain; *tried* counts
  kills.
- **signals**: TERM or INT, some twice, at a random time: exit code 143 or 130, and
  the run that goes on equals the uninterrupted one.
- **disks**: a tmpfs that is too small (where none may be mounted, a limit for files):
  exit code 2, one sentence, whole checkpoints.
- **flips**: one bit of `last.ckpt` is another: refused in one sentence that names it,
  or a bit that says nothing.
- **hostile**: arguments of a checkpoint name functions, modules and programs:
  refused, nothing imported or run.
- **ranks**: one of two ranks is stopped or killed: exit code 1, the rank is named, no
  process remains.
- **inputs**: a value that a key can't have: exit code 2, one sentence, no file
  remains.
"""


def page_text() -> str:
    """The page, of the blocks that are finished."""
    rows, failures = [["class", "goal", "tried", "trials", "held"]], []
    found = trials_file().read()
    for name, one in CLASSES.items():
        blocks = [record for record in found if record["class"] == name]
        sums = [sum(r[key] for r in blocks) for key in ("tried", "trials", "held")]
        rows.append([name, one.goal, *map(str, sums)])
        failures += [
            f"- {name} {r['block']}: {w}" for r in blocks for w in r["failures"]
        ]
    commits = ", ".join(sorted({record["commit"] for record in found}))
    machines = "; ".join(sorted({record["hardware"] for record in found}))
    return "\n".join(
        [
            *(HEADER, markdown(rows), ""),
            f"Command: `python -m tests.torture`; commit {commits}; {machines}.",
            *("", "What did not hold:", "", *(failures or ["- nothing"]), ""),
        ]
    )


def write_page() -> None:
    """Rebuild docs/reliability.md."""
    write_whole(records.RESULTS.parent / "reliability.md", page_text())


def execute(name: str, block: int) -> Record:
    """Run a block of trials."""
    one = CLASSES[name]
    results = [
        one.trial(random.Random(f"{name} {block} {i}")) for i in range(one.per_block)
    ]
    return {
        "class": name,
        "block": block,
        "trials": len(results),
        "tried": sum(tried for tried, _ in results),
        "held": sum(not wrong for _, wrong in results),
        "failures": [wrong for _, wrong in results if wrong],
        "command": f"python -m tests.torture {name}",
        "commit": commit(),
        "hardware": hardware(),
    }


def main(words: list[str] | None = None) -> None:
    """The command line."""
    parser = command_parser("tests.torture", __doc__)
    choices = [*CLASSES, "page"]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(choices))
    parser.add_argument("--blocks", type=at_least(1), help="of each class at most")
    args = parser.parse_args(words)
    for name in args.names or CLASSES:
        if name not in choices:
            parser.error(f"unknown NAME {name}: choose from {', '.join(choices)}")
        if name == "page":
            continue
        done = {r["block"] for r in trials_file().read() if r["class"] == name}
        for block in range(args.blocks or CLASSES[name].blocks):
            if block not in done:
                record = execute(name, block)
                line = f"{name} {block}: {record['held']} of {record['trials']} held\n"
                sys.stdout.write(line)
                sys.stdout.flush()
                trials_file().add(record)
    write_page()


if __name__ == "__main__":
    require_root()
    main()
