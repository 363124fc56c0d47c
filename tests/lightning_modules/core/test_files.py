"""Files are written whole or not at all."""

from pathlib import Path
from typing import Any, BinaryIO

import pytest
from lightning.pytorch import Trainer

from callbacks import write_whole
from datamodules import PointClouds
from lightning_modules import WGANGP, MLPCritic, MLPGenerator
from lightning_modules.core.files import check_undamaged
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
