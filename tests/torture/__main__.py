"""Kill, signal, fill, damage and deceive the command line, and write what held.

    python -m tests.torture                # or: make torture
    python -m tests.torture kills flips    # some of the classes
    python -m tests.torture page           # only rebuild docs/reliability.md

A class has blocks of trials; a block is kept as soon as it is finished, and a later
call goes on with those that are missing. Each command is a process of its own, forked
from one that has imported everything.
"""

import os
import random
import sys

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is loaded; we fork

from experiments.jobs import at_least, command_parser
from experiments.provenance import commit, hardware, require_root
from experiments.records import Record
from tests.torture.page import CLASSES, trials_file, write_page


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


def run_missing(name: str, blocks: int) -> None:
    """Run the blocks of a class that have no record, and keep each."""
    done = {r["block"] for r in trials_file().read() if r["class"] == name}
    for block in range(blocks):
        if block not in done:
            record = execute(name, block)
            line = f"{name} {block}: {record['held']} of {record['trials']} held\n"
            sys.stdout.write(line)
            sys.stdout.flush()
            trials_file().add(record)


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
        if name != "page":
            run_missing(name, args.blocks or CLASSES[name].blocks)
    write_page()


if __name__ == "__main__":
    require_root()
    main()
