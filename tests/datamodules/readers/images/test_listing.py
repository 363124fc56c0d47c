"""Which files below a folder are images, and what is said of the others."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules import ImageFolder
from datamodules.readers.images.listing import ENDINGS, and_found, listing
from tests.support.small_images import save

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
    images, others = listing(root)
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
