"""LightGCN and LightGCN++ against dense matrices, and their loss against a loop."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lightning_modules import LightGCN, LightGCNPlusPlus, Popularity
from lightning_modules.recommendation.propagation import Propagation
from tests.support.ranking_data import Given, fitted, matrices, of_matrix, planted

EVERY = slice(0, None)
COUNTS = st.integers(1, 7)
LAYERS = st.lists(st.floats(0, 1), min_size=1, max_size=5)


class Rule(NamedTuple):
    """What is sent along a graph, and how much of each layer is kept."""

    alpha: float
    beta: float
    unit: bool
    shares: Sequence[float]

    def of(self, matrix: Tensor) -> Propagation:
        """The library's propagation over the pairs of a matrix (users, items)."""
        pairs, exponents = of_matrix(matrix), (self.alpha, self.beta)
        return Propagation.of(pairs, *exponents, self.shares, unit=self.unit)

    def sent(self, rows: Tensor) -> Tensor:
        lengths = rows.norm(dim=1, keepdim=True)
        return rows / lengths.where(lengths > 0, 1) if self.unit else rows

    def layers(self, matrix: Tensor, first: Tensor) -> list[Tensor]:
        """The same with a dense adjacency of users, then items."""
        n = sum(matrix.shape)
        dense = torch.zeros(n, n, dtype=torch.double)
        dense[: len(matrix), len(matrix) :] = matrix
        dense = dense + dense.T
        degrees = dense.sum(1).clamp_min(1)
        dense = degrees[:, None] ** -self.alpha * dense * degrees**-self.beta
        layers = [first]
        for _ in self.shares[1:]:
            layers.append(dense @ self.sent(layers[-1]))
        return layers

    def mean(self, matrix: Tensor, first: Tensor) -> Tensor:
        layers = zip(self.shares, self.layers(matrix, first), strict=True)
        return torch.stack([share * layer for share, layer in layers]).sum(0)


def light(k: int) -> Rule:
    return Rule(0.5, 0.5, unit=False, shares=[1 / (k + 1)] * (k + 1))


RULES = st.one_of(
    st.integers(0, 4).map(light),
    st.builds(Rule, st.floats(0, 1), st.floats(-0.5, 0.5), st.booleans(), LAYERS),
)
METHODS: Sequence[tuple[type[LightGCN], Rule, dict[str, Any]]] = [
    (LightGCN, light(2), {"n_layers": 2}),
    (
        LightGCNPlusPlus,
        Rule(0.7, -0.2, unit=True, shares=[0.1, 0.45, 0.45]),
        {"alpha": 0.7, "beta": -0.2, "gamma": 0.1},
    ),
]
of_both = pytest.mark.parametrize(("method", "rule", "options"), METHODS)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Tensor, Rule]:
    """Zeros and ones (users, items), some rows and columns empty, and a rule."""
    size, seed = (draw(COUNTS), draw(COUNTS)), draw(st.integers(0, 999))
    random = torch.rand(size, generator=torch.Generator().manual_seed(seed))
    return random < draw(st.sampled_from([0.2, 0.5, 1.0])), draw(RULES)


