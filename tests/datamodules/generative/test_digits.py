"""The digits are those of scikit-learn."""

import pytest
import torch
from sklearn.datasets import load_digits

from datamodules import Digits


def test_the_digits_are_those_of_scikit_learn_split_in_two() -> None:
    data = Digits()
    both = torch.cat([data.real("train"), data.real("test")])
    pixels = load_digits().data.reshape(-1, 1, 8, 8) / 8 - 1
    expected = torch.from_numpy(pixels).float()
    assert (len(data.train_set), len(data.test_set)) == (899, 898)
    assert both.shape[1:] == data.shape
    assert sorted(both.flatten(1).tolist()) == sorted(expected.flatten(1).tolist())


def test_labels_stay_with_their_digits() -> None:
    data = Digits()
    pixels, labels = load_digits(return_X_y=True)
    label_of = {
        tuple(row): label for row, label in zip(pixels.tolist(), labels, strict=True)
    }
    data.setup("fit")
    for x, y in data.train_dataloader():
        rows = x.flatten(1).double().tolist()
        assert [label_of[tuple(row)] for row in rows] == y.tolist()


def test_the_halves_do_not_depend_on_the_seed_and_hold_all_classes() -> None:
    first, second = Digits(seed=0), Digits(seed=1)
    assert torch.equal(first.real("train"), second.real("train"))
    assert (first.train_set.y.bincount() > 60).all()


def test_with_none_held_out_all_digits_serve_for_everything() -> None:
    data = Digits(n_held_out=0)
    assert len(data.real("train")) == len(data.real("test")) == 1797


@pytest.mark.parametrize("n_held_out", [-1, 1797])
def test_holding_out_all_digits_or_fewer_than_none_is_refused(n_held_out: int) -> None:
    with pytest.raises(ValueError, match=r"data\.n_held_out (is|must be)"):
        Digits(n_held_out=n_held_out)
