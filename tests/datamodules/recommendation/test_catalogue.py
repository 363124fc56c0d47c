"""Ids, names and fingerprints of users and items."""

import numpy as np
import pytest

from datamodules.recommendation.catalogue import Catalogue


def test_an_id_is_the_one_that_is_written_so() -> None:
    known = Catalogue(np.array(["007", "07", "8"]))
    with pytest.raises(ValueError, match="there is no user '7' in the data; ids look"):
        known.user_rows([7], 3)
    assert known.user_rows(["07", 8], 3).tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"data.predict_users is empty"):
        known.user_rows([], 3)
