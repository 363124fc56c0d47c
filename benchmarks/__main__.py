"""Time the library and write docs/performance.md.

    python -m benchmarks                    # or: make bench
    python -m benchmarks penalty work       # some of the benchmarks
    python -m benchmarks index_speed        # one of those that write docs/results/*.csv
    python -m benchmarks page               # only rebuild the page
    python -m benchmarks accelerator --minutes 8   # checks, times and trains on a GPU

A benchmark is kept as soon as it is finished. The machine should do nothing else.
"""

import logging
import os
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch

from benchmarks.comparison import Row
from benchmarks.device_session import session
from benchmarks.images import loading
from benchmarks.lazy import lazy
from benchmarks.page import benchmark_file, write_page
from benchmarks.penalty import penalty
from benchmarks.ranking_speed import ranking_speed
from benchmarks.scaling import scaling
from benchmarks.startup import startup
from benchmarks.steps import reference, training, wdgrl_speed
from benchmarks.work import work
from experiments import records
from experiments.jobs import at_least, command_parser
from experiments.provenance import commit, hardware, require_root
from experiments.records import csv_text
from experiments.results.page import write_page as write_results_page
from lightning_modules.core.files import write_whole

Benchmark = Callable[[int], list[dict[str, Any]]]
ROUNDS, MINUTES = 5, 8.0


def _once(name: str) -> Benchmark:
    """A benchmark without rounds, whose packages are loaded when it runs."""
    return lambda _: vars(import_module(f"benchmarks.{name}"))[name]()


BENCHMARKS: dict[str, Benchmark] = {
    "training": training,
    "reference": reference,
    "loading": loading,
    "startup": startup,
    "penalty": penalty,
    "work": work,
    "scaling": scaling,
    "lazy": lazy,
    "accelerator": lambda rounds: session("cuda", MINUTES, rounds),
    "time_to_quality": _once("time_to_quality"),
}
NEED_DATA = {"time_to_quality"}  # in WASSERSTEIN_DATA, and only when they are named
# Those that docs/results.md shows; they run only when they are named.
TABLES: dict[str, Benchmark] = {
    "wdgrl_speed": wdgrl_speed,
    "interactions_speed": _once("interactions_speed"),  # a file takes long
    "ranking_speed": ranking_speed,
    "index_speed": _once("index_speed"),  # an index takes half an hour
}
ALL_CORES = {"interactions_speed"}


def execute(name: str, rounds: int) -> None:
    """Run one benchmark and keep its rows."""
    # Ratios are of work, not of cores.
    torch.set_num_threads((os.cpu_count() or 1) if name in ALL_CORES else 1)
    print(f"{name} ...", flush=True)
    command = f"python -m benchmarks {name} --rounds {rounds}"
    if name in TABLES:
        text = csv_text(origin(command), TABLES[name](rounds))
        write_whole(records.RESULTS / f"{name}.csv", text)
        write_results_page()
    else:
        keep(name, command, BENCHMARKS[name](rounds))


def measure_device(device: str, minutes: float, rounds: int) -> None:
    """Measure a GPU and keep it, or try the same on a CPU and keep nothing here."""
    torch.set_num_threads(1)
    rows = session(device, minutes, rounds)
    if device == "cuda":
        command = f"python -m benchmarks accelerator --minutes {minutes:g}"
        keep("accelerator", f"{command} --rounds {rounds}", rows)


def origin(command: str) -> dict[str, str]:
    """Where numbers come from."""
    return {"command": command, "commit": commit(), "hardware": hardware()}


def keep(name: str, command: str, rows: list[Row]) -> None:
    """Keep the rows of a benchmark, and show them."""
    benchmark_file().add({"name": name, **origin(command), "rows": rows})
    write_page()


def main(words: list[str] | None = None) -> None:
    """The command line."""
    parser = command_parser("benchmarks", __doc__)
    choices = [*BENCHMARKS, *TABLES, "page"]
    usual = [name for name in BENCHMARKS if name not in NEED_DATA]
    text = f"of {', '.join(choices)} (default: {', '.join(usual)})"
    parser.add_argument("names", nargs="*", metavar="NAME", help=text)
    text = "that count, at least 2 (default: %(default)s)"
    parser.add_argument("--rounds", type=at_least(2), default=ROUNDS, help=text)
    text = "that the accelerator may take (default: %(default)g)"
    parser.add_argument("--minutes", type=float, default=MINUTES, help=text)
    text = "of the accelerator; cpu tries the script (default: %(default)s)"
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help=text)
    args = parser.parse_args(words)
    if unknown := [name for name in args.names if name not in choices]:
        parser.error(f"unknown NAME {unknown[0]}: choose from {', '.join(choices)}")
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    for name in args.names or usual:
        if name == "accelerator":
            measure_device(args.device, args.minutes, args.rounds)
        elif name != "page":
            execute(name, args.rounds)
    write_page()


if __name__ == "__main__":
    require_root()
    main()
