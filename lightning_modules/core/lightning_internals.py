"""Register of the private names of Lightning, torch and jsonargparse that are used.

Whatever has no public name there is reached through this file alone, one function for
each purpose, and each has a test that fails with the function's name and its users when
a release changes it. Seen in lightning 2.6.6, torch 2.15.0, jsonargparse 4.53.0 and
wandb 0.31. Two more facts are relied on where a function can't stand between, and
tested in the same place: ``nn.Module.to`` goes through ``_apply`` (metrics.features),
and torch is compiling only once ``torch._dynamo`` is loaded (functional.lipschitz).
"""

import inspect
import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as pl
import torch
import yaml
from jsonargparse import (
    _actions,
    _common,
    _core,
    _paths,
    _typehints,
    _util,
    set_parsing_settings,
)
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.core.mixins import hparams_mixin
from lightning.pytorch.loggers import Logger, WandbLogger
from lightning.pytorch.loggers.logger import DummyLogger
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.strategies import DDPStrategy, Strategy
from lightning.pytorch.trainer.connectors.checkpoint_connector import (
    _CheckpointConnector,
)
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.parsing import collect_init_args
from torch import Tensor, nn
from torch._functorch import config as functorch
from torch.distributed.device_mesh import DeviceMesh
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.optim import Optimizer
from typing_extensions import override

# Trainer ------------------------------------------------------------------------------


def is_resumed(trainer: pl.Trainer) -> bool:
    """Whether the run goes on from a checkpoint.

    Also from one that a cluster's requeue left, which is not in ``trainer.ckpt_path``.
    """
    connector = trainer._checkpoint_connector
    return bool(trainer.ckpt_path or connector._hpc_resume_path)


def is_fitting(trainer: pl.Trainer) -> bool:
    """Whether ``fit`` runs, in its validation and sanity check too."""
    return trainer.state.fn == TrainerFn.FITTING


def end_finished_epoch(checkpoint: dict[str, Any]) -> None:
    """Let a checkpoint of an epoch's last batch count that epoch as finished.

    Lightning counts the epoch that follows as the same one. A checkpoint of that,
    resumed in turn, would repeat an epoch, or a part of one.
    """
    loops = checkpoint.get("loops", {}).get("fit_loop", {})
    batches: Any = loops.get("epoch_loop.batch_progress")
    if not batches or not batches["is_last_batch"]:
        return
    batches["is_last_batch"] = False
    batches["total"]["completed"] = batches["total"]["processed"]
    batches["current"] = dict.fromkeys(batches["current"], 0)
    for counts in (
        loops["epoch_progress"]["total"],
        loops["epoch_progress"]["current"],
    ):
        counts["processed"] = counts["completed"] = counts["started"]


def raised_in_restoring(error: BaseException) -> bool:
    """Whether Lightning was loading a checkpoint when the error was raised."""
    loads = {
        function.__code__
        for name, function in vars(_CheckpointConnector).items()
        if name.startswith(("restore", "_restore", "resume_start"))
    }
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code in loads for frame, _ in frames)


def request_stop(trainer: pl.Trainer) -> None:
    """Let the loops end as after SIGTERM: with an exception, when a batch is over."""
    trainer._signal_connector.received_sigterm = True


def validation_follows(trainer: pl.Trainer) -> bool:
    """Whether a validation comes right after the training batch that just ended."""
    loop = trainer.fit_loop
    assert loop._data_fetcher is not None
    return loop.epoch_loop._should_check_val_fx(loop._data_fetcher)


def batches_in_flight(trainer: pl.Trainer) -> int:
    """Batches of the epoch that were fetched and are not yet trained on: 0 or 1."""
    progress: Any = trainer.fit_loop.epoch_loop.batch_progress.current
    return int(progress.ready - progress.processed)


def batches_trained(trainer: pl.Trainer) -> int:
    """Batches that were trained on since the first step, over all resumed runs."""
    progress: Any = trainer.fit_loop.epoch_loop.batch_progress.total
    return int(progress.processed)


