"""Folders of images: what is found, and what is wrong with files."""

import os
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules import ImageFolder
from datamodules.readers.images.folder import ImageTree
from datamodules.readers.images.listing import (
    ENDINGS,
    NOT_OF_USERS,
    and_found,
    listing,
)
from tests.odd_files.images import IMAGES
from tests.odd_files.odd_file import OddFile
from tests.support.small_images import save


def test_images_in_any_nesting_are_found_and_everything_else_is_left(
    tmp_path: Path,
) -> None:
    for name in ("a.png", "b/c.JPG", "b/d/e/f.bmp"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden").write_text("nor this")
    data = ImageFolder(str(tmp_path), image_size=8, val_fraction=0)
    with pytest.warns(UserWarning, match=r"Left out 1 files .*1 \.txt, .*notes\.txt"):
        x = data.real("train")
    assert x.shape == (3, 3, 8, 8)
    assert torch.allclose(x[:, 0], torch.ones(3, 8, 8), atol=0.03)
    assert torch.allclose(x[:, 1:], -torch.ones(3, 2, 8, 8), atol=0.03)


def spoil(root: Path) -> None:
    for number in range(3):
        save(root / f"good{number}.png", number)
    (root / "empty.png").write_bytes(b"")
    save(root / "cut.png", size=(200, 200))
    (root / "cut.png").write_bytes((root / "cut.png").read_bytes()[:-30])


def test_corrupt_files_are_skipped_with_a_warning_that_names_them(
    tmp_path: Path,
) -> None:
    spoil(tmp_path)
    data = ImageFolder(str(tmp_path), val_fraction=0)
    with pytest.warns(UserWarning, match="Skipped 2 files") as caught:
        data.setup("fit")
    assert "cut.png" in str(caught[0].message)
    assert "empty.png" in str(caught[0].message)
    assert len(data.train_set) == 3


def test_corrupt_files_are_refused_by_name_if_asked(tmp_path: Path) -> None:
    spoil(tmp_path)
    with pytest.raises(ValueError, match=r"2 of 5 files .*cut\.png.*empty\.png"):
        ImageFolder(str(tmp_path), on_corrupt="error").setup("fit")


def test_a_folder_of_nothing_but_corrupt_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(ValueError, match="1 of 1 files"):
        ImageFolder(str(tmp_path)).setup("fit")


def test_a_folder_that_is_missing_or_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"data\.root: the folder .*nowhere"):
        ImageFolder(str(tmp_path / "nowhere")).prepare_data()
    with pytest.raises(FileNotFoundError, match=r"data\.root: no image below"):
        ImageFolder(str(tmp_path)).prepare_data()


def colour(tree: ImageTree) -> torch.Tensor:
    """That of a pixel in the middle of the first image."""
    tree.find()
    return tree.read().rows.x[0, :, 4, 4].int()


@pytest.mark.usefixtures("no_process")
@pytest.mark.parametrize("odd", IMAGES, ids=lambda odd: ascii(odd.name))
def test_an_odd_image_is_read_right_or_refused(tmp_path: Path, odd: OddFile) -> None:
    odd.write(tmp_path)
    tree = ImageTree(tmp_path, 8, on_corrupt="error", **odd.options)
    if odd.error is None:
        assert (colour(tree) - torch.tensor(odd.expected)).abs().max() <= 2
        return
    with pytest.raises((ValueError, FileNotFoundError), match=odd.error) as error:
        colour(tree)
    assert str(error.value).startswith("data.root: ")
    assert "\n" not in str(error.value)


def test_a_class_of_which_nothing_can_be_decoded_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "dogs/1.png")
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats/1.png").symlink_to("gone.png")
    data = ImageFolder(str(tmp_path))
    with (
        pytest.warns(UserWarning, match=r"Skipped 1 files .*cats/1\.png"),
        pytest.raises(ValueError, match=r"data\.root: no file in .*cats is a readable"),
    ):
        data.setup("fit")


def test_what_is_skipped_is_counted_and_not_all_of_it_is_named(tmp_path: Path) -> None:
    save(tmp_path / "good.png")
    for number in range(20):
        (tmp_path / f"{number:02}.png").write_bytes(b"")
    data = ImageFolder(str(tmp_path), val_fraction=0)
    with pytest.warns(UserWarning, match=r"Skipped 20 files .*09\.png .*; and 10 more"):
        data.setup("fit")


# Which files are images ---------------------------------------------------------------

NAMES = st.text("ab.", min_size=1, max_size=3).filter(lambda name: set(name) != {"."})
ENDS = st.sampled_from(
    [*ENDINGS, *(one.upper() for one in ENDINGS), ".heic", ".txt", ""]
)


@settings(max_examples=40)
@given(st.sets(st.tuples(NAMES, NAMES, ENDS), max_size=6))
def test_every_file_that_is_not_hidden_is_an_image_or_named(
    tmp_path_factory: pytest.TempPathFactory, names: set[tuple[str, str, str]]
) -> None:
    root = tmp_path_factory.mktemp("few")
    files = {root / folder / f"{stem}{end}" for folder, stem, end in names}
    for path in files:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"?")
    images, others, passed_over = listing(root)
    assert not passed_over
    hidden = {
        path for path in files if "/." in path.relative_to(root.parent).as_posix()
    }
    assert {*images, *others} == files - hidden
    assert [*images, *others] == sorted(images) + sorted(others)
    assert all(path.suffix.lower() in ENDINGS for path in images)
    assert not any(path.suffix.lower() in ENDINGS for path in others)


