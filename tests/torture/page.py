"""The records of finished blocks of trials, and the page made from them."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from experiments import records
from experiments.records import Record, RecordFile
from experiments.results.formats import markdown
from lightning_modules.core.files import write_whole
from tests.torture.bombs import bombs
from tests.torture.files import disks, flips
from tests.torture.hostile import hostile
from tests.torture.inputs import inputs
from tests.torture.kills import kills, signals
from tests.torture.ranks import ranks


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
    "bombs": Class(bombs, 20, 10, ""),
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
- **signals**: TERM or INT, some twice, at a random time: exit code 143 or 130,
  and the run that goes on equals the uninterrupted one. Exit code 0 is accepted where
  the run's last checkpoint is its last step; death by the signal there, too, where
  there is no checkpoint yet, or where a second signal came.
- **disks**: a tmpfs that is too small (where none may be mounted, a limit for files):
  exit code 2, one sentence, whole checkpoints.
- **flips**: one bit of `last.ckpt` is another: refused in one sentence that names it,
  or a bit that says nothing.
- **hostile**: arguments of a checkpoint name functions, modules and programs:
  refused, nothing imported or run.
- **bombs**: a small data file, config or option that means more values than memory
  holds, or that never ends: exit code 2, one sentence, in at most 120 seconds and
  600 MB beyond what the process had.
- **ranks**: one of two ranks is stopped or killed: exit code 1, the rank is named, no
  process remains.
- **inputs**: a value that a key can't have: exit code 2, one sentence, no file
  remains.
"""


def page_text() -> str:
    """The page, of the blocks that are finished."""
    found = trials_file().read()
    rows = [["class", "goal", "tried", "trials", "held"]]
    rows += [table_row(name, blocks_of(name, found)) for name in CLASSES]
    return "\n".join(
        [
            *(HEADER, markdown(rows), "", origin(found), "", "What did not hold:", ""),
            *(failures(found) or ["- nothing"]),
            "",
        ]
    )


def blocks_of(name: str, found: list[Record]) -> list[Record]:
    """The records of a class."""
    return [record for record in found if record["class"] == name]


def table_row(name: str, blocks: list[Record]) -> list[str]:
    """What was tried of a class, and how much held."""
    sums = [sum(r[key] for r in blocks) for key in ("tried", "trials", "held")]
    return [name, CLASSES[name].goal, *map(str, sums)]


def failures(found: list[Record]) -> list[str]:
    """What did not hold, by class and block."""
    return [
        f"- {name} {record['block']}: {wrong}"
        for name in CLASSES
        for record in blocks_of(name, found)
        for wrong in record["failures"]
    ]


def origin(found: list[Record]) -> str:
    """Which commits and machines the records are from."""
    commits = ", ".join(sorted({record["commit"] for record in found}))
    machines = "; ".join(sorted({record["hardware"] for record in found}))
    return f"Command: `python -m tests.torture`; commit {commits}; {machines}."


def write_page() -> None:
    """Rebuild docs/reliability.md."""
    write_whole(records.RESULTS.parent / "reliability.md", page_text())
