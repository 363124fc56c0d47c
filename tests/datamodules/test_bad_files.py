"""Bad data files of every kind end in one sentence, and start nothing."""

import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

import pytest

from tests.odd_files.bad_files import BAD_FILES, BadFile, built, put, read
from tests.support import small_data
from wasserstein_critics.cli.errors import explain

MEGABYTES = 600
"""What may be added to the memory that the tests take; a bomb would need more."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every data set, small."""
    root = tmp_path_factory.mktemp("bad_files") / "sound"
    root.mkdir()
    small_data.write_all(root)
    return root


@pytest.fixture
def hostile(sound: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The folder while bad files are in the place of its own."""
    bad: BadFile = request.param
    paths = [sound / name for name in bad.files]
    kept = {path: path.read_bytes() for path in paths if path.is_file()}
    put(bad, sound)
    yield sound
    for path in paths:
        is_folder = path.is_dir() and not path.is_symlink()
        shutil.rmtree(path) if is_folder else path.unlink(missing_ok=True)
    for path, content in kept.items():
        path.write_bytes(content)


@pytest.fixture
def _no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens a connection fails."""

    def refuse(*words: object, **_: object) -> None:
        raise AssertionError(f"a socket was opened: {words}")

    monkeypatch.setattr(socket, "socket", refuse)


def told(bad: BadFile, root: Path) -> str:
    """What the command line says where the file is read."""
    try:
        data = read(bad, root)
    except Exception as error:
        return explain(error) or pytest.fail(repr(error))
    return pytest.fail(f"was read: {data.summary()}")


def listed(root: Path) -> set[Path]:
    """What is in the folder and beside it."""
    return {*root.parent.rglob("*")}


@pytest.mark.filterwarnings("ignore")  # of what is found before the mistake
@pytest.mark.usefixtures("_no_socket", "no_process")
@pytest.mark.parametrize(
    ("bad", "hostile"),
    [(bad, bad) for bad in BAD_FILES],
    ids=[f"{bad.data}: {bad.title}" for bad in BAD_FILES],
    indirect=["hostile"],
)
def test_a_bad_data_file_ends_in_one_sentence_that_names_it(
    bad: BadFile, hostile: Path
) -> None:
    memory, before = getrusage(RUSAGE_SELF).ru_maxrss, listed(hostile)
    sentence = told(bad, hostile)
    assert re.search(bad.says or re.escape(Path(next(iter(bad.files))).name), sentence)
    assert "\n" not in sentence
    assert listed(hostile) == before
    assert getrusage(RUSAGE_SELF).ru_maxrss - memory < MEGABYTES * 1024


HUGE = [
    ("MNIST", {"batch_size": 10**12}),
    ("MNIST", {"num_workers": 10**6}),
    ("MNIST", {"n_predict": 10**13}),
    ("ImageFolder", {"image_size": 10**6}),
    ("OfficeImages", {"image_size": 10**6, "source": "amazon", "target": "webcam"}),
    ("PointClouds", {"n_train": 10**12, "name": "ring8"}),
    ("ShiftedBlobs", {"n_train": 10**12}),
    ("ShiftedBlobs", {"batch_size": 10**12}),
    ("PlantedInteractions", {"n_users": 10**9, "n_items": 10**9}),
    ("Interactions", {"batch_size": 10**12}),
    ("Interactions", {"num_workers": 10**6}),
]


@pytest.mark.parametrize(("name", "options"), HUGE)
def test_an_option_that_no_machine_has_room_for_is_refused_by_name(
    sound: Path, name: str, options: dict[str, Any]
) -> None:
    bad = BadFile("", name, {}, options)
    with pytest.raises(ValueError, match=f"data.{next(iter(options))}") as error:
        loaded(built(bad, sound))
    assert explain(error.value)


def loaded(data: Any) -> None:
    """The data, and a batch to train on and one to predict."""
    data.prepare_data()
    data.setup()
    for loader in (data.train_dataloader(), data.predict_dataloader()):
        next(iter(loader))
