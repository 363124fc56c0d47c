"""What is known of users and items beyond their interactions."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_modules.data_contracts.sparse_rows import Rows


@dataclass(frozen=True)
class Catalogue:
    """Ids, names and features of users and items.

    Args:
        user_ids: The data's own ids of the users (n_users,), int64 or str; None counts
            from 0.
        item_ids: Of the items (n_items,).
        item_names: Names of the items for display (n_items,); empty shows the ids.
        features: Of the items (n_items, width), dense or sparse; None has none.
        feature_names: Of the columns of ``features`` (width,); empty has none.
    """

    user_ids: NDArray[Any] | None = None
    item_ids: NDArray[Any] | None = None
    item_names: Sequence[str] = ()
    features: Rows | None = None
    feature_names: Sequence[str] = ()

    def user_rows(self, user_ids: Sequence[int | str], n_users: int) -> Tensor:
        """Row numbers of the users with these ids, int64 (n,).

        The command line takes ``007`` for 7, so a number stands for the one id of this
        value too.

        Raises:
            ValueError: An id is not known, or none are asked for.
        """
        if not len(user_ids):
            raise ValueError("data.predict_users is empty; name some, or leave it out.")
        ids = range(n_users) if self.user_ids is None else self.user_ids.tolist()
        rows = {str(one): row for row, one in enumerate(ids)}
        values = Counter(_value(name) for name in rows)
        by_value = {_value(name): row for name, row in rows.items()}
        numbers = []
        for user in user_ids:
            number = rows.get(str(user))
            if number is None and values[_value(user)] == 1:
                number = by_value[_value(user)]
            if number is None:
                raise ValueError(
                    f"data.predict_users: there is no user '{user}' in the data; ids "
                    f"look like '{next(iter(rows), '')}'."
                )
            numbers.append(number)
        return torch.tensor(numbers, dtype=torch.int64)

    def named(self, items: Sequence[int]) -> list[str]:
        """Names of these items for display, by their rows."""
        if self.item_names:
            return [self.item_names[item] for item in items]
        ids = items if self.item_ids is None else self.item_ids[np.asarray(items, int)]
        return [str(one) for one in ids]


def fingerprint(*arrays: NDArray[Any]) -> str:
    """A hash of arrays of integers or strings, in hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        text = array.dtype.kind not in "iu"
        digest.update("\0".join(array).encode() if text else array.tobytes())
        digest.update(b"\1")
    return digest.hexdigest()


def _value(user: int | str) -> str:
    """An id without zeros in front, if it is a number."""
    text = str(user)
    return text.lstrip("0") or "0" if text.isascii() and text.isdigit() else text
