"""The file of pairs that reading is timed on."""

from pathlib import Path

import pytest

from benchmarks.interactions_speed import PREFIXES, make, ready


@pytest.mark.parametrize("kind", list(PREFIXES))
def test_a_made_file_is_read_up_to_the_first_batch(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "pairs.csv"
    make(path, 4_000, PREFIXES[kind])
    found = ready(path)
    distinct = set(path.read_text().splitlines()[1:])
    assert found["pairs"] == len(distinct)
    assert found["seconds"] > 0
