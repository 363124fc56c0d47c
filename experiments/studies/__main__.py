"""Run the studies of docs/theory.md: measure, draw, and write their claims.

    python -m experiments.studies run                 # all of them; or: make figures
    python -m experiments.studies run two_bells       # one
    python -m experiments.studies run --missing       # go on after an interruption
    python -m experiments.studies study two_bells --steps 500 --docs elsewhere
    python -m experiments.studies study two_bells --settings
    python -m experiments.studies page     # draw and write from what is measured

A study leaves docs/figures/<name>.csv (its data) and .png, and a block in
docs/theory.md with each claim as a number. Settings stand in configs/studies/.
"""

import argparse
import io
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from jsonargparse import ArgumentParser

from experiments.jobs import AT_ONCE, Job, alone, exit_status, run_all
from experiments.provenance import ROOT, commit, hardware
from experiments.studies import (
    bulldozer,
    deep_critics,
    estimate_and_quality,
    optimal_critics,
    overfitting,
    two_bells,
    value_surfaces,
    vanishing_gradients,
)
from experiments.studies.study import Study, from_csv, to_csv
from lightning_modules.core.files import write_whole

DOCS = ROOT / "docs"
CONFIGS = ROOT / "configs" / "studies"
MODULES = (  # those that take longest first, so that two at a time end together
    vanishing_gradients,
    optimal_critics,
    value_surfaces,
    overfitting,
    estimate_and_quality,
    deep_critics,
    two_bells,
    bulldozer,
)
STUDIES: dict[str, Study] = {m.STUDY.name: m.STUDY for m in MODULES}
LOGS = ROOT / "runs" / "studies"


def run_study(study: Study, arguments: Sequence[str], docs: Path) -> None:
    """Measure one study, keep its rows and draw them.

    Args:
        study: Which one.
        arguments: Its settings from the command line, ``--steps 500``.
        docs: Directory that holds ``figures``.
    """
    parser = ArgumentParser(
        prog=f"figures.py study {study.name}",
        description=f"{study.title}. Claims are printed at the end.",
    )
    parser.add_argument("--config", action="config", help="YAML file of settings")
    where = "directory for figures/; must be given with settings of your own"
    parser.add_argument("--docs", type=str, help=where)
    parser.add_class_arguments(study.settings)
    config = CONFIGS / f"{study.name}.yaml"
    given = parser.parse_args([f"--config={config}", *arguments])
    for name in ("config", "docs"):
        given.pop(name, None)
    torch.set_num_threads(1)
    started, code = time.monotonic(), commit()
    rows = study.measure(study.settings(**given.as_dict()))
    seconds = time.monotonic() - started
    head = [
        f"command: python -m experiments.studies study {study.name}",
        *([f"settings: {' '.join(arguments)}"] if arguments else []),
        f"commit: {code}",
        f"hardware: {hardware()}",
        f"seconds: {seconds:.0f}",
    ]
    text = "".join(f"# {line}\n" for line in head) + to_csv(rows)
    write_whole(_csv(study, docs), text)
    draw(study, docs)
    for claim in study.claims(from_csv(text)):
        print(f"{claim.value:8.3g}  {claim.statement} ({claim.goal}): {claim.verdict}")
    print(_png(study, docs))


def draw(study: Study, docs: Path) -> None:
    """Draw a study's figure from its rows."""
    content = io.BytesIO()
    study.draw(from_csv(_csv(study, docs).read_text())).savefig(content, format="png")
    write_whole(_png(study, docs), content.getvalue())


def _csv(study: Study, docs: Path) -> Path:
    return docs / "figures" / f"{study.name}.csv"


def _png(study: Study, docs: Path) -> Path:
    return _csv(study, docs).with_suffix(".png")


def block(study: Study, docs: Path) -> str:
    """What docs/theory.md says of a study: figure, claims and how they were made."""
    text = _csv(study, docs).read_text()
    rows = [f"**{study.title}.**", "", f"![{study.name}](figures/{study.name}.png)", ""]
    rows += ["| claim | measured | borne out if | |", "|---|---|---|---|"]
    for claim in study.claims(from_csv(text)):
        cells = (claim.statement, f"{claim.value:.3g}", claim.goal, claim.verdict)
        rows.append(f"| {' | '.join(cells)} |")
    head = [line[2:] for line in text.splitlines() if line.startswith("# ")]
    return "\n".join([*rows, "", f"<sub>{'; '.join(head)}</sub>"])


