"""The best items of a few users, during training."""

from pathlib import Path

import polars

from callbacks import TopItems
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
