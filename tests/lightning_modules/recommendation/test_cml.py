"""Collaborative metric learning: a step by hand, its guards, and what it recovers."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from callbacks import ExactResume
from lightning_modules.core.random import RandomStream
from lightning_modules.functional.collaborative import covariance_penalty
from lightning_modules.optim.rowwise_adagrad import RowwiseAdagrad
from lightning_modules.recommendation.cml import CML
from lightning_modules.recommendation.evaluation import Sizes
from lightning_modules.recommendation.item_encoder import ItemEncoder
from lightning_modules.recommendation.metric import DistanceEvaluator
from lightning_modules.recommendation.pairwise import PairBatch
from tests.support.methods import recorded
from tests.support.ranking_data import (
    featured,
    planted,
    points,
    prepared,
    trained,
    trainer,
)


def chosen(model: CML, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    pairs = model.prepare((users, items))
    return model.negatives_of(pairs, model.users(users), pairs.allowed)


def test_a_step_is_that_of_loops_over_the_pairs() -> None:
    """Hinge, rank weight, covariance term, Adagrad by rows and projection."""
    model = CML(dim=3, margin=0.8, n_negatives=5, covariance_weight=0.7)
    given = planted()
    before: list[Tensor] = []
    batches: list[tuple[Tensor, Tensor]] = []
    drawn: list[Tensor] = []
    step, draw = model.training_step, model.pairs.negatives.draw

    def training_step(batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        with torch.no_grad():
            model.users.weight.mul_(8)  # so that the ball matters
        before.extend(points(model))
        batches.append(batch)
        step(batch, batch_idx)

    def remembered(*given: Any) -> Tensor:
        drawn.append(draw(*given))
        return drawn[-1]

    model.training_step = training_step  # type: ignore[method-assign]
    model.pairs.negatives.draw = remembered  # type: ignore[method-assign, assignment]
    trained(model, 1, given)

    u0, v0 = (table.double().requires_grad_() for table in before)
    (users, items), (candidates,) = batches[0], drawn
    total = torch.zeros(()).double()
    all_points: list[list[Tensor]] = [[], [], []]
    for n, (i, j) in enumerate(zip(users.tolist(), items.tolist(), strict=True)):
        liked = set(given.interactions("train").of(torch.tensor([i])).items.tolist())
        usable = [k for k in candidates[n].tolist() if k not in liked]
        near = (u0[i] - v0[j]).square().sum()
        far = {k: (u0[i] - v0[k]).square().sum() for k in usable}
        impostors = sum(bool(0.8 + near - far[k] > 0) for k in usable)
        k = min(usable, key=lambda item: float(far[item].detach()))
        weight = math.log(math.floor(40 * impostors / len(usable)) + 1)
        total = total + weight * (0.8 + near - far[k]).clamp_min(0) / len(users)
        for found, point in zip(all_points, (u0[i], v0[j], v0[k]), strict=True):
            found.append(point)
    rows = torch.stack([point for found in all_points for point in found])
    loss = total + 0.7 * covariance_penalty(rows)
    for table, start, gradient in zip(
        points(model), (u0, v0), torch.autograd.grad(loss, (u0, v0)), strict=True
    ):
        spread = gradient.square().mean(1, keepdim=True).sqrt() + 1e-10
        moved = start.detach() - 0.1 * gradient / spread
        touched = gradient.abs().sum(1) > 0
        expected = moved / moved.norm(dim=1, keepdim=True).clamp_min(1)
        torch.testing.assert_close(
            table[touched].double(), expected[touched], atol=1e-5, rtol=1e-4
        )
        assert torch.equal(table[~touched], start.detach().float()[~touched])


def test_known_positives_are_never_negatives() -> None:
    model = prepared(n_negatives=200)
    given = planted()
    given.setup()
    pairs = given.interactions("train")
    negatives, weight = chosen(model, pairs.users, pairs.items)
    assert not pairs.contain(pairs.users, negatives)[weight > 0].any()
    assert (weight > 0).any()


def test_pairs_of_a_user_who_takes_everything_have_no_weight() -> None:
    model = prepared(n_negatives=50)
    everything = torch.arange(40)
    users = torch.zeros_like(everything)
    known = model.evaluator.interactions("train")
    model.evaluator._interactions["train"] = type(known).from_pairs(
        users, everything, 30, 40
    )
    _, weight = chosen(model, users, everything)
    assert not weight.any()


def test_without_rank_weights_every_impostor_counts_once() -> None:
    model = prepared(rank_weighted=False)
    pairs = model.evaluator.interactions("train")
    _, weight = chosen(model, pairs.users, pairs.items)
    assert set(weight.tolist()) <= {0.0, 1.0}


def test_a_step_leaves_rows_alone_that_it_does_not_touch() -> None:
    model = CML(dim=3, n_negatives=1)
    seen: list[Tensor] = []
    step = model.training_step

    def training_step(batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        seen.extend([batch[0], *points(model)])
        step(batch, batch_idx)

    model.training_step = training_step  # type: ignore[method-assign]
    trained(model, 1, planted(batch_size=2))
    users, items = points(model)
    moved = (users != seen[1]).any(1).nonzero().flatten()
    assert set(moved.tolist()) <= set(seen[0].tolist())
    assert 0 < int((items != seen[2]).any(1).sum()) <= 4


@pytest.mark.parametrize("ball", [True, False])
def test_points_stay_in_the_ball_if_they_are_to(ball: bool) -> None:
    model = CML(
        dim=3, ball=ball, margin=4.0, optimizer=lambda p: RowwiseAdagrad(p, lr=1.0)
    )
    trained(model, 30)
    longest = max(float(table.norm(dim=1).max()) for table in points(model))
    assert (longest <= 1 + 1e-6) == ball


def test_a_checkpoint_brings_its_tables(tmp_path: Path) -> None:
    model = CML(dim=3)
    trained(model, 3).save_checkpoint(tmp_path / "one.ckpt")
    again = CML.load_from_checkpoint(tmp_path / "one.ckpt")
    for one, other in zip(points(model), points(again), strict=True):
        assert torch.equal(one, other)
    ranked, scores = again.evaluator.rank(torch.tensor([4]), 3)
    assert ranked.shape == scores.shape == (1, 3)


def test_a_resumed_run_ends_with_the_points_of_an_uninterrupted_one(
    tmp_path: Path,
) -> None:
    whole, first, again = (CML(dim=3, sampling="popularity") for _ in range(3))
    trained(whole, 25)
    trained(first, 11).save_checkpoint(tmp_path / "one.ckpt")
    trainer(max_steps=25).fit(
        again, planted(), ckpt_path=tmp_path / "one.ckpt", weights_only=True
    )
    for one, other in zip(points(whole), points(again), strict=True):
        assert torch.equal(one, other)


def test_two_processes_equal_one_on_the_joined_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Joined(RandomStream):
        def __init__(self) -> None:
            self.parts = [RandomStream(0, rank, "train") for rank in (0, 1)]

        def integers(self, high: int, *shape: int) -> Tensor:
            half = shape[0] // 2, *shape[1:]
            return torch.cat([part.integers(high, *half) for part in self.parts])

    together, single = CML(dim=3), CML(dim=3)
    for model in (together, single):
        torch.manual_seed(3)
        model.evaluator._make(
            Sizes(30, 40, 0)
        )  # forked ranks bring weights back, not modules
    trained(together, 6, planted(batch_size=8), devices=2, strategy="ddp_fork")
    start = single.on_fit_start

    def on_fit_start() -> None:
        start()
        single.noise = Joined()

    monkeypatch.setattr(single, "on_fit_start", on_fit_start)
    trained(single, 6, planted(batch_size=16))
    for one, other in zip(points(single), points(together), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def encoded(model: CML) -> Tensor:
    return model.item_encoder(model.evaluator.features(model.dtype))  # type: ignore[no-any-return]


def encoded_all(model: CML) -> Tensor:
    return model.item_encoder.every(model.evaluator.features(model.dtype))


def test_a_step_with_features_is_that_of_loops() -> None:
    """Eq. 52 and 54, at the points f(x) + what the table holds, in the ball."""
    options: dict[str, Any] = {"feature_hidden": (6,), "feature_dropout": 0.0}
    model = CML(dim=3, feature_weight=0.5, n_negatives=4, **options)
    losses: list[tuple[Tensor, ...]] = []
    inner, narrow = model.pair_loss, model._allowed
    usables: list[Tensor] = []

    def allowed_of(pairs: PairBatch) -> Tensor:
        usables.append(narrow(pairs))
        return usables[-1]

    def pair_loss(pairs: PairBatch) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            model.items.weight.normal_()  # so that the ball and eq. 54 matter
            model.items.weight[36:] = 0  # nobody took these, so no step moves them
        own, placed = model.items.weight.detach().clone(), encoded(model)
        loss, moved = inner(pairs)
        points = model.users.weight.detach().clone()
        losses.append((own, placed.detach(), points, loss.detach(), moved, *pairs[:3]))
        return loss, moved

    model.pair_loss = pair_loss  # type: ignore[method-assign]
    model._allowed = allowed_of  # type: ignore[method-assign]
    trained(model, 1, featured())
    (own, placed, u, loss, moved, users, items, drawn), (allowed,) = losses[0], usables
    v = placed + own
    v = v / v.norm(dim=1, keepdim=True).clamp_min(1)
    total, negatives = 0.0, moved[len(items) :].tolist()
    for n, (i, j) in enumerate(zip(users.tolist(), items.tolist(), strict=True)):
        usable = [k for k, ok in zip(drawn[n].tolist(), allowed[n], strict=True) if ok]
        near = float((u[i] - v[j]).square().sum())
        far = {k: float((u[i] - v[k]).square().sum()) for k in usable}
        impostors = sum(1 + near - far[k] > 0 for k in usable)
        if impostors:
            weight = math.log(math.floor(40 * impostors / len(usable)) + 1)
            assert negatives[n] == min(usable, key=lambda k: far[k])
            total += weight * max(0.0, 1 + near - far[negatives[n]]) / len(users)
    counts = model.evaluator.popularity
    apart = float((own[items].square().sum(1) / counts[items]).mean())
    weight = 0.5 * float(model.prior.weight())
    assert float(loss) == pytest.approx(total + weight * apart, rel=1e-4)


def test_cold_start_items_are_candidates_as_often_as_f_is_doubted() -> None:
    model = CML(dim=3, feature_weight=0.5, feature_hidden=(6,), n_negatives=500)
    trained(model, 3, featured())
    assert model.items.weight[36:].any()
    pairs = model.prepare((torch.arange(24), torch.arange(24)))
    user = torch.randn(200, 3)
    held = torch.arange(4000)[model.prior.held_out(torch.arange(4000))][:200]
    model.prior.moments.zero_()
    model.prior.observe(user, user / 3 + torch.randn(200, 3), held)
    doubt = float(model.prior.doubt())
    assert 0.3 < doubt < 0.7
    new, allowed = pairs.candidates >= 36, model._allowed(pairs)
    share = float(allowed[new].float().mean())
    assert share / float(pairs.allowed[new].float().mean()) == pytest.approx(
        doubt, abs=0.1
    )
    assert torch.equal(allowed[~new], pairs.allowed[~new])


def test_items_begin_at_their_features_and_what_moves_one_teaches_f() -> None:
    model = CML(dim=3, feature_weight=0.5, feature_hidden=(6,))
    run = trained(model, 0, featured())
    placed = encoded_all(model)
    torch.testing.assert_close(model.item_points, model._in_ball(placed))
    trained(model, 2, featured())
    del run
    assert not torch.equal(encoded_all(model), placed)


def test_dropout_of_the_features_is_active_in_training_only() -> None:
    model = CML(dim=3, feature_weight=0.5, feature_hidden=(64,), feature_dropout=0.5)
    trained(model, 2, featured())
    model.train()
    once, again = (encoded(model) for _ in range(2))
    assert not torch.equal(once, again)
    found = encoded_all(model)
    assert model.item_encoder.training
    model.eval()
    assert torch.equal(found, encoded(model))


def test_a_checkpoint_says_where_items_are_without_their_features(
    tmp_path: Path,
) -> None:
    model = CML(dim=3, feature_weight=0.5)
    trained(model, 5, featured()).save_checkpoint(tmp_path / "one.ckpt")
    again = CML.load_from_checkpoint(tmp_path / "one.ckpt", weights_only=True)
    users = torch.arange(24)
    for one, other in zip(
        model.evaluator.rank(users, 5), again.evaluator.rank(users, 5), strict=True
    ):
        assert torch.equal(one, other)


def test_items_that_nobody_took_are_found_by_their_features() -> None:
    """Cold start: without features the new items are at chance."""
    found = {}
    for weight in (0.0, 1.0):
        options: dict[str, Any] = {"feature_hidden": (16,), "feature_dropout": 0.0}
        model = CML(dim=4, feature_weight=weight, ks=(10,), **options)
        given = featured(batch_size=16)
        given.ranks_cold_items = True
        run = trained(model, 300, given)
        (scores, *_) = run.test(model, given, verbose=False)
        found[weight] = scores["test/recall@10"]
    assert found[1.0] > 0.9
    assert found[0.0] < 0.6


def test_a_model_with_features_resumes_exactly(tmp_path: Path) -> None:
    """With the command line's callback, which keeps the dropout's random state."""
    whole, first, again = (CML(dim=3, feature_weight=0.3) for _ in range(3))
    trained(whole, 25, featured(), callbacks=[ExactResume()])
    run = trained(first, 11, featured(), callbacks=[ExactResume()])
    run.save_checkpoint(tmp_path / "one.ckpt")
    trainer(max_steps=25, callbacks=[ExactResume()]).fit(
        again, featured(), ckpt_path=tmp_path / "one.ckpt", weights_only=True
    )
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_features_that_the_data_lacks_are_asked_for() -> None:
    with pytest.raises(ValueError, match=r"model.feature_weight is above 0, but"):
        trained(CML(dim=3, feature_weight=1.0), 1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dim": 0}, "dim must be at least 1"),
        ({"margin": 0.0}, "margin must be above 0"),
        ({"n_negatives": 0}, "n_negatives must be at least 1"),
        ({"covariance_weight": -1.0}, "covariance_weight must be a finite number"),
        ({"sampling": "hard"}, "sampling must be one of uniform"),
        ({"item_chunk": -1}, "item_chunk must be at least 1"),
        ({"ks": (0,)}, "ks must be at least 1"),
    ],
)
def test_what_is_out_of_range_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        CML(**options)


def test_many_items_are_encoded_as_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning_modules.recommendation.item_encoder.CHUNK", 3)
    encoder, x = ItemEncoder(5, 2, (8,), 0.5).train(), torch.randn(7, 5)
    points = encoder.every(x)
    assert encoder.training
    torch.testing.assert_close(
        points, torch.cat([encoder.eval()(row[None]) for row in x])
    )
    assert not points.requires_grad


def test_features_without_a_width_are_asked_for() -> None:
    with pytest.raises(ValueError, match=r"model\.feature_weight is above 0, but the"):
        ItemEncoder(0, 2, (8,), 0.5)


def test_people_are_shown_distances() -> None:
    scores = torch.tensor([-4.0, -0.25, 1e-9])  # rounding may lift a score above 0
    shown = DistanceEvaluator((1,)).shown(scores)
    assert shown.tolist() == [2.0, 0.5, 0.0]


def test_after_a_step_items_are_where_table_and_features_place_them() -> None:
    model = CML(dim=3, feature_weight=0.5, feature_hidden=(6,))
    run = trained(model, 2, featured())
    placed = model._in_ball(model.items.weight.detach() + encoded_all(model))
    torch.testing.assert_close(model.item_points, placed)
    del run


def test_a_resumed_run_leaves_points_where_they_were(tmp_path: Path) -> None:
    first, again = CML(dim=2), CML(dim=2)
    run = trained(first, 2)
    with torch.no_grad():
        first.users.weight.fill_(5)
    run.save_checkpoint(tmp_path / "one.ckpt")
    path = tmp_path / "one.ckpt"
    trainer(max_steps=3).fit(again, planted(), ckpt_path=path, weights_only=True)
    lengths = again.users.weight.detach().norm(dim=1)
    assert 0 < int((lengths > 6).sum()) < 30  # a step projects what it updates


def test_eq_54_pulls_items_to_their_features_and_not_features_to_items() -> None:
    model = CML(dim=3, feature_weight=0.5, feature_hidden=(6,))
    trained(model, 0, featured())
    torch.nn.init.normal_(model.items.weight)
    items, counts = torch.tensor([1, 5, 1]), model.evaluator.popularity
    _, loss = model._points_of(items, torch.zeros(3, 3))
    loss.backward()  # type: ignore[no-untyped-call]
    rows = model.items.weight.detach()
    squares = rows[items].square().sum(1) / counts[items]
    torch.testing.assert_close(loss, squares.mean())
    assert model.items.weight.grad is not None
    found = model.items.weight.grad.to_dense()
    torch.testing.assert_close(found[1], 2 * 2 * rows[1] / counts[1] / 3)
    torch.testing.assert_close(found[5], 2 * rows[5] / counts[5] / 3)
    for weight in model.item_encoder.parameters():
        assert weight.grad is None or float(weight.grad.abs().max()) < 1e-6


def test_a_score_above_0_by_rounding_is_shown_as_no_distance() -> None:
    shown = CML(dim=2).evaluator.shown(torch.tensor([1e-7, -4.0]))
    assert shown.tolist() == [0.0, 2.0]


@pytest.mark.parametrize("features", [False, True])
def test_the_logged_values_are_the_terms_without_their_weights(features: bool) -> None:
    """Eq. 52 without weights by rank, eq. 55 and 54; by loops."""
    weights: dict[str, Any] = {"covariance_weight": 2.0, "rank_weighted": False}
    weights |= {"feature_weight": 0.5, "feature_dropout": 0.0} if features else {}
    model = CML(dim=3, n_negatives=4, margin=0.7, **weights)
    trained(model, 0, featured())
    model.noise = RandomStream(0, 0, "train")
    if features:
        torch.nn.init.normal_(model.items.weight[:36].detach())  # no new item
    pairs = model.prepare((torch.tensor([0, 1, 4]), torch.tensor([2, 3, 8])))
    model.noise = RandomStream(1, 0, "train")
    found = recorded(model, model.pair_loss, pairs)
    model.noise = RandomStream(1, 0, "train")
    _, moved = model.pair_loss(pairs)
    every = model.item_points if features else model.items.weight
    user, item = model.users.weight[pairs.users].detach(), every[moved].detach()
    near, far = ((user - part).square().sum(1) for part in item.chunk(2))
    hinges = (0.7 + near - far).clamp_min(0)
    both = torch.cat([user, item])
    c = (both - both.mean(0)).T @ (both - both.mean(0)) / len(both)
    expected = {
        "impostors": (hinges > 0).float().mean(),
        "loss": hinges.mean(),
        "covariance": c.square().sum() - c.diagonal().square().sum(),
    }
    if features:
        table = model.items.weight.detach()[pairs.items]
        counts = model.evaluator.popularity[pairs.items]
        expected["feature_loss"] = (table.square().sum(1) / counts).mean()
        expected["explained"] = torch.zeros(())  # no item that f is not trained on
    torch.testing.assert_close(found, expected)


def test_the_encoder_of_items_begins_with_weights_that_preserve_norms() -> None:
    torch.manual_seed(0)
    encoder = ItemEncoder(5000, 3, (16,), 0.0)
    row = torch.zeros(1, 5000)
    row[0, :100] = 0.1  # of length 1
    length = float((row @ encoder.inner.first.weight).norm().detach())
    assert length == pytest.approx(1, rel=0.5)
    assert float(encoder.inner.first.weight.detach().std()) == pytest.approx(
        1 / 4, rel=0.02
    )
