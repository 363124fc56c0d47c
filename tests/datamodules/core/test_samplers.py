"""Which rows make up a batch, in one process and in several."""

from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

from datamodules.core.samplers import OrderedRows, TrainingRows, seeded_generator

sizes = st.integers(1, 40)


few = st.integers(1, 5)


@given(n=sizes, batch=few, processes=few, seed=st.integers(-3, 3))
def test_processes_share_joint_batches_without_overlap(
    n: int, batch: int, processes: int, seed: int
) -> None:
    joint = [r for r, _ in TrainingRows(n, batch * processes, seed=seed, epoch=1)]
    shares = [
        [
            rows
            for rows, _ in TrainingRows(
                n, batch, seed=seed, epoch=1, rank=rank, world_size=processes
            )
        ]
        for rank in range(processes)
    ]
    assert len(joint) == n // (batch * processes)
    for number, whole in enumerate(joint):
        assert torch.equal(whole, torch.cat([share[number] for share in shares]))
    if joint:
        assert len(set(torch.cat(joint).tolist())) == len(joint) * batch * processes


@given(groups=st.lists(st.integers(0, 4), min_size=1, max_size=40))
def test_a_group_comes_in_one_piece_in_an_order_of_each_epoch(
    groups: list[int],
) -> None:
    given_groups = torch.tensor(groups)
    for epoch in range(3):
        sampler = TrainingRows(len(groups), 1, seed=0, epoch=epoch, groups=given_groups)
        rows = [int(r) for r, _ in sampler]
        assert sorted(rows) == list(range(len(groups)))
        met = [groups[row] for row in rows]
        changes = sum(one != other for one, other in pairwise(met))
        assert changes == len(set(groups)) - 1


def test_groups_and_the_rows_of_a_group_are_shuffled() -> None:
    groups = torch.arange(60) % 6
    first, second = (
        torch.cat([r for r, _ in TrainingRows(60, 6, seed=0, epoch=e, groups=groups)])
        for e in (0, 1)
    )
    assert first[:10].tolist() != sorted(first[:10].tolist())
    assert groups[first[::10]].tolist() != groups[second[::10]].tolist()


@given(n=sizes, batch=few, start=st.integers(0, 10))
def test_starting_later_skips_batches_and_changes_none(
    n: int, batch: int, start: int
) -> None:
    whole = [r.tolist() for r, _ in TrainingRows(n, batch, seed=0, epoch=3)]
    late = TrainingRows(n, batch, seed=0, epoch=3, start=start)
    assert [r.tolist() for r, _ in late] == whole[start:]
    assert len(late) == len(whole)


@given(n=sizes, batch=few, processes=few)
def test_evaluation_covers_every_row_in_equally_many_batches_per_process(
    n: int, batch: int, processes: int
) -> None:
    shares = [
        list(OrderedRows(n, batch, rank=rank, world_size=processes))
        for rank in range(processes)
    ]
    assert {len(share) for share in shares} == {-(-n // (batch * processes))}
    rows = [row for share in shares for part, _ in share for row in part.tolist()]
    assert set(rows) == set(range(n))
    assert len(rows) < n + processes
    if batch > 1 and n >= processes:
        assert len(rows) == n, "a row counts twice"
    assert all(0 < len(part) <= batch for share in shares for part, _ in share)


def test_a_rest_smaller_than_the_processes_is_filled_from_the_batch_before() -> None:
    """Else a process would rank rows twice."""
    shares = [
        [rows.tolist() for rows, _ in OrderedRows(13, 2, rank=rank, world_size=3)]
        for rank in range(3)
    ]
    assert shares == [
        [[0, 1], [6, 7], [10]],
        [[2, 3], [8], [11]],
        [[4, 5], [9], [12]],
    ]


def test_each_purpose_and_each_key_of_64_bits_has_a_generator_of_its_own() -> None:
    keys = [("order", 0), ("split", 0), ("order", 1), ("order", 2**40)]
    keys += [("order", 2**40 + 2**33), ("order", 2**62)]
    seeds = {seeded_generator(name, key).initial_seed() for name, key in keys}
    assert len(seeds) == len(keys)
    assert max(seeds) > 2**40


def test_a_process_without_a_row_of_its_own_repeats_the_last_one() -> None:
    """There is no batch before that could give one up."""
    assert [r.tolist() for r, _ in OrderedRows(3, 1, 0, 2)] == [[0], [2]]
    assert [r.tolist() for r, _ in OrderedRows(3, 1, 1, 2)] == [[1], [2]]
    assert [r.tolist() for r, _ in OrderedRows(2, 4, 2, 3)] == [[1]]
