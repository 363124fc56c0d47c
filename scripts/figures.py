"""Run the studies of docs/theory.md: measure, draw, and write their claims.

    python scripts/figures.py run                 # all of them; or: make figures
    python scripts/figures.py run two_bells       # one
    python scripts/figures.py run --missing       # go on after an interruption
    python scripts/figures.py study two_bells --steps 500 --docs elsewhere
    python scripts/figures.py page                # draw and write from what is measured

A study leaves docs/figures/<name>.csv (its data) and .png, and a block in
docs/theory.md with each claim as a number. Settings stand in configs/studies/.
"""

import argparse
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from jsonargparse import ArgumentParser
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from callbacks.files import write_whole  # noqa: E402
from scripts.cells import commit, hardware  # noqa: E402
from scripts.studies import (  # noqa: E402
    bulldozer,
    deep_critics,
    estimate_and_quality,
    optimal_critics,
    overfitting,
    two_bells,
    value_surfaces,
    vanishing_gradients,
)
from scripts.studies.study import Study, from_csv, to_csv  # noqa: E402

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
POLL = 0.5  # seconds between looks at the running studies


def run_study(study: Study, arguments: Sequence[str], docs: Path) -> None:
    """Measure one study, keep its rows and draw them.

    Args:
        study: Which one.
        arguments: Its settings from the command line, ``--steps 500``.
        docs: Directory that holds ``figures``.
    """
    parser = ArgumentParser(prog=f"figures.py study {study.name}")
    parser.add_argument("--config", action="config", help="YAML file of settings")
    parser.add_class_arguments(study.settings)
    config = CONFIGS / f"{study.name}.yaml"
    given = parser.parse_args([f"--config={config}", *arguments])
    given.pop("config", None)
    torch.set_num_threads(1)
    started, code = time.monotonic(), commit()
    rows = study.measure(study.settings(**given.as_dict()))
    seconds = time.monotonic() - started
    head = [
        f"command: python scripts/figures.py study {study.name}",
        *([f"settings: {' '.join(arguments)}"] if arguments else []),
        f"commit: {code}",
        f"hardware: {hardware()}",
        f"seconds: {seconds:.0f}",
    ]
    text = "".join(f"# {line}\n" for line in head) + to_csv(rows)
    write_whole(docs / "figures" / f"{study.name}.csv", text)
    draw(study, docs)


def draw(study: Study, docs: Path) -> None:
    """Draw a study's figure from its rows."""
    content = io.BytesIO()
    study.draw(from_csv(_csv(study, docs).read_text())).savefig(content, format="png")
    write_whole(docs / "figures" / f"{study.name}.png", content.getvalue())


def _csv(study: Study, docs: Path) -> Path:
    return docs / "figures" / f"{study.name}.csv"


def block(study: Study, docs: Path) -> str:
    """What docs/theory.md says of a study: figure, claims and how they were made."""
    text = _csv(study, docs).read_text()
    rows = [f"**{study.title}.**", "", f"![{study.name}](figures/{study.name}.png)", ""]
    rows += ["| claim | measured | borne out if | |", "|---|---|---|---|"]
    for claim in study.claims(from_csv(text)):
        verdict = "yes" if claim.holds else "**no**"
        rows.append(
            f"| {claim.statement} | {claim.value:.3g} | {claim.goal} | {verdict} |"
        )
    head = [line[2:] for line in text.splitlines() if line.startswith("# ")]
    return "\n".join([*rows, "", f"<sub>{'; '.join(head)}</sub>"])


def with_blocks(page: str, docs: Path) -> str:
    """The page with the block of each measured study between its two marks."""
    for study in STUDIES.values():
        begin, end = f"<!-- study: {study.name} -->", "<!-- end -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        measured = _csv(study, docs).exists()
        body = block(study, docs) if measured else _not_measured(study)
        new = f"{begin}\n{body}\n{end}"
        page = pattern.sub(lambda _, new=new: new, page)  # type: ignore[misc]
    return page


def _not_measured(study: Study) -> str:
    command = f"python scripts/figures.py run {study.name}"
    return f"**{study.title}.** Not measured yet: `{command}`."


def write_page(docs: Path = DOCS) -> None:
    """Bring the figures' blocks in docs/theory.md up to date."""
    page = docs / "theory.md"
    write_whole(page, with_blocks(page.read_text(), docs))


def run(names: Sequence[str], jobs: int) -> int:
    """Run studies, ``jobs`` at a time; returns how many failed."""
    waiting, failed = list(names), 0
    running: dict[str, subprocess.Popen[bytes]] = {}
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(TextColumn("{task.description}"), *columns) as progress:
        bar = progress.add_task("studies", total=len(waiting))
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    running[waiting[0]] = _start(waiting[0])
                    del waiting[0]
                progress.update(bar, description=", ".join(running))
                time.sleep(POLL)
                for name in [n for n, p in running.items() if p.poll() is not None]:
                    if running.pop(name).returncode:
                        failed += 1
                        progress.console.print(f"{name} failed: see {_log(name)}")
                    else:
                        progress.console.print(DOCS / "figures" / f"{name}.png")
                    progress.advance(bar)
        finally:
            for process in running.values():
                process.terminate()
                process.wait()
    write_page()
    return failed


def _log(name: str) -> Path:
    return ROOT / "runs" / "studies" / f"{name}.log"


def _start(name: str) -> "subprocess.Popen[bytes]":
    log = _log(name)
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, str(ROOT / "scripts/figures.py"), "study", name]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("wb") as file:
        return subprocess.Popen(
            words, stdout=file, stderr=subprocess.STDOUT, env=environment
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """What the command line asks for; the exit code comes back."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="measure and draw studies")
    runs.add_argument("names", nargs="*", choices=[*STUDIES, []], metavar="NAME")
    runs.add_argument("--missing", action="store_true", help="only those without data")
    jobs = min(2, os.cpu_count() or 1)
    runs.add_argument("--jobs", type=int, default=jobs, help="default: %(default)s")
    one = commands.add_parser("study", help="measure one, with settings of your own")
    one.add_argument("name", choices=list(STUDIES))
    one.add_argument("--docs", type=Path, default=DOCS, help="where results go")
    commands.add_parser("page", help="draw again and bring docs/theory.md up to date")
    given, rest = parser.parse_known_args(arguments)
    if rest and given.command != "study":
        parser.error(f"unknown arguments: {' '.join(rest)}")
    if given.command == "study":
        run_study(STUDIES[given.name], rest, given.docs)
        return 0
    if given.command == "page":
        for study in STUDIES.values():
            if _csv(study, DOCS).exists():
                draw(study, DOCS)
        write_page()
        return 0
    if given.jobs < 1:
        parser.error(f"--jobs must be at least 1, got {given.jobs}")
    names = given.names or list(STUDIES)
    if given.missing:
        names = [n for n in names if not _csv(STUDIES[n], DOCS).exists()]
    return 1 if run(names, given.jobs) else 0


if __name__ == "__main__":
    sys.exit(main())
