"""Pictures of two domains in folders, cropped and mirrored."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2.functional import center_crop, normalize

from datamodules.augmentation import RandomRows
from datamodules.office_images import IMAGENET_MEAN, IMAGENET_STD, OfficeImages
from datamodules.two_domains import PairedRows
from tests.datamodules.dense_domains import batches, dense, equal, parts

SIZE, CROP = 12, 4
CLASSES = ("bike", "mug")
PER_CLASS = 6


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write(root: Path, domain: str, below: str = "", classes: Any = CLASSES) -> Path:
    """Pictures of noise, with the same file names in every class as in Office-31."""
    draw = np.random.default_rng(len(domain))
    for name in classes:
        for number in range(PER_CLASS):
            noise = draw.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
            save(root / domain / below / name / f"frame_{number}.png", noise)
    return root / domain


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "amazon")
    write(tmp_path, "dslr")
    return tmp_path


def office(root: Path, **options: Any) -> OfficeImages:
    settings = {
        "source": "amazon",
        "target": "dslr",
        "image_size": SIZE - options.get("crop", 0),
        "val_share": 0.25,
        "batch_size": 4,
        "batches_per_epoch": 5,
        **options,
    }
    return OfficeImages(str(root), **settings)


def pixels(path: Path) -> Tensor:
    with Image.open(path) as picture:
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


def as_set(x: Tensor) -> set[bytes]:
    return {row.numpy().tobytes() for row in x}


def test_pictures_come_as_they_were_written_with_the_numbers_of_their_folders(
    root: Path,
) -> None:
    data = office(root)
    data.prepare_data()
    found = parts(data)
    assert data.class_names == CLASSES
    assert data.num_classes == 2
    label_of = {
        pixels(path).numpy().tobytes(): label
        for domain in ("amazon", "dslr")
        for label, name in enumerate(CLASSES)
        for path in (root / domain / name).iterdir()
    }
    seen = 0
    for rows in (found.source, found.source_val, found.target_test):
        assert [label_of[x.numpy().tobytes()] for x in rows.x] == rows.y.tolist()
        seen += len(rows.y)
    assert seen == len(label_of) == 4 * PER_CLASS
    assert found.target.dtype == torch.uint8


def test_a_folder_images_between_domain_and_classes_is_stepped_into(
    root: Path, tmp_path: Path
) -> None:
    write(tmp_path / "deep", "amazon", "images")
    write(tmp_path / "deep", "dslr", "images")
    assert equal(batches(office(root)), batches(office(tmp_path / "deep")))


def test_images_beside_other_classes_is_a_class(root: Path) -> None:
    for domain in ("amazon", "dslr"):
        write(root, domain, classes=["images"])
    data = office(root)
    data.setup()
    assert data.class_names == ("bike", "images", "mug")


def test_with_no_share_for_test_the_target_is_tested_on_what_it_is_trained_on(
    root: Path,
) -> None:
    found = parts(office(root, val_share=0.0))
    assert torch.equal(found.target, found.target_test.x)
    assert torch.equal(found.source.x, found.source_val.x)
    assert len(found.target) == len(found.source.x) == 2 * PER_CLASS


@pytest.mark.parametrize(("share", "n"), [(0.25, 3), (0.5, 6), (0.01, 1)])
def test_parts_share_no_row_and_lose_none_whatever_the_seed(
    root: Path, share: float, n: int
) -> None:
    found = [
        parts(office(root, val_share=share, target_test_share=share, seed=seed))
        for seed in (0, 1)
    ]
    for part in found:
        assert len(part.source_val.x) == len(part.target_test.x) == n
        for train, test in (
            (part.source.x, part.source_val.x),
            (part.target, part.target_test.x),
        ):
            assert not as_set(train) & as_set(test)
            assert len(as_set(train) | as_set(test)) == 2 * PER_CLASS
    assert torch.equal(found[0].target_test.x, found[1].target_test.x)
    assert torch.equal(found[0].source_val.x, found[1].source_val.x)


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_row_numbers_of_predictions_lead_to_files(root: Path, share: float) -> None:
    data = office(root, target_test_share=share)
    data.setup()
    rows: Tensor
    for rows, x in data.predict_dataloader():
        for row, picture in zip(rows.tolist(), x, strict=True):
            assert torch.equal(pixels(data.test_files[row]), picture)
    assert len(data.test_files) == len(data.domains.target_test)


def test_labels_of_the_target_reach_no_training_batch(root: Path) -> None:
    options: dict[str, Any] = {"target_test_share": 0.25, "crop": CROP, "flip": True}
    labelled = office(root, **options)
    truth = batches(labelled)
    for number in range(PER_CLASS // 2):  # half of the target changes its class
        one, other = (root / "dslr" / c / f"frame_{number}.png" for c in CLASSES)
        one.rename(other.with_name(f"z{number}.png"))
        other.rename(one)
    garbage = office(root, **options)
    assert equal(truth, batches(garbage))
    for name in CLASSES:  # and now there are no classes
        for path in (root / "dslr" / name).iterdir():
            path.rename(root / "dslr" / f"{name}_{path.name}")
        (root / "dslr" / name).rmdir()
    unlabelled = office(root, **options)
    assert equal(truth, batches(unlabelled))
    found = [parts(data).target_test for data in (labelled, garbage, unlabelled)]
    assert equal(found[0].x, found[2].x)
    assert not equal(found[0].y, found[1].y)
    assert (found[2].y == -1).all()
    assert unlabelled.class_names == CLASSES


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


def test_the_draws_of_two_processes_join_to_those_of_one() -> None:
    def rows(size: int, rank: int, world: int) -> list[Any]:
        paired = PairedRows(
            (20, 30), size, steps=4, seed=1, epoch=2, rank=rank, world_size=world
        )
        return list(RandomRows(paired, 5, True))

    alone, first, second = rows(6, 0, 1), rows(3, 0, 2), rows(3, 1, 2)
    for (numbers, draws), one, other in zip(alone, first, second, strict=True):
        for domain in (0, 1):
            halves = one[0][domain], other[0][domain]
            assert torch.equal(numbers[domain], torch.cat(halves))
            for name in ("top", "left", "mirrored"):
                pair = [getattr(part[1][domain], name) for part in (one, other)]
                assert torch.equal(getattr(draws[domain], name), torch.cat(pair))


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


def test_training_rows_are_crops_of_their_pictures_at_all_places_alike(
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


def test_every_batch_of_every_epoch_has_draws_of_its_own() -> None:
    seen = set()
    for epoch in range(3):
        rows = PairedRows((20, 30), 8, steps=4, seed=0, epoch=epoch)
        for _, draws in RandomRows(rows, 9, True):
            seen |= {tuple(draw.top.tolist() + draw.left.tolist()) for draw in draws}
    assert len(seen) == 3 * 4 * 2


def test_other_seeds_give_other_crops(root: Path) -> None:
    runs = [batches(office(root, crop=CROP, flip=True, seed=s)) for s in (0, 0, 1)]
    assert equal(runs[0], runs[1])
    assert not equal(runs[0], runs[2])


@pytest.mark.parametrize("crop", [0, 3, CROP])
def test_all_other_batches_are_cropped_in_the_centre(root: Path, crop: int) -> None:
    data = office(root, crop=crop, flip=True, target_test_share=0.25)
    found = parts(data)
    loaders = [*data.val_dataloader(), *data.test_dataloader()]
    kept = [found.source_val.x, found.target_test.x, found.target] * 2
    for loader, x in zip(loaders, kept, strict=True):
        seen = torch.cat([data.on_after_batch_transfer(b, 0)[0] for b in loader])
        middle = center_crop(x[..., : SIZE - crop % 2, : SIZE - crop % 2], SIZE - crop)
        assert torch.allclose(seen, middle / 127.5 - 1, atol=1e-6)
        assert seen.shape[1:] == data.shape
    generator = torch.Generator().manual_seed(0)
    assert dense(data.random_rows("train", 3, generator)[0]).shape[1:] == data.shape


def test_normalising_for_imagenet_is_that_of_torchvision(root: Path) -> None:
    data = office(root, crop=CROP, normalise="imagenet")
    batch = batches(data)[0]
    x, y, target = data.on_after_batch_transfer(tuple(batch), 0)
    for seen, kept in ((x, batch[0]), (target, batch[2])):
        expected = normalize(
            kept.float() / 255, list(IMAGENET_MEAN), list(IMAGENET_STD)
        )
        assert torch.allclose(seen, expected, atol=1e-6)
    assert torch.equal(y, batch[1])


def test_grey_pictures_become_colour(root: Path) -> None:
    shutil.rmtree(root / "dslr/mug")
    save(root / "dslr/mug/grey.png", np.full((SIZE, SIZE), 77, np.uint8))
    found = parts(office(root))
    grey = found.target_test.x[found.target_test.y == 1]
    assert torch.equal(grey, torch.full((1, 3, SIZE, SIZE), 77, dtype=torch.uint8))


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def test_corrupt_files_are_skipped_with_a_warning_or_refused(root: Path) -> None:
    spoil(root / "dslr/mug/frame_2.png")
    with pytest.warns(UserWarning, match=r"Skipped 1 files .*mug/frame_2\.png"):
        assert len(parts(office(root)).target) == 2 * PER_CLASS - 1
    with pytest.raises(ValueError, match=r"1 of 12 files .*mug/frame_2\.png"):
        office(root, on_corrupt="error").setup()


def test_a_class_of_nothing_but_corrupt_files_is_missing(root: Path) -> None:
    for path in (root / "dslr/mug").iterdir():
        spoil(path)
    with (
        pytest.warns(UserWarning, match="Skipped 6 files"),
        pytest.raises(ValueError, match=r"data\.target: .*dslr has no pictures of mug"),
    ):
        office(root).setup()


def test_classes_that_only_one_domain_has_are_named(root: Path) -> None:
    write(root, "amazon", classes=["pen", "ruler"])
    with pytest.raises(
        ValueError, match=r"data\.target: .*dslr has no pictures of pen, ruler; source"
    ):
        office(root).prepare_data()
    write(root, "dslr", classes=["tape"])
    with pytest.raises(
        ValueError, match="no pictures of pen, ruler but pictures of tape, which"
    ):
        office(root).prepare_data()
    with pytest.raises(
        ValueError, match="no pictures of tape but pictures of pen, ruler, which"
    ):
        office(root, source="dslr", target="amazon").prepare_data()


def test_as_many_classes_are_not_the_same_classes(root: Path) -> None:
    (root / "dslr/mug").rename(root / "dslr/cup")
    with pytest.raises(ValueError, match="no pictures of mug but pictures of cup, wh"):
        office(root).prepare_data()


def test_an_empty_class_is_missing(root: Path) -> None:
    shutil.rmtree(root / "dslr/mug")
    (root / "dslr/mug").mkdir()
    with pytest.raises(ValueError, match="dslr has no pictures of mug; source and"):
        office(root).prepare_data()


@pytest.mark.parametrize(("key", "domain"), [("source", "amazon"), ("target", "dslr")])
def test_pictures_beside_class_folders_are_refused(
    root: Path, key: str, domain: str
) -> None:
    save(root / domain / "loose.png", np.zeros((SIZE, SIZE, 3), np.uint8))
    with pytest.raises(
        ValueError, match=rf"data\.{key}: pictures lie in .*{domain} it"
    ):
        office(root).prepare_data()


def test_a_source_needs_classes(root: Path) -> None:
    write(root, "flat", classes=["."])
    with pytest.raises(
        ValueError, match=r"data\.source: pictures lie in .*flat itself"
    ):
        office(root, source="flat").prepare_data()
    assert (parts(office(root, target="flat")).target_test.y == -1).all()


def test_folders_that_are_not_there_are_named_beside_those_that_are(
    root: Path,
) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"data\.source: .*amazno; choose one of amazon, dslr\."
    ):
        office(root, source="amazno").prepare_data()
    with pytest.raises(FileNotFoundError, match=r"data\.target: .*webcam; choose one"):
        office(root, target="webcam").prepare_data()
    with pytest.raises(FileNotFoundError, match=r"data\.source: .*set data\.root"):
        office(root / "nowhere").prepare_data()


def test_a_domain_without_pictures_is_refused(root: Path) -> None:
    (root / "webcam/mug").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"no picture below .*webcam"):
        office(root, target="webcam").prepare_data()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image_size", 0),
        ("crop", -1),
        ("val_share", 1.0),
        ("target_test_share", -0.1),
        ("normalise", "none"),
    ],
)
def test_arguments_out_of_range_are_refused_by_their_key(
    key: str, value: object
) -> None:
    with pytest.raises(ValueError, match=rf"data\.{key} is {value}"):
        OfficeImages(".", "amazon", "dslr", **{key: value})  # type: ignore[arg-type]


@pytest.mark.data
def test_the_real_pictures_are_as_many_as_published(real_data: Path) -> None:
    data = OfficeImages(
        str(real_data / "office_caltech10/images"),
        "webcam",
        "dslr",
        image_size=32,
        crop=4,
        on_corrupt="error",
        val_share=0.0,
    )
    data.prepare_data()
    found = parts(data)
    assert found.source.x.shape == (295, 3, 36, 36)
    webcam = [29, 21, 31, 27, 27, 30, 43, 30, 27, 30]
    dslr = [12, 21, 12, 13, 10, 24, 22, 12, 8, 23]
    assert found.source.y.bincount().tolist() == webcam
    assert found.target_test.y.bincount().tolist() == dslr
    assert data.class_names[:3] == ("backpack", "bike", "calculator")
    assert batches(data)[0][0].shape == (32, 3, 32, 32)
