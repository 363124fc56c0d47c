"""MNIST-M from lists of labels and from tensors."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support import digit_sets as sets


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
