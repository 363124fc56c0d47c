"""Files are written whole or not at all."""

import os
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch
from lightning.pytorch import Trainer

from callbacks import write_whole
from datamodules import PointClouds
from lightning_modules import WGANGP, MLPCritic, MLPGenerator
from lightning_modules.core import limits
from lightning_modules.core.files import check_undamaged, damage
from lightning_modules.core.limits import TooLargeError, check_size, limited_to
from tests.odd_files.bad_files import squeezed
from tests.support.trainers import QUIET_TRAINER


@pytest.mark.parametrize(
    "content", ["hé", "hé".encode(), lambda file: file.write("hé".encode())]
)
def test_a_file_is_written_whole(tmp_path: Path, content: Any) -> None:
    path = write_whole(tmp_path / "deep" / "file", content)
    assert path.read_bytes() == "hé".encode()
    assert list(path.parent.iterdir()) == [path]


def test_a_damaged_checkpoint_is_refused_from_python_too(tmp_path: Path) -> None:
    def network() -> WGANGP:
        return WGANGP(MLPGenerator(2, (2,)), MLPCritic((2,)))

    run = Trainer(**QUIET_TRAINER, max_steps=1, limit_val_batches=0)
    run.fit(module := network(), PointClouds("ring8", batch_size=16))
    path = tmp_path / "a.ckpt"
    run.save_checkpoint(path)
    check_undamaged(path)
    content = bytearray(path.read_bytes())
    weights = next(iter(module.state_dict().values()))
    content[content.find(weights.numpy().tobytes())] ^= 1
    path.write_bytes(content)
    sentence = f"'{path}' is damaged or cut off .*checksum.*last-previous"
    with pytest.raises(ValueError, match=sentence):
        WGANGP.load_from_checkpoint(path)
    data = PointClouds("ring8", batch_size=16)
    for act in (run.fit, run.test):
        with pytest.raises(ValueError, match=sentence):
            act(network(), datamodule=data, ckpt_path=path)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = write_whole(tmp_path / "file", "old")

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise InterruptedError

    with pytest.raises(InterruptedError):
        write_whole(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_limit_is_what_the_user_says_else_the_size_of_the_file_and_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, free = tmp_path / "x.npz", 10 * limits.FREE
    path.write_bytes(bytes(1000))
    monkeypatch.setattr(limits, "free_memory", lambda: free)
    check_size(limits.FREE, path)
    with pytest.raises(TooLargeError, match=r"^x would .* times the 1,000 bytes of"):
        check_size(limits.FREE + 1, path, "x")
    os.truncate(path, free // limits.RATIO + 1)  # as if data filled the machine
    check_size(free, path)
    check_size(free)
    for of_file in (path, None):
        with pytest.raises(TooLargeError, match=r"more than the 10\.7 GB that are "):
            check_size(free + 1, of_file)
    with limited_to(11):
        check_size(free + 1, path)
        with pytest.raises(TooLargeError, match=r"more than data\.max_gigabytes, 11;"):
            check_size(12e9, path)
    with pytest.raises(TooLargeError, match=r"1,000 GB .* to 1000 if that is right\.$"):
        check_size(1e12)


def test_the_memory_that_is_free_is_less_than_that_of_the_machine() -> None:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < limits.free_memory() < pages


def test_a_checkpoint_with_a_packed_part_is_damaged(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1000)}, tmp_path / "sound.pt")
    packed = tmp_path / "packed.pt"
    packed.write_bytes(squeezed((tmp_path / "sound.pt").read_bytes()))
    assert damage(tmp_path / "sound.pt") is None
    with pytest.raises(ValueError, match=r"compressed, as torch never writes"):
        check_undamaged(packed)
