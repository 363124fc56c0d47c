"""Labels of files as classes 0 ... k - 1, and stratified held-out rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datamodules.core.samplers import seeded_generator
from datamodules.core.tensor_dataset import LabelledRows
from datamodules.readers.features.arrays import Written, check_unknown
from datamodules.readers.features.files import FeatureFile
from lightning_modules.core.validation import check_at_least

SHOWN = 10  # classes listed in a sentence
UNKNOWN = -1


def distinct_labels(file: FeatureFile) -> Written:
    """The labels that occur in the file of a source, sorted.

    Raises:
        ValueError: There are none, or all are the same, or -1 may mean unknown.

    >>> from pathlib import Path
    >>> few = FeatureFile(torch.zeros(3, 2), np.array([8, -1, 8]), Path("few.npy"))
    >>> distinct_labels(few)
    (-1, 8)
    """
    if file.y is None:
        raise ValueError(
            f"{file.name} has no labels, which the source needs; add them under y, "
            "labels, label or target, as <stem>_labels.npy beside a .npy file, or in a "
            f".npy file that data.labels.{file.key} names."
        )
    labels: list[Any] = np.unique(file.y).tolist()
    if len(labels) < 2:
        raise ValueError(
            f"{file.name} has the label {labels[0]} only; at least two classes are "
            "required."
        )
    check_unknown(file.name, labels)
    return tuple(labels)


def with_classes(
    file: FeatureFile, written: Written, may_lack: bool = False
) -> LabelledRows:
    """The rows of a file with numbers of classes; -1 everywhere without labels.

    Args:
        file: Features, and labels as they are written.
        written: What is written for each class, sorted.
        may_lack: Whether the label -1 means unknown, if it is written for no class.

    Raises:
        ValueError: The file has a label that is none of these, or only the label -1,
            which is a class but looks like unknown.

    >>> from pathlib import Path
    >>> few = FeatureFile(torch.zeros(3, 2), np.array([8, -1, 8]), Path("few.npy"))
    >>> with_classes(few, (-1, 3, 8)).y
    tensor([2, 0, 2])
    """
    if file.y is None:
        return LabelledRows(file.x, torch.full((len(file.x),), -1))
    _check_kind(file, written)
    unknown = np.zeros(len(file.y), bool)
    if may_lack and file.y.dtype.kind == "i":
        unknown = file.y == UNKNOWN
    if UNKNOWN in written and unknown.all():
        raise ValueError(
            f"{file.name} has the label {UNKNOWN} only, which is a class of the source "
            "but looks like unknown; leave the labels out, or number the classes of "
            "the source from 0."
        )
    classes = np.array(written)
    y = np.searchsorted(classes, file.y).clip(max=len(classes) - 1)
    is_foreign = classes[y] != file.y
    y[is_foreign & unknown] = UNKNOWN
    foreign = file.y[is_foreign & ~unknown]
    if len(foreign):
        listed = ", ".join(map(str, written[:SHOWN]))
        raise ValueError(
            f"{file.name} has the label {foreign[0]}, which is none of the "
            f"source's classes {listed}{' ...' * (len(written) > SHOWN)}; relabel or "
            "leave out its rows."
        )
    return LabelledRows(file.x, torch.from_numpy(y))


def _check_kind(file: FeatureFile, written: Written) -> None:
    """Refuses names where classes are numbers, and numbers where they are names."""
    assert file.y is not None
    is_named, named = file.y.dtype.kind == "U", isinstance(written[0], str)
    if is_named != named:
        kinds = ("numbers", "names")
        raise ValueError(
            f"{file.name} has {kinds[is_named]} as labels where classes are "
            f"{kinds[named]} ({written[0]}, {written[1]}, ...); write the same ones."
        )


def check_all_present(name: str, y: Tensor, class_names: Sequence[str]) -> None:
    """Refuses a source without a training row of some class.

    Raises:
        ValueError: Naming the first such class.
    """
    counts = y.bincount(minlength=len(class_names))
    empty = (counts == 0).nonzero()
    if len(empty):
        raise ValueError(
            f"{name} has no training row of class '{class_names[int(empty[0])]}'; "
            "add some, or hold out fewer rows."
        )


def hold_out_of_classes(
    rows: LabelledRows, n_val: int
) -> tuple[LabelledRows, LabelledRows]:
    r"""Rows without n_val of them, and those; with 0 all serve for both.

    The rows of each class are put in a fixed random order, the same for every seed, and
    row r of a class of c gets the place (r + 1/2) / c; the n_val rows with the highest
    places are held out. So a class of c rows of n loses :math:`c\,n_{val}/n` rows, up
    to :math:`(1 + k c / n) / 2` with k classes; one of several rows keeps one at least
    while ``n_val`` is at most half of n.

    Args:
        rows: With labels 0 ... k - 1.
        n_val: How many rows to hold out.

    Raises:
        ValueError: ``n_val`` is negative, or as large as the number of rows.

    >>> rows = LabelledRows(torch.zeros(6, 1), torch.tensor([0, 0, 0, 0, 1, 1]))
    >>> train, val = hold_out_of_classes(rows, 3)
    >>> train.y, val.y
    (tensor([0, 0, 1]), tensor([0, 0, 1]))
    """
    check_at_least(0, "data.", n_val=n_val)
    if n_val == 0:
        return rows, rows
    n = len(rows)
    if n_val >= n:
        raise ValueError(
            f"data.n_val is {n_val}, but the source has {n} rows; set it to at most "
            f"{n // 2}."
        )
    order = torch.randperm(n, generator=seeded_generator("held out", 0))
    by_class = order[rows.y[order].argsort(stable=True)]
    counts = rows.y.bincount()
    firsts = counts.cumsum(0) - counts
    ranks = torch.arange(n) - firsts[rows.y[by_class]]
    places = (ranks + 0.5) / counts[rows.y[by_class]]
    by_place = by_class[places.argsort(stable=True)]
    trained, held_out = by_place[: n - n_val], by_place[n - n_val :]
    return rows.part(trained.sort().values), rows.part(held_out.sort().values)
