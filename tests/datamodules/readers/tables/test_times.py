"""Times keep their order, and none is guessed."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules import Interactions
from datamodules.readers.tables.times import ordered_times
from tests.odd_files.odd_file import OddFile
from tests.odd_files.tables import TIMES

ZONES = st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m)))
MOMENTS = st.lists(
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES),
    min_size=1,
)


@pytest.mark.parametrize("odd", TIMES, ids=lambda odd: odd.name)
def test_times_are_ordered_right_or_refused(tmp_path: Path, odd: OddFile) -> None:
    data = Interactions(str(odd.write(tmp_path)), **odd.options)
    if odd.error is None:
        table = data.read_table()
        assert table.times is not None
        assert table.items[table.times.argsort()].tolist() == odd.expected
        return
    with pytest.raises(ValueError, match=rf"data.path: .*{odd.error}") as error:
        data.read_table()
    assert "\n" not in str(error.value)


@given(MOMENTS)
def test_iso_text_is_the_moment_that_python_reads(moments: list[datetime]) -> None:
    text = pl.Series([moment.isoformat() for moment in moments])
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    micros = [(moment - epoch) // timedelta(microseconds=1) for moment in moments]
    times = ordered_times(text).to_list()
    assert times in (micros, [1000 * m for m in micros])


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_whole_numbers_are_not_rounded(numbers: list[int]) -> None:
    times = ordered_times(pl.Series([str(n) for n in numbers])).to_numpy()
    assert times.tolist() == numbers
    assert times.dtype == np.int64
