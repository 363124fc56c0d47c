"""MNIST-M from lists of labels and from tensors, and digits on other photographs."""

from pathlib import Path
from typing import Any

import pytest
import torch

from datamodules.readers.images import mnist_on_photos
from datamodules.readers.images.mnist_on_photos import on_patches
from lightning_modules.core.limits import TooLargeError, limited_to
from tests.support import digit_sets as sets
from tests.support.small_images import write_strips


def test_photographs_that_memory_does_not_hold_are_refused(tmp_path: Path) -> None:
    sets.write_mnist(tmp_path)
    sets.write_photos(tmp_path, n=21)
    with (
        limited_to(0.001),
        pytest.raises(
            TooLargeError, match=r"21 images of 128 x 128 .*photos would take"
        ),
    ):
        sets.read("mnist_on_photos", tmp_path)


def test_missing_and_damaged_images_of_mnist_m_are_counted_and_named(
    tmp_path: Path,
) -> None:
    sets.write_mnist_m(tmp_path)
    folder = tmp_path / "mnist_m/mnist_m_test"
    (folder / "00000003.png").write_bytes(b"\x89PNG and no more")
    (folder / "00000007.png").unlink()
    with pytest.raises(ValueError, match=r"2 of 12 images .*00000003\.png .*replace"):
        sets.read("mnist_m", tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("00000000.png 3\n00000001.png\n", "line 2 of .*labels.txt is not a file name"),
        ("00000000.png three\n", "line 1 of .*labels.txt is not a file name"),
        ("00000000.png 10\n", "line 1 of .*labels.txt is not .* label from 0 to 9"),
        ("", "labels.txt has no labels from 0 to 9"),
    ],
)
def test_a_list_of_something_else_is_refused(
    tmp_path: Path, text: str, sentence: str
) -> None:
    sets.write_mnist_m(tmp_path)
    (tmp_path / "mnist_m/mnist_m_train_labels.txt").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        sets.read("mnist_m", tmp_path)


X, Y = torch.zeros(3, 28, 28, 3, dtype=torch.uint8), torch.tensor([1, 2, 3])


@pytest.mark.parametrize(
    "content",
    [X, (X, Y, Y), (X.float(), Y), (X[:2], Y), (X.permute(0, 3, 1, 2), Y), "x", (1, 2)],
)
def test_tensors_of_another_form_are_refused(tmp_path: Path, content: object) -> None:
    sets.write_mnist_m_tensors(tmp_path)
    torch.save(content, tmp_path / "mnist_m_train.pt")
    with pytest.raises(ValueError, match=r"mnist_m_train\.pt is cut off or not a pair"):
        sets.read("mnist_m", tmp_path)


@pytest.mark.parametrize("keep", [0, 3, 50, 400, -30])
def test_cut_tensors_are_named(tmp_path: Path, keep: int) -> None:
    sets.write_mnist_m_tensors(tmp_path)
    path = tmp_path / "mnist_m_test.pt"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"mnist_m_test\.pt is cut off") as error:
        sets.read("mnist_m", tmp_path)
    assert "\n" not in str(error.value)


class Code:
    """Would make a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_file_of_tensors_is_not_run(tmp_path: Path) -> None:
    sets.write_mnist_m_tensors(tmp_path)
    torch.save((X, Code(tmp_path / "ran")), tmp_path / "mnist_m_train.pt")
    with pytest.raises(ValueError, match="not a pair of tensors"):
        sets.read("mnist_m", tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("folder", ["mnist_m", "MNIST-M/processed", "."])
def test_mnist_m_is_read_from_tensors_too(tmp_path: Path, folder: str) -> None:
    sets.write_mnist_m_tensors(tmp_path / folder)
    for pairs, part in zip(sets.read("mnist_m", tmp_path), sets.PARTS, strict=True):
        x = torch.from_numpy(sets.pixels(part, 28, 28, 3)).permute(0, 3, 1, 2)
        assert torch.equal(pairs.x, x)
        assert pairs.y.tolist() == sets.labels(part).tolist()


# Digits on photographs ----------------------------------------------------------------


def test_a_pixel_is_the_difference_of_digit_and_a_patch_of_one_photograph() -> None:
    """Of photographs in which every pixel has a value of its own."""
    photos = torch.arange(2 * 3 * 8 * 8).view(2, 3, 8, 8) % 251
    digits = torch.randint(256, (40, 1, 4, 4), dtype=torch.uint8)
    found = on_patches(digits, photos.byte(), 0).long()
    places = set()
    for digit, blended in zip(digits.long(), found, strict=True):
        fits = [
            (photo, top, left)
            for photo in range(2)
            for top in range(5)
            for left in range(5)
            if torch.equal(
                (photos[photo, :, top : top + 4, left : left + 4] - digit).abs(),
                blended,
            )
        ]
        assert len(fits) == 1
        places.update(fits)
    assert len(places) > 15
    assert {0, 4} <= {top for _, top, _ in places} & {left for _, _, left in places}


def test_patches_are_those_of_the_seed_whatever_the_chunk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digits = torch.randint(256, (30, 1, 4, 4), dtype=torch.uint8)
    photos = torch.randint(256, (5, 3, 9, 7), dtype=torch.uint8)
    whole = on_patches(digits, photos, 1)
    monkeypatch.setattr(mnist_on_photos, "CHUNK", 7)
    assert torch.equal(on_patches(digits, photos, 1), whole)
    assert not torch.equal(on_patches(digits, photos, 2), whole)


def test_train_and_test_digits_lie_on_photographs_of_their_own(tmp_path: Path) -> None:
    sets.write_mnist(tmp_path)
    sets.write_photos(tmp_path, n=6)
    parts = sets.read("mnist_on_photos", tmp_path)
    colours = []
    for part, images in zip(sets.PARTS, parts, strict=True):
        ink = torch.from_numpy(sets.pixels(part, 28, 28))[:, None].long()
        assert images.y.tolist() == sets.labels(part).tolist()
        plain = {(20 * i, 90, 250 - 20 * i) for i in range(6)}
        fits = {
            colour
            for colour in plain
            for x, digit in zip(images.x.long(), ink, strict=True)
            if torch.equal((torch.tensor(colour).view(3, 1, 1) - digit).abs(), x)
        }
        colours.append(fits)
    assert len(colours[0]) > 1
    assert len(colours[1]) == 1
    assert not colours[0] & colours[1]


def test_without_photographs_they_are_those_of_cifar10(tmp_path: Path) -> None:
    sets.write_mnist(tmp_path)
    strips = write_strips(tmp_path / "cifar10")
    train, test = sets.read("mnist_on_photos", tmp_path)
    assert train.x.shape == (20, 3, 28, 28)
    photos = torch.from_numpy(strips[50]).view(-1, 32, 32, 3).permute(0, 3, 1, 2)
    ink = torch.from_numpy(sets.pixels("test", 28, 28))[:, None]
    assert torch.equal(test.x, on_patches(ink, photos, 1))


def test_missing_and_damaged_photographs_are_named(tmp_path: Path) -> None:
    sets.write_mnist(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"photos, or CIFAR-10 in .*put either"):
        sets.read("mnist_on_photos", tmp_path)
    sets.write_photos(tmp_path, n=1)
    with pytest.raises(FileNotFoundError, match="holds 1 photographs"):
        sets.read("mnist_on_photos", tmp_path)
    (tmp_path / "photos/7.png").write_bytes(b"\x89PNG and no more")
    with pytest.raises(ValueError, match=r"1 of 2 photographs can't .*7\.png"):
        sets.read("mnist_on_photos", tmp_path)
