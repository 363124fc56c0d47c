"""Counted lines, and the weights of what they count."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer

from datamodules.readers.tables.citeulike_lines import weighted
from tests.support.pair_files import read_citeulike, write_citeulike


def test_weights_are_those_of_scikit_learn() -> None:
    counts = np.random.default_rng(0).poisson(0.4, (30, 12)).astype(np.float32)
    ours = weighted(sparse.csr_array(counts), tf_idf=True).toarray()
    theirs = TfidfTransformer(sublinear_tf=True).fit_transform(counts).toarray()
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("3 1 2", "line 2 of .*users.dat begins with 3 but has 2 entries"),
        ("2 1 x", "users.dat has an entry that is not a number"),
        ("2 1 -4", "users.dat has the entry -4"),
        ("2 1 é", "users.dat has an entry that is not a number"),
    ],
)
def test_lines_that_count_wrongly_are_refused(
    tmp_path: Path, line: str, says: str
) -> None:
    write_citeulike(tmp_path, users_dat=("1 0", line))
    with pytest.raises(ValueError, match=f"data.root: .*{says}"):
        read_citeulike(tmp_path)
