"""What a run's folder holds, read for its report."""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from callbacks.runs.run_config import FILE
from lightning_modules.core.yaml_size import read_yaml

Series = list[tuple[int, float]]
"""Steps and values, in the order in which they were logged."""
LARGEST_IMAGE = 2_000_000  # bytes; a report holds all that it shows


@dataclass(frozen=True)
class Run:
    """A run's folder, as far as a report shows it.

    Args:
        folder: The folder.
        record: ``run.json``.
        config: ``config.yaml``.
        series: Values by name, as ``metrics.csv`` has them.
        images: Image files by name, with their steps, in order.
        tables: The last table of each name: its step and its rows, names first.
    """

    folder: Path
    record: Mapping[str, Any]
    config: Mapping[str, Any]
    series: Mapping[str, Series] = field(default_factory=dict)
    images: Mapping[str, list[tuple[int, Path]]] = field(default_factory=dict)
    tables: Mapping[str, tuple[int, list[list[str]]]] = field(default_factory=dict)

    @cached_property
    def name(self) -> str:
        """The last two parts of its path."""
        return "/".join(self.folder.resolve().parts[-2:])

    @cached_property
    def validations(self) -> set[int]:
        """Steps at which something was validated."""
        validated = (self.series[key] for key in self.series if key.startswith("val/"))
        return {step for values in validated for step, _ in values}

    def last(self, key: str) -> float | None:
        """The last value of a name, or None."""
        values = self.series.get(key)
        return values[-1][1] if values else None

    def finite(self, key: str) -> Series:
        """The values of a name without those that are NaN or infinite."""
        values = self.series.get(key, [])
        return [(step, value) for step, value in values if math.isfinite(value)]


def read_run(folder: Path) -> Run:
    """Read a run's folder.

    Raises:
        FileNotFoundError: If it is no run's folder.
        ValueError: If a file in it can't be read.
    """
    if not (folder / FILE).is_file():
        raise FileNotFoundError(
            f"'{folder}' is not the folder of a run: it has no {FILE}; name a folder "
            "such as runs/wgan_gp-digits/version_0."
        )
    return Run(
        folder,
        record=_mapping(folder / FILE),
        config=_mapping(folder / "config.yaml"),
        series=_series(folder / "metrics.csv"),
        images=_images(folder / "images"),
        tables=_tables(folder),
    )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Let an error name the file."""
    try:
        yield
    except (ValueError, RecursionError, csv.Error, yaml.YAMLError) as error:
        why = error.problem if isinstance(error, yaml.MarkedYAMLError) else error
        raise ValueError(f"'{path}' can't be read: {why}.") from error


def _mapping(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    with _reading(path):
        text = path.read_text("utf-8")
        content = json.loads(text) if path.suffix == ".json" else read_yaml(text)
    return content if isinstance(content, dict) else {}


def _series(path: Path) -> dict[str, Series]:
    """Values by name; rows that a kill has cut off are left out."""
    if not path.is_file():
        return {}
    with _reading(path), path.open(newline="", encoding="utf-8") as file:
        return _values(csv.DictReader(file))


def _values(rows: Iterable[dict[str, str]]) -> dict[str, Series]:
    series: dict[str, Series] = {}
    for row in rows:
        step = row.pop("step", None) or ""
        for key, value in row.items():
            if key and key != "epoch" and value and step.isdigit():
                series.setdefault(key, []).append((int(step), float(value)))
    return series


def _images(folder: Path) -> dict[str, list[tuple[int, Path]]]:
    """Images ``<name>/<step>.png``."""
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in folder.rglob("*.png"):
        if path.stem.isdigit() and path.stat().st_size <= LARGEST_IMAGE:
            name = path.parent.relative_to(folder).as_posix()
            found.setdefault(name, []).append((int(path.stem), path))
    return {name: sorted(paths) for name, paths in sorted(found.items())}


def _tables(folder: Path) -> dict[str, tuple[int, list[list[str]]]]:
    """Tables ``<name>/<step>.csv``, the last of each name, at most 100 rows."""
    last: dict[str, tuple[int, Path]] = {}
    for path in folder.glob("*/*.csv"):
        if path.stem.isdigit():
            name, step = path.parent.name, int(path.stem)
            last[name] = max(last.get(name, (step, path)), (step, path))
    return {name: (step, _rows(path)) for name, (step, path) in sorted(last.items())}


def _rows(path: Path, most: int = 101) -> list[list[str]]:
    with _reading(path), path.open(newline="", encoding="utf-8") as file:
        return [row for row, _ in zip(csv.reader(file), range(most), strict=False)]
