"""Summaries, configuration and artifacts for Weights & Biases."""

import os
import warnings
import weakref
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger
from typing_extensions import override

from callbacks.core.loggers import run_directory
from callbacks.report.meanings import MEANINGS
from callbacks.runs.ema import averaged_network
from callbacks.runs.export_network import ExportNetwork
from callbacks.runs.run_config import RunConfig, provenance
from lightning_modules.core.lightning_internals import (
    given_wandb_id,
    open_again,
    set_wandb_id,
)
from lightning_modules.core.recipe import recipe_of, save_network
from lightning_modules.data_contracts.contracts import DrawsSamples, Monitored

STEP = "trainer/global_step"  # Lightning's name of the axis

SUMMARIES = {
    "val/*": "min",
    "test/*": "min",
    "val/accuracy*": "max",
    "test/accuracy*": "max",
    **{
        f"{stage}{name.removeprefix('*')}": "max"
        for name, meaning in MEANINGS.items()
        for stage in ("val", "test")
        if meaning.better == "higher"
    },
    "train/wasserstein*": "min,max,last",
}


class WandbRun(Callback):
    """Tells W&B a run's configuration, the best values of its metrics and its network.

    With a ``WandbLogger`` among the loggers it

    * defines the summary of each metric: the greatest value of those of validation
      and test of which higher is better, the least of the others, and the module's own
      ``monitor`` by its ``mode``;
    * stores the full resolved configuration, the commit and the package versions in
      the run's config;
    * uploads the exported generator as an artifact when training ends (checkpoints
      go up by the logger's own ``log_model``);
    * keeps the run's id in the checkpoint, see `continue_wandb_run`;
    * ends a run that another logger of this process has left open, where Lightning
      would go on in it.

    Everything also works offline (``WANDB_MODE=offline``) and without an account.
    Without a ``WandbLogger``, and on ranks above 0, it does nothing.

    Args:
        summaries: Summary by metric name, added to the default ones; a name may end
            in ``*``, a summary is one of min, max, mean, last, or several with
            commas.
    """

    def __init__(self, summaries: dict[str, str] | None = None) -> None:
        self.summaries = SUMMARIES | (summaries or {})
        self.run_id: str | None = None
        self._defining: WandbLogger | None = None

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Define metrics and describe the run, once it has been opened."""
        logger = _wandb_logger(trainer)
        if logger is None:
            return
        _open_own_run(logger)
        summaries = dict(self.summaries)
        if isinstance(pl_module, Monitored):
            summaries[pl_module.monitor] = pl_module.mode
        self._define_before_logging(logger, summaries)
        logger.experiment.config.update(_description(trainer), allow_val_change=True)

    def _define_before_logging(
        self, logger: WandbLogger, summaries: Mapping[str, str]
    ) -> None:
        # W&B applies any one of the patterns that match a name, and Lightning has
        # defined "*": only whole names are certain, and they are known when logged.
        if self._defining is logger:
            return
        self._defining, defined = logger, set[str]()
        log_metrics = logger.log_metrics

        def define_and_log(metrics: Mapping[str, Any], step: int | None = None) -> None:
            for name in set(metrics) - defined:
                defined.add(name)
                summary = summary_of(name, summaries)
                if summary is not None:
                    logger.experiment.define_metric(
                        name, step_metric=STEP, step_sync=True, summary=summary
                    )
            log_metrics(metrics, step)

        logger.log_metrics = define_and_log  # type: ignore[method-assign]

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say so if a resumed run has been opened as a new one by mistake."""
        logger = _wandb_logger(trainer)
        if logger is None:
            return
        opened = logger.version
        if self.run_id not in (None, opened) and given_wandb_id(logger) is None:
            warnings.warn(
                f"The checkpoint belongs to W&B run {self.run_id}, but the logger has "
                f"opened run {opened}: call callbacks.continue_wandb_run(trainer, "
                "ckpt_path) before trainer.fit, or give WandbLogger this id.",
                stacklevel=2,
            )
        self.run_id = opened

    @override
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Upload the exported generator; by now `ExportNetwork` has written it."""
        logger = _wandb_logger(trainer)
        generator = dict(pl_module.named_children()).get("generator")
        recipe = None if generator is None else recipe_of(generator)
        if logger is None or recipe is None or not isinstance(pl_module, DrawsSamples):
            return
        import wandb

        path = _exported(trainer, pl_module)
        artifact = wandb.Artifact(
            f"generator-{logger.version}",
            type="model",
            metadata={"step": trainer.global_step, "recipe": recipe},
        )
        artifact.add_file(str(path))
        logger.experiment.log_artifact(artifact)

    @override
    def state_dict(self) -> dict[str, Any]:
        """The id of the W&B run; empty where there is none."""
        return {"run_id": self.run_id} if self.run_id else {}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember which run the checkpoint belongs to."""
        self.run_id = state_dict.get("run_id")