def epoch_sums(trainer: pl.Trainer) -> dict[str, list[Tensor]]:
    """What was logged by epoch and not yet written, as far as it has added up.

    Returns:
        By Lightning's key, the value, and behind it the rows of a mean; nothing once
        the epoch's last batch is over. Metrics of torchmetrics keep their own state.
    """
    loop = trainer.fit_loop.epoch_loop
    if loop.batch_progress.is_last_batch:
        return {}
    return {
        key: [one.value, one.cumulated_batch_size]
        if one.meta.is_mean_reduction
        else [one.value]
        for key, one in loop._results.items()
        if one.is_tensor and one.meta.on_epoch and not one.has_reset
    }


def add_epoch_sums(trainer: pl.Trainer, sums: dict[str, list[Tensor]]) -> None:
    """Add what `epoch_sums` returned to what the same keys have logged since.

    Args:
        trainer: One that was resumed in the middle of the epoch.
        sums: Loses the keys that were added; the others have logged nothing yet.
    """
    results = trainer.fit_loop.epoch_loop._results
    for key in [key for key in sums if key in results and not results[key].has_reset]:
        one, (value, *rows) = results[key], sums.pop(key)
        value, now = value.to(one.value.device), one.value
        for number in rows:
            one.cumulated_batch_size += number.to(value.device)
        adds = rows or one.meta.is_sum_reduction
        one.value = value + now if adds else one.meta.reduce_fx(value, now)


def attached_trainer(module: pl.LightningModule) -> pl.Trainer | None:
    """The module's trainer, or None, where ``module.trainer`` would raise."""
    return module._trainer


def real_loggers(trainer: pl.Trainer) -> list[Logger]:
    """The loggers, without the one that stands in for none under ``fast_dev_run``."""
    return [one for one in trainer.loggers if not isinstance(one, DummyLogger)]


_OF_NO_USE = ("💡", "TPU available: False", "to estimate number of stepping batches")


def silence_tips() -> None:
    """Keep Lightning from advertising other packages and telling what is of no use.

    Torch says that Lightning uses it in an old way, which no user can change.
    """
    logger = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    logger.addFilter(lambda one: not any(t in one.getMessage() for t in _OF_NO_USE))
    warnings.filterwarnings("ignore", ".*treespec, LeafSpec.*", FutureWarning)


def set_logger_step(trainer: pl.Trainer, step: int) -> None:
    """Have Lightning log at a step, where it would log at the number of batches."""
    trainer.fit_loop.epoch_loop._batches_that_stepped = step


def set_root_directory(trainer: pl.Trainer, path: Path) -> None:
    """Set ``default_root_dir``, where all goes that no logger has a place for."""
    trainer._default_root_dir = str(path)  # type: ignore[attr-defined]


def saves_by_the_clock(callback: ModelCheckpoint) -> bool:
    """Whether it is Lightning's own, whose interval of time has no effect here."""
    is_own = not isinstance(callback, OpenCheckpoint)
    return is_own and callback._train_time_interval is not None


# Strategies and precision -------------------------------------------------------------


def ddp_options(strategy: DDPStrategy) -> dict[str, Any]:
    """Keywords that DDP will wrap the module with; changes count until set-up."""
    return strategy._ddp_kwargs


def device_mesh(strategy: Strategy) -> DeviceMesh | None:
    """The mesh of devices of a model parallel strategy; None for others."""
    # Only these strategies have the attribute.
    mesh: DeviceMesh | None = getattr(strategy, "_device_mesh", None)
    return mesh


def gradient_scale(trainer: pl.Trainer, optimizer: Optimizer) -> float:
    """What the gradients that the optimizer is about to use are multiplied by.

    Mixed precision in float16 scales losses, and unscales the gradients before the
    step; only a fused optimizer does that by itself, within the step.
    """
    plugin = trainer.precision_plugin
    scaler = plugin.scaler if isinstance(plugin, MixedPrecision) else None
    if scaler is None or not hasattr(optimizer, "_step_supports_amp_scaling"):
        return 1.0
    return scaler.get_scale()


