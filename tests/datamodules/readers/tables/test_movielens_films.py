"""Titles and genres of films in three formats; counted lines, and their weights."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from torch import Tensor

from datamodules.readers.tables.citeulike_lines import weighted
from tests.support.pair_files import (
    FILMS,
    RATED,
    WRITERS,
    of_user,
    pairs,
    read_citeulike,
    read_movielens,
    write_100k,
    write_citeulike,
)


@pytest.mark.parametrize("variant", list(WRITERS))
def test_all_forms_say_the_same(tmp_path: Path, variant: str) -> None:
    (tmp_path / f"ml-{variant}").mkdir()
    WRITERS[variant](tmp_path / f"ml-{variant}")
    data = read_movielens(tmp_path, variant=variant)
    found = data.catalogue.features
    assert isinstance(found, Tensor)
    assert pairs(data) == {(user, film) for user, film, _, _ in RATED}
    assert data.catalogue.named([0, 1, 2, 3]) == [title for _, title, _ in FILMS[:4]]
    held = [
        {data.catalogue.feature_names[c] for c in row.nonzero().flatten().tolist()}
        for row in found
    ]
    assert held == [set(genres) for _, _, genres in FILMS[:4]]
    assert len(of_user(data, 1)[2]) == 1


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("u.item", "", "u.item is empty"),
        ("u.item", "1|Toy Story\n", "u.item: line 1 is not a valid movie record"),
        ("u.data", "", "u.data is empty"),
        ("u.data", "1 2 3 4\n", "u.data"),
    ],
)
def test_files_of_another_form_are_refused(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    write_100k(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=f"data.root: .*{says}"):
        read_movielens(tmp_path)


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
