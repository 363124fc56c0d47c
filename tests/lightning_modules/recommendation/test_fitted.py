"""Rankers without steps: closed forms, and the package that some come from."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from callbacks import Checkpoint
from lightning_modules.data_contracts.sparse_rows import SparseRows
from lightning_modules.recommendation.bpr import BPR
from lightning_modules.recommendation.ease import EASE
from lightning_modules.recommendation.fitted import FittedRanker
from lightning_modules.recommendation.implicit_baselines import (
    WRMF,
    ImplicitBPR,
    ItemKNN,
)
from lightning_modules.recommendation.popularity import Popularity
from lightning_modules.recommendation.warp import WARP
from tests.support.ranking_data import Given, fitted, matrices, planted

EVERY = slice(0, None)


def solved(model: FittedRanker, users: int = 12) -> tuple[Tensor, Tensor]:
    """The scores of all items for all users, and the training matrix."""
    train, test = matrices(users)
    fitted(model, Given(train, test))
    return model.scores(torch.arange(users), slice(0, 9)), train.double()


def test_popularity_is_how_many_took_an_item() -> None:
    scores, x = solved(Popularity())
    assert torch.equal(scores.double(), x.sum(0).expand(12, -1))


@pytest.mark.parametrize("users", [12, 5])  # more than items, and fewer
def test_ease_is_the_constrained_least_squares_solution(users: int) -> None:
    """B is 0 on its diagonal, and no other such B has a lower objective."""
    model = EASE(l2=3.0)
    scores, x = solved(model, users)
    b = model.weights.double()
    torch.testing.assert_close(scores.double(), x @ b, atol=1e-5, rtol=1e-5)
    assert not b.diagonal().any()
    gradient = x.T @ (x @ b - x) + 3.0 * b
    assert float(gradient.fill_diagonal_(0).abs().max()) < 1e-4


@pytest.mark.parametrize("k", [3, 8])
def test_item_neighbours_are_the_nearest_by_cosine(k: int) -> None:
    model = ItemKNN(k=k)
    scores, x = solved(model)
    rows = SparseRows(model.starts, model.columns, model.values, 9).to_dense().double()
    cosine = functional.normalize(x.T) @ functional.normalize(x.T).T
    cosine.fill_diagonal_(0)
    kept = rows > 0
    assert torch.equal(kept.sum(1).clamp_min(k), torch.full((9,), k))
    torch.testing.assert_close(rows[kept], cosine[kept], atol=1e-6, rtol=0)
    worst = rows.where(kept, torch.inf).amin(1)
    assert bool((worst + 1e-6 >= cosine.where(~kept, 0).amax(1)).all())
    torch.testing.assert_close(scores.double(), x @ rows, atol=1e-5, rtol=1e-5)


def test_als_minimises_its_weighted_squares() -> None:
    """In the last sweep the items are solved for given the users."""
    model = WRMF(dim=4, l2=0.3, alpha=5.0, sweeps=30)
    scores, x = solved(model)
    u, v = model.user_factors.double(), model.item_factors.double()
    torch.testing.assert_close(scores.double(), u @ v.T, atol=1e-5, rtol=1e-5)

    def objective(u: Tensor, v: Tensor) -> Tensor:
        confidence = 1 + (5.0 - 1) * x
        squares = (confidence * (x - u @ v.T) ** 2).sum()
        return squares + 0.3 * (u.square().sum() + v.square().sum())

    at_best = objective(u, v)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        step = 0.05 * torch.randn(v.shape, generator=generator, dtype=torch.float64)
        assert objective(u, v + step) > at_best


def test_bpr_of_the_package_ranks_what_was_taken_first() -> None:
    scores, x = solved(ImplicitBPR(dim=8, epochs=300))
    taken, others = scores[x > 0].mean(), scores[x == 0].mean()
    assert taken > others + 0.5


@pytest.mark.parametrize("make", [Popularity, EASE, ItemKNN, WRMF, ImplicitBPR])
def test_a_checkpoint_holds_what_was_solved(make: Any, tmp_path: Path) -> None:
    model = make()
    data = Given(*matrices())
    run = fitted(model, data)
    run.save_checkpoint(tmp_path / "one.ckpt")
    again = make.load_from_checkpoint(tmp_path / "one.ckpt")
    again.trainer = run
    users = torch.arange(12)
    assert torch.equal(again.scores(users, slice(0, 9)), model.scores(users, EVERY))


def test_what_is_solved_is_saved_by_the_checkpoint_callback(tmp_path: Path) -> None:
    """Although no step is counted."""
    saved = Checkpoint(tmp_path, monitor="val/ndcg@20", mode="max", save_last=True)
    options: dict[str, Any] = {
        "callbacks": [saved],
        "enable_checkpointing": True,
        "check_val_every_n_epoch": 1,
        "limit_train_batches": 1,
        "limit_val_batches": None,
    }
    fitted(Popularity(), planted(), **options)
    assert Path(saved.best_model_path).is_file()
    assert Path(saved.last_model_path).is_file()


@pytest.mark.parametrize(
    ("make", "options", "says"),
    [
        (BPR, {"decay": -1.0}, "decay must be a finite number"),
        (WARP, {"negative": "last"}, "negative must be one of hardest, first"),
        (EASE, {"l2": 0.0}, "l2 must be above 0"),
        (ItemKNN, {"k": 0}, "k must be at least 1"),
        (WRMF, {"alpha": 0.0}, "alpha must be above 0"),
        (ImplicitBPR, {"epochs": 0}, "epochs must be at least 1"),
    ],
)
def test_what_is_out_of_range_is_refused(make: Any, options: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make(**options)


def test_without_the_package_one_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "implicit.cpu.als", None)
    with pytest.raises(ImportError, match=r"wasserstein-critics\[baselines\]"):
        solved(WRMF())


def test_several_processes_may_rank_and_not_solve() -> None:
    model: Any = EASE()
    model._trainer = SimpleNamespace(world_size=2)
    model.evaluator.setup = lambda: None
    for stage in ("validate", "test", "predict"):
        model.setup(stage)
    with pytest.raises(ValueError, match="is solved at once, by one process: set"):
        model.setup("fit")
