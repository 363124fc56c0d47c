"""New users are folded in by their items, with all items fixed; lists by ids."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from typing_extensions import override

from datamodules.recommendation.base import SplitPairs
from datamodules.recommendation.catalogue import Catalogue
from lightning_modules import (
    BPR,
    CML,
    EASE,
    WARP,
    WGANGP,
    WRMF,
    ImplicitBPR,
    ItemKNN,
    MLPCritic,
    MLPGenerator,
    Popularity,
    Recommender,
    SmoothCML,
)
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.metrics.ranking import RankingMetrics
from lightning_modules.recommendation.fold_in import many_hot, ridge_rows
from lightning_modules.recommendation.recommender import Recommended
from tests.support.ranking_data import (
    Given,
    featured,
    fitted,
    matrices,
    of_matrix,
    planted,
)

ALL = slice(0, None)
SOLVED: list[Callable[[], Any]] = [lambda: EASE(l2=5.0), lambda: ItemKNN(5), Popularity]
DESCENDED: list[Callable[[], Any]] = [
    lambda: CML(dim=4, n_negatives=5),
    lambda: SmoothCML(dim=4, n_negatives=50),
    lambda: SmoothCML(dim=4, n_negatives=50, height=0.1),
    lambda: BPR(dim=4),
    lambda: WARP(dim=4, n_negatives=5),
    lambda: ImplicitBPR(dim=4, epochs=50),
]


def each(makers: list[Callable[[], Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("make", makers, ids=lambda m: type(m()).__name__)


@cache
def after(make: Callable[[], Any]) -> tuple[Any, UserItems]:
    """A trained method, and what its users were trained on."""
    model, data = make(), planted(n_users=60, n_items=40, batch_size=60)
    fitted(model, data, max_epochs=40, limit_val_batches=0)
    return model.requires_grad_(False), data.interactions("train")


# Closed forms -------------------------------------------------------------------------


def test_factors_are_those_of_weighted_least_squares() -> None:
    generator = torch.Generator().manual_seed(0)
    items = torch.randn(9, 3, generator=generator, dtype=torch.float64)
    history = of_matrix(torch.rand(4, 9, generator=generator) < 0.4)
    rows = ridge_rows(history, items, l2=0.7, alpha=5.0)
    for owned, row in zip(many_hot(history).numpy(), rows, strict=True):
        root = np.sqrt(np.where(owned > 0, 5.0, 1.0))
        design = np.concatenate([root[:, None] * items.numpy(), 0.7**0.5 * np.eye(3)])
        target = np.concatenate([root * owned, np.zeros(3)])
        expected, *_ = np.linalg.lstsq(design, target, rcond=None)
        assert np.allclose(row, expected)


def test_factors_are_what_implicit_computes_for_new_users() -> None:
    from implicit.cpu.als import AlternatingLeastSquares

    from lightning_modules.recommendation.fitted import as_csr

    model, train = after(lambda: WRMF(dim=4, l2=0.3, alpha=6.0, sweeps=3))
    theirs = AlternatingLeastSquares(
        factors=4, regularization=0.3, alpha=6.0, use_cg=False, num_threads=1
    )
    theirs.item_factors = model.item_factors.numpy()
    theirs.user_factors = model.user_factors.numpy()
    theirs._YtY = None
    rows = theirs.recalculate_user(np.arange(train.n_users), as_csr(train))
    assert np.allclose(model.fold_in(train), rows, rtol=1e-3, atol=1e-4)


def test_folding_in_a_trained_user_approaches_its_factors_with_the_sweeps() -> None:
    gaps = []
    for sweeps in (2, 60):
        model, train = after(lambda: WRMF(dim=4, sweeps=sweeps))  # noqa: B023
        gap = (model.fold_in(train) - model.user_factors).norm()
        gaps.append(float(gap / model.user_factors.norm()))
    assert gaps[1] < gaps[0] / 5
    assert gaps[1] < 0.01


@each(SOLVED)
def test_a_trained_user_that_is_folded_in_has_its_own_scores(
    make: Callable[[], Any],
) -> None:
    model, train = after(make)
    rows = model.fold_in(train)
    users = torch.arange(train.n_users)
    for part in (ALL, slice(3, 17)):
        assert torch.equal(model.scores_of(rows, part), model.scores(users, part))


# Laws ---------------------------------------------------------------------------------


@each(DESCENDED)
def test_folded_in_users_are_ranked_for_as_well_as_trained_ones(
    make: Callable[[], Any],
) -> None:
    torch.manual_seed(0)
    model, train = after(make)
    data = model.trainer.datamodule
    users, seen = torch.arange(train.n_users), data.interactions("seen")
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.get_rng_state()
    found = {
        "trained": model.evaluator.rank(users, 10, seen)[0],
        "folded in": model.evaluator.rank_for(train, 10, seen=seen)[0],
    }
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    recall = {}
    for name, top in found.items():
        metric = RankingMetrics([10], ["recall"])
        metric.update(top, users, data.interactions("test"))
        recall[name] = float(metric.compute()["recall@10"])
    assert recall["trained"] > 0.4
    assert recall["folded in"] > 0.9 * recall["trained"]


@each(DESCENDED)
def test_a_user_is_folded_in_alike_whoever_else_is(make: Callable[[], Any]) -> None:
    model, train = after(make)
    rows = model.fold_in(train)
    pairs = train.of(torch.tensor([7, 3]))
    two = UserItems.from_pairs(*pairs, 2, train.n_items)
    assert torch.allclose(model.fold_in(two), rows[[7, 3]], rtol=1e-3, atol=1e-4)


@each(DESCENDED[:2])
def test_folded_in_points_lie_in_the_ball(make: Callable[[], Any]) -> None:
    model, train = after(make)
    assert model.fold_in(train).norm(dim=1).max() <= 1 + 1e-6


def test_cold_start_items_neither_repel_a_new_user_nor_are_offered() -> None:
    model = CML(dim=3, feature_weight=1.0, feature_hidden=(8,))
    data = featured()
    fitted(model, data, max_epochs=20)
    shop = Recommender(model, data)
    lines = shop.recommend_for_items(["1", "5", "9"], k=40)
    assert all(int(line.item) < 36 for line in lines)
    assert all(int(line.item) % 4 == 1 for line in lines[:3])


# Lists --------------------------------------------------------------------------------


class Shop(Given):
    """Pairs from matrices, with ids and names that are text."""

    @override
    def read(self) -> SplitPairs:
        pairs = super().read()
        ids = [np.array([f"{side}{i:02}" for i in range(n)]) for side, n in SIDES]
        names = [f"Item {i}" for i in range(9)]
        catalogue = Catalogue(ids[0], ids[1], names)
        return SplitPairs(pairs.train, pairs.val, pairs.test, catalogue)


SIDES = (("u", 12), ("i", 9))


def shop(make: Callable[[], Any]) -> tuple[Recommender, Shop]:
    model, data = make(), Shop(*matrices())
    fitted(model, data)
    return Recommender(model, data), data


ANY = [
    *SOLVED,
    lambda: WRMF(dim=2),
    lambda: CML(dim=2),
    lambda: BPR(dim=2),
    lambda: ImplicitBPR(dim=2, epochs=2),
]


def by_user(lines: list[Recommended]) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for line in lines:
        lists.setdefault(line.user, []).append(line.item)
        assert line.rank == len(lists[line.user])
        assert line.name == f"Item {int(line.item[1:])}"
    return lists


@each(ANY)
def test_nobody_is_offered_what_they_have_and_reasons_are_what_they_have(
    make: Callable[[], Any],
) -> None:
    asked, data = shop(make)
    owned = many_hot(data.interactions("all"))
    rows = owned.sum(1).argsort()[:2]  # others have all that there is
    users = [f"u{row:02}" for row in rows.tolist()]
    lines = asked.recommend(users, k=4)
    lists = by_user(lines)
    for user, items in lists.items():
        own = {f"i{i:02}" for i in owned[int(user[1:])].nonzero().flatten().tolist()}
        assert not own & set(items)
        names = {f"Item {int(i[1:])}" for i in own}
        reasons = {name for one in lines if one.user == user for name in one.because}
        assert reasons <= names
    model, known = asked.evaluator, data.interactions("all")
    top, scores = model.rank(rows, 4, known, model.hidden("predict"))
    expected = [f"i{i:02}" for i in top[0].tolist() if i >= 0]
    assert lists[users[0]] == expected
    assert lines[0].value == pytest.approx(model.shown(scores)[0, 0].item())


@each(ANY)
def test_a_new_user_is_named_by_its_items(make: Callable[[], Any]) -> None:
    asked, _ = shop(make)
    alone = by_user(asked.recommend_for_items(["i01", "i04", "i04"], k=3))
    both = asked.recommend_for_items({"ann": ["i01", "i04"], "bob": ["i02"]}, k=3)
    lists = by_user(both)
    assert lists["ann"] == alone["new"]
    assert not {"i01", "i04"} & set(lists["ann"])
    assert "i02" not in lists["bob"]


def test_what_explains_a_score_of_ease_is_its_largest_terms() -> None:
    asked, _ = shop(lambda: EASE(l2=2.0))
    (best, *_) = asked.recommend_for_items(["i01", "i04", "i05"], k=1)
    weights = asked.model.likeness(torch.tensor([1, 4, 5]))[:, int(best.item[1:])]
    ranked = [n for n in weights.argsort(descending=True).tolist() if weights[n] > 0]
    assert best.because == tuple(f"Item {(1, 4, 5)[n]}" for n in ranked[:2])


@each([lambda: CML(dim=2), lambda: SmoothCML(dim=2, height=0.5)])
def test_similar_items_of_points_are_the_nearest(make: Callable[[], Any]) -> None:
    asked, _ = shop(make)
    points: Tensor = asked.evaluator.module.points()["items"]  # type: ignore[attr-defined]
    nearest = torch.cdist(points, points)[4].argsort()[1:4].tolist()
    lines = asked.similar_items(["i04"], k=3)
    assert [int(line.item[1:]) for line in lines] == nearest
    gap = (points[4] - points[nearest[0]]).norm().item()
    assert lines[0].value == pytest.approx(gap, rel=1e-3)
    assert not shop(Popularity)[0].similar_items(["i04"])


def test_unknown_ids_are_told_with_the_nearest() -> None:
    asked, _ = shop(lambda: EASE(l2=2.0))
    with pytest.raises(ValueError, match=r"no user 'u3' in .*the nearest .*'u03'"):
        asked.recommend(["u3"])
    with pytest.raises(ValueError, match=r"no item 'xyz' in .*ids look like 'i00'"):
        asked.recommend_for_items(["xyz"])
    with pytest.raises(ValueError, match="at least one id"):
        asked.recommend([])
    with pytest.raises(ValueError, match="k must be at least 1"):
        asked.recommend(["u03"], k=0)


def test_items_that_nobody_has_say_nothing_of_a_new_user() -> None:
    train, test = matrices()
    train[:, 2] = False
    data = Shop(train, test)
    model = EASE(l2=2.0)
    fitted(model, data)
    asked = Recommender(model, data)
    same = [asked.recommend_for_items(own) for own in (["i01"], ["i01", "i02"])]
    assert [x.value for x in same[0] if x.item != "i02"] == [x.value for x in same[1]]
    with pytest.raises(ValueError, match="nobody has an item of the user 'new'"):
        asked.recommend_for_items(["i02"])


def test_other_data_and_other_models_are_refused() -> None:
    asked, _ = shop(lambda: EASE(l2=2.0))
    with pytest.raises(ValueError, match="not those that the model was trained on"):
        Recommender(asked.model, Given(*matrices(users=13)))  # type: ignore[arg-type]
    gan = WGANGP(MLPGenerator(2, (2,)), MLPCritic((2,)))
    with pytest.raises(ValueError, match="WGANGP does not rank items"):
        Recommender(gan, Given(*matrices()))
