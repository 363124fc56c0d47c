"""The page: what was run, what looks wrong, curves, images, tables, settings."""

import base64
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from callbacks.critics.transport_monitor import CURVES
from callbacks.report.charts import Chart, line_chart
from callbacks.report.comparison import comparison
from callbacks.report.meanings import better_of, meaning_of
from callbacks.report.run_files import Run
from callbacks.report.settings import changes_training
from callbacks.report.signs import signs

HERE = Path(__file__).parent
MOST_IMAGES = 16  # of one name, evenly spaced
DISTANCES = {f"train/{name}": label for name, label in CURVES.items()}
TITLES = {"": "Distance", "train": "Training", "val": "Validation", "test": "Test"}
_IN_WORDS = {
    "command": "command",
    "started": "started",
    "commit": "commit of this library",
    "python": "Python",
    "platform": "platform",
}


def report_page(runs: Sequence[Run]) -> str:
    """The HTML of a report of one run, or of several beside each other.

    Everything is inside: style, script and images. Text from files is escaped.
    """
    loader = FileSystemLoader(HERE)
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True)
    return environment.get_template("page.html").render(
        title=" · ".join(run.name for run in runs),
        runs=[_shown(run) for run in runs],
        sections=list(_sections(runs)),
        comparison=comparison(runs) if len(runs) > 1 else None,
        style=(HERE / "page.css").read_text("utf-8"),
        script=(HERE / "page.js").read_text("utf-8"),
        json=_json,
        meaning=meaning_of,
    )


def _json(value: Any) -> str:
    """Data for the script; no text in it can end the element that holds it."""
    return json.dumps(value).replace("<", "\\u003c")


def _shown(run: Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "facts": list(_facts(run)),
        "options": _options(str(run.record.get("command", ""))),
        "shipped": run.record.get("shipped"),
        "differences": [
            row for row in run.record.get("differences", []) if changes_training(row[0])
        ],
        "signs": signs(run),
        "images": {name: _inlined(paths) for name, paths in run.images.items()},
        "tables": run.tables,
        "config": json.dumps(run.config, indent=2, ensure_ascii=False),
        "logged": bool(run.series),
    }


def _facts(run: Run) -> list[tuple[str, str]]:
    """What was run, and how it ended."""
    facts = [(text, str(run.record.get(key, ""))) for key, text in _IN_WORDS.items()]
    if "seconds" in run.record:
        steps = f"{run.record.get('first_step', 0):,} to {run.record['last_step']:,}"
        facts.insert(2, ("steps", f"{steps} in {run.record['seconds']:,.0f} s"))
    else:
        facts.insert(2, ("steps", "interrupted: the run did not end"))
    facts += [("best", _best(best)) for best in run.record.get("best", [])]
    if n := run.record.get("processes"):
        nodes = run.record.get("nodes", 1)
        spread = f" on {nodes} machines" if nodes > 1 else ""
        facts.insert(3, ("processes", f"{n}{spread} ({run.record.get('device')})"))
    packages = run.record.get("packages", {})
    facts.append(("packages", ", ".join(f"{k} {v}" for k, v in packages.items())))
    return [(name, value) for name, value in facts if value]


def _best(best: Mapping[str, Any]) -> str:
    """A best value, with its direction where that is known, and its checkpoint."""
    metric = str(best["metric"])
    better = f" ({better_of(metric)} is better)" if better_of(metric) else ""
    return f"{metric} {best['value']:.6g}{better}, {best['path']}"


def _options(command: str) -> list[tuple[str, str]]:
    """Options of the command line but for the config files: what was changed."""
    try:
        words = shlex.split(command)
    except ValueError:  # a quote without its partner
        return []
    pairs = []
    for i, word in enumerate(words):
        option, sign, value = word.partition("=")
        if not option.startswith("--") or option == "--config":
            continue
        pairs.append((option, value if sign else "".join(words[i + 1 : i + 2])))
    return pairs


def _inlined(paths: list[tuple[int, Path]]) -> list[tuple[int, str]]:
    """Steps and data URLs of a few images, the first and the last among them."""
    every = -(-len(paths) // MOST_IMAGES)
    kept = sorted({*paths[::every], paths[-1]})
    return [(step, _data_url(path)) for step, path in kept]


def _data_url(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


# Curves -------------------------------------------------------------------------------


def _sections(runs: Sequence[Run]) -> list[tuple[str, list[Chart]]]:
    """Titles and charts: the distance first, then all that was logged."""
    alone = len(runs) == 1
    groups: dict[str, list[Chart]] = {title: [] for title in TITLES.values()}
    if alone:
        lines = [(label, runs[0], name) for name, label in DISTANCES.items()]
        groups["Distance"] = _chart(
            "critic's estimate beside the exact distance", lines
        )
    for name in sorted({name for run in runs for name in run.series}):
        if alone and name in DISTANCES:
            continue
        start = name.split("/")[0]
        charts = groups.setdefault(TITLES.get(start, start), [])
        charts += _chart(name, [(run.name, run, name) for run in runs])
    return [(title, charts) for title, charts in groups.items() if charts]


def _chart(title: str, lines: list[tuple[str, Run, str]]) -> list[Chart]:
    """A chart with the lines that have values; none without any."""
    found = [(label, run.finite(name)) for label, run, name in lines]
    found = [(label, points) for label, points in found if points]
    marks = {step for _, run, _ in lines for step in run.validations}
    return [line_chart(title, found, sorted(marks))] if found else []