def split(matrix: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    users, items = torch.split(rows, list(matrix.shape))
    return users, items


@settings(max_examples=40)
@given(graphs())
def test_propagation_and_its_gradient_are_those_of_dense_products(
    graph: tuple[Tensor, Rule],
) -> None:
    matrix, rule = graph
    first = torch.randn(sum(matrix.shape), 3, dtype=torch.double, requires_grad=True)
    weights = torch.randn(sum(matrix.shape), 3, dtype=torch.double)
    found = torch.cat(rule.of(matrix)(*split(matrix, first)))
    expected = rule.mean(matrix, first)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    (gradient,) = torch.autograd.grad((found.sin() * weights).sum(), first)
    (dense,) = torch.autograd.grad((expected.sin() * weights).sum(), first)
    torch.testing.assert_close(gradient, dense, rtol=1e-5, atol=1e-5)


@settings(max_examples=25)
@given(graphs(), st.integers(0, 4))
def test_roots_of_degrees_stay_as_they_are(graph: tuple[Tensor, Rule], k: int) -> None:
    """The eigenvector of eigenvalue 1, whatever the graph and K, in LightGCN."""
    matrix, _ = graph
    roots = matrix.sum(1)[:, None].sqrt(), matrix.sum(0)[:, None].sqrt()
    found = light(k).of(matrix)(*roots)
    torch.testing.assert_close(found, roots)


@settings(max_examples=25)
@given(graphs(), st.floats(0.1, 9))
def test_the_length_of_an_embedding_does_not_matter_to_its_neighbours(
    graph: tuple[Tensor, Rule], factor: float
) -> None:
    """In LightGCN++ without a share of the first embeddings."""
    matrix, rule = graph
    rule = rule._replace(unit=True, shares=[0.0, 0.6, 0.4])
    first = torch.randn(sum(matrix.shape), 3)
    found = rule.of(matrix)(*split(matrix, factor * first))
    torch.testing.assert_close(found, rule.of(matrix)(*split(matrix, first)))


@of_both
def test_the_loss_is_that_of_a_loop(
    method: type[LightGCN], rule: Rule, options: dict[str, Any]
) -> None:
    model, steps = method(dim=3, decay=0.2, **options), list[tuple[Any, ...]]()
    inner = model.pair_loss

    def pair_loss(pairs: Any) -> Any:
        first = torch.cat([model.users.weight, model.items.weight]).detach().clone()
        loss, moved = inner(pairs)
        steps.append((*pairs[:4], first, loss.detach(), moved))
        return loss, moved

    model.pair_loss = pair_loss  # type: ignore[method-assign]
    fitted(model, planted(), max_steps=1)
    users, items, drawn, allowed, first, loss, moved = steps[0]
    train = model.evaluator.interactions("train")
    matrix = torch.zeros(30, 40)
    matrix[train.users, train.items] = 1
    every, total = rule.mean(matrix, first.double()), 0.0
    for n, (i, j) in enumerate(zip(users.tolist(), items.tolist(), strict=True)):
        k = int(drawn[n, 0])
        rows = (i, 30 + j, 30 + k)
        u, v, w = (every[row] for row in rows)
        if allowed[n, 0]:
            total += math.log1p(math.exp(-float(u @ v - u @ w)))
        total += 0.1 * sum(float(first[row].square().sum()) for row in rows)
    assert float(loss) == pytest.approx(total / len(users), rel=1e-5)
    assert set(moved.tolist()) == set(items.tolist()) | set(drawn.flatten().tolist())


@of_both
def test_the_gradient_of_a_method_s_embeddings_is_that_of_dense_products(
    method: type[LightGCN], rule: Rule, options: dict[str, Any]
) -> None:
    train, test = matrices()
    model = method(dim=3, ks=(2,), **options)
    fitted(model, Given(train, test), max_steps=1)
    tables = model.users.weight, model.items.weight
    weights = torch.randn(sum(train.shape), 3)
    found = (torch.cat(model.propagation(*tables)) * weights).sum()
    first = torch.cat(tables).detach().double().requires_grad_()
    (dense,) = torch.autograd.grad((rule.mean(train, first) * weights).sum(), first)
    gradient = torch.cat(torch.autograd.grad(found, tables)).double()
    torch.testing.assert_close(gradient, dense, rtol=1e-4, atol=1e-5)


def test_a_validation_propagates_once_and_after_the_last_update(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls, inner = [], Propagation.layers

    def layers(self: Propagation, *args: Any) -> Any:
        calls.append(args)
        return inner(self, *args)

    model, often = LightGCN(dim=3), {"limit_val_batches": None}
    data = planted(eval_batch_size=7, batch_size=180)
    run = fitted(model, data, max_epochs=2, check_val_every_n_epoch=1, **often)
    monkeypatch.setattr(Propagation, "layers", layers)
    first = model.scores(torch.arange(9), EVERY)
    model.likeness(torch.arange(4))
    assert not calls  # left from validation
    model._fresh = False
    torch.testing.assert_close(model.scores(torch.arange(9), EVERY), first)
    model.points()
    assert len(calls) == 1
    del run


@of_both
def test_a_new_user_is_placed_as_propagation_places_a_row_of_zeros(
    method: type[LightGCN], rule: Rule, options: dict[str, Any]
) -> None:
    """Of a graph where nobody else notices the new user."""
    train, test = matrices()
    model = method(dim=3, ks=(2,), **options)
    fitted(model, Given(train, test), max_steps=2)
    history = of_matrix(train[:5] & (torch.arange(9) < 6))
    first = torch.cat([model.users.weight, model.items.weight]).detach().double()
    layers = [layer[12:] for layer in rule.layers(train, first)]
    degrees = train.sum(0).double().clamp_min(1)
    for user, row in enumerate(model.fold_in(history)):
        own = history.items[history.users == user]
        weights = (len(own) ** -rule.alpha * degrees[own] ** -rule.beta)[:, None]
        expected = sum(
            share * (weights * rule.sent(layer)[own]).sum(0)
            for share, layer in zip(rule.shares[1:], layers[:-1], strict=True)
        )
        torch.testing.assert_close(row.double(), expected, rtol=1e-4, atol=1e-6)


@of_both
def test_a_checkpoint_ranks_without_the_training_interactions(
    method: type[LightGCN], rule: Rule, options: dict[str, Any], tmp_path: Path
) -> None:
    model = method(dim=3, **options)
    fitted(model, planted()).save_checkpoint(tmp_path / "one.ckpt")
    again = method.load_from_checkpoint(tmp_path / "one.ckpt")
    assert (*again.exponents, again.unit, again.shares()) == rule
    users = torch.arange(30)
    assert torch.equal(again.scores(users, EVERY), model.scores(users, EVERY))
    assert set(again.points()) == {"users", "items", "biases"}


def test_it_finds_more_than_popularity() -> None:
    found = {}
    data = planted(n_users=150, n_items=100, n_taken=20, reach=0.15, batch_size=64)
    rate: Any = lambda p: torch.optim.Adam(p, lr=0.02)  # noqa: E731
    options: dict[str, Any] = {"dim": 8, "ks": (10,), "optimizer": rate}
    graphs = LightGCN(**options), LightGCNPlusPlus(**options)
    for model in (*graphs, Popularity(ks=(10,))):
        run = fitted(model, data, max_epochs=10)
        (scores, *_) = run.test(model, data, verbose=False)
        found[type(model).__name__] = scores["test/recall@10"]
    popularity = found.pop("Popularity")
    assert len(found) == 2
    assert min(found.values()) > 1.5 * popularity


def test_sharded_tables_are_refused() -> None:
    model = LightGCN(dim=3)
    model.__dict__["_device_mesh"] = object()
    with pytest.raises(ValueError, match=r"trainer\.strategy: the tables of LightGCN"):
        model.configure_model()


@pytest.mark.parametrize(
    ("method", "options"),
    [
        *((LightGCN, {key: -1}) for key in ("n_layers", "decay", "dim")),
        *((LightGCNPlusPlus, {key: 0}) for key in ("n_layers", "dim")),
        *((LightGCNPlusPlus, {"gamma": value}) for value in (-0.1, 1.0, math.nan)),
        *((LightGCNPlusPlus, {key: math.inf}) for key in ("alpha", "beta")),
    ],
)
def test_what_is_out_of_range_is_refused(
    method: type[LightGCN], options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=rf"{next(iter(options))} must be"):
        method(**options)
