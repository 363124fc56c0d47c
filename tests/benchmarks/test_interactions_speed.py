"""The file of pairs that reading is timed on."""

from pathlib import Path

import pytest

from benchmarks.interactions_speed import (
    PREFIXES,
    interactions_speed,
    ready,
    write_pairs,
)


@pytest.mark.parametrize("kind", list(PREFIXES))
def test_a_made_file_is_read_up_to_the_first_batch(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "pairs.csv"
    write_pairs(path, 4_000, PREFIXES[kind])
    found = ready(path)
    distinct = set(path.read_text().splitlines()[1:])
    assert found["pairs"] == len(distinct)
    assert found["seconds"] > 0


def test_each_kind_of_ids_is_read_in_a_process_of_its_own() -> None:
    rows = interactions_speed(2_000)
    assert [row["ids"] for row in rows] == ["integer", "text"]
    assert rows[0]["rows"] == 2_000
    assert rows[0]["different pairs"] == rows[1]["different pairs"]
    assert float(str(rows[0]["seconds"])) >= 0
