"""Titles and genres of films in three formats."""

from pathlib import Path

import pytest
from torch import Tensor

from tests.support.pair_files import (
    FILMS,
    RATED,
    WRITERS,
    of_user,
    pairs,
    read_movielens,
    write_100k,
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