# Arguments ----------------------------------------------------------------------------


def built_by_cli() -> bool:
    """Whether LightningCLI is building a module, and so knows its config."""
    return hparams_mixin._given_hyperparameters.get() is not None


def constructor_arguments(frame: FrameType) -> dict[str, Any]:
    """Arguments of the constructors of a LightningModule that are running.

    Args:
        frame: That of the outermost constructor's body, or one that it called.

    Returns:
        Argument by name, of subclasses and of their bases.
    """
    parts = collect_init_args(frame, [], classes=(hparams_mixin.HyperparametersMixin,))
    return {name: value for part in parts for name, value in part.items()}


# Networks -----------------------------------------------------------------------------


def mixes_rows(network: nn.Module) -> bool:
    """Whether the network has batch normalisation, so that rows depend on others."""
    return any(isinstance(layer, _BatchNorm) for layer in network.modules())


def has_stochastic_layers(network: nn.Module) -> bool:
    """Whether the network has dropout of units, channels or whole branches."""
    return any(
        isinstance(layer, _DropoutNd)
        # those of torchvision and timm, which need not be installed
        or type(layer).__name__ in ("StochasticDepth", "DropPath")
        for layer in network.modules()
    )


def is_normalisation(layer: nn.Module) -> bool:
    """Whether the layer normalises by batch, group, layer or instance."""
    return isinstance(layer, _BatchNorm | nn.GroupNorm | nn.LayerNorm | _InstanceNorm)


def lerp_all_(ends: Sequence[Tensor], others: Sequence[Tensor], weight: float) -> None:
    """Move each tensor towards another, in place and in one kernel for all.

    >>> mean = torch.zeros(2)
    >>> lerp_all_([mean], [torch.ones(2)], 0.25)
    >>> mean
    tensor([0.2500, 0.2500])
    """
    torch._foreach_lerp_(list(ends), list(others), weight)


@contextmanager
def compiling_backward_at_once() -> Iterator[None]:
    """Within the block a function's backward pass is compiled with its forward pass.

    What can't be compiled of it fails there, and not at the first ``backward``.
    """
    with functorch.patch(force_non_lazy_backward_lowering=True):
        yield


# Command line and loggers -------------------------------------------------------------


class ConfigDecides(LightningCLI):
    """LightningCLI where a checkpoint's arguments don't win over the command line's.

    The config says what the model is, and the checkpoint has to fit. Only the
    subcommand that the command line begins with gets its options, as those of all four
    take four times as long to list.
    """

    @override
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        words = kwargs.get("args")
        first = next(iter(sys.argv[1:] if words is None else words), None)
        self._asked = first if first in self.subcommands() else None
        super().__init__(*args, **kwargs)

    @override
    def _prepare_subcommand_parser(
        self, klass: type, subcommand: str, **kwargs: Any
    ) -> LightningArgumentParser:
        if self._asked in (None, subcommand):
            return super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        return self.init_parser(**kwargs)

    @override
    def _parse_ckpt_path(self) -> None:
        pass

    @override
    def _dump_config(self) -> None:
        """Keep the configuration as plain values, without checking it once more."""
        if "config_dump" in vars(self):
            return
        options = {"skip_link_targets": False, "skip_none": False}
        text = self.parser.dump(self.config, **options, skip_validation=True)
        values, subcommand = yaml.safe_load(text), self.config.get("subcommand")
        self.config_dump = values[subcommand] if subcommand else values

    @property
    def option_names(self) -> set[str]:
        """Keys that a subcommand takes."""
        parsers = self._subcommand_parsers
        parser = parsers[self._asked or next(iter(parsers))]
        return {action.dest for action in parser._actions}


def describe_subcommands(
    parser: LightningArgumentParser, texts: Mapping[str, str]
) -> None:
    """Set the sentence that ``--help`` shows for each subcommand."""
    subcommands = parser._subcommands_action
    assert subcommands is not None
    for choice in subcommands._choices_actions:
        choice.help = texts[choice.dest]


