"""Rows of two domains: every pass a new order, in one process and in several."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from datamodules.adaptation.paired_rows import PairedRows

STEPS = 5
sizes = st.tuples(st.integers(6, 20), st.integers(6, 20))


def rows(sampler: PairedRows, domain: int) -> list[list[int]]:
    return [both[domain][0].tolist() for both in sampler]


@given(sizes=sizes, seed=st.integers(0, 3))
def test_no_row_comes_twice_in_a_pass(sizes: tuple[int, int], seed: int) -> None:
    for domain, size in enumerate(sizes):
        batches = rows(PairedRows(sizes, 2, steps=20, seed=seed), domain)
        per_pass = size // 2
        for first in range(0, 20 - per_pass + 1, per_pass):
            seen = [row for batch in batches[first : first + per_pass] for row in batch]
            assert len(set(seen)) == 2 * per_pass
            assert max(seen) < size


@given(sizes=sizes, start=st.integers(0, STEPS), epoch=st.integers(0, 3))
def test_starting_later_skips_batches_and_changes_none(
    sizes: tuple[int, int], start: int, epoch: int
) -> None:
    whole = PairedRows(sizes, 2, steps=STEPS, seed=0, epoch=epoch)
    late = PairedRows(sizes, 2, steps=STEPS, seed=0, epoch=epoch, start=start)
    for domain in (0, 1):
        assert rows(late, domain) == rows(whole, domain)[start:]
    assert len(late) == len(whole) == STEPS


def test_epochs_go_on_where_the_last_one_ended() -> None:
    long = PairedRows((9, 7), 2, steps=2 * STEPS, seed=1)
    halves = [PairedRows((9, 7), 2, steps=STEPS, seed=1, epoch=e) for e in (0, 1)]
    assert rows(long, 1) == rows(halves[0], 1) + rows(halves[1], 1)


def test_batches_of_two_processes_join_to_those_of_one() -> None:
    alone = PairedRows((9, 12), 4, steps=STEPS, seed=0)
    shares = [
        PairedRows((9, 12), 2, steps=STEPS, seed=0, rank=rank, world_size=2)
        for rank in (0, 1)
    ]
    for whole, one, other in zip(alone, *shares, strict=True):
        for domain in (0, 1):
            joined = torch.cat([one[domain][0], other[domain][0]])
            assert torch.equal(whole[domain][0], joined)
