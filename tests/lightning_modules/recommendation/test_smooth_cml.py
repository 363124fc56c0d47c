"""The smooth hinge in training: a step by hand, shared candidates, what it recovers."""

import math
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor

from datamodules.recommendation.base import InteractionData
from lightning_modules import CML
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.optim.rowwise_adagrad import RowwiseAdagrad
from lightning_modules.recommendation import fold_in
from lightning_modules.recommendation.metric import Compared
from lightning_modules.recommendation.pairwise import PairBatch
from lightning_modules.recommendation.smooth_cml import SmoothCML
from tests.support.ranking_data import featured, planted, trainer


def run(model: SmoothCML, data: InteractionData, **options: Any) -> pl.Trainer:
    pl.seed_everything(0, verbose=False)
    made = trainer(**options)
    made.fit(model, data)
    return made


@pytest.mark.parametrize("height", [0.0, 0.2])
@pytest.mark.parametrize("by_user", [False, True])
def test_a_step_is_that_of_loops_over_pairs_and_candidates(
    by_user: bool, height: float
) -> None:
    model = SmoothCML(dim=3, n_negatives=7, temperature=0.3, margin=0.4, height=height)
    seen: list[tuple[Any, ...]] = []
    inner = model.pair_loss

    def pair_loss(pairs: PairBatch) -> tuple[Tensor, Tensor]:
        tables = model.users.weight, model.items.weight
        loss, moved = inner(pairs)
        before = (t.detach().clone() for t in tables)
        seen.append((pairs, *before, loss.detach(), moved))
        return loss, moved

    model.pair_loss = pair_loss  # type: ignore[method-assign]
    run(model, planted(by_user=by_user), max_steps=1)
    pairs, u, v, loss, moved = seen[0]
    distinct, items, drawn = pairs.users, pairs.items, pairs.candidates
    users = pairs.each(distinct)
    assert len(set(users.tolist())) == len(distinct)
    assert by_user == (len(distinct) < len(users) / 3), "a user's pairs are apart"
    data = planted()
    data.setup()
    counts = torch.bincount(data.interactions("train").items, minlength=len(v))
    raised = height * ((counts.max() + 1) / (counts + 1)).log()
    total = 0.0
    for i, j in zip(users.tolist(), items.tolist(), strict=True):
        liked = set(data.interactions("train").of(torch.tensor([i])).items.tolist())
        near = float((u[i] - v[j]).square().sum() + raised[j])
        far = [
            float((u[i] - v[k]).square().sum() + raised[k])
            for k in drawn[0].tolist()
            if k not in liked
        ]
        over = torch.tensor([(0.4 + near - one) / 0.3 for one in far])
        total += float(0.3 * torch.log(1 + over.exp().sum()))
    assert float(loss) == pytest.approx(total / len(users), rel=1e-5)
    assert moved.tolist() == items.tolist() + drawn[0].tolist()
    assert bool((drawn == drawn[0]).all())


def test_a_low_temperature_is_the_hinge_at_the_hardest_candidate() -> None:
    model = SmoothCML(dim=3, n_negatives=7, temperature=1e-4, margin=0.4)
    points = torch.randn(11, 3, generator=torch.Generator().manual_seed(0))
    user, positive, negative = points[:2], points[2:4], points[4:]
    allowed = torch.tensor([[True] * 7, [True, False] * 3 + [True]])
    rows = torch.arange(2)
    pairs = PairBatch(rows, rows, torch.arange(7).expand(2, -1), allowed)
    compared = Compared(user, user, positive, negative)
    loss = model.metric_loss(pairs, compared, allowed)
    near = (user - positive).square().sum(1)
    far = torch.cdist(user, negative).square().masked_fill(~allowed, torch.inf)
    expected = (0.4 + near - far.amin(1)).clamp_min(0).mean()
    assert float(loss) == pytest.approx(float(expected), abs=1e-3)


