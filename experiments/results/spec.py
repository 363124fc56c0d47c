"""Specification of a table of docs/results.md: its rows, its runs, its columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

METHODS = ("gan", "wgan", "wgan_gp")
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
        config: The YAML file of a task, below configs/<method>.
        options: Command line of a task, given where the data sets lie.
        grid: Whether tasks are rows and methods columns.
        together: Runs that share a process; starting one takes seconds.
    """

    title: str
    columns: Sequence[Column]
    seeds: int
    methods: Sequence[str] = METHODS
    tasks: Sequence[str] = ()
    note: str = ""
    other_seeds: Mapping[str, int] = field(default_factory=dict)
    config: Callable[[str], str] = str
    options: Callable[[str, Path], Sequence[str]] = lambda *_: ()
    variants: Mapping[str, Variant] = field(default_factory=dict)
    grid: bool = False
    together: int = 1

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

        >>> Table("Own data", (), 1, config="{}_own".format).experiment("cml", "shop")
        'cml/shop_own'
        """
        row = self.variants.get(method, Variant(method))
        return f"{row.method}/{self.config(task)}{row.ending}"

    def arguments(self, method: str, task: str, root: Path) -> list[str]:
        """The command line of a row on top of its YAML file.

        Args:
            method: The row.
            task: What it does.
            root: Where the data sets lie.
        """
        changed = self.variants.get(method, Variant(method)).options
        return [*self.options(task, root), *changed]
