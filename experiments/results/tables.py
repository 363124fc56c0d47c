"""The tables of docs/results.md: their rows, runs and columns, as tables.yaml says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

REAL = "real_data"  # the data set itself, evaluated as if it were samples
TRUE_DISTANCES = "true_distances"  # the places that planted data is made from
UNTRAINED = (REAL, TRUE_DISTANCES)  # rows that have no config


@dataclass(frozen=True)
class Column:
    """One metric of a table: its name in the record, its heading, and how to print it.

    A metric that some methods lack is not ``everywhere``.
    """

    key: str
    heading: str
    form: str = "{:.2f}"
    factor: float = 1.0
    everywhere: bool = True

    def show(self, value: float) -> str:
        """A value as the page prints it."""
        return self.form.format(self.factor * value)


@dataclass(frozen=True)
class Variant:
    """A row that is a method's experiment with something changed.

    Attributes:
        method: Whose configs it takes.
        ending: What the name of its YAML file ends with.
        options: Command line on top of the YAML file.
    """

    method: str
    ending: str = ""
    options: Sequence[str] = ()


@dataclass(frozen=True)
class Table:
    """The runs of a table and how they are shown.

    Attributes:
        title: Its heading.
        columns: The metrics that are shown.
        seeds: How many for each method and task.
        methods: Its rows, or for several tasks in a grid its columns.
        tasks: What each method does; empty for one task, named as the table.
        note: Text above it.
        other_seeds: Methods, tasks, or ``method--task`` with another number of seeds.
        variants: Rows that are no method of their own.
        configs: The YAML file of a task, below configs/<method>, where it has another
            name; ``each`` is for the other tasks.
        options: Command line of a task, or of ``each`` task that is not named, with
            {root} for the directory of the data sets and the {source} and {target} of
            a task that is called source-target.
        grid: Whether tasks are rows and methods columns.
        lower_is_better: Whether the first column is a distance.
        together: Runs that share a process; starting one takes seconds.
        by_user: Whether the first column is compared by users, see `user_values`; of
            one task.

    Raises:
        ValueError: A table of several tasks shall be compared by users.
    """

    title: str
    columns: Sequence[Column]
    seeds: int
    methods: Sequence[str]
    tasks: Sequence[str] = ()
    note: str = ""
    other_seeds: Mapping[str, int] = field(default_factory=dict)
    variants: Mapping[str, Variant] = field(default_factory=dict)
    configs: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)
    grid: bool = False
    lower_is_better: bool = False
    together: int = 1
    by_user: bool = False

    def __post_init__(self) -> None:
        if self.by_user and len(self.tasks) > 1:
            raise ValueError(f"{self.title}: users of several tasks can't be compared.")

    def tasks_of(self, name: str) -> Sequence[str]:
        """Its tasks; a table without any is named as its one task."""
        return self.tasks or (name,)

    def seeds_of(self, method: str, task: str) -> int:
        """How many seeds a method has on a task."""
        names = (f"{method}--{task}", method, task)
        others = (self.other_seeds[n] for n in names if n in self.other_seeds)
        return next(others, self.seeds)

    def experiment(self, method: str, task: str) -> str:
        """The YAML file of a row, below configs and without its ending.

        >>> own = Table("Own data", (), 1, ("cml",), configs={"each": "shop"})
        >>> own.experiment("cml", "july")
        'cml/shop'
        """
        row = self.variants.get(method, Variant(method))
        config = self.configs.get(task, self.configs.get("each", task))
        return f"{row.method}/{config}{row.ending}"

    def task_options(self, task: str, root: Path) -> list[str]:
        """The command line of a task, whose data lie below ``root``."""
        source, _, target = task.partition("-")
        options = self.options.get(task, self.options.get("each", ()))
        names = {"root": root, "source": source, "target": target}
        return [option.format(**names) for option in options]

    def arguments(self, method: str, task: str, root: Path) -> list[str]:
        """The command line of a row on top of its YAML file, see `task_options`."""
        changed = self.variants.get(method, Variant(method)).options
        return [*self.task_options(task, root), *changed]


def _column(words: str | list[Any]) -> Column:
    return Column(words, words, "{:.4f}") if isinstance(words, str) else Column(*words)


def _table(entry: dict[str, Any]) -> Table:
    note = entry.pop("note")
    columns = [_column(words) for words in entry.pop("columns")]
    variants = {n: Variant(**row) for n, row in entry.pop("variants", {}).items()}
    text = note if isinstance(note, str) else " ".join(note)
    return Table(columns=columns, variants=variants, note=text, **entry)


PAGE = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
TABLES = {name: _table(entry) for name, entry in PAGE["tables"].items()}
