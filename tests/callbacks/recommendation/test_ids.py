"""Rows are named by the data's own ids."""

import numpy as np
import torch

from callbacks.recommendation.ids import own_ids


def test_ids_keep_their_type_and_rows_stand_in_where_there_are_none() -> None:
    rows = torch.tensor([2, 0, 0])
    texts = own_ids(np.array(["a", "b", "c"]), rows)
    assert texts.tolist() == ["c", "a", "a"]
    numbers = own_ids(np.array([2**53 + 1, 5, 7]), rows)
    assert numbers.tolist() == [7, 2**53 + 1, 2**53 + 1]
    assert own_ids(None, rows).tolist() == [2, 0, 0]
