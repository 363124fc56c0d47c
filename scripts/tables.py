"""The tables of docs/results.md: which cells they have, and how they are shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

METHODS = ("gan", "wgan", "wgan_gp")
REAL = "real_data"  # the data set itself, measured as if it were samples


@dataclass(frozen=True)
class Column:
    """One metric of a table: its name in the cell, its heading, and how to print it.

    What not every method has is not ``everywhere``.
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
class Table:
    """Which cells a table has.

    Attributes:
        title: Its heading.
        columns: The metrics that are shown.
        seeds: How many for each method and task.
        methods: Its rows, or for several tasks in a grid its columns.
        tasks: What each method does; empty for one task, named as the table.
        note: Text above it.
        other_seeds: Methods or tasks with another number of seeds.
        config: The YAML file of a task, below configs/<method>.
        options: Command line of a task, given where the data sets lie.
        grid: Whether tasks are rows and methods columns.
        together: Cells that one process measures in turn; starting one takes seconds.
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
    grid: bool = False
    together: int = 1

    def seeds_of(self, method: str, task: str) -> int:
        """How many seeds a method has on a task."""
        others = self.other_seeds
        return others.get(method, others.get(task, self.seeds))


ADAPTATION = ("source_only", "mmd", "coral", "dann", "deepjdot", "wdgrl")
AMAZON = ("books", "dvd", "electronics", "kitchen")
OFFICE = ("amazon", "caltech10", "dslr", "webcam")
DIGITS = {
    "digits-shift": "digits_shift",
    "mnist-usps": "mnist_usps",
    "mnist-usps-28": "mnist_usps",  # at MNIST's size instead of USPS's 16 x 16
}


def _pairs(domains: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{source}-{target}" for source, target in permutations(domains, 2))


def _pair_options(folder: str) -> Callable[[str, Path], Sequence[str]]:
    def options(task: str, root: Path) -> Sequence[str]:
        source, target = task.split("-")
        words = {"root": root / folder, "source": source, "target": target}
        return [f"--data.{key}={word}" for key, word in words.items()]

    return options


def _digit_options(task: str, root: Path) -> Sequence[str]:
    if task == "digits-shift":
        return []
    size = ["--data.image_size=28", "--model.extractor.shape=[1,28,28]"]
    return [f"--data.root={root}", *(size if task.endswith("-28") else [])]


_ACCURACY = (
    Column("last/accuracy", "last", "{:.2f}", 100.0),
    Column("selected/accuracy", "selected", "{:.2f}", 100.0),
    Column("best/accuracy", "oracle", "{:.2f}", 100.0),
    Column("last/source_accuracy", "source", "{:.2f}", 100.0),
)
_DOMAIN_LOSS = Column("last/domain_loss", "domain loss", "{:.4f}", everywhere=False)
_ACCURACY_NOTE = (
    "Accuracy on the target's test rows, %. *last*: at the last step. *selected*: at "
    "the validation with the highest information maximisation score, which needs no "
    "target labels. *oracle*: the best validation, which nobody without target labels "
    "can pick. *source*: on the source's validation rows."
)
_MODES = (
    Column("modes", "modes", "{:.1f}"),
    Column("high_quality", "high quality, %", "{:.1f}", 100.0),
    Column("reverse_kl", "reverse KL", "{:.4f}"),
)
_POINTS_NOTE = (
    "2,500 samples; high quality: within 3 standard deviations of the nearest mode; a "
    "mode counts once one such sample is near it; reverse KL of those samples' modes "
    "against the uniform law, in nats. None of these sees whether a mode is as wide as "
    "the data's: for that a cell's file has exact W1 to test points, `wasserstein`. "
    "`real_data` is a perfect sampler. The published "
    "rows train other networks for longer and on another device; ± in them is the "
    "standard error over 10 runs."
)
TABLES = {
    "ring8": Table(
        "Ring of 8 Gaussians", _MODES, 5, (*METHODS, REAL), note=_POINTS_NOTE
    ),
    "grid25": Table(
        "Grid of 25 Gaussians", _MODES, 5, (*METHODS, REAL), note=_POINTS_NOTE
    ),
    "mnist": Table(
        "MNIST",
        (
            Column("fid", "FID"),
            Column("min_class_share", "rarest class, %", "{:.1f}", 100.0),
            Column("max_class_share", "commonest class, %", "{:.1f}", 100.0),
        ),
        3,
        (*METHODS, REAL),
        note="10,000 samples against the 10,000 test images, in the 64 features of the "
        "project's own classifier (docs/results/features/mnist.safetensors): FIDs are "
        "on that scale, not on Inception's, so the published rows are context only. "
        "`real_data` is a random sample of 10,000 training images, drawn by the seed.",
    ),
    "demo": Table(
        "`make demo`: half of scikit-learn's digits",
        (
            Column("w1_start", "W1 at start"),
            Column("w1_end", "W1 at end", "{:.3f}"),
            Column("w1_halves", "W1 of the halves", "{:.3f}"),
            Column("w1_ratio", "ratio", "{:.3f}"),
            Column("two_sample_accuracy", "1-NN accuracy", "{:.3f}"),
            Column("distinct_neighbours", "distinct neighbours", "{:.0f}"),
            Column("min_class_share", "rarest class, %", "{:.1f}", 100.0),
            Column("max_class_share", "commonest class, %", "{:.1f}", 100.0),
        ),
        3,
        ("wgan_gp",),
        ("digits",),
        note="Exact Wasserstein-1 distance between 898 samples and the 898 held-out "
        "digits, pixels in [-1, 1]; the halves' own distance is what a perfect sampler "
        "reaches. Leave-one-out 1-NN accuracy: 0.5 is ideal. Distinct neighbours: how "
        "many of the training digits are nearest to some sample.",
    ),
    "wdgrl-amazon": Table(
        "Amazon reviews: 12 tasks",
        _ACCURACY,
        1,
        ADAPTATION,
        _pairs(AMAZON),
        _ACCURACY_NOTE
        + " Settings were chosen without target labels (docs/decisions/0009); for each "
        "method but WDGRL the rule took the smallest weight of its list, so these rows "
        "may be too low.",
        other_seeds={"wdgrl": 3, "source_only": 3},
        config=lambda _: "amazon",
        options=_pair_options("amazon_reviews"),
        grid=True,
        together=6,
    ),
    "wdgrl-office-surf": Table(
        "Office-Caltech10, SURF features: 12 tasks",
        _ACCURACY,
        3,
        ADAPTATION,
        _pairs(OFFICE),
        _ACCURACY_NOTE
        + " All rows of both domains are trained on, the target's without labels, as "
        "for the published rows; the source's validation rows are training rows here. "
        "The L2 weight was picked on the target (docs/decisions/0010).",
        config=lambda _: "office_surf",
        options=_pair_options("office_caltech10"),
        grid=True,
        together=12,
    ),
    "wdgrl-toy": Table(
        "Two blobs, far apart",
        (
            *_ACCURACY,
            Column("last/domain_loss", "domain loss", "{:.4f}", everywhere=False),
        ),
        5,
        ADAPTATION,
        note=_ACCURACY_NOTE + " Domain loss: cross-entropy of DANN's discriminator, "
        "nats; log 2 where it can't tell the domains apart.",
        config=lambda _: "shifted_blobs",
        together=3,
    ),
    "wdgrl-digits": Table(
        "Digits in two conditions",
        _ACCURACY,
        5,
        ADAPTATION,
        tuple(DIGITS),
        _ACCURACY_NOTE,
        other_seeds={"mnist-usps": 1, "mnist-usps-28": 1},
        config=lambda task: DIGITS[task],
        options=_digit_options,
        grid=True,
        together=2,
    ),
    "wdgrl-office-images": Table(
        "Office-Caltech10, pictures: two tasks",
        _ACCURACY,
        1,
        ("source_only", "wdgrl"),
        ("amazon-webcam", "dslr-webcam"),
        _ACCURACY_NOTE
        + " A small network trained from scratch on 32 x 32 pixels: this shows that "
        "pictures in folders work, and claims nothing. Chance is 10 %.",
        config=lambda _: "office_images",
        options=_pair_options("office_caltech10/images"),
        grid=True,
        together=2,
    ),
}
