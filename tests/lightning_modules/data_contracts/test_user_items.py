"""Pairs of users and items, beside a dense matrix of zeros and ones."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lightning_modules.data_contracts.user_items import UserItems


def pairs(seed: int, n: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    users = torch.randint(0, 6, (n,), generator=generator)
    items = torch.randint(0, 4, (n,), generator=generator)
    dense = torch.zeros(6, 4, dtype=torch.bool)
    dense[users, items] = True
    return users, items, dense


@given(seed=st.integers(0, 10_000), n=st.integers(0, 30))
def test_pairs_are_those_of_a_matrix(seed: int, n: int) -> None:
    users, items, dense = pairs(seed, n)
    found = UserItems.from_pairs(users, items, 6, 4)
    assert (len(found), found.n_users, found.n_items) == (int(dense.sum()), 6, 4)
    assert torch.equal(found.counts, dense.sum(1))
    assert torch.equal(torch.stack([found.users, found.items], 1), dense.nonzero())
    everyone = torch.arange(6)
    assert torch.equal(found.contain(everyone[:, None], torch.arange(4)), dense)


@given(seed=st.integers(0, 10_000), asked=st.lists(st.integers(0, 5), max_size=9))
def test_the_named_users_keep_their_order(seed: int, asked: list[int]) -> None:
    users, items, dense = pairs(seed, 12)
    found = UserItems.from_pairs(users, items, 6, 4).of(torch.tensor(asked).long())
    expected = dense[asked].nonzero()
    assert torch.equal(torch.stack(found, 1), expected)


def test_moving_keeps_the_pairs() -> None:
    users, items, dense = pairs(0, 12)
    moved = UserItems.from_pairs(users, items, 6, 4).to(torch.device("cpu"))
    assert torch.equal(moved.contain(torch.arange(6)[:, None], torch.arange(4)), dense)
