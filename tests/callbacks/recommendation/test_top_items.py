"""Lists and a map of items, during training."""

from pathlib import Path

import polars
import pytest
import torch

from callbacks import ItemMap, TopItems
from callbacks.recommendation.item_map import commonest
from datamodules.recommendation.catalogue import Catalogue
from lightning_modules.data_contracts.sparse_rows import SparseRows
from tests.support.shop import ITEMS, NAMES, USERS, Shop, expected_tops, fit


def test_the_top_items_of_named_users_are_those_of_a_loop(tmp_path: Path) -> None:
    wanted = [str(USERS[3]), str(USERS[0])]
    model = fit(tmp_path, TopItems(wanted, k=4), max_steps=-1, max_epochs=1)
    (path,) = sorted((tmp_path / "top_items").glob("*.csv"))[-1:]
    table = polars.read_csv(path)
    tops = expected_tops(model, Shop(), 4)
    expected = [int(ITEMS[item]) for user in (3, 0) for item, _ in tops[user]]
    assert table["item"].to_list() == expected
    assert table["user"].to_list() == [wanted[0]] * 4 + [wanted[1]] * 4
    assert table["name"].to_list() == [NAMES[ITEMS.tolist().index(i)] for i in expected]


def test_top_items_come_after_every_nth_validation(tmp_path: Path) -> None:
    fit(tmp_path, TopItems(2, every_n_validations=2), max_steps=-1, max_epochs=5)
    assert len(list((tmp_path / "top_items").glob("*.csv"))) == 2


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