def test_what_is_found_instead_is_counted_by_its_ending() -> None:
    others = [Path("a/1.HEIC"), Path("b.heic"), Path("c.txt"), Path("d")]
    assert and_found(others) == (
        " (found 2 .heic, 1 .txt, 1 no ending, such as a/1.HEIC)"
    )
    assert and_found([]) == ""


@pytest.mark.parametrize(
    "lost", ["cats/1.heic", "cats/1", "cats/deep/2.txt", "cats/.hidden"]
)
def test_a_class_that_would_become_empty_is_refused(tmp_path: Path, lost: str) -> None:
    save(tmp_path / "dogs/1.png")
    (tmp_path / lost).parent.mkdir(parents=True)
    (tmp_path / lost).write_bytes(b"?")
    with pytest.raises(
        ValueError, match=r"data\.root: no image in the class fo.*/cats"
    ):
        ImageFolder(str(tmp_path)).prepare_data()


# Which folders are classes ------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(NOT_OF_USERS))
def test_folders_of_programs_are_passed_over_and_counted(
    tmp_path: Path, name: str
) -> None:
    for path in ("a/1.png", "b/1.png", f"{name}/1.png/L.jpg", f"a/{name}/deep/1.png"):
        save(tmp_path / path)
    save(tmp_path / name / ".hidden.png")
    data = ImageFolder(str(tmp_path), val_fraction=0)
    with pytest.warns(UserWarning, match=r"Left out 2 files in folders .*; rename suc"):
        data.setup("fit")
    assert (data.classes, data.train_set.y.tolist()) == (["a", "b"], [0, 1])
    assert data.summary().endswith(", classes a, b, 2 files skipped")


def images_of(root: Path, *folders: str) -> ImageTree:
    for folder in folders:
        save(root / folder / "1.png")
    return ImageTree(root, 8)


@pytest.mark.parametrize(
    ("folders", "remedy"),
    [
        (("train/a", "train/b", "val/a", "test/b"), "train"),
        (("Training/a", "Testing/a"), "Training"),
        (("train2017", "val2017"), "train2017"),
        (("testA", "trainA", "testB", "trainB"), "trainA"),
        (("valid", "test"), "test"),
        (("all/train_set/a", "all/test_set/a"), "all/train_set"),
        (("flowers/a", "flowers/b"), "flowers"),
        (("x/y/a", "x/y/deep/b"), "x/y"),
        (("train/a", "train/b"), "train"),
    ],
)
def test_parts_of_a_split_and_a_folder_around_folders_are_no_classes(
    tmp_path: Path, folders: tuple[str, ...], remedy: str
) -> None:
    with pytest.raises(ValueError, match=r"^data\.root: [^\n]*\.$") as error:
        images_of(tmp_path, *folders).find()
    assert re.search(rf" {re.escape(str(tmp_path / remedy))}[.,]", str(error.value))


@pytest.mark.parametrize(
    "folders",
    [
        ("train", "plane"),
        ("train", "test", "bus"),
        ("test1", "test2"),
        ("trainA", "trainB"),
        ("valid", "invalid"),
        ("train",),
        ("dogs/all",),
        ("dogs", "dogs/puppies", "dogs/old"),
        ("val/a", "."),
        ("trainers/a", "tests/a"),
    ],
)
def test_other_folders_are_classes_whatever_their_names(
    tmp_path: Path, folders: tuple[str, ...]
) -> None:
    tree = images_of(tmp_path, *folders)
    tree.find()
    names = {folder.partition("/")[0].strip(".") for folder in folders}
    assert tree.read().classes == sorted(names)


# Links --------------------------------------------------------------------------------


def test_links_are_followed_out_of_the_root_but_not_up_to_what_it_lies_in(
    tmp_path: Path,
) -> None:
    for name in ("root/cats/1.png", "beside/2.png", "beside/3.png"):
        save(tmp_path / name)
    (tmp_path / "root/dogs").symlink_to(tmp_path / "beside")
    (tmp_path / "root/cats/4.png").symlink_to(tmp_path / "beside/2.png")
    (tmp_path / "root/cats/up").symlink_to(tmp_path)
    (tmp_path / "root/all").symlink_to("/")
    (tmp_path / "link").symlink_to(tmp_path / "root")
    root = tmp_path / "link"
    found = [path.relative_to(root).as_posix() for path in listing(root).images]
    assert found == ["cats/1.png", "cats/4.png", "dogs/2.png", "dogs/3.png"]


def test_a_link_of_another_user_in_a_folder_of_others_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "1.png")
    link = tmp_path / "2.png"
    link.symlink_to(tmp_path / "1.png")
    assert len(listing(tmp_path).images) == 2
    real, other = os.lstat(link), os.getuid() + 1
    owned = os.stat_result((*real[:4], other, *real[5:]))
    monkeypatch.setattr(Path, "lstat", lambda path: owned if path == link else real)
    with pytest.raises(ValueError, match=r"^data\.root: .*2\.png is a link of another"):
        listing(tmp_path)
