"""Files of the studies: rows and figures in docs/figures, blocks in docs/theory.md."""

import io
import re
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast, get_type_hints

import torch
from cycler import cycler
from jsonargparse import ArgumentParser, get_loader
from matplotlib import rc_context

from callbacks.plotting.feature_plots import COLOURS
from experiments.provenance import ROOT, commit, hardware
from experiments.records import csv_text, header_lines
from experiments.results.formats import markdown
from experiments.studies.study import DECLARED, Study, from_csv
from lightning_modules.core.files import write_whole

CONFIGS = ROOT / "configs" / "studies"
STUDIES = {
    name: cast(Study, import_module(f"{__package__}.{name}")) for name in DECLARED
}
BAD_ROWS = (KeyError, ValueError, IndexError, TypeError)  # of another version, say


def csv_path(name: str, docs: Path) -> Path:
    """Where a study's rows are kept."""
    return docs / "figures" / f"{name}.csv"


def figure_path(name: str, docs: Path) -> Path:
    """Where a study's figure is kept."""
    return csv_path(name, docs).with_suffix(".png")


def run_study(name: str, arguments: Sequence[str], docs: Path) -> None:
    """Run one study, keep its rows, draw them and print its claims.

    Args:
        name: Which one.
        arguments: Its settings from the command line, ``--steps 500``.
        docs: Directory that holds ``figures``.
    """
    study = STUDIES[name]
    settings = settings_of(name, arguments)
    torch.set_num_threads(1)
    started, code = time.monotonic(), commit()
    rows = study.run(settings)
    seconds = time.monotonic() - started
    header = {
        "command": f"python -m experiments.studies study {name}",
        **({"settings": " ".join(arguments)} if arguments else {}),
        "commit": code,
        "hardware": hardware(),
        "seconds": f"{seconds:.0f}",
    }
    text = csv_text(header, rows)
    write_whole(csv_path(name, docs), text)
    draw(name, docs)
    for claim in study.claims(from_csv(text)):
        print(f"{claim.value:8.3g}  {claim.statement} ({claim.goal}): {claim.verdict}")
    print(figure_path(name, docs))


def settings_of(name: str, arguments: Sequence[str]) -> Any:
    """Those of configs/studies, with what the command line changes."""
    study = STUDIES[name]
    parser = ArgumentParser(
        prog=f"python -m experiments.studies study {name}",
        description=f"{study.TITLE}. Claims are printed at the end.",
    )
    parser.add_argument("--config", action="config", help="YAML file of settings")
    where = "directory for figures/; must be given with settings of your own"
    parser.add_argument("--docs", type=str, help=where)
    config = CONFIGS / f"{name}.yaml"
    text = config.read_text()
    values = get_loader("yaml")(text)
    notes = dict(re.findall(r"^(\w+): .*? # (.+)$", text, re.M))
    for key, kind in get_type_hints(study.Settings).items():
        about = {"default": values[key], "help": notes[key]}
        parser.add_argument(f"--{key}", type=kind, **about)
    settings = parser.parse_args([f"--config={config}", *arguments])
    for option in ("config", "docs"):
        settings.pop(option, None)
    return study.Settings(**settings.as_dict())


def draw(name: str, docs: Path) -> None:
    """Draw a study's figure from its rows."""
    content, rows = io.BytesIO(), from_csv(csv_path(name, docs).read_text())
    with rc_context({"axes.prop_cycle": cycler(color=COLOURS)}):
        STUDIES[name].draw(rows).savefig(content, format="png")
    write_whole(figure_path(name, docs), content.getvalue())


def draw_all(docs: Path) -> int:
    """Redraw every finished study; returns how many figures could not be drawn."""
    failed = 0
    for name in STUDIES:
        if csv_path(name, docs).exists():
            try:
                draw(name, docs)
            except BAD_ROWS as error:
                failed += 1
                sys.stderr.write(
                    f"{csv_path(name, docs)} can't be drawn ({error!r}): "
                    f"run `python -m experiments.studies run {name}` again.\n"
                )
    return failed


def block(name: str, docs: Path) -> str:
    """A study in docs/theory.md: its figure, its claims and how they were obtained."""
    text, study = csv_path(name, docs).read_text(), STUDIES[name]
    claims = [
        [claim.statement, f"{claim.value:.3g}", claim.goal, claim.verdict]
        for claim in study.claims(from_csv(text))
    ]
    parts = (
        f"**{study.TITLE}.**",
        f"![{name}](figures/{name}.png)",
        markdown([["claim", "measured", "borne out if", "holds"], *claims]),
        f"<sub>{'; '.join(header_lines(text))}</sub>",
    )
    return "\n\n".join(parts)


def with_blocks(page: str, docs: Path) -> str:
    """The page with the block of each study between its two markers."""
    for name in STUDIES:
        begin, end = f"<!-- study: {name} -->", "<!-- end -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        new = f"{begin}\n{_block_or_reason(name, docs)}\n{end}"
        page = pattern.sub(lambda _, new=new: new, page)  # type: ignore[misc]
    return page


def _block_or_reason(name: str, docs: Path) -> str:
    title, command = STUDIES[name].TITLE, f"python -m experiments.studies run {name}"
    if not csv_path(name, docs).exists():
        return f"**{title}.** Not run yet: `{command}`."
    try:
        return block(name, docs)
    except BAD_ROWS as error:
        return f"**{title}.** Its rows can't be read ({error!r}): run `{command}`."


def write_page(docs: Path) -> None:
    """Bring the studies' blocks in docs/theory.md up to date."""
    page = docs / "theory.md"
    write_whole(page, with_blocks(page.read_text(), docs))
