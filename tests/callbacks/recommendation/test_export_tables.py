"""What rankers leave behind: points with their ids, indices, top items and maps."""

from pathlib import Path
from typing import Any

import faiss
import polars
import pytest
import torch
from safetensors.torch import load_file

from callbacks import ExportTables, ItemMap, TopItems
from callbacks.recommendation.item_map import commonest
from callbacks.recommendation.neighbour_index import build_index
from datamodules.recommendation.base import Catalogue
from lightning_modules import BPR, CML, Popularity
from lightning_modules.data_contracts.sparse_rows import SparseRows
from tests.support.shop import ITEMS, NAMES, USERS, Shop, expected_tops, trainer


def fit(folder: Path, callback: Any, model: Any = None, **options: Any) -> Any:
    torch.manual_seed(0)
    model = model or CML(dim=3, ks=(4,))
    given = {"default_root_dir": folder, "check_val_every_n_epoch": 1, **options}
    trainer(callback, **given).fit(model, Shop())
    return model


def test_tables_are_the_points_and_say_whose_they_are(tmp_path: Path) -> None:
    model = fit(tmp_path, ExportTables())
    points = load_file(tmp_path / "tables" / "points.safetensors")
    assert set(points) == {"users", "items"}
    assert torch.equal(points["users"], model.users.weight.detach())
    assert torch.equal(points["items"], model.items.weight.detach())
    users = polars.read_parquet(tmp_path / "tables" / "users.parquet")
    items = polars.read_parquet(tmp_path / "tables" / "items.parquet")
    assert users["id"].to_list() == USERS.tolist()
    assert items["id"].to_list() == ITEMS.tolist()
    assert items["name"].to_list() == NAMES
    assert items["row"].to_list() == list(range(len(ITEMS)))


def test_points_of_a_model_with_features_are_where_items_are_ranked(
    tmp_path: Path,
) -> None:
    model = fit(tmp_path, ExportTables(), CML(dim=3, ks=(4,), feature_weight=1.0))
    points = load_file(tmp_path / "tables" / "points.safetensors")
    assert torch.equal(points["items"], model.item_points)
    assert not torch.equal(points["items"], model.items.weight.detach())


@pytest.mark.parametrize("make", [CML, BPR])
def test_the_index_ranks_as_the_model_does(make: Any, tmp_path: Path) -> None:
    model = fit(tmp_path, ExportTables("flat"), make(dim=3, ks=(4,)))
    index = faiss.read_index(str(tmp_path / "tables" / "items.faiss"))
    points = load_file(tmp_path / "tables" / "points.safetensors")
    queries = points["users"]
    if "biases" in points:
        queries = torch.cat([queries, torch.ones(len(queries), 1)], 1)
    _, found = index.search(queries.numpy(), 5)
    expected, _ = model.rank(torch.arange(len(queries)), 5)
    assert found.tolist() == expected.tolist()


def test_a_flat_index_is_exact_and_the_others_miss_little() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(30, 8, generator=generator)
    rows = centres[torch.randint(30, (4000,), generator=generator)]
    rows = rows + 0.3 * torch.randn(4000, 8, generator=generator)
    queries = rows[:200] + 0.1
    exact = torch.cdist(queries, rows).topk(10, largest=False).indices
    for kind, least in (("flat", 1.0), ("hnsw", 0.99), ("ivf", 0.99)):
        index = build_index(rows, kind, queries=queries)  # type: ignore[arg-type]
        _, found = index.search(queries.numpy(), 10)
        pairs = zip(found.tolist(), exact.tolist(), strict=True)
        recall = sum(len(set(a) & set(b)) for a, b in pairs) / exact.numel()
        assert recall >= least, kind


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
    (path,) = (tmp_path / "pictures" / "items").glob("*.png")
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


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: TopItems(["nobody"]), "users of TopItems: there is no user 'nobody'"),
        (lambda: TopItems(0), "users must be at least 1"),
        (lambda: TopItems(every_n_validations=0), "every_n_validations"),
        (lambda: ItemMap(method="map"), "method must be one of pca, tsne"),  # type: ignore[arg-type]
        (lambda: ItemMap(n_colours=11), "n_colours"),
        (lambda: ExportTables("tree"), "index must be one of none"),  # type: ignore[arg-type]
    ],
)
def test_what_is_out_of_range_is_refused(make: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=says):
        fit(tmp_path, make())


@pytest.mark.parametrize("callback", [ExportTables(), ItemMap()])
def test_models_without_points_are_refused(callback: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"remove it from trainer\.callbacks"):
        fit(tmp_path, callback, Popularity(ks=(4,)))


def test_without_faiss_one_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(ValueError, match="pip install"):
        fit(tmp_path, ExportTables("flat"))
