"""What rankers leave behind: points with their ids, indices, top items and maps."""

from functools import partial
from pathlib import Path
from typing import Any

import faiss
import polars
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from callbacks import ExportTables, ItemMap, TopItems
from callbacks.recommendation import export_tables
from callbacks.recommendation.neighbour_index import build_index
from lightning_modules import BPR, CML, Popularity, SmoothCML
from tests.support.shop import ITEMS, NAMES, USERS, Launch, fit


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


@pytest.mark.parametrize("make", [CML, partial(SmoothCML, height=0.5), BPR])
def test_the_index_ranks_as_the_model_does(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned_for: list[Tensor] = []

    def build(rows: Tensor, kind: Any, inner: bool, users: Tensor, *ids: Any) -> Any:
        tuned_for.append(users)
        return build_index(rows, kind, inner, users, *ids)

    monkeypatch.setattr(export_tables, "build_index", build)
    model = fit(tmp_path, ExportTables("flat"), make(dim=3, ks=(4,)))
    index = faiss.read_index(str(tmp_path / "tables" / "items.faiss"))
    points = load_file(tmp_path / "tables" / "points.safetensors")
    queries = points["users"]
    for name, value in (("biases", 1.0), ("heights", 0.0)):
        if name in points:
            queries = torch.nn.functional.pad(queries, (0, 1), value=value)
    assert torch.equal(tuned_for[0], queries)
    _, found = index.search(queries.numpy(), 5)
    expected, _ = model.evaluator.rank(torch.arange(len(queries)), 5)
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("kind", ["flat", "hnsw", "ivf"])
def test_the_index_finds_no_cold_start_items_and_the_table_names_them(
    kind: Any, tmp_path: Path
) -> None:
    model, data = CML(dim=3, ks=(4,), feature_weight=1.0), Launch()
    fit(tmp_path, ExportTables(kind), model, data)
    index = faiss.read_index(str(tmp_path / "tables" / "items.faiss"))
    queries = load_file(tmp_path / "tables" / "points.safetensors")["users"]
    _, found = index.search(queries.numpy(), 5)
    users, cold = torch.arange(len(queries)), ~model.evaluator.seen_items
    expected, _ = model.evaluator.rank(users, 5, hidden=cold)
    assert found.tolist() == expected.tolist()
    items = polars.read_parquet(tmp_path / "tables" / "items.parquet")
    assert items["cold_start"].to_list() == cold.tolist()
    assert cold[30:].all()


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


def test_points_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    model = CML(dim=3, ks=(4,))
    points = model.points
    model.points = lambda: {k: x * torch.nan for k, x in points().items()}  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="The tables hold NaN"):
        fit(tmp_path, ExportTables(), model)
    assert not [*tmp_path.rglob("tables")]
