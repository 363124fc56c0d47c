"""Ids, names and fingerprints of users and items."""

from typing import Any

import numpy as np
import pytest

from datamodules.recommendation.catalogue import Catalogue


@pytest.mark.parametrize("wanted", [["00007", "00010"], [7, 10], ["7", 10]])
def test_users_may_be_named_without_the_zeros_in_front(wanted: list[Any]) -> None:
    ids = np.array(["00003", "00007", "00010", "x"])
    assert Catalogue(ids).user_rows(wanted, 4).tolist() == [1, 2]


def test_a_number_that_stands_for_two_users_is_none_of_them() -> None:
    known = Catalogue(np.array(["007", "07", "8"]))
    with pytest.raises(ValueError, match="there is no user '7' in the data"):
        known.user_rows([7], 3)
    assert known.user_rows(["07"], 3).tolist() == [1]
    with pytest.raises(ValueError, match=r"data.predict_users is empty"):
        known.user_rows([], 3)
