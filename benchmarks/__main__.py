"""Time the library and write docs/performance.md.

    python -m benchmarks                    # or: make bench
    python -m benchmarks penalty work       # some of the measurements
    python -m benchmarks page               # only rebuild the page

A measurement is kept as soon as it is finished. The machine should do nothing else.
"""

import argparse
import json
import logging
import warnings
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.accelerator import accelerator
from benchmarks.lazy import lazy
from benchmarks.page import MEASURED, write_page
from benchmarks.penalty import penalty
from benchmarks.scaling import scaling
from benchmarks.startup import startup
from benchmarks.steps import loading, training, usual
from benchmarks.work import work
from experiments.provenance import commit, hardware
from lightning_modules.core.files import write_whole

MEASUREMENTS: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "training": training,
    "usual": usual,
    "loading": loading,
    "startup": startup,
    "penalty": penalty,
    "work": work,
    "scaling": scaling,
    "lazy": lazy,
    "accelerator": accelerator,
}
ROUNDS = 5


def measure(name: str, rounds: int) -> None:
    """Take one measurement and keep it."""
    code = commit()
    print(f"{name} ...", flush=True)
    found = {
        "command": f"python -m benchmarks {name} --rounds {rounds}",
        "commit": code,
        "hardware": hardware(),
        "rows": MEASUREMENTS[name](rounds),
    }
    MEASURED.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=2, ensure_ascii=False)
    write_whole(MEASURED / f"{name}.json", text + "\n")
    write_page()


def main(words: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = [*MEASUREMENTS, "page"]
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(known)} (default: all)"
    )
    help_rounds = "that count, at least 2 (default: %(default)s)"
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=help_rounds)
    args = parser.parse_args(words)
    unknown = [name for name in args.names if name not in known]
    if unknown:
        parser.error(f"unknown NAME {unknown[0]}: choose from {', '.join(known)}")
    if args.rounds < 2:
        parser.error(f"--rounds must be at least 2, got {args.rounds}")
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)  # ratios are of work, not of cores
    for name in args.names or MEASUREMENTS:
        if name != "page":
            measure(name, args.rounds)
    write_page()


if __name__ == "__main__":
    main()