@contextmanager
def watched_class_changes(
    changed: Callable[[str, str, dict[str, Any]], Iterable[str]],
) -> Iterator[None]:
    """Decide what becomes of settings when the parser replaces a class by another.

    jsonargparse keeps all whose names the new class has too, from a file or an option
    that came before.

    Args:
        changed: Called with the paths of the old and the new class and with the
            settings that would be kept; returns the names of those to drop.
    """
    original: Any = _typehints.discard_init_args_on_class_path_change

    def discard(parser: Any, previous: Any, value: Any) -> None:
        given = (previous.get("init_args") if previous else None) or {}
        given = given if isinstance(given, dict) else vars(given)
        before = dict(given)
        original(parser, previous, value)
        if before and previous["class_path"] != value["class_path"]:
            paths = previous["class_path"], value["class_path"]
            for name in changed(*paths, before):
                given.pop(name, None)

    _typehints.discard_init_args_on_class_path_change = discard
    try:
        yield
    finally:
        _typehints.discard_init_args_on_class_path_change = original


@contextmanager
def classes_alone(allowed: list[str] | None = None) -> Iterator[list[str]]:
    """Let values that jsonargparse parses name classes, and nothing else, for a while.

    It would also call a function whose annotation says that it returns what is needed,
    and import whatever a value names.

    Args:
        allowed: Packages, modules or classes that values may name; None: all but those
            that jsonargparse knows to be dangerous (``os``, ``subprocess`` and so on).

    Yields:
        The names that were refused until now.
    """
    refused: list[str] = []
    settings, original = dict(_common.parsing_settings), _util.import_object

    def import_class(name: str, check_path: bool = True) -> Any:
        try:
            found = original(name, check_path)
            if check_path and callable(found) and not inspect.isclass(found):
                raise _common.ImportDenied(f"{name} is a function and not a class.")
        except _common.ImportDenied:
            refused.append(name)
            raise
        return found

    denied = [] if allowed is None else ["*"]
    set_parsing_settings(import_path_denylist=denied, import_path_allowlist=allowed)
    for module in (_actions, _typehints):
        module.import_object = import_class  # type: ignore[attr-defined]
    try:
        yield refused
    finally:
        _common.parsing_settings.update(settings)
        for module in (_actions, _typehints):
            module.import_object = original  # type: ignore[attr-defined]


@contextmanager
def may_lack(names: Collection[str] | None = None) -> Iterator[None]:
    """Let the parser accept that classes lack required arguments, for a while.

    Args:
        names: Of these arguments; None: of all.
    """
    module: Any = _core
    original = module.iter_required_keys

    def required(parser: Any) -> Iterator[str]:
        return (key for key in original(parser) if names and key not in names)

    module.iter_required_keys = required
    try:
        yield
    finally:
        module.iter_required_keys = original


@contextmanager
def nulls_read() -> Iterator[None]:
    """Let ``--model.extractor.weights null`` mean null, and not the text None.

    jsonargparse parses the value of a class within a class, and hands it on as text.
    """
    original: Any = _typehints.adapt_class_type

    def adapt(value: Any, *args: Any, **kwargs: Any) -> Any:
        nested = value.get("init_args")
        if isinstance(nested, _util.NestedArg) and nested.val is None:
            value["init_args"] = nested._replace(val="null")
        return original(value, *args, **kwargs)

    _typehints.adapt_class_type = adapt
    try:
        yield
    finally:
        _typehints.adapt_class_type = original


@contextmanager
def reading_configs_by(read: Callable[[Path], str]) -> Iterator[None]:
    """Let jsonargparse read the files that options name by a function, for a while.

    Args:
        read: Returns the text of a file, or raises; standard input is left alone.
    """
    original = _paths.Path.read_text

    def read_text(path: _paths.Path) -> str:
        return original(path) if path._std_io else read(Path(path.absolute))

    _paths.Path.read_text = read_text  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        _paths.Path.read_text = original  # type: ignore[method-assign]


