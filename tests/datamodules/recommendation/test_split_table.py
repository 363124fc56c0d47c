"""Tables that are filtered and split."""

from pathlib import Path

from tests.support.pair_files import (
    FEW,
    TIMED,
    interactions,
    of_user,
    pairs,
    written,
)


def test_the_last_item_is_for_test_and_the_one_before_for_validation(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "own.csv", *FEW)
    data = interactions(path, split="leave_one_out", **TIMED)
    # b came at 2 and at 0, and the earliest counts
    assert of_user(data, 9) == [{"a", "b"}, {"c"}, {"d"}]
    assert of_user(data, 7) == [{"a"}, set(), set()]


def test_a_cut_in_time_is_the_same_for_all_and_drops_users_unheard_of(
    tmp_path: Path,
) -> None:
    rows = [f"{user},{time},{time}" for user in (1, 2) for time in range(1, 9)]
    path = written(tmp_path / "own.csv", "u,i,t", *rows, "3,9,9", "3,10,9", "1,9,9")
    shares = {"split": "time", "val_share": 0.2, "test_share": 0.2}
    data = interactions(path, **TIMED, **shares)
    # 19 pairs; cuts at places 11 and 15 of 1 1 2 2 ... 8 8 9 9 9
    assert of_user(data, 1) == [{1, 2, 3, 4, 5}, {6, 7}, {8, 9}]
    assert data.catalogue.user_ids is not None
    assert data.catalogue.user_ids.tolist() == [1, 2]
    data = interactions(path, keep_cold_users=True, **TIMED, **shares)
    assert of_user(data, 3) == [set(), set(), {9, 10}]


def test_a_core_is_taken_again_until_all_have_enough(tmp_path: Path) -> None:
    # a chain 1-a-2-b-3-c beside a square of 8, 9 and x, y falls link by link
    chain = ["1,a", "2,a", "2,b", "3,b", "3,c"]
    path = written(
        tmp_path / "own.csv", "user,item", *chain, "8,x", "8,y", "9,x", "9,y"
    )
    data = interactions(path, k_core=2, test_share=0.5)
    assert pairs(data) == {(8, "x"), (8, "y"), (9, "x"), (9, "y")}


def test_the_cut_depends_on_its_seed_but_not_on_the_order_of_the_file(
    tmp_path: Path,
) -> None:
    rows = [f"{user},{item}" for user in range(20) for item in range(10)]
    one = written(tmp_path / "one.csv", "user,item", *rows)
    two = written(tmp_path / "two.csv", "user,item", *rows[::-1], *rows[:9])
    first, same, other = (
        pairs(interactions(path, split_seed=seed), "test")
        for path, seed in ((one, 3), (two, 3), (one, 4))
    )
    assert first == same != other
