"""Predicted samples, written as images and arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel
from PIL import Image
from torch import Tensor
from typing_extensions import override

from callbacks import LabelTable, SampleWriter
from lightning_modules.generative.wgan_gp import WGANGP
from lightning_modules.networks import MLPCritic, MLPGenerator
from tests.support.trainers import LOGGING_TRAINER, Loader


def wgan_gp(shape: tuple[int, ...] = (2,)) -> WGANGP:
    return WGANGP(MLPGenerator(2, shape), MLPCritic(shape), n_critic=1)


def predict(module: WGANGP, batches: Any, directory: Path, **settings: Any) -> Path:
    trainer = Trainer(
        logger=False, callbacks=[SampleWriter(grid_size=4)], default_root_dir=directory,
        **LOGGING_TRAINER | settings,
    )  # fmt: skip
    trainer.predict(module, Loader(batches), return_predictions=False)
    return directory / "predictions"


def test_predicted_images_are_written_as_pictures_and_arrays(tmp_path: Path) -> None:
    module = wgan_gp((1, 8, 8))
    directory = predict(module, [torch.arange(3), torch.arange(3, 5)], tmp_path)
    samples: Tensor = torch.load(directory / "samples.pt", weights_only=True)
    expected = module.predict_step(torch.arange(5), 0)
    torch.testing.assert_close(samples, expected.detach())
    np.testing.assert_array_equal(
        np.load(directory / "samples.npz")["samples"], samples
    )
    names = sorted(p.name for p in (directory / "images").iterdir())
    assert names == [f"{i:05d}.png" for i in range(5)]
    pixels = np.asarray(Image.open(directory / "images" / "00003.png"))[..., 0]
    levels = (samples[3, 0].clamp(-1, 1) + 1) * 127.5
    np.testing.assert_allclose(pixels, levels, atol=0.51)
    with Image.open(directory / "grid.png") as grid:
        assert grid.size == (2 * 64 + 3 * 4, 2 * 64 + 3 * 4)
    assert list(tmp_path.iterdir()) == [directory]


def test_what_was_written_is_named(tmp_path: Path) -> None:
    for name in ("b.npz", "a/1.png", "a/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert SampleWriter()._others(tmp_path) == ": a/ (2 files), b.npz"
    assert LabelTable()._others(tmp_path) == ""  # one file, named by itself


def test_an_earlier_prediction_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        predict(wgan_gp(), [torch.arange(6)], tmp_path)
    found = {p.relative_to(tmp_path).as_posix() for p in tmp_path.glob("*/*")}
    files = ("samples.pt", "samples.npz", "scatter.png")
    assert found == {
        f"{d}/{f}" for d in ("predictions", "predictions-1") for f in files
    }


@pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks")
def test_two_processes_write_each_sample_once_and_in_order(tmp_path: Path) -> None:
    class Shares(BoringModel):
        def predict_dataloader(self) -> Any:
            rank = self.trainer.global_rank  # both make number 4, as if rows ran out
            own = torch.tensor([[2, 3], [0, 1]][rank])
            return Loader([own, torch.tensor([4])])

        @override
        def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
            return batch[:, None].float() * torch.tensor([1.0, 10.0])

    trainer = Trainer(
        logger=False, callbacks=[SampleWriter()], devices=2,
        default_root_dir=tmp_path / "run",
        strategy="ddp_fork", use_distributed_sampler=False, **LOGGING_TRAINER,
    )  # fmt: skip
    trainer.predict(Shares())
    samples = torch.load(tmp_path / "run/predictions/samples.pt", weights_only=True)
    assert samples[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["predictions"]


def test_samples_without_a_picture_are_written_as_arrays(tmp_path: Path) -> None:
    directory = predict(wgan_gp((5,)), [torch.arange(3)], tmp_path)
    assert {p.name for p in directory.iterdir()} == {"samples.pt", "samples.npz"}


def test_a_smoke_run_writes_no_predictions(tmp_path: Path) -> None:
    predict(wgan_gp(), [torch.arange(3)], tmp_path, fast_dev_run=1)
    assert list(tmp_path.iterdir()) == []


def test_predict_batches_that_are_not_sample_numbers_are_refused(
    tmp_path: Path,
) -> None:
    class Same(WGANGP):
        @override
        def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
            return batch

    module = Same(MLPGenerator(2, (2,)), MLPCritic((2,)))
    with pytest.raises(ValueError, match="needs predict batches of sample numbers"):
        predict(module, [torch.randn(3, 2)], tmp_path)
    with pytest.raises(ValueError, match="grid_size must be at least 1, got 0"):
        SampleWriter(0)


def test_samples_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    module = wgan_gp()
    module.generator.register_forward_hook(lambda *a: a[-1] * torch.nan)
    with pytest.raises(ValueError, match="Predicted samples hold NaN or infinity"):
        predict(module, Loader([torch.arange(3)]), tmp_path)
    assert not [*tmp_path.rglob("samples*")]
