"""The subcommand ``report``: one page about one run, or about several."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from callbacks.report.page import report_page
from callbacks.report.run_files import read_run
from callbacks.runs.run_report import REPORT
from lightning_modules.core.files import write_whole
from wasserstein_critics.shipped import program


def report(words: Sequence[str]) -> int:
    """``report RUN [RUN ...]``: write the report of runs as one HTML file."""
    parser = argparse.ArgumentParser(
        prog=f"{program()} report",
        description="Write an HTML page, which needs no network, about runs: curves, "
        "images, what looks wrong, settings; of several runs a comparison.",
    )
    parser.add_argument(
        "run", nargs="+", type=Path, help="folder of a run, as runs/<name>/version_0"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        help=f"file to write; {REPORT} in the run's folder, or here for several runs",
    )
    options = parser.parse_args(words)
    alone = options.run[0] if len(options.run) == 1 else Path()
    path = options.output or alone / REPORT
    try:
        page = report_page([read_run(folder) for folder in options.run])
        write_whole(path, page)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(f"wrote {path}\n")
    return 0
