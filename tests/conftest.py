"""Fixtures and switches that every test shares."""

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

# Read when torch is loaded: a forked rank hangs in OpenMP if its parent had threads,
# and tensors as small as the tests' are fastest on one.
os.environ["OMP_NUM_THREADS"] = "1"

import hypothesis
import pytest
from jaxtyping import install_import_hook

from tests.support.forked_lines import count_forked_lines

# Shapes written in signatures are checked while tests run, and only then.
install_import_hook("lightning_modules.functional", "beartype.beartype")
# What measures coverage has to see those modules, too: its finder stays the first.
sys.meta_path.sort(key=lambda finder: not type(finder).__name__.startswith("Slipcover"))

count_forked_lines()

# A busy machine is no fault of what is tested; pytest-timeout ends what hangs.
# `make test` asks for "ci"; `pytest` alone is for work in progress.
hypothesis.settings.register_profile("ci", deadline=None, print_blob=True)
hypothesis.settings.register_profile(
    "dev", hypothesis.settings.get_profile("ci"), max_examples=20
)
hypothesis.settings.load_profile("dev")

# Lightning 2.6 uses parts of jsonargparse 4 that version 5 drops (hence our bound).
os.environ["JSONARGPARSE_DEPRECATION_WARNINGS"] = "off"

REPOSITORY = Path(__file__).parents[1]
DATA = "WASSERSTEIN_DATA"
LONG = 5.0  # seconds of CPU time; beyond them a test is slow, or long for a reason


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    import torch

    for item in items:
        if item.get_closest_marker("data") and DATA not in os.environ:
            item.add_marker(pytest.mark.skip(reason=f"{DATA} is not set"))
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def pytest_collection_finish() -> None:
    """What was imported stays: the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    os.register_at_fork(after_in_child=_own_thread_pool)


def _own_thread_pool() -> None:
    """Let a forked process replace torch's thread pool while it has one thread.

    The first to ask for the pool after a fork replaces it, without a lock: of two
    threads of gloo, one could find none ("Invalid thread pool!").
    """
    import torch

    torch.set_num_threads(torch.get_num_threads())


def pytest_unconfigure() -> None:
    gc.unfreeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Note the CPU time of a test, with that of its processes."""
    start = sum(os.times()[:4])
    yield
    item.user_properties.append(("cpu", sum(os.times()[:4]) - start))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.stats.get("passed", []):
        seconds = dict(report.user_properties).get("cpu", 0)
        if seconds > LONG and not {"long", "slow"} & report.keywords.keys():
            text = f"{report.nodeid}: {seconds:.1f} s of CPU time, and no word why"
            terminalreporter.write_line(text)
    skipped = terminalreporter.stats.get("skipped", [])
    for marker, need in (("data", f"set {DATA}"), ("gpu", "needs a CUDA device")):
        count = sum(marker in report.keywords for report in skipped)
        if count:
            terminalreporter.write_line(f"{count} `{marker}` tests skipped ({need})")


@pytest.fixture(autouse=True)
def _stay_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the checkout, talks to W&B's servers or opens a window."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.delenv("WASSERSTEIN_TRACEBACK", raising=False)


@pytest.fixture
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


@pytest.fixture
def real_data() -> Path:
    """Directory of the real data sets, read-only: copy before writing."""
    return Path(os.environ[DATA])


@pytest.fixture(autouse=True)
def _leave_seeds_and_ranks_alone() -> Iterator[None]:
    """What Lightning writes into the environment for a test, or a module's fixture,
    reaches no other: its seed, and the process's rank, or a command would wait for
    ranks that nobody starts."""
    seeds = ("PL_GLOBAL_SEED", "PL_SEED_WORKERS")
    ranks = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    for name in (*seeds, *ranks):
        os.environ.pop(name, None)
    yield
    for name in (*seeds, *ranks):
        os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def _leave_signals_alone() -> Iterator[None]:
    """A handler that stays would reach a forked rank of another test, in the worst case
    while it ends, and the rank would go on as a second copy of the test process."""
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    after = [signal.getsignal(number) for number in numbers]
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
    assert after == before, "a test or what it called left a signal handler behind"
