"""Factors trained on pairs: BPR and WARP against loops."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_modules.core.random import RandomStream
from lightning_modules.recommendation.bpr import BPR
from lightning_modules.recommendation.factors import FactorRanker
from lightning_modules.recommendation.hinge import RankHinge
from lightning_modules.recommendation.pairwise import PairBatch
from lightning_modules.recommendation.popularity import Popularity
from lightning_modules.recommendation.warp import WARP
from tests.support.methods import recorded
from tests.support.ranking_data import fitted, planted

EVERY = slice(0, None)


@pytest.mark.parametrize("make", [BPR, WARP])
def test_factors_come_back_from_a_checkpoint(make: Any, tmp_path: Path) -> None:
    model = make(dim=3)
    fitted(model, planted()).save_checkpoint(tmp_path / "one.ckpt")
    again = make.load_from_checkpoint(tmp_path / "one.ckpt")
    users = torch.arange(30)
    assert torch.equal(again.scores(users, EVERY), model.scores(users, EVERY))
    assert model.biases.weight.any()


def started(model: FactorRanker) -> list[tuple[Tensor, ...]]:
    """The arguments and the loss of the first step, with tables as they were."""
    steps: list[tuple[Tensor, ...]] = []
    inner: Any = model.pair_loss

    def pair_loss(pairs: PairBatch) -> Any:
        tables = [t.detach().clone() for t in (model.users.weight, model.items.weight)]
        loss, moved = inner(pairs)
        steps.append((*pairs[:4], *tables, loss.detach(), moved))
        return loss, moved

    model.pair_loss = pair_loss  # type: ignore[method-assign]
    fitted(model, planted(), max_steps=1)
    return steps


def test_the_loss_of_bpr_is_that_of_a_loop() -> None:
    users, items, drawn, allowed, u, v, loss, moved = started(BPR(dim=3, decay=0.2))[0]
    total = 0.0
    for n, (i, j) in enumerate(zip(users.tolist(), items.tolist(), strict=True)):
        k = int(drawn[n, 0])
        if allowed[n, 0]:
            gap = float(u[i] @ v[j] - u[i] @ v[k])  # biases begin at 0
            total += math.log1p(math.exp(-gap))
        rows = (u[i], v[j], v[k])
        total += 0.1 * sum(float(row.square().sum()) for row in rows)
    assert float(loss) == pytest.approx(total / len(users), rel=1e-5)
    assert set(moved.tolist()) == set(items.tolist()) | set(drawn.flatten().tolist())


def test_the_loss_of_warp_is_that_of_a_loop() -> None:
    """The first candidate that comes within the margin, weighted by floor(J / N)."""
    model = WARP(dim=3, margin=0.02, decay=0.0, n_negatives=6)
    users, items, drawn, allowed, u, v, loss, _ = started(model)[0]
    total, weights = 0.0, set()
    for n, (i, j) in enumerate(zip(users.tolist(), items.tolist(), strict=True)):
        draws = 0
        for k, usable in zip(drawn[n].tolist(), allowed[n].tolist(), strict=True):
            draws += usable
            hinge = 0.02 - float(u[i] @ v[j]) + float(u[i] @ v[k])
            if usable and hinge > 0:
                weight = math.log(math.floor(40 / draws) + 1)
                weights.add(weight)
                total += weight * hinge
                break
    assert float(loss) == pytest.approx(total / len(users), rel=1e-4)
    assert len(weights) > 1


def test_learnt_factors_find_more_than_popularity() -> None:
    found = {}
    data = planted(n_users=150, n_items=100, n_taken=20, reach=0.15, batch_size=64)
    for model in (BPR(dim=8, ks=(10,)), WARP(dim=8, ks=(10,)), Popularity(ks=(10,))):
        run = fitted(model, data, max_epochs=20)
        (scores, *_) = run.test(model, data, verbose=False)
        found[type(model).__name__] = scores["test/recall@10"]
    assert min(found["BPR"], found["WARP"]) > 1.5 * found["Popularity"]


# The hinge ----------------------------------------------------------------------------

COSTS = torch.tensor([0.0, 0.5, 0.2, 3.0, -1.0])  # item 0 is positive, the others drawn


def chosen(negative: Any, allowed: list[int], *, weighted: bool = True) -> Any:
    """Candidates 1 ... 4 in this order, for one pair; 100 items in all."""
    hinge = RankHinge(1.0, negative, weighted)
    usable = torch.tensor([[item in allowed for item in (1, 2, 3, 4)]])
    drawn = torch.tensor([[1, 2, 3, 4]])
    one = torch.zeros(1)
    return hinge.choose(
        lambda _, items: COSTS[items], one[:, None], one.long(), drawn, usable, 100
    )


@pytest.mark.parametrize(
    ("negative", "allowed", "item", "rank"),
    [
        ("hardest", [1, 2, 3, 4], 4, 100 * 3 // 4),  # three of four within the margin
        ("hardest", [1, 2, 3], 2, 100 * 2 // 3),
        ("first", [1, 2, 3, 4], 1, 100),
        ("first", [3, 4], 4, 100 // 2),  # the second of those that count
    ],
)
def test_the_hinge_picks_its_negative_and_weighs_it_by_its_rank(
    negative: Any, allowed: list[int], item: int, rank: int
) -> None:
    one = chosen(negative, allowed)
    assert one.items.tolist() == [item]
    assert float(one.weight) == pytest.approx(math.log(rank + 1))
    assert chosen(negative, allowed, weighted=False).weight.tolist() == [1.0]


@pytest.mark.parametrize("negative", ["hardest", "first"])
def test_without_an_impostor_the_hinge_has_no_weight(negative: Any) -> None:
    assert chosen(negative, [3]).weight.tolist() == [0.0]
    assert chosen(negative, []).weight.tolist() == [0.0]


def test_the_hinge_is_the_weighted_mean_of_what_is_within_the_margin() -> None:
    near, far = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.5, 0.5, 9.0])
    loss = RankHinge(1.0, "hardest", True)(near, far, torch.tensor([2.0, 1.0, 5.0]))
    assert float(loss) == pytest.approx((2 * 0.5 + 1 * 1.5 + 0) / 3)


@pytest.mark.parametrize("method", [BPR, WARP])
def test_the_logged_loss_is_that_without_the_penalty(method: Any) -> None:
    model = method(dim=3, decay=0.5)
    fitted(model, planted(), max_steps=3)
    model.noise = RandomStream(0, 0, "train")
    pairs = model.prepare((torch.tensor([0, 1, 4]), torch.tensor([2, 3, 8])))
    found = recorded(model, model.pair_loss, pairs)
    user = model.users(pairs.users)
    items = torch.cat([pairs.items[:, None], pairs.candidates], 1)
    scores = (user[:, None] * model.items(items)).sum(2) + model.biases(items)[..., 0]
    gap = (scores[:, 1:] - scores[:, :1]).detach()
    if method is BPR:
        losses = torch.log1p(gap.exp()) * pairs.allowed
        torch.testing.assert_close(found, {"loss": losses.mean()})
        return
    impostors = (1 + gap > 0) & pairs.allowed
    torch.testing.assert_close(found["impostors"], impostors.any(1).float().mean())
    total = 0.0
    for row in range(3):
        draws = 0
        for place in range(gap.shape[1]):
            draws += int(pairs.allowed[row, place])
            if impostors[row, place]:
                total += math.log(40 // draws + 1) * float(1 + gap[row, place])
                break
    assert float(found["loss"]) == pytest.approx(total / 3, rel=1e-5)


def test_the_penalty_of_the_rows_is_small_by_default() -> None:
    assert BPR().decay == WARP().decay == 0.01


def test_points_are_all_rows_of_the_tables() -> None:
    model = BPR(dim=3)
    fitted(model, planted(), max_steps=1)
    shapes = {key: tuple(rows.shape) for key, rows in model.points().items()}
    assert shapes == {"users": (30, 3), "items": (40, 3), "biases": (40, 1)}


def test_impostors_are_counted_whatever_they_weigh() -> None:
    model = WARP(dim=3, rank_weighted=False, margin=50.0)
    fitted(model, planted(), max_steps=1)
    model.noise = RandomStream(0, 0, "train")
    pairs = model.prepare((torch.tensor([0, 1, 4]), torch.tensor([2, 3, 8])))
    assert recorded(model, model.pair_loss, pairs)["impostors"] == 1
