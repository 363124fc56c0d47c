"""Script of MkDocs: reference pages of all public names, from their docstrings."""

import importlib
import inspect
import pkgutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import mkdocs_gen_files
from lightning.pytorch import LightningModule
from torchmetrics import Metric

import callbacks
import datamodules
import lightning_modules
from callbacks.report.meanings import meanings_as_markdown
from lightning_modules import functional, metrics

ROOT = Path(__file__).parents[2]


def write(path: str, text: str) -> None:
    """Write a page of the site; the working tree stays as it is."""
    with mkdocs_gen_files.open(path, "w") as file:
        file.write(text)


def public(package: ModuleType) -> Iterator[tuple[str, Any]]:
    """Names of a package and what they are.

    Raises:
        ValueError: If one has no docstring.
    """
    for name in sorted(package.__all__):
        value = getattr(package, name)
        if not inspect.getdoc(value):
            raise ValueError(f"{package.__name__}.{name} has no docstring.")
        yield name, value


def room(value: Any) -> str:
    """The room that a name stands in."""
    return str(value.__module__.split(".")[1]).replace("_", " ")


def title(value: Any) -> str:
    """The first line of a docstring."""
    return str(inspect.getdoc(value)).split("\n")[0].replace("|", "\\|")


def title_of(path: Path) -> str:
    """The heading of a page, without its number."""
    heading = path.read_text("utf-8").split("\n", maxsplit=1)[0]
    return heading.lstrip("# ").removeprefix(path.stem[:4]).lstrip(".:- ")


def page(heading: str, said: str, values: Iterable[tuple[str, Any]]) -> str:
    """A page with the documentation of each name, by room."""
    rooms: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    for name, value in values:
        rooms[room(value)].append((name, value))
    lines = [f"# {heading}", said]
    for name, members in sorted(rooms.items()):
        lines.append(f"## {name.capitalize()}")
        lines += [f"::: {value.__module__}.{name}" for name, value in members]
    return "\n\n".join(lines)


def table(values: Iterable[tuple[str, Any]], link: str) -> str:
    """A table of names and what they are."""
    rows = [
        f"| [`{name}`]({link}#{value.__module__}.{name}) | {title(value)} |"
        for name, value in values
    ]
    return "\n".join(["| name | what it is |", "|---|---|", *rows])


ours = list(public(lightning_modules))
methods = [
    (name, value)
    for name, value in ours
    if inspect.isclass(value) and issubclass(value, LightningModule)
]
parts = [entry for entry in ours if entry not in methods]
data, observers = list(public(datamodules)), list(public(callbacks))
measured = [
    (name, value)
    for found in pkgutil.iter_modules(metrics.__path__, f"{metrics.__name__}.")
    for name, value in vars(importlib.import_module(found.name)).items()
    if inspect.isclass(value) and issubclass(value, Metric)
    if value.__module__ == found.name and name[0] != "_"
]
modules = [
    importlib.import_module(found.name)
    for found in pkgutil.iter_modules(functional.__path__, f"{functional.__name__}.")
]

write(
    "reference/methods.md",
    page(
        "Methods",
        "In a config: `model: {class_path: WGANGP, init_args: ...}`.",
        methods,
    ),
)
write(
    "reference/networks.md",
    page("Networks, optimizers, files", "In a config by the name of the class.", parts),
)
write("reference/data.md", page("Data modules", "In a config under `data`.", data))
write(
    "reference/callbacks.md",
    page("Callbacks", "In a config under `trainer.callbacks`.", observers),
)
write(
    "reference/metrics.md",
    page("Metrics", "Of torchmetrics' kind; methods and callbacks log them.", measured),
)
write(
    "reference/values.md",
    "\n".join(
        [
            "# Logged values",
            "",
            "As `metrics.csv`, reports and W&B name them; of several lines that fit a "
            "name, the longest counts. `@k` is the length of the list.",
            "",
            *meanings_as_markdown(),
        ]
    ),
)
write(
    "reference/functions.md",
    "\n\n".join(
        [
            "# Functions",
            "The equations: tensors in, tensors out. Shapes stand in the signatures.",
            *(f"::: {module.__name__}" for module in modules),
        ]
    ),
)
write(
    "reference/index.md",
    "\n\n".join(
        [
            "# Reference",
            "Made from the docstrings.",
            "## Methods",
            table(methods, "methods.md"),
            "## Data modules",
            table(data, "data.md"),
            "## Callbacks",
            table(observers, "callbacks.md"),
            "## Metrics",
            table(measured, "metrics.md"),
            "## Networks, optimizers, files",
            table(parts, "networks.md"),
        ]
    ),
)
decisions = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
links = (f"- [{p.stem[:4]}: {title_of(p)}]({p.name})" for p in decisions)
write("decisions/index.md", "\n".join(["# Decisions", "", *links]))
for name in ("CONTRIBUTING", "SECURITY", "CHANGELOG"):
    text = (ROOT / f"{name}.md").read_text("utf-8")
    write(f"{name}.md", text.replace("](docs/", "]("))
