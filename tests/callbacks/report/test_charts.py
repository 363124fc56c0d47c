"""Charts show every extreme, on axes that contain all points."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from callbacks.report.charts import DIVISIONS, UNIT, line_chart, nice_range, thinned

values = st.floats(-1e9, 1e9, allow_nan=False)
series = st.lists(values, min_size=1, max_size=60).map(lambda v: list(enumerate(v)))


@given(values, values)
@example(0.0, 5e-324)
def test_a_range_contains_both_numbers_and_is_at_most_twice_as_long(
    a: float, b: float
) -> None:
    low, high = min(a, b), max(a, b)
    start, end = nice_range(low, high)
    slack = 1e-9 * max(abs(low), abs(high), 1)
    assert start <= low + slack
    assert end >= high - slack
    if high - low > slack:
        assert end - start <= 2.01 * (high - low)


@given(series, st.integers(4, 40))
def test_thinned_lines_keep_their_extremes_and_their_order(
    points: list[tuple[int, float]], most: int
) -> None:
    kept = thinned(points, most)
    assert len(kept) <= most + 2
    assert kept == [point for point in points if point in kept]
    for extreme in (min, max):
        assert extreme(y for _, y in kept) == extreme(y for _, y in points)


@given(series)
def test_lines_and_marks_lie_in_the_plotting_area(
    points: list[tuple[int, float]],
) -> None:
    chart = line_chart("loss", [("one", points), ("two", points[:1])], [0])
    for path in chart.paths:
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", path)]
        assert all(-1 <= n <= UNIT + 1 for n in numbers)
        assert len(numbers) >= 4
    assert all(0 <= mark <= UNIT for mark in chart.marks)
    assert len(chart.x) == len(chart.y) == DIVISIONS + 1
    left, right, _, _ = chart.box
    assert float(chart.x[0]) == left <= 0
    assert right >= len(points) - 1