def test_all_items_are_candidates_once_if_asked_for() -> None:
    model = SmoothCML(dim=3, n_negatives=None, temperature=0.3, margin=0.4)
    run(model, planted(by_user=True), max_steps=2)
    n, seen = model.evaluator.n_items, model.evaluator.interactions("train")
    pairs = model.prepare((torch.tensor([3, 1, 3]), seen.items[:3]))
    assert pairs.candidates.tolist() == [list(range(n))] * 2
    assert pairs.users.tolist() == [1, 3]
    assert pairs.each(pairs.users).tolist() == [3, 1, 3]
    for user, allowed in zip(pairs.users, pairs.allowed, strict=True):
        own = seen.of(user[None]).items
        assert sorted(own.tolist()) == (~allowed).nonzero().flatten().tolist()


def test_candidates_are_drawn_or_all_are_taken() -> None:
    with pytest.raises(ValueError, match=r"^sampling: popularity draws candidates"):
        SmoothCML(n_negatives=None, sampling="popularity")
    with pytest.raises(ValueError, match=r"^n_negatives must be a number"):
        CML(n_negatives=None)  # type: ignore[arg-type]


def test_the_ball_holds_what_a_step_touched() -> None:
    model = SmoothCML(
        dim=2, n_negatives=20, optimizer=lambda p: RowwiseAdagrad(p, lr=3.0)
    )
    run(model, planted(), max_steps=40)
    for table in (model.users, model.items):
        norms = table.weight.detach().norm(dim=1)
        assert float(norms.max()) <= 1 + 1e-6
        assert float(norms.max()) > 0.5, "nothing has moved"


def test_a_new_user_s_pairs_share_distances_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, sizes = SmoothCML(dim=2, n_negatives=20), []
    run(model, planted(), max_steps=1)
    inner = model.metric_loss

    def metric_loss(pairs: PairBatch, points: Compared, weight: Tensor) -> Tensor:
        sizes.append((len(points.users), len(pairs.items)))
        return inner(pairs, points, weight)

    monkeypatch.setattr(model, "metric_loss", metric_loss)
    monkeypatch.setattr(fold_in, "STEPS", 2)
    history = UserItems.from_pairs(
        torch.tensor([0, 0, 0, 1, 1]), torch.tensor([1, 4, 2, 0, 3]), 2, 40
    )
    model.fold_in(history)
    assert sizes == [(2, 5)] * 2


@pytest.mark.parametrize("features", [False, True])
def test_items_stand_the_higher_the_fewer_took_them(
    tmp_path: Path, features: bool
) -> None:
    """By loops, after a step and in a checkpoint, which has no training pairs."""
    model = SmoothCML(dim=3, height=0.5, feature_weight=float(features))
    given = featured() if features else planted()
    run(model, given, max_steps=5).save_checkpoint(tmp_path / "one.ckpt")
    train = given.interactions("train").items.tolist()
    counts = [train.count(item) for item in range(given.n_items)]
    squares = [0.5 * math.log((1 + max(counts)) / (1 + n)) for n in counts]
    if features:
        known = [square for square, n in zip(squares, counts, strict=True) if n]
        mean = sum(known) / len(known)
        squares = [s if n else mean for s, n in zip(squares, counts, strict=True)]
        assert counts.count(0) == 4
    again = SmoothCML.load_from_checkpoint(tmp_path / "one.ckpt", weights_only=True)
    users, every = torch.tensor([3, 0]), slice(0, None)
    for one in (model, again):
        places = one.users.weight.detach()[users], one.item_points.detach()
        expected = torch.cdist(*places).square() + torch.tensor(squares)
        scores = one.scores(users, every).detach()
        torch.testing.assert_close(-scores, expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(scores[:, 4:9], one.scores(users, slice(4, 9)))


def test_planted_places_are_recovered() -> None:
    model, data = SmoothCML(dim=4, n_negatives=40, ks=(10,)), planted()
    before = run(model, data, max_steps=0).test(model, data, verbose=False)
    after = run(model, data, max_steps=300).test(model, data, verbose=False)
    assert after[0]["test/recall@10"] > 1.5 * before[0]["test/recall@10"]


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_a_temperature_that_is_not_positive_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        SmoothCML(temperature=temperature)
    with pytest.raises(
        ValueError, match="height must be a finite number of at least 0"
    ):
        SmoothCML(height=min(temperature, -0.1))
