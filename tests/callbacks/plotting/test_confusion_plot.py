"""The plot of a confusion matrix."""

import pytest
import torch

from callbacks.plotting.confusion_plot import confusion_matrix


@pytest.mark.parametrize("k", [2, 10, 20, 65])
def test_shares_are_shades_and_rows_without_a_count_are_grey(k: int) -> None:
    counts = torch.zeros(k, k).long()
    counts[:, 0] = torch.arange(k) + 3  # all that occur are taken for class 0
    counts[1] = 0
    names = [rf"_$\oh$ {i}" for i in range(k)]
    picture = confusion_matrix(counts, names, r"$\oh$").astype(int)
    grey = (picture == 0xDD).all(axis=2)
    dark = (picture == [8, 48, 107]).all(axis=2)  # a share of 1
    light = (picture == [247, 251, 255]).all(axis=2)  # a share of 0
    cell = grey.sum() / k  # pixels
    assert dark.sum() == pytest.approx((k - 1) * cell, rel=0.15)
    assert light.sum() == pytest.approx((k - 1) * (k - 1) * cell, rel=0.15)
