"""The items that prediction leaves behind are those of a search by hand."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from callbacks import TopItems
from callbacks.recommendation.ranking_table import (
    RankingTable,
    own_ids,
    ranking_table,
    refuse_nan_scores,
)
from datamodules import Digits
from datamodules.recommendation.catalogue import Catalogue
from lightning_modules import BPR
from tests.support.shop import (
    ITEMS,
    N_ITEMS,
    N_USERS,
    NAMES,
    USERS,
    Launch,
    NamelessShop,
    Nothing,
    Shop,
    Warehouse,
    expected_tops,
    fit,
    placed,
    read,
    trainer,
)


def predict(directory: Path, module: Any, data: Any, **options: Any) -> None:
    run = trainer(RankingTable(**options), default_root_dir=directory)
    run.predict(module, datamodule=data, return_predictions=False)


@pytest.mark.parametrize("format", ["csv", "parquet"])
@pytest.mark.parametrize("batch_size", [5, 100])
def test_the_table_holds_each_users_nearest_items_that_are_not_taken(
    format: Any, batch_size: int, tmp_path: Path
) -> None:
    model, shop = placed(), Shop(eval_batch_size=batch_size)
    predict(tmp_path, model, shop, k=3, format=format)
    table = read(tmp_path / "predictions" / f"items.{format}")
    assert table.columns == ["user", "item", "name", "rank", "distance"]
    tops = expected_tops(model, shop, 3)
    pairs = [(user, *line) for user in range(N_USERS) for line in tops[user]]
    assert table["user"].to_list() == [USERS[user] for user, *_ in pairs]
    assert table["item"].to_list() == [ITEMS[item] for _, item, _ in pairs]
    assert table["name"].to_list() == [NAMES[item] for _, item, _ in pairs]
    assert table["rank"].to_list() == [1, 2, 3] * N_USERS
    assert table["distance"].to_list() == pytest.approx([d for *_, d in pairs], 1e-4)
    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [f"items.{format}"]


def test_parquet_keeps_the_types(tmp_path: Path) -> None:
    predict(tmp_path, placed(), NamelessShop(), k=2)
    table = read(tmp_path / "predictions/items.parquet")
    assert table.schema == {
        "user": polars.String,
        "item": polars.Int64,
        "rank": polars.Int64,
        "distance": polars.Float32,
    }


def test_listed_users_stand_as_listed_and_once(tmp_path: Path) -> None:
    listed = [USERS[20], USERS[3], USERS[11], USERS[3]]
    shop = Shop(predict_users=listed, eval_batch_size=2)
    model = placed()
    predict(tmp_path, model, shop, k=2)
    table = read(tmp_path / "predictions/items.parquet")
    users = [20, 20, 3, 3, 11, 11]
    assert table["user"].to_list() == [USERS[user] for user in users]
    tops = expected_tops(model, shop, 2)
    assert table["item"].to_list() == [
        ITEMS[tops[user][rank][0]] for user, rank in zip(users, [0, 1] * 3, strict=True)
    ]


def test_limited_batches_leave_users_out_and_mix_none_up(tmp_path: Path) -> None:
    listed = [USERS[20], USERS[3], USERS[11]]
    run = trainer(RankingTable(1), default_root_dir=tmp_path, limit_predict_batches=1)
    shop, model = Shop(predict_users=listed, eval_batch_size=2), placed()
    run.predict(model, datamodule=shop, return_predictions=False)
    table = read(tmp_path / "predictions/items.parquet")
    assert table["user"].to_list() == listed[:2]
    tops = expected_tops(model, shop, 1)
    assert table["item"].to_list() == [ITEMS[tops[user][0][0]] for user in (20, 3)]


def test_who_has_taken_nearly_all_gets_what_is_left(tmp_path: Path) -> None:
    predict(tmp_path, placed(6, 20, ks=(10,)), Warehouse(), k=10)
    table = read(tmp_path / "predictions/items.parquet")
    assert table.columns == ["user", "item", "rank", "distance"]
    assert table["rank"].to_list() == [1, 2, 3] * 6
    data = Warehouse()
    data.setup()
    users, items = (torch.tensor(table[n].to_list()) for n in ("user", "item"))
    assert not data.interactions("all").contain(users, items).any()
    assert table["user"].to_list() == [user for user in range(6) for _ in range(3)]


def test_a_catalogue_smaller_than_k_is_ranked_whole(tmp_path: Path) -> None:
    predict(tmp_path, placed(6, 20, ks=(50,)), Warehouse(), k=50)
    assert len(read(tmp_path / "predictions/items.parquet")) == 18


def test_other_models_show_their_score_under_its_name(tmp_path: Path) -> None:
    torch.manual_seed(0)
    predict(tmp_path, BPR(dim=3, ks=(4,)), Shop(), k=4)
    table = read(tmp_path / "predictions/items.parquet")
    assert table.columns[-1] == "score"
    assert table["score"].dtype == polars.Float32


@given(
    items=st.lists(st.integers(0, 2**53), min_size=1, max_size=5),
    scores=st.lists(st.floats(width=32, allow_nan=False), min_size=5, max_size=5),
)
def test_no_digit_of_an_item_or_a_score_is_lost(
    items: list[int], scores: list[float]
) -> None:
    users = torch.arange(len(items))
    callback = RankingTable(1)
    callback._catalogue, callback._score_name = Catalogue(), "score"
    shown = torch.tensor(scores[: len(items)], dtype=torch.float32)
    both = torch.stack([torch.tensor(items).double(), shown.double()], 1)[:, None]
    callback.rows.add(users, both)
    (kept,) = callback.rows._rows
    table = callback.table(users, kept)
    assert table["item"].to_list() == items
    assert table["score"].to_list() == shown.tolist()


TWO_PROCESSES = """
from callbacks.recommendation.ranking_table import RankingTable
from tests.support.shop import USERS, Shop, placed, trainer

