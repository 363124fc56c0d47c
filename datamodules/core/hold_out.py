"""Rows held out of training."""

from datamodules.core.tensor_dataset import LabelledRows
from lightning_modules.core.validation import check_at_least
from lightning_modules.data_contracts.contracts import RowsT


def check_share(key: str, share: float, may_be_0: bool = True) -> None:
    """Refuse a share of the rows that is not below 1, with a ValueError.

    >>> check_share("val_share", 1.5)
    Traceback (most recent call last):
    ...
    ValueError: data.val_share must be in [0, 1), got 1.5.
    """
    if not (0 < share < 1 or (share == 0 and may_be_0)):
        interval = "[0, 1)" if may_be_0 else "(0, 1)"
        raise ValueError(f"data.{key} must be in {interval}, got {share}.")


def check_rest(val_share: float, test_share: float, unit: str) -> None:
    """Refuse shares that leave nothing to train on, with a ValueError."""
    if val_share + test_share >= 1:
        raise ValueError(
            f"data.val_share and data.test_share leave no {unit} to train on: set "
            "them to less than 1 together."
        )


def last_rows(
    rows: LabelledRows[RowsT], n: int
) -> tuple[LabelledRows[RowsT], LabelledRows[RowsT]]:
    """The rows without the last n, and those; with 0 all serve for both."""
    if not n:
        return rows, rows
    return rows.part(slice(-n)), rows.part(slice(-n, None))


def hold_out_last(
    train: LabelledRows[RowsT], n_val: int
) -> tuple[LabelledRows[RowsT], LabelledRows[RowsT]]:
    """Training samples without the last n_val, and those; with 0 all serve for both.

    Raises:
        ValueError: No sample is left, or ``n_val`` is negative.
    """
    check_at_least(0, "data.", n_val=n_val)
    if n_val >= len(train):
        raise ValueError(
            f"data.n_val is {n_val}, but there are only {len(train)} training samples; "
            f"set it to at most {len(train) - 1}."
        )
    return last_rows(train, n_val)
