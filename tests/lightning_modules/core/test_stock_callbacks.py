"""Every callback of Lightning works with every family of methods, or is refused."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch import callbacks as stock
from lightning.pytorch.callbacks.spike import SpikeDetection
from lightning.pytorch.loggers import CSVLogger

from lightning_modules import CML, EASE, WDGRL, WGANGP, Classifier, MetricLearner
from tests.support.games import logged
from tests.support.methods import build
from tests.support.trainers import QUIET_TRAINER

FAMILIES = [WGANGP, WDGRL, MetricLearner, Classifier, CML, EASE]
Make = Callable[[Path, str], Callback]
WORKS: dict[str, Make] = {
    "steps": lambda d, _: stock.ModelCheckpoint(
        d, every_n_train_steps=2, save_top_k=-1
    ),
    "epochs": lambda d, _: stock.ModelCheckpoint(d, save_top_k=-1),
    "best": lambda d, monitor: stock.ModelCheckpoint(
        d, monitor=monitor, save_top_k=2, save_last=True
    ),
    "stopping": lambda _, monitor: stock.EarlyStopping(monitor, patience=1),
    "rates": lambda *_: stock.LearningRateMonitor(),
    "rich": lambda *_: stock.RichProgressBar(),
    "tqdm": lambda *_: stock.TQDMProgressBar(),
    "timer": lambda *_: stock.Timer("00:00:01:00"),
    "summary": lambda *_: stock.RichModelSummary(),
}
NO_WEIGHTS = "does not work with manual optimisation: embeddings are made when"
REFUSED: dict[str, tuple[Make, str]] = {
    "batch size": (lambda *_: stock.BatchSizeFinder(), "set data.batch_size and rem"),
    "rate": (lambda *_: stock.LearningRateFinder(), "set the optimizers' rates and"),
    "backbone": (lambda *_: stock.BackboneFinetuning(), "a part named 'backbone'"),
    "spike": (lambda *_: SpikeDetection(), "it needs one loss a batch: remove it"),
    "clock": (
        lambda d, _: stock.ModelCheckpoint(d, train_time_interval=timedelta(seconds=1)),
        "its train_time_interval never passes: use callbacks.Checkpoint",
    ),
    "metric": (
        lambda *_: stock.EarlyStopping("val_loss"),
        "monitors 'val_loss', which no validation measures: monitor 'val/",
    ),
    "accumulation": (
        lambda *_: stock.GradientAccumulationScheduler({0: 2}),
        "not supported for",
    ),
}

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*can be set to a number between 0 and 1:UserWarning",
    "ignore:.*Found .* module.* in eval mode",
    # it is the state after the step that a checkpoint of a step should hold
    "ignore:Using ModelCheckpoint with manual optimization",
)


def fitted(
    method: Any, make: Make, folder: Path, **options: Any
) -> tuple[Trainer, LightningModule]:
    """Three epochs of at least seven batches, each with a validation."""
    torch.manual_seed(0)
    arguments = {"n_critic": 2} if method in (WGANGP, WDGRL) else {}
    module, data = build(method, **arguments)
    callback = make(folder, str(module.monitor))
    saves = isinstance(callback, stock.ModelCheckpoint)
    bar = isinstance(callback, stock.ProgressBar)
    shown = {"enable_checkpointing": saves, "enable_progress_bar": bar, **options}
    trainer = Trainer(max_epochs=3, callbacks=[callback], **(QUIET_TRAINER | shown))
    trainer.fit(module, data)
    return trainer, module


@pytest.mark.parametrize("method", FAMILIES, ids=lambda cls: cls.__name__)
def test_files_of_lightnings_checkpoint_hold_the_step_that_they_name(
    method: Any, tmp_path: Path
) -> None:
    make = {"a": WORKS["steps"], "b": WORKS["epochs"], "c": WORKS["best"]}
    for folder, maker in make.items():
        trainer, _ = fitted(method, maker, tmp_path / folder)
        files = sorted((tmp_path / folder).glob("epoch=*.ckpt"))
        held = {f.name: torch.load(f, weights_only=True)["global_step"] for f in files}
        assert all(name.endswith(f"-step={step}.ckpt") for name, step in held.items())
        if folder == "a":
            assert sorted(held.values()) == list(range(2, trainer.global_step + 1, 2))
        assert "step" not in trainer.callback_metrics


@pytest.mark.parametrize(
    "name", [n for n in WORKS if n not in ("steps", "epochs", "best")]
)
@pytest.mark.parametrize("method", FAMILIES, ids=lambda cls: cls.__name__)
def test_a_callback_of_lightning_changes_no_step(
    method: Any, name: str, tmp_path: Path
) -> None:
    logger = CSVLogger(tmp_path, "logs")
    options = {"logger": logger, "log_every_n_steps": 1}
    trainer, module = fitted(method, WORKS[name], tmp_path, **options)
    assert trainer.global_step == (0 if method is EASE else module.steps_made)
    if module.monitor in trainer.callback_metrics:
        steps = list(logged(logger, str(module.monitor)))
        assert steps[-1] == trainer.global_step
        assert steps == sorted(steps)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("method", FAMILIES, ids=lambda cls: cls.__name__)
def test_a_callback_that_can_not_work_is_refused_in_a_sentence(
    method: Any, name: str, tmp_path: Path
) -> None:
    make, sentence = REFUSED[name]
    with pytest.raises((ValueError, RuntimeError)) as refused:
        fitted(method, make, tmp_path)
    assert sentence in str(refused.value)


@pytest.mark.parametrize("kind", [stock.WeightAveraging, stock.ModelPruning])
@pytest.mark.parametrize("method", [CML, EASE], ids=lambda cls: cls.__name__)
def test_what_copies_weights_at_the_start_is_refused_where_there_are_none(
    method: Any, kind: Any, tmp_path: Path
) -> None:
    options = {"pruning_fn": "l1_unstructured"} if kind is stock.ModelPruning else {}
    with pytest.raises(ValueError, match=f"{kind.__name__} {NO_WEIGHTS}"):
        fitted(method, lambda *_: kind(**options), tmp_path)
