"""Run the studies of docs/theory.md, draw their figures and write their claims.

    python -m experiments.studies run                 # all of them; or: make figures
    python -m experiments.studies run two_bells       # one
    python -m experiments.studies run --missing       # go on after an interruption
    python -m experiments.studies study two_bells --steps 500 --docs elsewhere
    python -m experiments.studies study two_bells --settings
    python -m experiments.studies page     # draw and write from the rows there are

A study leaves docs/figures/<name>.csv (its rows) and .png, and a block in
docs/theory.md with each claim as a number. Settings stand in configs/studies/.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments import jobs
from experiments.provenance import ROOT, require_root
from experiments.studies import files
from experiments.studies.files import STUDIES

DOCS = ROOT / "docs"
LOGS = ROOT / "runs" / "studies"


def run(names: Sequence[str], at_once: int) -> int:
    """Run studies, ``at_once`` at a time; returns how many failed.

    However it ends, no study is left running and the page shows those that are
    finished.

    Raises:
        BusyError: If another process runs studies.
    """
    waiting = [_job(name) for name in names]

    def figure_of(job: jobs.Job) -> str:
        return str(files.figure_path(job.name, DOCS))

    with jobs.alone(LOGS / "lock", "a study"):
        try:
            return jobs.run_all(waiting, at_once, "studies", figure_of)
        finally:
            files.write_page(DOCS)


def _job(name: str) -> jobs.Job:
    words = (sys.executable, "-m", "experiments.studies", "study", name)
    return jobs.Job(name, words, LOGS / f"{name}.log")


def _missing(name: str) -> bool:
    paths = files.csv_path(name, DOCS), files.figure_path(name, DOCS)
    return not all(path.exists() for path in paths)


def _parser() -> argparse.ArgumentParser:
    parser = jobs.command_parser("experiments.studies", __doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="run and draw studies")
    choices = f"of {', '.join(STUDIES)}; all of them by default"
    runs.add_argument("names", nargs="*", metavar="NAME", help=choices)
    runs.add_argument("--missing", action="store_true", help="only those without rows")
    jobs.add_jobs_option(runs)
    listed = "`study NAME --settings` lists the settings of a study."
    title = "run one, with settings of your own"
    one = commands.add_parser("study", help=title, epilog=listed)
    one.add_argument("name", choices=list(STUDIES))
    one.add_argument("--docs", type=Path, help="where results go; needed with settings")
    commands.add_parser("page", help="draw again and bring docs/theory.md up to date")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = _parser()
    args, rest = parser.parse_known_args(arguments)
    if rest and args.command != "study":
        parser.error(f"unknown arguments: {' '.join(rest)}")
    if args.command == "study":
        rest = ["--help" if word == "--settings" else word for word in rest]
        if rest and not args.docs and "--help" not in rest:
            parser.error(
                "settings of your own need --docs DIRECTORY, so that the published "
                "figures keep those of configs/studies."
            )
        files.run_study(args.name, rest, args.docs or DOCS)
        return 0
    if args.command == "page":
        failed = files.draw_all(DOCS)
        files.write_page(DOCS)
        return 1 if failed else 0
    if unknown := [name for name in args.names if name not in STUDIES]:
        parser.error(f"no study {', '.join(unknown)}: choose from {', '.join(STUDIES)}")
    names = args.names or list(STUDIES)
    if args.missing:
        names = [name for name in names if _missing(name)]
    again = "python -m experiments.studies run --missing"
    return jobs.exit_status(lambda: run(names, args.jobs), again)


if __name__ == "__main__":
    require_root()
    sys.exit(main())