def summary_of(name: str, summaries: Mapping[str, str]) -> str | None:
    """The summary of the longest pattern that matches a metric's name.

    >>> summary_of("val/accuracy", {"val/*": "min", "val/accuracy*": "max"})
    'max'
    """
    matching = [pattern for pattern in summaries if fnmatchcase(name, pattern)]
    return summaries[max(matching, key=len)] if matching else None


def continue_wandb_run(
    trainer: Trainer, ckpt_path: str | os.PathLike[str] | None
) -> None:
    """Let a resumed run go on in the W&B run that its checkpoint names.

    Lightning opens the run before it reads the checkpoint, so the id must be known
    earlier: call this between making the trainer and ``trainer.fit(ckpt_path=...)``,
    as ``train.py`` does. An id that the user gave to the logger stays, and so does
    everything where there is no checkpoint file or no id in it.

    Args:
        trainer: The trainer whose ``WandbLogger`` is to continue.
        ckpt_path: The checkpoint that training will go on from.
    """
    logger = _first(trainer.loggers)
    if logger is None or logger.version is not None or ckpt_path is None:
        return
    run_id = wandb_run_id(ckpt_path) if Path(ckpt_path).is_file() else None
    if run_id is not None:
        set_wandb_id(logger, run_id)


def wandb_run_id(ckpt_path: str | os.PathLike[str]) -> str | None:
    """The id of the W&B run that wrote a checkpoint, or None if none did."""
    checkpoint = torch.load(ckpt_path, map_location="cpu", weights_only=True, mmap=True)
    state = checkpoint.get("callbacks", {}).get(WandbRun.__qualname__, {})
    run_id: str | None = state.get("run_id")
    return run_id


_owners: dict[str, "weakref.ref[WandbLogger]"] = {}  # of the runs by their ids


def _open_own_run(logger: WandbLogger) -> None:
    """Open the logger's run, and not another logger's that is still open."""
    found = str(logger.experiment.id)
    owner = _owners.get(found)
    if owner is not None and owner() is not logger and given_wandb_id(logger) != found:
        finish_open_run()
        open_again(logger)
    _owners[str(logger.experiment.id)] = weakref.ref(logger)


def finish_open_run() -> None:
    """End the W&B run that is open in this process, if there is one."""
    import wandb

    if wandb.run is not None:
        wandb.finish()


def _wandb_logger(trainer: Trainer) -> WandbLogger | None:
    return _first(trainer.loggers) if trainer.is_global_zero else None


def _first(loggers: Iterable[object]) -> WandbLogger | None:
    return next((one for one in loggers if isinstance(one, WandbLogger)), None)


def _description(trainer: Trainer) -> dict[str, Any]:
    configs = [one for one in trainer.callbacks if isinstance(one, RunConfig)]  # type: ignore[attr-defined]
    resolved = configs[0].resolved if configs else {}
    return {**resolved, "run": provenance()}


def _exported(trainer: Trainer, pl_module: LightningModule) -> Path:
    path = run_directory(trainer) / "generator.safetensors"
    exports = [one for one in trainer.callbacks if isinstance(one, ExportNetwork)]  # type: ignore[attr-defined]
    if not any(one.network == "generator" for one in exports):
        with averaged_network(trainer, pl_module) as generator:
            save_network(generator, path)
    return path
