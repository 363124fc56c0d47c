"""Planted interactions follow from positions that are known."""

from typing import Any

import pytest
import torch

from datamodules import PlantedInteractions

SMALL: dict[str, Any] = {"n_users": 60, "n_items": 40, "n_taken": 10, "reach": 0.05}


def planted(**options: Any) -> PlantedInteractions:
    data = PlantedInteractions(**(SMALL | options))
    data.setup()
    return data


def test_every_user_takes_as_many_items_of_each_split() -> None:
    data = planted()
    for split, n in (("train", 6), ("val", 2), ("test", 2), ("seen", 8), ("all", 10)):
        assert data.interactions(split).counts.tolist() == [n] * 60


def test_items_that_are_taken_lie_nearer_than_the_others() -> None:
    data = planted()
    apart = torch.cdist(data.user_positions, data.item_positions)
    taken = torch.zeros(60, 40, dtype=torch.bool)
    pairs = data.interactions("all")
    taken[pairs.users, pairs.items] = True
    assert apart[taken].mean() < 0.5 * apart[~taken].mean()
    assert data.user_positions.norm(dim=1).max() <= 1


def test_the_seed_decides_positions_and_interactions() -> None:
    one, again, other = (planted(seed=n).interactions("train") for n in (0, 0, 1))
    assert torch.equal(one.items, again.items)
    assert not torch.equal(one.items, other.items)


def test_validation_items_are_excluded_at_test() -> None:
    assert planted().seen_at == {"val": "train", "test": "seen", "predict": "all"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n_users": 0}, "data.n_users must be at least 1, got 0"),
        ({"n_taken": 4}, "data.n_taken must be at least 5, got 4"),
        ({"n_items": 9}, "data.n_items must be at least 10, got 9"),
        ({"reach": 0.0}, "data.reach must be above 0, got 0"),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        PlantedInteractions(**(SMALL | options))


def test_the_three_parts_are_alike() -> None:
    data = planted(n_users=2000, n_items=200, reach=0.15)
    apart = torch.cdist(data.user_positions, data.item_positions)
    parts = [data.interactions(part) for part in ("train", "val", "test")]
    distances = [apart[part.users, part.items] for part in parts]
    bound = 5 * apart.std() / 4000**0.5  # five standard errors of the smaller parts
    means = torch.stack([d.mean() for d in distances])
    assert means.max() - means.min() < bound