def given_wandb_id(logger: WandbLogger) -> str | None:
    """The id that the run was asked to have; None where W&B chooses it."""
    run_id: str | None = logger._wandb_init.get("id")
    return run_id


def set_wandb_id(logger: WandbLogger, run_id: str) -> None:
    """Let a logger that has opened no run yet go on in an earlier one."""
    logger._id = logger._wandb_init["id"] = run_id


def leave_out_anonymous(logger: WandbLogger) -> None:
    """Keep Lightning from giving W&B a setting without a value, of which W&B warns."""
    if logger._wandb_init.get("anonymous") is None:
        logger._wandb_init.pop("anonymous", None)


def open_again(logger: WandbLogger) -> None:
    """Let a logger open a run of its own, in the place of one that it found open."""
    logger._experiment = None
    logger._id = given_wandb_id(logger)


# Callbacks ----------------------------------------------------------------------------


def state_key(callback: pl.Callback, **settings: Any) -> str:
    """Name of the callback's state in a checkpoint, one for each of the settings."""
    return callback._generate_state_key(**settings)


class OpenCheckpoint(ModelCheckpoint):
    """`ModelCheckpoint` whose inner parts have public names, to read and to override.

    Takes the arguments of `ModelCheckpoint` and behaves alike.
    """

    @property
    def update_interval(self) -> int:
        """``every_n_train_steps``; 0 where it was not set."""
        return self._every_n_train_steps

    @property
    def epoch_interval(self) -> int:
        """``every_n_epochs``; 0 where it was not set."""
        return self._every_n_epochs

    @property
    def seconds(self) -> float | None:
        """``train_time_interval``; None where it was not set."""
        interval = self._train_time_interval
        return None if interval is None else interval.total_seconds()

    @property
    def last_time(self) -> float:
        """When time was last started to be counted, on ``time.monotonic``'s clock."""
        return self._last_time_checked or 0.0

    @last_time.setter
    def last_time(self, now: float) -> None:
        self._last_time_checked = now

    @property
    def last_step(self) -> int:
        """The step of the newest checkpoint; none is written twice at one step."""
        return self._last_global_step_saved

    @last_step.setter
    def last_step(self, step: int) -> None:
        self._last_global_step_saved = step

    @property
    def is_local(self) -> bool:
        """Whether ``dirpath`` is on a file system of this machine."""
        return "file" in self._fs.protocol

    def may_save(self, trainer: pl.Trainer) -> bool:
        """Whether this is a fit whose present step has not been saved."""
        return not self._should_skip_saving_checkpoint(trainer)

    def saves_before_validation(self, trainer: pl.Trainer) -> bool:
        """Whether an epoch's checkpoint is due at its end, not after a validation."""
        return self._should_save_on_train_epoch_end(trainer)

    def save_ranked(self, trainer: pl.Trainer) -> None:
        """Save if ``monitor`` is among the best, or in any case where there is none."""
        self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))

    def save_newest(self, trainer: pl.Trainer) -> None:
        """Save ``last.ckpt`` if ``save_last`` asks for it."""
        self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def write(self, trainer: pl.Trainer, filepath: str) -> None:
        """Write one file, and tell the loggers; called on all ranks."""
        super()._save_checkpoint(trainer, filepath)

    def note_saved(self, trainer: pl.Trainer, filepath: str) -> None:
        """Remember the file as the newest one, to which ``last.ckpt`` may link."""
        self._last_global_step_saved = trainer.global_step
        self._last_checkpoint_saved = filepath

    def name_values(self, trainer: pl.Trainer) -> dict[str, Tensor]:
        """Values that ``monitor`` and file names may name, as scalars."""
        return super()._monitor_candidates(trainer)

    @override
    def _save_checkpoint(self, trainer: pl.Trainer, filepath: str) -> None:
        self.write(trainer, filepath)

    @override
    def _monitor_candidates(self, trainer: pl.Trainer) -> dict[str, Tensor]:
        return self.name_values(trainer)
