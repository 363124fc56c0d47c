"""LightGCN against powers of the dense adjacency, and its loss against a loop."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lightning_modules.recommendation.lightgcn import Graph, LightGCN, _Propagated
from lightning_modules.recommendation.popularity import Popularity
from tests.support.ranking_data import Given, fitted, matrices, of_matrix, planted

EVERY = slice(0, None)
COUNTS = st.integers(1, 7)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Tensor, int]:
    """Zeros and ones (users, items), some rows and columns empty, and a K."""
    size, seed = (draw(COUNTS), draw(COUNTS)), draw(st.integers(0, 999))
    random = torch.rand(size, generator=torch.Generator().manual_seed(seed))
    return random < draw(st.sampled_from([0.2, 0.5, 1.0])), draw(st.integers(0, 4))


def adjacency(matrix: Tensor) -> Tensor:
    """Dense adjacency of users, then items, each edge over the root of its degrees."""
    n = sum(matrix.shape)
    dense = torch.zeros(n, n, dtype=torch.double)
    dense[: len(matrix), len(matrix) :] = matrix
    dense = dense + dense.T
    scale = dense.sum(1).clamp_min(1).rsqrt()
    return scale[:, None] * dense * scale


def mean_of_powers(matrix: Tensor, n: int) -> Tensor:
    """(I + A + ... + A^n) / (n + 1)."""
    powers = [torch.linalg.matrix_power(adjacency(matrix), k) for k in range(n + 1)]
    return torch.stack(powers).mean(0)


def split(matrix: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    users, items = torch.split(rows, list(matrix.shape))
    return users, items


@settings(max_examples=25)
@given(graphs())
def test_propagation_is_the_mean_of_the_powers_of_the_adjacency(
    graph: tuple[Tensor, int],
) -> None:
    matrix, n = graph
    first = torch.randn(sum(matrix.shape), 3, dtype=torch.double)
    found = Graph.of(of_matrix(matrix)).mean(*split(matrix, first), n)
    expected = mean_of_powers(matrix, n) @ first
    torch.testing.assert_close(torch.cat(found), expected, rtol=1e-5, atol=1e-6)


@settings(max_examples=25)
@given(graphs())
def test_roots_of_degrees_stay_as_they_are(graph: tuple[Tensor, int]) -> None:
    """The eigenvector of eigenvalue 1, whatever the graph and K."""
    matrix, n = graph
    roots = matrix.sum(1)[:, None].sqrt(), matrix.sum(0)[:, None].sqrt()
    found = Graph.of(of_matrix(matrix)).mean(*roots, n)
    expected = torch.cat(roots)
    expected[expected == 0] = 0  # no neighbour, nothing to spread
    torch.testing.assert_close(torch.cat(found), expected)


def test_the_gradient_is_that_of_the_dense_product() -> None:
    matrix = matrices()[0]
    graph = Graph.of(of_matrix(matrix))
    first = torch.randn(sum(matrix.shape), 2, dtype=torch.double, requires_grad=True)
    weights = torch.randn(sum(matrix.shape), 2, dtype=torch.double)
    propagated: Any = _Propagated.apply
    found = torch.cat(propagated(*split(matrix, first), graph, 3))
    (gradient,) = torch.autograd.grad((found.sin() * weights).sum(), first)
    dense = mean_of_powers(matrix, 3) @ first
    (expected,) = torch.autograd.grad((dense.sin() * weights).sum(), first)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-6)


def test_the_loss_is_that_of_a_loop() -> None:
    model, steps = LightGCN(dim=3, n_layers=2, decay=0.2), list[tuple[Any, ...]]()
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
    every, total = mean_of_powers(matrix, 2) @ first.double(), 0.0
    for n, (i, j) in enumerate(zip(users.tolist(), items.tolist(), strict=True)):
        k = int(drawn[n, 0])
        rows = (i, 30 + j, 30 + k)
        u, v, w = (every[row] for row in rows)
        if allowed[n, 0]:
            total += math.log1p(math.exp(-float(u @ v - u @ w)))
        total += 0.1 * sum(float(first[row].square().sum()) for row in rows)
    assert float(loss) == pytest.approx(total / len(users), rel=1e-5)
    assert set(moved.tolist()) == set(items.tolist()) | set(drawn.flatten().tolist())


def test_a_validation_propagates_once_and_after_the_last_update(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls, inner = [], Graph.layers

    def layers(self: Graph, *args: Any) -> Any:
        calls.append(args)
        return inner(self, *args)

    model, often = LightGCN(dim=3), {"limit_val_batches": None}
    data = planted(eval_batch_size=7, batch_size=180)
    run = fitted(model, data, max_epochs=2, check_val_every_n_epoch=1, **often)
    monkeypatch.setattr(Graph, "layers", layers)
    first = model.scores(torch.arange(9), EVERY)
    model.likeness(torch.arange(4))
    assert not calls  # left from validation
    model._fresh = False
    torch.testing.assert_close(model.scores(torch.arange(9), EVERY), first)
    model.points()
    assert len(calls) == 1
    del run


def test_a_new_user_is_placed_as_propagation_places_a_row_of_zeros() -> None:
    """Of a graph where nobody else notices the new user."""
    train, test = matrices()
    model = LightGCN(dim=3, n_layers=3, ks=(2,))
    fitted(model, Given(train, test), max_steps=2)
    history = of_matrix(train[:5] & (torch.arange(9) < 6))
    first = torch.cat([model.users.weight, model.items.weight]).detach().double()
    items = first[12:]
    layers, here = [items], first
    for _ in range(2):
        here = adjacency(train) @ here
        layers.append(here[12:])
    degrees = train.sum(0).double().clamp_min(1)
    for user, row in enumerate(model.fold_in(history)):
        own = history.items[history.users == user]
        scale = (len(own) * degrees[own]).rsqrt()[:, None]
        expected = sum((scale * layer[own]).sum(0) for layer in layers) / 4
        torch.testing.assert_close(row.double(), expected, rtol=1e-4, atol=1e-6)


def test_a_checkpoint_ranks_without_the_training_interactions(tmp_path: Path) -> None:
    model = LightGCN(dim=3)
    fitted(model, planted()).save_checkpoint(tmp_path / "one.ckpt")
    again = LightGCN.load_from_checkpoint(tmp_path / "one.ckpt")
    users = torch.arange(30)
    assert torch.equal(again.scores(users, EVERY), model.scores(users, EVERY))
    assert set(again.points()) == {"users", "items", "biases"}


def test_it_finds_more_than_popularity() -> None:
    found = {}
    data = planted(n_users=150, n_items=100, n_taken=20, reach=0.15, batch_size=64)
    rate: Any = lambda p: torch.optim.Adam(p, lr=0.02)  # noqa: E731
    for model in (LightGCN(dim=8, ks=(10,), optimizer=rate), Popularity(ks=(10,))):
        run = fitted(model, data, max_epochs=10)
        (scores, *_) = run.test(model, data, verbose=False)
        found[type(model).__name__] = scores["test/recall@10"]
    assert found["LightGCN"] > 1.5 * found["Popularity"]


def test_sharded_tables_are_refused() -> None:
    model = LightGCN(dim=3)
    model.__dict__["_device_mesh"] = object()
    with pytest.raises(ValueError, match=r"trainer\.strategy: the tables of LightGCN"):
        model.configure_model()


@pytest.mark.parametrize("options", [{"n_layers": -1}, {"decay": -1.0}, {"dim": 0}])
def test_what_is_out_of_range_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        LightGCN(**options)
