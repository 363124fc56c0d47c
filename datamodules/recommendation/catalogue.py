"""What is known of users and items beyond their interactions."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datamodules.readers.tables.item_columns import MISSING
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
        remarks: What the summary of the data says of the table of items.
    """

    user_ids: NDArray[Any] | None = None
    item_ids: NDArray[Any] | None = None
    item_names: Sequence[str] = ()
    features: Rows | None = None
    feature_names: Sequence[str] = ()
    remarks: Sequence[str] = ()

    def user_rows(self, user_ids: Sequence[str | int], n_users: int) -> Tensor:
        """Row numbers of the users with these ids, int64 (n,).

        An id is the one that is written so: 7 is not ``007``.

        Raises:
            ValueError: An id is not known, or none are asked for.
        """
        if not len(user_ids):
            raise ValueError("data.predict_users is empty; name some, or leave it out.")
        ids = range(n_users) if self.user_ids is None else self.user_ids.tolist()
        rows = {str(one): row for row, one in enumerate(ids)}
        unknown = next((user for user in user_ids if str(user) not in rows), None)
        if unknown is not None:
            raise ValueError(
                f"data.predict_users: there is no user '{unknown}' in the data; ids "
                f"look like '{next(iter(rows), '')}', and need quotes where YAML has "
                "another meaning for them, as for '1e2', '7.0', 'true' and 'null'."
            )
        return torch.tensor([rows[str(user)] for user in user_ids], dtype=torch.int64)

    @property
    def doubtful(self) -> list[str]:
        """Ids that programs write where one is missing, in words.

        >>> Catalogue(np.array(["NA", "b"]), np.arange(2)).doubtful
        ["the user 'NA' is an id, as written"]
        """
        columns = {"user": self.user_ids, "item": self.item_ids}
        text = {
            k: ids
            for k, ids in columns.items()
            if ids is not None and ids.dtype.kind not in "iu"
        }
        return [
            f"the {kind} '{word}' is an id, as written"
            for kind, ids in text.items()
            for word in sorted(set(MISSING).intersection(ids.tolist()))
        ]

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
