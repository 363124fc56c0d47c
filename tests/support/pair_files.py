"""Small files of pairs, and what a data module makes of them."""

from pathlib import Path
from typing import Any

from datamodules import Interactions
from datamodules.recommendation.base import InteractionData

PARTS = ("train", "val", "test")


def written(path: Path, *lines: str) -> str:
    """A text file of these lines."""
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def ready(data: InteractionData) -> InteractionData:
    data.prepare_data()
    data.setup()
    return data


def interactions(path: Path | str, **options: Any) -> Interactions:
    data = ready(Interactions(str(path), **options))
    assert isinstance(data, Interactions)
    return data


def pairs(data: InteractionData, *parts: str) -> set[tuple[Any, Any]]:
    """Pairs of some parts by their ids."""
    users, items = data.catalogue.user_ids, data.catalogue.item_ids
    assert users is not None
    assert items is not None
    held = [data.interactions(part) for part in parts or PARTS]
    return {
        (user, item)
        for part in held
        for user, item in zip(
            users[part.users.numpy()], items[part.items.numpy()], strict=True
        )
    }


def of_user(data: InteractionData, user: Any) -> list[set[Any]]:
    """Items of a user in the three parts."""
    return [{i for u, i in pairs(data, part) if u == user} for part in PARTS]
