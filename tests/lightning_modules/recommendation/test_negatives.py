"""Items are drawn as often as asked for, and known positives told apart."""

from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_modules.core.random import RandomStream
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.recommendation import negatives
from lightning_modules.recommendation.negatives import Negatives
from tests.support.ranking_data import prepared


@pytest.mark.parametrize(
    ("options", "power"),
    [
        ({"sampling": "popularity", "popularity_power": 1.0}, 1.0),
        ({"sampling": "popularity", "popularity_power": 0.5}, 0.5),
        ({"sampling": "batch"}, 1.0),
        ({"sampling": "uniform"}, 0.0),
    ],
)
def test_items_are_drawn_as_often_as_asked_for(
    options: dict[str, Any], power: float
) -> None:
    model = prepared(n_negatives=400, **options)
    pairs = model.evaluator.interactions("train")
    drawn = model.pairs.negatives.draw(pairs.items, pairs, model.noise).flatten()
    shares = torch.bincount(drawn, minlength=40) / len(drawn)
    taken = torch.bincount(pairs.items, minlength=40).clamp_min(1).double() ** power
    expected = taken / taken.sum()
    assert (shares - expected).abs().max() < 6e-3


def test_what_nobody_took_is_drawn_like_what_was_taken_once() -> None:
    train = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 0]])
    users, items = train.nonzero(as_tuple=True)
    taken = UserItems.from_pairs(users, items, n_users=3, n_items=4)
    draws = Negatives(4000, "popularity", power=1.0)
    drawn = draws.draw(items, taken, RandomStream(0, 0, "train")).flatten()
    shares = torch.bincount(drawn, minlength=4) / len(drawn)
    expected = torch.tensor([3, 1, 1, 1]) / 6
    torch.testing.assert_close(shares, expected, atol=0.01, rtol=0)


def test_shared_candidates_are_allowed_as_single_ones_are() -> None:
    """Also where an item is drawn twice, and where a user has taken nothing."""
    generator = torch.Generator().manual_seed(0)
    matrix = torch.rand(9, 12, generator=generator) < 0.4
    matrix[4] = False
    users, items = matrix.nonzero(as_tuple=True)
    taken = UserItems.from_pairs(users, items, 9, 12)
    asked = torch.tensor([3, 4, 4, 0, 8])
    draws = Negatives(30, shared=True)
    drawn, allowed = draws(asked, asked, taken, RandomStream(0, 0, "train"))
    assert drawn.shape == allowed.shape == (5, 30)
    assert len(torch.unique(drawn[0])) < 30
    assert torch.equal(allowed, ~matrix[asked[:, None], drawn])


def test_more_candidates_than_the_memory_has_room_for_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(negatives, "free_memory", lambda: 2e9)
    ids = torch.zeros(1024, dtype=torch.int64)
    seen = UserItems.from_pairs(ids[:1], ids[:1], n_users=1, n_items=9)
    sampler, noise = Negatives(2_000_000), RandomStream(0, 0, "train")
    with pytest.raises(ValueError, match=r"^model\.n_negatives: 2000000 candidates of"):
        sampler(ids, ids, seen, noise)
    assert sampler(ids[:1], ids[:1], seen, noise)[0].shape == (1, 2_000_000)
    users = torch.arange(1024)
    wide = UserItems.from_pairs(ids[:1], ids[:1], n_users=1024, n_items=300_000)
    with pytest.raises(ValueError, match=r"300000 candidates of each of 1024 users"):
        Negatives(None, shared=True)(users, ids, wide, noise)


class Given(RandomStream):
    """A stream of numbers that are given."""

    def __init__(self, *numbers: float) -> None:
        super().__init__(0, 0, "train")
        self.numbers = torch.tensor([numbers])

    def uniform(self, *shape: int) -> Tensor:
        assert shape == self.numbers.shape
        return self.numbers


def test_an_item_owns_the_numbers_from_its_own_start_to_the_next_ones() -> None:
    """Also where the shares add up to less than 1 by rounding."""
    one = torch.tensor([0])
    train = UserItems.from_pairs(one, one, n_users=1, n_items=4)
    draws = Negatives(6, "popularity", power=1.0)
    given = Given(0.0, 0.249, 0.25, 0.5, 0.75, 0.999)
    assert draws.draw(one, train, given).tolist() == [[0, 0, 1, 2, 3, 3]]
    draws._shares = torch.tensor([0.25, 0.5, 0.75, 0.9])
    assert draws.draw(one, train, given).tolist() == [[0, 0, 1, 2, 3, 3]]
