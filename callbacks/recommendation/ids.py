"""The data's own ids of users and items."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def own_ids(ids: NDArray[Any] | None, rows: Tensor) -> NDArray[Any]:
    """The data's own ids (n,) of rows int64 (n,); the rows where it has none.

    >>> import torch
    >>> own_ids(np.array(["ann", "bob"]), torch.tensor([1, 0])).tolist()
    ['bob', 'ann']
    """
    numbers: NDArray[Any] = rows.cpu().numpy()
    return numbers if ids is None else np.asarray(ids)[numbers]
