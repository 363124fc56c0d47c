"""Pairs as columns of numbers, and their k-core."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.pair_files import (
    TABLES,
    table_of,
)


@given(TABLES)
def test_ids_come_back_and_duplicates_keep_the_earliest_time(
    rows: list[tuple[int, int, int]],
) -> None:
    table = table_of(rows)
    users, items = table.user_ids.to_numpy(), table.item_ids.to_numpy()
    assert table.times is not None
    found = zip(users[table.users], items[table.items], table.times, strict=True)
    first = {(u, i): min(t for v, j, t in rows if (u, i) == (v, j)) for u, i, _ in rows}
    assert list(found) == sorted((u, i, t) for (u, i), t in first.items())


@given(TABLES, st.integers(1, 4))
def test_a_core_is_the_largest_set_in_which_all_have_enough(
    rows: list[tuple[int, int, int]], k: int
) -> None:
    found = table_of(rows).core(k)
    left = {(u, i) for u, i, _ in rows}
    while True:  # the slow way: one pair at a time
        weak = next(
            (
                (u, i)
                for u, i in left
                if sum(u == v for v, _ in left) < k or sum(i == j for _, j in left) < k
            ),
            None,
        )
        if weak is None:
            break
        left.remove(weak)
    users, items = found.user_ids.to_numpy(), found.item_ids.to_numpy()
    kept = zip(users[found.users], items[found.items], strict=True)
    assert set(kept) == left
    assert set(users) == {u for u, _ in left}
    assert found.core(k) is found
