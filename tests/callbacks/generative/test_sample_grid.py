from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, Trainer
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from callbacks import WeightEMA
from callbacks.generative.sample_grid import SampleGrid
from datamodules import PointClouds
from lightning_modules import GAN, WGANGP, MLPCritic, MLPGenerator
from tests.support.trainers import QUIET_TRAINER


def module(shape: tuple[int, ...] = (1, 4, 4), n_critic: int = 2) -> WGANGP:
    torch.manual_seed(0)
    generator = MLPGenerator(3, shape, hidden=(8,))
    return WGANGP(generator, MLPCritic(shape, hidden=(8,)), n_critic=n_critic)


def fit(
    model: Any, root: Path, *callbacks: Callback, steps: int, data: Any = None
) -> Any:
    torch.manual_seed(7)
    x = torch.rand(
        64, *model.generator.shape, generator=torch.Generator().manual_seed(1)
    )
    trainer = Trainer(
        max_steps=steps,
        max_epochs=-1,
        **QUIET_TRAINER,
        callbacks=list(callbacks),
        default_root_dir=root,
        limit_val_batches=0,
    )
    if data is None:
        loader = DataLoader(TensorDataset(x, x), batch_size=8)
        trainer.fit(model, loader, loader)
    else:
        trainer.fit(model, datamodule=data)
    return trainer


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_a_picture_appears_at_every_nth_player_update_and_at_the_end(
    tmp_path: Path,
) -> None:
    fit(module(), tmp_path, SampleGrid(2, n_samples=4), steps=5)
    names = {path.name for path in (tmp_path / "images" / "samples").iterdir()}
    assert names == {"2.png", "4.png", "5.png"}


def test_the_last_picture_is_not_drawn_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    monkeypatch.setattr(
        "callbacks.generative.sample_grid.log_picture",
        lambda *a, **_: steps.append(a[3]),
    )
    fit(module(n_critic=3), tmp_path, SampleGrid(2, n_samples=4), steps=4)
    assert steps == [2, 4]


def test_latents_are_the_same_in_every_picture_and_every_run(tmp_path: Path) -> None:
    grid = SampleGrid(1, n_samples=4)
    first, second = module(), module()
    fit(first, tmp_path, steps=1)
    second.load_state_dict(first.state_dict())
    torch.rand(5)
    real = torch.zeros(1, 1, 4, 4)
    trainer = Trainer(accelerator="cpu", logger=False)
    one = grid.image(trainer, first, real, "")
    assert (one == SampleGrid(1, n_samples=4).image(trainer, second, real, "")).all()
    other = SampleGrid(1, n_samples=4, seed=1).image(trainer, first, real, "")
    assert (one != other).any()


def test_drawing_changes_no_weight_and_no_random_number(tmp_path: Path) -> None:
    plain, watched = module(), module()
    fit(plain, tmp_path, steps=4)
    fit(watched, tmp_path, SampleGrid(1, n_samples=4), steps=4)
    for name, weight in plain.state_dict().items():
        assert torch.equal(weight, watched.state_dict()[name]), name
    assert torch.equal(plain.noise.state, watched.noise.state)


def test_the_averaged_generator_is_drawn_where_there_is_one(tmp_path: Path) -> None:
    model = module()
    ema = WeightEMA(decay=0.0)
    fit(model, tmp_path, ema, SampleGrid(3, n_samples=4), steps=3)
    drawn = pixels(tmp_path / "images" / "samples" / "3.png")
    trainer = Trainer(accelerator="cpu", logger=False, callbacks=[ema])
    real = torch.zeros(1, 1, 4, 4)
    grid = SampleGrid(3, n_samples=4)
    with torch.no_grad():
        for weight in model.generator.parameters():
            weight.zero_()  # the live weights; the average stays
    assert (grid.image(trainer, model, real, "") == drawn).all()
    bare = Trainer(accelerator="cpu", logger=False)
    assert (grid.image(bare, model, real, "") != drawn).any()


def test_points_are_drawn_over_real_points(tmp_path: Path) -> None:
    data = PointClouds("ring8", batch_size=16, n_train=400, n_val=64, n_test=64)
    fit(module((2,)), tmp_path, SampleGrid(2), steps=2, data=data)
    picture = pixels(tmp_path / "images" / "samples" / "2.png")
    grey = np.abs(picture.astype(int) - [154, 163, 173]).sum(axis=2) < 30
    columns = np.flatnonzero(grey[120:600].any(axis=0))
    assert columns.max() - columns.min() > 300  # the ring, from left to right


def test_points_without_a_data_module_are_drawn_over_a_batch(tmp_path: Path) -> None:
    fit(module((2,)), tmp_path, SampleGrid(1, n_samples=9), steps=1)
    assert pixels(tmp_path / "images" / "samples" / "1.png").shape == (640, 640, 3)


def test_samples_that_cannot_be_drawn_are_refused_when_training_starts(
    tmp_path: Path,
) -> None:
    with pytest.raises(ValueError, match=r"not samples of shape \(5,\)"):
        fit(module((5,)), tmp_path, SampleGrid(1), steps=1)


@pytest.mark.parametrize("key", ["every_n_steps", "n_samples", "scale"])
def test_a_count_below_one_is_refused_by_name(key: str) -> None:
    arguments: dict[str, Any] = {key: 0}
    with pytest.raises(ValueError, match=f"{key} must be at least 1"):
        SampleGrid(**arguments)


def test_a_module_without_generator_is_refused() -> None:
    from lightning.pytorch.demos.boring_classes import BoringModel

    with pytest.raises(ValueError, match="BoringModel has no generator"):
        SampleGrid().setup(
            Trainer(accelerator="cpu", logger=False), BoringModel(), "fit"
        )


def test_batch_norm_statistics_do_not_move_while_drawing(tmp_path: Path) -> None:
    generator = MLPGenerator(3, (1, 4, 4), hidden=(8,), norm="batch")
    model = GAN(generator, MLPCritic((1, 4, 4), hidden=(8,)))
    fit(model, tmp_path, steps=1)
    norm = next(m for m in generator.modules() if isinstance(m, nn.BatchNorm1d))
    assert norm.running_mean is not None
    before = norm.running_mean.clone()
    trainer = Trainer(accelerator="cpu", logger=False)
    SampleGrid(1).image(trainer, model.train(), torch.zeros(1, 1, 4, 4), "")
    assert torch.equal(before, norm.running_mean)
    assert norm.training