def with_blocks(page: str, docs: Path) -> str:
    """The page with the block of each measured study between its two marks."""
    for study in STUDIES.values():
        begin, end = f"<!-- study: {study.name} -->", "<!-- end -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        measured = _csv(study, docs).exists()
        body = _block_or_reason(study, docs) if measured else _not_measured(study)
        new = f"{begin}\n{body}\n{end}"
        page = pattern.sub(lambda _, new=new: new, page)  # type: ignore[misc]
    return page


BAD_ROWS = (KeyError, ValueError, IndexError, TypeError)  # of another version, say


def _block_or_reason(study: Study, docs: Path) -> str:
    try:
        return block(study, docs)
    except BAD_ROWS as error:
        again = f"measure it again: `python -m experiments.studies run {study.name}`"
        return f"**{study.title}.** Its rows can't be read ({error!r}); {again}."


def _not_measured(study: Study) -> str:
    command = f"python -m experiments.studies run {study.name}"
    return f"**{study.title}.** Not measured yet: `{command}`."


def write_page(docs: Path) -> None:
    """Bring the figures' blocks in docs/theory.md up to date."""
    page = docs / "theory.md"
    write_whole(page, with_blocks(page.read_text(), docs))


def run(names: Sequence[str], jobs: int) -> int:
    """Run studies, ``jobs`` at a time; returns how many failed.

    However it ends, no study is left running and the page shows what is measured.

    Raises:
        BusyError: If another process runs studies.
    """
    with alone(LOGS / "lock", "a study"):
        try:
            return run_all(
                [_job(name) for name in names],
                jobs,
                "studies",
                lambda job: str(_png(STUDIES[job.name], DOCS)),
            )
        finally:
            write_page(DOCS)


def _job(name: str) -> Job:
    words = (sys.executable, "-m", "experiments.studies", "study", name)
    return Job(name, words, LOGS / f"{name}.log")


def draw_all() -> int:
    """Draw every measured study anew; returns how many files could not be drawn."""
    failed = 0
    for study in STUDIES.values():
        if _csv(study, DOCS).exists():
            try:
                draw(study, DOCS)
            except BAD_ROWS as error:
                failed += 1
                sys.stderr.write(
                    f"{_csv(study, DOCS)} can't be drawn ({error!r}): measure it again "
                    f"with `python -m experiments.studies run {study.name}`.\n"
                )
    return failed


def _missing(name: str) -> bool:
    study = STUDIES[name]
    return not (_csv(study, DOCS).exists() and _png(study, DOCS).exists())


def main(arguments: Sequence[str] | None = None) -> int:
    """What the command line asks for; the exit code comes back."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="measure and draw studies")
    known = f"of {', '.join(STUDIES)}; all of them by default"
    runs.add_argument("names", nargs="*", metavar="NAME", help=known)
    runs.add_argument("--missing", action="store_true", help="only those without data")
    runs.add_argument(
        "--jobs", type=int, default=AT_ONCE, help="at a time (default: %(default)s)"
    )
    one = commands.add_parser(
        "study",
        help="measure one, with settings of your own",
        epilog="`study NAME --settings` lists the settings of a study.",
    )
    one.add_argument("name", choices=list(STUDIES))
    one.add_argument("--docs", type=Path, help="where results go; needed with settings")
    commands.add_parser("page", help="draw again and bring docs/theory.md up to date")
    given, rest = parser.parse_known_args(arguments)
    if rest and given.command != "study":
        parser.error(f"unknown arguments: {' '.join(rest)}")
    if given.command == "study":
        rest = ["--help" if word == "--settings" else word for word in rest]
        if rest and not given.docs and "--help" not in rest:
            parser.error(
                "settings of your own need --docs DIRECTORY, so that the published "
                "figures keep those of configs/studies."
            )
        run_study(STUDIES[given.name], rest, given.docs or DOCS)
        return 0
    if given.command == "page":
        failed = draw_all()
        write_page(DOCS)
        return 1 if failed else 0
    if unknown := [name for name in given.names if name not in STUDIES]:
        parser.error(f"no study {', '.join(unknown)}: choose from {', '.join(STUDIES)}")
    if given.jobs < 1:
        parser.error(f"--jobs must be at least 1, got {given.jobs}")
    names = given.names or list(STUDIES)
    if given.missing:
        names = [name for name in names if _missing(name)]
    again = "python -m experiments.studies run --missing"
    return exit_status(lambda: run(names, given.jobs), again)


if __name__ == "__main__":
    sys.exit(main())
