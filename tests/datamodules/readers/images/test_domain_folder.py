"""Folders of two domains that do not fit together."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.support.dense_domains import parts
from tests.support.office_sets import PER_CLASS, SIZE, office, save, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "amazon")
    write(tmp_path, "dslr")
    return tmp_path


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def test_corrupt_files_are_skipped_with_a_warning_or_refused(root: Path) -> None:
    spoil(root / "dslr/mug/frame_2.png")
    data = office(root)
    with pytest.warns(UserWarning, match=r"Skipped 1 files .*mug/frame_2\.png"):
        assert len(parts(data).target) == 2 * PER_CLASS - 1
    assert data.skipped_files == 1
    with pytest.raises(ValueError, match=r"data\.target: 1 of 12 .*mug/frame_2\.png"):
        office(root, on_corrupt="error").setup()


def test_a_class_of_nothing_but_corrupt_files_is_missing(root: Path) -> None:
    for path in (root / "dslr/mug").iterdir():
        spoil(path)
    with (
        pytest.warns(UserWarning, match="Skipped 6 files"),
        pytest.raises(ValueError, match=r"data\.target: no file in .*dslr/mug is a re"),
    ):
        office(root).setup()


def test_classes_that_only_one_domain_has_are_named(root: Path) -> None:
    write(root, "amazon", classes=["pen", "ruler"])
    with pytest.raises(
        ValueError, match=r"data\.target: .*dslr has no images of pen, ruler; source"
    ):
        office(root).prepare_data()
    write(root, "dslr", classes=["tape"])
    with pytest.raises(
        ValueError, match="no images of pen, ruler but images of tape, which"
    ):
        office(root).prepare_data()
    with pytest.raises(
        ValueError, match="no images of tape but images of pen, ruler, which"
    ):
        office(root, source="dslr", target="amazon").prepare_data()


def test_as_many_classes_are_not_the_same_classes(root: Path) -> None:
    (root / "dslr/mug").rename(root / "dslr/cup")
    with pytest.raises(ValueError, match="no images of mug but images of cup, wh"):
        office(root).prepare_data()


def test_an_empty_class_is_missing(root: Path) -> None:
    shutil.rmtree(root / "dslr/mug")
    (root / "dslr/mug").mkdir()
    with pytest.raises(ValueError, match=r"target: no image in the class .*dslr/mug"):
        office(root).prepare_data()


@pytest.mark.parametrize(("key", "domain"), [("source", "amazon"), ("target", "dslr")])
def test_images_beside_class_folders_are_refused(
    root: Path, key: str, domain: str
) -> None:
    save(root / domain / "loose.png", np.zeros((SIZE, SIZE, 3), np.uint8))
    with pytest.raises(ValueError, match=rf"data\.{key}: images lie in .*{domain} it"):
        office(root).prepare_data()


def test_a_source_needs_classes(root: Path) -> None:
    write(root, "flat", classes=["."])
    with pytest.raises(ValueError, match=r"data\.source: images lie in .*flat itself"):
        office(root, source="flat").prepare_data()
    assert (parts(office(root, target="flat")).target_test.y == -1).all()


def test_folders_that_are_not_there_are_named_beside_those_that_are(
    root: Path,
) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"data\.source: .*amazno; choose from amazon, dslr\."
    ):
        office(root, source="amazno").prepare_data()
    with pytest.raises(FileNotFoundError, match=r"data\.target: .*webcam; choose from"):
        office(root, target="webcam").prepare_data()
    with pytest.raises(FileNotFoundError, match=r"data\.source: .*set data\.root"):
        office(root / "nowhere").prepare_data()


def test_a_domain_without_images_is_refused(root: Path) -> None:
    (root / "webcam/mug").mkdir(parents=True)
    says = r"data\.target: no image below .*webcam"
    with pytest.raises(FileNotFoundError, match=says):
        office(root, target="webcam").prepare_data()


@pytest.mark.parametrize(
    ("below", "remedy"),
    [(("train", "test"), "amazon/train"), (("all",), "amazon/all")],
)
@pytest.mark.parametrize("images", ["", "images"])
def test_splits_of_a_domain_and_a_folder_around_its_classes_are_no_classes(
    tmp_path: Path, below: tuple[str, ...], remedy: str, images: str
) -> None:
    for domain in ("amazon", "dslr"):
        for name in below:
            write(tmp_path, domain, f"{images}/{name}".strip("/"))
    remedy = remedy.replace("/", f"/{images}/" if images else "/")
    with pytest.raises(
        ValueError, match=rf"^data\.source: .*; set it to .*{remedy}[.,]"
    ):
        office(tmp_path).prepare_data()
    right = office(tmp_path, source=remedy, target=remedy.replace("amazon", "dslr"))
    right.setup()
    assert right.class_names == ("bike", "mug")


def test_folders_of_programs_are_neither_domains_nor_classes(root: Path) -> None:
    write(root, "dslr/@eaDir")
    write(root, "__MACOSX")
    (root / "dslr/images").mkdir()
    for name in ("bike", "mug"):
        (root / "dslr" / name).rename(root / "dslr/images" / name)
    with pytest.raises(FileNotFoundError, match=r"choose from amazon, dslr\.$"):
        office(root, source="webcam").prepare_data()
    data = office(root)
    data.setup()
    assert data.class_names == ("bike", "mug")
