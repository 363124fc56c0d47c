"""The plot of items."""

from pathlib import Path

import pytest
import torch

from callbacks import ItemMap, TopItems
from callbacks.recommendation.item_map import commonest
from datamodules.recommendation.catalogue import Catalogue
from lightning_modules.data_contracts.sparse_rows import SparseRows
from tests.support.shop import fit


def test_the_map_is_a_picture_and_training_does_not_see_it(tmp_path: Path) -> None:
    drawn = fit(tmp_path, ItemMap(n=30))
    (path,) = (tmp_path / "images" / "items").glob("*.png")
    assert path.stat().st_size > 10_000
    plain = fit(tmp_path, TopItems(1))
    assert torch.equal(drawn.items.weight, plain.items.weight)


@pytest.mark.parametrize("sparse", [False, True])
def test_items_get_the_colour_of_their_rarest_common_feature(sparse: bool) -> None:
    rows = torch.tensor([[1.0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]])
    features = SparseRows.from_dense(rows) if sparse else rows
    catalogue = Catalogue(features=features, feature_names=("all", "some", "one"))
    labels, names = commonest(catalogue, torch.arange(5), 2)
    assert names == ["all", "some"]
    assert labels.tolist() == [0, 1, 0, -1, 1]