for listed in (None, USERS[[20, 3, 11]].tolist()):
    run = trainer(RankingTable(4), devices=2, strategy="ddp_fork")
    data = Shop(predict_users=listed, eval_batch_size=1)
    run.predict(placed(), datamodule=data, return_predictions=False)
"""


@pytest.mark.long("starts a process that forks")
def test_two_processes_write_what_one_writes(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own: polars, which tests here have used, survives no fork.

    Of an odd number of users one at a time, the last is taken by both processes.
    """
    monkeypatch.setenv("PYTHONPATH", str(repository))
    command = [sys.executable, "-c", TWO_PROCESSES]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=200)
    for listed in (None, USERS[[20, 3, 11]].tolist()):
        shop = Shop(predict_users=listed, eval_batch_size=1)
        predict(tmp_path / "one", placed(), shop, k=4)
    for place in ("predictions", "predictions-1"):
        one, both = (
            read(p / place / "items.parquet") for p in (tmp_path / "one", tmp_path)
        )
        assert one.equals(both)
        assert len(one) == (4 * N_USERS if place == "predictions" else 12)


def test_a_table_without_a_line_has_its_columns() -> None:
    nobody = torch.zeros(1, dtype=torch.int64)
    table = ranking_table(nobody, nobody[None] - 1, nobody[None], "score", Catalogue())
    assert table.columns == ["user", "item", "rank", "score"]
    assert len(table) == 0


# Items that nobody took ---------------------------------------------------------------


class NewGoods(Launch):
    """The shop that asks for these goods alone."""

    predict_items = "new"


def test_new_items_are_ranked_among_themselves(tmp_path: Path) -> None:
    model = placed(feature_weight=0.5)
    predict(tmp_path, model, NewGoods(), k=4)
    table = read(tmp_path / "predictions/items.parquet")
    data = NewGoods()
    data.setup()
    new = [
        i for i in range(N_ITEMS) if i not in data.interactions("train").items.tolist()
    ]
    assert new[-10:] == list(range(30, 40))
    where = model.item_encoder.every(data.catalogue.features)  # type: ignore[arg-type]
    where = where / where.norm(dim=1, keepdim=True).clamp_min(1)
    for user in range(N_USERS):
        apart = (model.users.weight[user] - where).norm(dim=1).tolist()
        mine = data.interactions("all").of(torch.tensor([user])).items.tolist()
        left = sorted((i for i in new if i not in mine), key=apart.__getitem__)
        found = table.filter(polars.col("user") == USERS[user])["item"].to_list()
        assert found == [ITEMS[item] for item in left[:4]]


def test_cold_start_items_are_offered_only_where_they_are_asked_for(
    tmp_path: Path,
) -> None:
    model, data = placed(feature_weight=0.5), Launch()
    data.setup()
    sold = {int(ITEMS[i]) for i in data.interactions("train").items.tolist()}
    predict(tmp_path, model, data, k=4)
    table = read(tmp_path / "predictions/items.parquet")
    assert len(table) == 4 * N_USERS
    assert set(table["item"].to_list()) <= sold
    fit(tmp_path, TopItems(N_USERS, k=4), model, data, max_steps=-1, max_epochs=1)
    (path,) = (tmp_path / "top_items").glob("*.csv")
    assert set(read(path)["item"].to_list()) <= sold


def test_models_that_know_no_place_of_new_items_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"data.predict_items: new ranks cold-start items"
    ):
        predict(tmp_path, placed(), NewGoods(), k=4)


# Mistakes ---------------------------------------------------------------------------


def test_a_user_who_is_not_in_the_data_is_named(tmp_path: Path) -> None:
    shop = Shop(predict_users=["customer 001", "Ann"])
    with pytest.raises(
        ValueError, match="there is no user 'Ann' in the data; ids look"
    ):
        predict(tmp_path, placed(), shop, k=3)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("module", "data", "says"),
    [
        (
            placed(),
            Shop,
            "k of RankingTable is 5, .* raise the largest of model.ks to 5",
        ),
        (Nothing(), Shop, "RankingTable is for models that rank .* Nothing is none"),
        (placed(), Digits, r"RankingTable needs data of users and items, .*\(Digits\)"),
    ],
)
def test_what_does_not_fit_is_refused(
    module: Any, data: Any, says: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=says):
        predict(tmp_path, module, data(), k=5)


def test_points_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    model = placed()
    with torch.no_grad():
        model.items.weight[7] = torch.nan
    with pytest.raises(ValueError, match=r"^items.weight holds NaN"):
        predict(tmp_path, model, Shop(), k=4)
    nan = torch.tensor([[torch.nan, -torch.inf]])
    with pytest.raises(ValueError, match="Predicted scores hold NaN"):
        refuse_nan_scores(torch.tensor([[3, -1]]), nan)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"k": 0}, "k must be at least 1"),
        ({"format": "npz"}, "csv, parquet, got 'np"),
    ],
)
def test_other_arguments_are_refused(options: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        RankingTable(**options)


def test_ids_keep_their_type_and_rows_stand_in_where_there_are_none() -> None:
    rows = torch.tensor([2, 0, 0])
    texts = own_ids(np.array(["a", "b", "c"]), rows)
    assert texts.tolist() == ["c", "a", "a"]
    numbers = own_ids(np.array([2**53 + 1, 5, 7]), rows)
    assert numbers.tolist() == [7, 2**53 + 1, 2**53 + 1]
    assert own_ids(None, rows).tolist() == [2, 0, 0]
