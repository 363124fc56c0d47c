from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from PIL import Image

from callbacks.plotting.images import (
    GAP_COLOUR,
    image_grid,
    log_picture,
    save_png,
    write_picture,
)


def trainer_with(root: Path, *loggers: Logger) -> Trainer:
    return Trainer(
        accelerator="cpu", logger=list(loggers) or False, default_root_dir=root
    )


def test_cells_are_enlarged_exactly_and_kept_apart_by_a_gap() -> None:
    images = torch.stack([torch.full((1, 2, 2), v) for v in (-1.0, 0.0, 1.0)])
    images[0, 0, 0, 1] = 1.0
    grid = image_grid(images, scale=3, gap=2)
    assert grid.shape == (2 * (6 + 2) + 2, 2 * (6 + 2) + 2, 3)
    assert (grid[2:8, 2:5] == 0).all()
    assert (grid[2:5, 5:8] == 255).all()  # the one bright pixel, 3 x 3 now
    assert (grid[5:8, 5:8] == 0).all()
    assert (grid[2:8, 10:16] == 128).all()
    assert (grid[10:16, 2:8] == 255).all()
    gaps = np.concatenate([grid[:, 8:10].reshape(-1, 3), grid[8:10].reshape(-1, 3)])
    assert (gaps == GAP_COLOUR).all()
    assert (grid[10:16, 10:16] == GAP_COLOUR).all()  # no fourth image


@pytest.mark.parametrize(("size", "factor"), [(8, 8), (28, 2), (32, 2), (128, 1)])
def test_a_cell_is_about_64_pixels_wide_unless_told(size: int, factor: int) -> None:
    assert image_grid(torch.zeros(1, 1, size, size)).shape[0] == size * factor + 8


def test_columns_are_as_told_and_rows_follow() -> None:
    assert image_grid(torch.zeros(5, 1, 4, 4), 1, gap=1, columns=5).shape == (6, 26, 3)


def test_colour_channels_keep_their_order() -> None:
    image = torch.tensor([1.0, -1.0, 0.0]).reshape(1, 3, 1, 1)
    assert image_grid(image, scale=1, gap=0)[0, 0].tolist() == [255, 0, 128]


def test_values_outside_the_range_are_clipped_and_nan_is_magenta() -> None:
    image = torch.tensor([[-7.0, 9.0, float("nan")]]).reshape(1, 1, 1, 3)
    pixels = image_grid(image, scale=1, gap=0)[0].tolist()
    assert pixels == [[0, 0, 0], [255, 255, 255], [255, 0, 255]]


@pytest.mark.parametrize("shape", [(4, 2), (4, 2, 8, 8), (0, 1, 8, 8), (1, 8, 8)])
def test_what_is_not_an_image_is_refused_with_its_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="grey or RGB"):
        image_grid(torch.zeros(shape))


def test_a_png_holds_the_very_pixels_and_its_caption(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    path = save_png(picture, tmp_path / "new" / "a.png", "step 3, λ = 10")
    with Image.open(path) as image:
        assert (np.asarray(image) == picture).all()
        assert image.info["Description"] == "step 3, λ = 10"
    assert [file.name for file in path.parent.iterdir()] == ["a.png"]


@pytest.mark.parametrize("with_csv", [False, True])
def test_without_a_picture_logger_a_file_appears_in_the_runs_own_directory(
    tmp_path: Path, with_csv: bool
) -> None:
    loggers = [CSVLogger(tmp_path, "digits", "first")] if with_csv else []
    trainer = trainer_with(tmp_path, *loggers)
    path = log_picture(trainer, "samples", np.zeros((2, 2, 3), np.uint8), 40, "step 40")
    home = tmp_path / "digits" / "first" if with_csv else tmp_path
    assert path == home / "images" / "samples" / "40.png"
    assert path.is_file()


def test_tensorboard_gets_the_picture_and_no_file_is_written(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoardLogger(tmp_path, "board")
    picture = np.zeros((6, 4, 3), np.uint8)
    trainer = trainer_with(tmp_path, logger)
    assert log_picture(trainer, "samples", picture, 40, "step 40") is None
    logger.finalize("success")
    events = EventAccumulator(str(logger.log_dir), size_guidance={"images": 0})
    (image,) = events.Reload().Images("samples")
    assert (image.step, image.width, image.height) == (40, 4, 6)
    assert not list(tmp_path.rglob("*.png"))


def test_other_ranks_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "is_global_zero", property(lambda _: False))
    trainer = trainer_with(tmp_path)
    assert log_picture(trainer, "a", np.zeros((2, 2, 3), np.uint8), 1, "") is None
    assert not list(tmp_path.rglob("*.png"))


def test_a_smoke_run_writes_no_picture(tmp_path: Path) -> None:
    trainer = Trainer(
        accelerator="cpu", logger=False, default_root_dir=tmp_path, fast_dev_run=1
    )
    for write in (log_picture, write_picture):
        assert write(trainer, "a", np.zeros((2, 2, 3), np.uint8), 1, "") is None
    assert not list(tmp_path.iterdir())
