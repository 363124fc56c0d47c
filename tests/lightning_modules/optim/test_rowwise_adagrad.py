"""Adagrad by rows: by hand, sparse beside dense, and where it may not be used."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_modules.optim.rowwise_adagrad import RowwiseAdagrad


def by_hand(table: Tensor, gradients: list[Tensor], lr: float) -> Tensor:
    weights, sums = table.clone(), torch.zeros(len(table))
    for gradient in gradients:
        for row in range(len(table)):
            if gradient[row].any():
                sums[row] += gradient[row].square().mean()
                weights[row] -= lr * gradient[row] / (sums[row].sqrt() + 1e-10)
    return weights


@pytest.mark.parametrize("sparse", [True, False])
def test_steps_are_those_of_the_formula(sparse: bool) -> None:
    torch.manual_seed(0)
    table = nn.Embedding(6, 3, sparse=sparse)
    start, gradients = table.weight.detach().clone(), []
    optimizer = RowwiseAdagrad(table.parameters(), lr=0.3)
    for rows in ([0, 2, 2], [2, 5], [0, 0, 1]):
        optimizer.zero_grad()
        points = table(torch.tensor(rows))
        (points * torch.randn(3)).square().sum().backward()
        assert table.weight.grad is not None
        gradients.append(table.weight.grad.to_dense().clone())
        optimizer.step()
    expected = by_hand(start, gradients, 0.3)
    torch.testing.assert_close(table.weight.detach(), expected)
    assert torch.equal(table.weight.detach()[3:5], start[3:5])


def test_the_state_is_one_number_a_row_and_is_loaded() -> None:
    tables = [nn.Embedding(4, 8, sparse=True) for _ in range(2)]
    tables[1].load_state_dict(tables[0].state_dict())
    optimizers = [RowwiseAdagrad(t.parameters(), initial=0.5) for t in tables]

    def step(k: int) -> None:
        optimizers[k].zero_grad()
        tables[k](torch.tensor([1, 3])).square().sum().backward()
        optimizers[k].step()

    step(0)
    (state,) = optimizers[0].state_dict()["state"].values()
    assert state["sum"].shape == (4,)
    assert state["sum"][0] == 0.5
    tables[1].load_state_dict(tables[0].state_dict())
    optimizers[1].load_state_dict(deepcopy(optimizers[0].state_dict()))
    for k in (0, 1):
        step(k)
    assert torch.equal(tables[0].weight, tables[1].weight)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"lr": -1.0}, "lr must be a finite number of at least 0"),
        ({"eps": float("nan")}, "eps must be a finite number of at least 0"),
        ({"initial": -1.0}, "initial must be a finite number of at least 0"),
    ],
)
def test_what_is_out_of_range_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        RowwiseAdagrad(nn.Embedding(2, 2).parameters(), **options)


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got shape \[2\]"):
        RowwiseAdagrad(nn.Linear(2, 2).parameters())


@pytest.mark.parametrize("sparse", [True, False])
def test_epsilon_is_added_to_the_root_and_the_sum_begins_at_initial(
    sparse: bool,
) -> None:
    table = nn.Embedding(3, 2, sparse=sparse)
    start = table.weight.detach().clone()
    settings = {"lr": 0.1, "initial": 0.25, "eps": 0.5}
    optimizer = RowwiseAdagrad(table.parameters(), **settings)
    (table(torch.tensor([1])) * torch.tensor([1.0, 2.0])).sum().backward()
    optimizer.step()
    rate = 0.1 / ((0.25 + (1 + 4) / 2) ** 0.5 + 0.5)
    moved = start - table.weight.detach()
    expected = torch.tensor([[0.0, 0.0], [rate, 2 * rate], [0.0, 0.0]])
    torch.testing.assert_close(moved, expected)
