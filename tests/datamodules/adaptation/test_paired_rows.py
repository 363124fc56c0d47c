"""Rows of two domains: every pass a new order, whatever the processes; random crops."""

from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from datamodules.adaptation.augmentation import (
    Augmentation,
    AugmentedRows,
    Crops,
    Warps,
)
from datamodules.adaptation.paired_rows import PairedRows
from tests.support.dense_domains import batches, dense, equal, parts
from tests.support.office_sets import (
    CROP,
    SIZE,
    office,
    write,
)

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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "amazon")
    write(tmp_path, "dslr")
    return tmp_path


def crops(x: Tensor, size: int) -> dict[bytes, tuple[int, int, bool]]:
    """Every crop of a picture and of its mirror image, and where it was."""
    places = range(x.shape[-1] - size + 1)
    return {
        (part.flip(-1) if mirrored else part).contiguous().numpy().tobytes(): place
        for top in places
        for left in places
        for mirrored in (False, True)
        for place in [(top, left, mirrored)]
        for part in [x[:, top : top + size, left : left + size]]
    }


@pytest.mark.parametrize("options", [{}, {"crop": CROP}, {"crop": CROP, "flip": True}])
def test_batches_do_not_depend_on_the_number_of_workers(
    root: Path, options: dict[str, Any]
) -> None:
    runs = [batches(office(root, num_workers=w, **options), 2) for w in (0, 2)]
    assert len(runs[0]) == 10
    assert equal(*runs)


@pytest.mark.parametrize("position", [(0, 3), (1, 0), (2, 4)])
def test_a_resumed_run_sees_the_crops_it_would_have_seen(
    root: Path, position: tuple[int, int]
) -> None:
    whole = batches(office(root, crop=CROP, flip=True), epochs=3)
    data = office(root, crop=CROP, flip=True)
    data.setup("fit")
    data.load_state_dict(dict(zip(("epoch", "batch"), position, strict=True)))
    rest = [list(map(dense, batch)) for batch in data.train_dataloader()]
    first = 5 * position[0] + position[1]
    assert equal(rest, whole[first : 5 * (position[0] + 1)])


CROPS = Augmentation(3, partial(Crops.drawn, size=8, places=9, flip=True))
WARPS = Augmentation(6, partial(Warps.drawn, size=0.1))


@pytest.mark.parametrize(
    ("augmentation", "names"),
    [(CROPS, ("top", "left", "mirrored")), (WARPS, ("maps",))],
    ids=["crops", "warps"],
)
def test_the_draws_of_two_processes_join_to_those_of_one(
    augmentation: Augmentation, names: tuple[str, ...]
) -> None:
    def rows(size: int, rank: int, world: int) -> list[Any]:
        paired = PairedRows(
            (20, 30), size, steps=4, seed=1, epoch=2, rank=rank, world_size=world
        )
        return list(AugmentedRows(paired, augmentation))

    alone, first, second = rows(6, 0, 1), rows(3, 0, 2), rows(3, 1, 2)
    for whole, one, other in zip(alone, first, second, strict=True):
        for domain in (0, 1):
            numbers, crops = whole[domain]
            halves = one[domain], other[domain]
            assert torch.equal(numbers, torch.cat([rows for rows, _ in halves]))
            for name in names:
                pair = [getattr(half, name) for _, half in halves]
                assert torch.equal(getattr(crops, name), torch.cat(pair))


def test_every_batch_of_every_epoch_and_seed_has_draws_of_its_own() -> None:
    seen = set()
    for seed, epoch in product((0, 1), range(3)):
        rows = PairedRows((20, 30), 8, steps=4, seed=seed, epoch=epoch)
        for both in AugmentedRows(rows, CROPS):
            for _, crops in both:
                assert isinstance(crops, Crops)
                seen.add(tuple(crops.top.tolist() + crops.left.tolist()))
    assert len(seen) == 2 * 3 * 4 * 2


@given(uniform=st.floats(0, 1 - 1e-7), size=st.floats(0, 0.9))
def test_a_warp_differs_from_no_change_by_its_size_at_most(
    uniform: float, size: float
) -> None:
    (difference,) = Warps.drawn(torch.full((6, 1), uniform), size).maps - torch.eye(
        2, 3
    )
    assert difference.abs().max() <= size * (1 + 1e-5) + 1e-6
    expected = torch.full((2, 3), size * (2 * uniform - 1))
    assert torch.allclose(difference, expected, atol=1e-6)


def test_a_warp_of_no_size_leaves_images_alone() -> None:
    images = torch.arange(2 * 3 * 25, dtype=torch.uint8).view(2, 3, 5, 5)
    rows = torch.tensor([1, 0, 1])
    warps = Warps.drawn(torch.rand(6, 3), 0.0)
    assert torch.equal(warps.rows(images, rows), images[rows])


def test_training_rows_are_crops_of_their_images_at_all_places_alike(
    root: Path,
) -> None:
    data = office(root, crop=CROP, flip=True, batches_per_epoch=400)
    found = parts(data)
    places: list[list[tuple[int, int, bool]]] = []
    for domain, x in ((0, found.source.x), (2, found.target)):
        of: dict[bytes, tuple[int, int, bool]] = {}
        for picture in x:
            of |= crops(picture, SIZE - CROP)
        drawn = [row for batch in batches(data) for row in batch[domain]]
        places.append([of[row.contiguous().numpy().tobytes()] for row in drawn])
    for domain_places in places:
        at = torch.tensor(domain_places).float()  # 1600 rows
        assert set(at[:, 0].tolist()) == set(at[:, 1].tolist()) == set(range(CROP + 1))
        assert torch.allclose(at.mean(0), torch.tensor([2.0, 2.0, 0.5]), atol=0.15)
        between = at.T.corrcoef() - torch.eye(3)
        assert between.abs().max() < 0.15
    assert places[0] != places[1]


def test_labels_stay_with_their_crops(root: Path) -> None:
    data = office(root, crop=CROP, flip=True)
    label_of: dict[bytes, int] = {}
    source = parts(data).source
    for picture, label in zip(source.x, source.y.tolist(), strict=True):
        label_of |= dict.fromkeys(crops(picture, SIZE - CROP), label)
    for x, y, _ in batches(data):
        found = [label_of[row.contiguous().numpy().tobytes()] for row in x]
        assert found == y.tolist()


def test_each_of_crop_and_flip_works_without_the_other(root: Path) -> None:
    flipped, cropped = office(root, flip=True), office(root, crop=CROP)
    for data, mirrors in ((flipped, True), (cropped, False)):
        whole = parts(data).source.x
        allowed: dict[bytes, tuple[int, int, bool]] = {}
        for picture in whole:
            allowed |= crops(picture, data.shape[-1])
        seen = {
            allowed[row.contiguous().numpy().tobytes()][2]
            for x, _, _ in batches(data)
            for row in x
        }
        assert seen == ({False, True} if mirrors else {False})


def test_other_seeds_give_other_crops(root: Path) -> None:
    runs = [batches(office(root, crop=CROP, flip=True, seed=s)) for s in (0, 0, 1)]
    assert equal(runs[0], runs[1])
    assert not equal(runs[0], runs[2])
