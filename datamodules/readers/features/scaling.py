"""Features of files in one form, and the normalisations that the literature uses."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor

from datamodules.readers.features.files import FeatureFile
from lightning_modules.core.limits import check_size
from lightning_modules.core.validation import check_choice
from lightning_modules.data_contracts.sparse_rows import Rows, SparseRows

Normalisation = Literal[
    "none", "l1-zscore", "zscore", "rms", "l2", "binary", "log1p", "tfidf"
]
NORMALISATIONS: tuple[Normalisation, ...] = get_args(Normalisation)
DENSE: tuple[Normalisation, ...] = ("zscore", "l1-zscore")
UNITLESS: tuple[Normalisation, ...] = (*DENSE, "rms", "tfidf")
EPS = torch.finfo(torch.float64).eps
COUNTS = ("log1p", "l1-zscore", "tfidf")
SHARED: tuple[Normalisation, ...] = ("tfidf",)
"""Normalisations whose statistics are of all domains together."""


def precision(
    how: Normalisation, exact: Collection[Normalisation] = DENSE
) -> torch.dtype:
    """The type to read features in: float64 where columns may need it.

    They may vary less than float32 can tell apart; a score spreads them, so that
    float32 is enough afterwards.

    Args:
        how: What is done to the features.
        exact: Normalisations before which float64 is used.
    """
    return torch.float64 if how in exact else torch.float32


def filled(file: FeatureFile) -> FeatureFile:
    """The file with the zeros of sparse rows.

    Raises:
        ValueError: They don't fit into memory.
    """
    x = file.x
    if not isinstance(x, SparseRows):
        return file
    name = f"{file.name}: its {len(x):,} rows of {x.width:,} columns with their zeros"
    check_size(x.values.itemsize * len(x) * x.width, name=name)
    return replace(file, x=x.to_dense())


def check_alike(files: Mapping[str, FeatureFile], n_features: int | None) -> None:
    """Refuses files that don't belong together.

    Args:
        files: What is in them, by their keys; ``source`` is among them.
        n_features: Width that was asked for.

    Raises:
        ValueError: Widths differ, some rows are sparse and some dense, or the source's
            rows for validation have no labels.
    """
    first = files["source"]
    width = n_features or first.x.shape[1]
    for part, file in files.items():
        if not isinstance(file.x, type(first.x)):
            raise ValueError(
                f"{file.name} and {first.path} are not both sparse or both dense; set "
                "data.dense: true."
            )
        if file.x.shape[1] != width:
            where = "there should be" if n_features else f"{first.path} has"
            mend = ", or correct data.n_features" * bool(
                n_features and file.key == part
            )
            raise ValueError(
                f"{file.name} has {file.x.shape[1]} features in a row where {where} "
                f"{width}; use files of the same features{mend}."
            )
        if part == "source_val" and file.y is None:
            raise ValueError(
                f"{file.name} has no labels, which validation on the source needs; add "
                "them, or set data.n_val in its place."
            )


def check_scaling(how: Normalisation, file: FeatureFile) -> None:
    """Refuses features that can't be scaled so.

    Raises:
        ValueError: The z-score of sparse rows was asked for, or something for counts
            of features that are negative.
    """
    values = _values(file.x)
    if how in DENSE and isinstance(file.x, SparseRows):
        raise ValueError(
            f"data.normalise: {how} leaves hardly a zero, but the rows of {file.path} "
            "are sparse; set data.dense: true, or choose from none, rms, l2, binary, "
            "log1p and tfidf."
        )
    if how in COUNTS and values.numel() and values.min() < 0:
        raise ValueError(
            f"data.normalise: {how} is for counts, but {file.path} has negative "
            "features; choose from none, zscore, rms, l2 and binary."
        )


def default_scaling(rows: Rows) -> Normalisation:
    """What makes units irrelevant, and keeps sparse rows sparse."""
    return "rms" if isinstance(rows, SparseRows) else "zscore"


def fit_scaling(how: Normalisation, rows: Rows) -> Callable[[Rows], Rows]:
    r"""What scales the rows of a domain, with the statistics of its training rows.

    ``none`` changes nothing, ``l2`` divides each row by its length, ``binary`` puts 1
    for what isn't 0, ``log1p`` takes :math:`\log(1 + x)`. ``zscore`` takes its mean off
    each column and divides by its standard deviation (that of a population), but only
    centres a column that is constant. ``l1-zscore`` divides each row by its sum before.
    ``rms`` divides all features by one number, the root mean square of those that
    aren't 0, so that sparse rows stay sparse in any unit. ``tfidf`` is for counts of
    words: :math:`\log(1 + x)` times :math:`1 + \log \frac{1 + n}{1 + n_j}` where
    :math:`n_j` of n rows have word j, divided by the row's length, and brought to a
    root mean square of 1.
    Rows of zeros remain zeros when divided. Both scores, ``rms`` and ``tfidf`` are
    float32, whatever the rows.

    Args:
        how: One of these.
        rows: Training rows (n, d), in `precision`; only ``zscore``, ``l1-zscore``,
            ``rms`` and ``tfidf`` look.

    Raises:
        ValueError: There is no such normalisation.

    >>> scale = fit_scaling("zscore", torch.tensor([[0.0, 7.0], [2.0, 7.0]]))
    >>> scale(torch.tensor([[3.0, 8.0]]))
    tensor([[2., 1.]])
    """
    check_choice("data.normalise", how, NORMALISATIONS)
    if how == "rms":
        unit = root_mean_square(rows)
        return lambda x: _with_values(x, (_values(x) / unit).float())
    if how == "tfidf":
        weights = _word_weights(rows)
        unit = root_mean_square(_weighted(rows, weights))
        return lambda x: _with_values(
            x, (_values(_weighted(x, weights)) / unit).float()
        )
    if how not in DENSE:
        return lambda x: _row_by_row(how, x)
    first: Normalisation = "l1-zscore" if how == "l1-zscore" else "none"
    shares = _dense(_row_by_row(first, rows))
    spread, mean = torch.std_mean(shares, dim=0, correction=0)
    varies = shares.amax(0) > shares.amin(0)
    if shares.dtype == torch.float64:  # rounding is no variation
        varies &= spread > len(shares) * EPS * mean.abs()
    spread = torch.where(varies, spread, 1.0)
    return lambda x: ((_dense(_row_by_row(first, x)) - mean) / spread).float()


def _word_weights(rows: Rows) -> Tensor:
    """The rarer in rows (n, d), the larger: (d,)."""
    if isinstance(rows, SparseRows):
        found = rows.columns[rows.values != 0]
        having = torch.bincount(found, minlength=rows.width)
    else:
        having = (rows != 0).sum(0)
    return 1 + ((1 + len(rows)) / (1 + having.double())).log()


def _weighted(rows: Rows, weights: Tensor) -> Rows:
    """Log counts times the weights of their columns, in rows of length 1."""
    values = _values(rows).log1p()
    columns = rows.columns if isinstance(rows, SparseRows) else slice(0, None)
    values = values * weights[columns].to(values.dtype)
    return _with_values(rows, _divided(rows, values, power=2))


def _values(rows: Rows) -> Tensor:
    return rows.values if isinstance(rows, SparseRows) else rows


def _with_values(rows: Rows, values: Tensor) -> Rows:
    return replace(rows, values=values) if isinstance(rows, SparseRows) else values


def root_mean_square(rows: Rows) -> float:
    """That of the features that aren't 0; 1 where there are none."""
    values = _values(rows).double()
    filled = values[values != 0]
    return float(filled.square().mean().sqrt()) if len(filled) else 1.0


def _dense(rows: Rows) -> Tensor:
    assert isinstance(rows, Tensor)
    return rows


def _row_by_row(how: Normalisation, rows: Rows) -> Rows:
    """Everything that needs no statistics; of ``l1-zscore`` the division by the sum."""
    if how == "none":
        return rows
    values = _values(rows)
    if how == "binary":
        scaled = (values != 0).to(values.dtype)
    elif how == "log1p":
        scaled = values.log1p()
    else:
        scaled = _divided(rows, values, power=2 if how == "l2" else 1)
    return _with_values(rows, scaled)


def _divided(rows: Rows, values: Tensor, power: int) -> Tensor:
    """Values over the p-norm of their row, which is its sum for counts with p = 1."""
    if isinstance(rows, SparseRows):
        counts = rows.starts.diff()
        row = torch.arange(len(rows)).repeat_interleave(counts)
        sums = values.new_zeros(len(rows)).index_add_(0, row, values.abs() ** power)
        norms = (sums ** (1 / power))[row]
    else:
        norms = torch.linalg.vector_norm(values, power, dim=1, keepdim=True)
    return values / torch.where(norms > 0, norms, 1.0)
