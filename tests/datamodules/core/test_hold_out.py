"""Rows held out of training."""

import math

import pytest
import torch

from datamodules.core.hold_out import check_rest, check_share, hold_out_last
from datamodules.core.tensor_dataset import LabelledRows


def rows(n: int) -> LabelledRows[torch.Tensor]:
    return LabelledRows(torch.arange(n)[:, None], torch.arange(n))


def test_the_last_rows_are_held_out_in_their_order() -> None:
    train, val = hold_out_last(rows(5), 2)
    assert (train.y.tolist(), val.y.tolist()) == ([0, 1, 2], [3, 4])


def test_with_none_held_out_all_rows_serve_for_both() -> None:
    data = rows(3)
    train, val = hold_out_last(data, 0)
    assert val is data
    assert torch.equal(train.x, data.x)


@pytest.mark.parametrize("n_val", [-1, 3])
def test_holding_out_all_rows_or_fewer_than_none_is_refused(n_val: int) -> None:
    with pytest.raises(ValueError, match=rf"data\.n_val .*{n_val}"):
        hold_out_last(rows(3), n_val)


@pytest.mark.parametrize("share", [-0.1, 1.0, math.nan, 0.0])
def test_what_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"data\.x must be in \(0, 1\), got"):
        check_share("x", share, may_be_0=False)
    if share == 0:
        check_share("x", share)


def test_shares_that_leave_nothing_to_train_on_are_refused() -> None:
    check_rest(0.5, 0.49, "row")
    with pytest.raises(ValueError, match="leave no row to train on"):
        check_rest(0.5, 0.5, "row")
