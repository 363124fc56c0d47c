"""The base of every method: learners, evaluation, records, exact resume."""

import inspect
import os
import warnings
from argparse import ArgumentError
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, ClassVar, Self

import torch
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

from lightning_modules.core.alternating import Turns, Warmup, frozen
from lightning_modules.core.compiled import Compiler, P, R
from lightning_modules.core.distributed import data_ranks, rows_of_all_ranks
from lightning_modules.core.evaluation import Evaluator, Values
from lightning_modules.core.files import check_kinds, check_undamaged
from lightning_modules.core.hparams import (
    building,
    plain_arguments,
    refused_value,
    unfitting_weights,
)
from lightning_modules.core.lightning_internals import (
    attached_trainer,
    built_by_cli,
    constructor_arguments,
    end_finished_epoch,
    is_fitting,
    is_resumed,
    set_logger_step,
)
from lightning_modules.core.monitors import refuse_monitors
from lightning_modules.core.old_files import (
    count_steps_manually,
    load_upgraded,
)
from lightning_modules.core.optimisation import (
    MANUAL_OPTIMISATION,
    Learner,
    OptimizerSpec,
    check_states,
    check_trainable,
    clip_gradients,
    make_optimizers,
    steps_of_run,
)
from lightning_modules.core.pretrained import load_model
from lightning_modules.core.random import RandomStream, own_state
from lightning_modules.core.records import Divergence, Records
from lightning_modules.core.stock_callbacks import refuse_callbacks
from lightning_modules.core.strategies import Descent, prepare_strategy
from lightning_modules.data_contracts.batches import explained
from lightning_modules.data_contracts.contracts import DataKind, check_kind, data_of


class AlternatingModule(LightningModule):
    """Learners that take turns, by manual optimisation.

    A method states its `learners`: what descends which objective, how often and
    against whom. On each batch they take their turns in that order; those that wait
    do so until a counted step is due, every ``batches_per_step`` batches.
    ``trainer.global_step``, ``max_steps``, checkpoint intervals and the loggers' axis
    count these steps, the unit of the papers: generator updates, encoder updates.

    Checkpoints load without pickled code and resume exactly.

    Args:
        evaluator: Validation and test.
        batches_per_step: Batches between two counted steps.
        warmup: More batches before certain steps, or None.
        compile: Have torch compile what the objectives are made of. The first step
            then takes a minute or so; losses are the same up to rounding.

    Attributes:
        monitor: The validation metric that matters for this method.
        mode: ``"min"`` or ``"max"``: which way ``monitor`` is better.
        takes: Kinds of data that it learns from.
        noise: Random numbers of this rank for training, saved in the checkpoint.
        records: Values of the running step.
        divergence: Watch over losses and weights.
        step_ended: Whether the last batch ended a counted step.
        begins: Whether no batch of this fit has ended: what waits for a device and is
            told once belongs there.
        turns: The place in the schedule.

    Raises:
        ValueError: If an argument is out of its range.
    """

    monitor: ClassVar[str]
    mode: ClassVar[str] = "min"
    takes: ClassVar[Sequence[DataKind]] = ("samples",)
    alternates: ClassVar[bool] = True
    """Whether some weights get no gradients in some backward passes: DDP has to know,
    and weights can't be sharded or change their type."""
    refused_trainer_flags: ClassVar[Mapping[str, str]] = MANUAL_OPTIMISATION
    """Flags of the trainer that have to keep their default; why, and what to do."""
    follows: ClassVar[Mapping[str, str]] = {}
    """What each argument is that a config may leave out, since it follows from the data
    or from another network: ``{"critic.shape": "data.shape"}``."""
    averaged_name: ClassVar[str | None] = None
    """The network whose running average is worth having, or None."""
    noise: RandomStream

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give lambdas that are default arguments a name, by which they are pickled."""
        super().__init_subclass__(**kwargs)
        if "__init__" not in vars(cls):  # its parent's
            return
        for parameter in inspect.signature(cls.__init__).parameters.values():
            default, name = parameter.default, f"default_{parameter.name}"
            if inspect.isfunction(default) and default.__name__ == "<lambda>":
                default.__module__ = cls.__module__
                default.__qualname__ = f"{cls.__qualname__}.{name}"
                setattr(cls, name, staticmethod(default))

    def __init__(
        self,
        evaluator: Evaluator[Any],
        *,
        batches_per_step: int = 1,
        warmup: Warmup | None = None,
        compile: bool = False,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.evaluator, evaluator.module = evaluator, self
        self.turns = Turns(batches_per_step, warmup)
        self.records, self.step_ended, self.begins = Records(self), False, False
        self.divergence = Divergence(self)
        self._descent = Descent(self, AlternatingModule)
        self._compiler = Compiler(compile)
        self._noise_states: Tensor | None = None
        self._steps_loaded = 0

    # What a method defines ----------------------------------------------------------

    def learners(self) -> list[Learner]:
        """In the order of their turns; empty for a method without steps."""
        raise NotImplementedError

    def prepare(self, batch: Any) -> Any:
        """What all objectives of this batch are made from; computed once."""
        return batch

    def check_data(self, data: Any) -> None:
        """Refuse a data module of another kind, or one that the networks don't fit.

        Raises:
            ValueError: Naming what does not fit.
        """
        check_kind(type(self), self.takes, data)
        self.evaluator.check_data(data)

    def transport_samples(self, batch: Any, seed: int) -> tuple[Tensor, Tensor]:
        """Two sets of samples whose distance the critic estimates, without gradients.

        Args:
            batch: A batch of the data module, or as many rows as requested.
            seed: Key of random numbers, if there are any.

        Returns:
            Two tensors (n, ...), the one with the larger scores first.
        """
        raise NotImplementedError

    # Training -----------------------------------------------------------------------

    @override
    def training_step(self, batch: Any, batch_idx: int) -> None:
        """One batch: a turn of each learner that is due."""
        with explained(batch, self):
            self._train(batch)
        self.begins = False

    def _train(self, batch: Any) -> None:
        due = self.turns.due(self.global_step)
        self.records.start(due=due)
        self.divergence.step = self.global_step + 1
        self._descent.begin()
        prepared = self.prepare(batch)
        optimizers = iter(self.optimizer_list())
        for learner in self._learners:
            own = [next(optimizers) for _ in learner.optimizers]
            for _ in range(learner.steps if due or not learner.waits else 0):
                self._update(learner, own, prepared)
        if due:
            self.step_schedulers()
        self.turns.end()
        self.step_ended = due
        self.divergence.end()
        self.records.end()

    @override
    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Have Lightning, and its callbacks, log on the axis of counted steps."""
        del outputs, batch, batch_idx
        set_logger_step(self.trainer, self.global_step)

    def _update(
        self, learner: Learner, optimizers: Sequence[LightningOptimizer], batch: Any
    ) -> None:
        with frozen(*learner.against):
            loss = self.divergence.loss_of(learner, batch)
            for optimizer in optimizers:
                optimizer.zero_grad()
            self._descent.backward(loss)
        for optimizer in optimizers[::-1]:
            counts = learner.counts and optimizer is optimizers[0]
            self._descent.step(optimizer, counts=counts)
        self.turns.updates[learner.name] += 1
        if learner.after_update is not None:
            learner.after_update()

    @override
    def on_train_epoch_end(self) -> None:
        """Refuse weights that are not finite before callbacks write them."""
        self.divergence.check(self._tensors())

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        yield from self.named_parameters()
        yield from self.named_buffers()

    def optimizer_specs(self) -> list[OptimizerSpec]:
        """What is optimised, in the order of the optimizers."""
        return [spec for learner in self.learners() for spec in learner.optimizers]

    @override
    def configure_optimizers(self) -> Any:
        """Optimizers and schedules of all learners, in their order."""
        self._learners = self.learners()
        for learner in self._learners:
            check_trainable(learner)
        self._specs = self.optimizer_specs()
        return make_optimizers(
            self._specs, lambda: steps_of_run(self.trainer, self.turns)
        )

    @override
    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip the gradient norm of the learner that is about to step."""
        if not any(spec.clip_norm for spec in self._specs):
            return
        steps = [one.optimizer for one in self.optimizer_list()]
        limit = self._specs[steps.index(optimizer)].clip_norm
        if limit is not None:
            clip_gradients(self.trainer, optimizer, limit)

    def optimizer_list(self) -> list[LightningOptimizer]:
        """The optimizers, in the order in which they were configured."""
        optimizers = self.optimizers()
        several = optimizers if isinstance(optimizers, list) else [optimizers]
        assert all(isinstance(one, LightningOptimizer) for one in several)
        return several

    def step_schedulers(self) -> None:
        """Move every learning-rate schedule on by one step."""
        schedulers = self.lr_schedulers() or []
        for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
            scheduler.step()  # type: ignore[call-arg, unused-ignore]

    def compiled(self, function: Callable[P, R]) -> Callable[P, R]:
        """A network or a method of this module, compiled if that is asked for.

        A method that is compiled reads networks and settings, and changes nothing.
        """
        return self._compiler(function)

    @property
    def compile_failed(self) -> bool:
        """Whether a function that was to be compiled runs as it is written."""
        return self._compiler.failed

    @property
    def averaged(self) -> nn.Module | None:
        """The network whose running average is worth having, or None."""
        return self.get_submodule(self.averaged_name) if self.averaged_name else None

    # Evaluation ---------------------------------------------------------------------

    @override
    def on_validation_start(self) -> None:
        """Refuse data that is not what the weights were trained on, and NaN weights."""
        self.evaluator.check_checkpoint()
        self.divergence.check(self._tensors())

    on_test_start = on_predict_start = on_validation_start

    @override
    def on_validation_epoch_start(self) -> None:
        self.evaluator.start("val")

    @override
    def on_test_epoch_start(self) -> None:
        self.evaluator.start("test")

    @override
    def validation_step(
        self, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> Any:
        with explained(batch, self):
            return self.evaluator.update("val", batch, dataloader_idx)

    @override
    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        with explained(batch, self):
            return self.evaluator.update("test", batch, dataloader_idx)

    @override
    def predict_step(self, batch: Any, batch_idx: int) -> Any:
        return self.evaluator.predict(batch)

    @override
    def on_validation_epoch_end(self) -> None:
        self._evaluated("val")

    @override
    def on_test_epoch_end(self) -> None:
        self._evaluated("test")

    def _evaluated(self, stage: str) -> None:
        self.evaluator.refuse_outputs()
        values = self.evaluator.compute(stage)
        self.log_evaluation({f"{stage}/{key}": value for key, value in values.items()})

    def log_evaluation(self, values: Values) -> None:
        """Log values of a validation or test run on the axis of counted steps.

        Call it in an epoch-end hook, on all ranks, with values that agree.
        """
        # A value named "step" would set the axis too, but stays among the metrics, and
        # callbacks such as ModelCheckpoint take it for the present step.
        set_logger_step(self.trainer, self.steps_made)
        self.log_dict(dict(values), on_epoch=True, sync_dist=True)

    @property
    def steps_made(self) -> int:
        """Number of counted steps that the weights have made, also before a test."""
        return self.global_step or self._steps_loaded

    # Records ------------------------------------------------------------------------

    @property
    def recording(self) -> bool:
        """Whether the values of the running step will be logged."""
        return self.records.active

    def record(self, **values: Tensor) -> None:
        """Log ``train/<name>`` for this step, if it is one that is logged.

        Values stay on their device until the end of the step. Work that only a
        record needs belongs behind ``if self.recording``.
        """
        self.records.add(**values)

    # Beginning and resuming ---------------------------------------------------------

    @property
    def is_fresh_fit(self) -> bool:
        """Whether this fit goes on with no other: its weights may be a checkpoint's."""
        return not is_resumed(self.trainer) and self.trainer.global_step == 0

    @override
    def configure_callbacks(self) -> list[Callback]:
        """None of its own; refuses those that can't work here, or monitor nothing."""
        weights = next(self.parameters(), None)
        callbacks: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        refuse_callbacks(callbacks, has_weights=weights is not None)
        if is_fitting(self.trainer):
            refuse_monitors(callbacks, self)
        return []

    @override
    def setup(self, stage: str) -> None:
        """Refuse a strategy that can't work, and let plain ``ddp`` work."""
        super().setup(stage)
        if self.alternates:
            prepare_strategy(self.trainer.strategy)
        self.evaluator.setup()

    @override
    def on_fit_start(self) -> None:
        """Start the schedule and this rank's noise, or go on from the checkpoint."""
        self.begins = True
        self._refuse_done_trainer()
        if self.is_fresh_fit:
            self._noise_states = None
            self.turns.reset()
        self.divergence.reset()
        self.records.every = int(self.trainer.log_every_n_steps)  # type: ignore[attr-defined]
        self.records.last = self.trainer.max_steps
        if not torch.cuda.is_available():
            # Else every optimizer step looks for the driver's library, as Lightning
            # asks torch to, and takes half a millisecond not to find it.
            os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
        rank = data_ranks(self.trainer)["rank"]
        self.noise = RandomStream(torch.initial_seed(), rank, "train", self.device)
        if self._noise_states is not None:
            self.noise.state = own_state(self._noise_states, self.noise, self.trainer)
            self._noise_states = None
        self.evaluator.on_fit_start(fresh=self.is_fresh_fit)
        data = data_of(self.trainer)
        if data is not None:
            self.check_data(data)

    def _refuse_done_trainer(self) -> None:
        """Refuse a trainer that has made all its steps, and so would make none here."""
        loop, made = self.trainer.fit_loop, self.trainer.global_step
        if is_resumed(self.trainer) or not made or not loop.done:
            return
        raise ValueError(
            f"The trainer has made all its steps (global_step {made}, max_steps "
            f"{loop.max_steps}, max_epochs {loop.max_epochs}) in an earlier fit and "
            "would make no other: make a new Trainer for this fit."
        )

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the place in the schedule, and the noise of every rank.

        Raises:
            NotFiniteError: If a weight, or what an optimizer remembers, is not finite.
        """
        states = {"optimizers": checkpoint.get("optimizer_states", [])}
        self.divergence.check(checkpoint["state_dict"].items(), states)
        checkpoint["schedule"] = self.turns.state()
        if "noise" in self.__dict__:
            state = self.noise.state.to(self.device)
            checkpoint["noise"] = rows_of_all_ranks(state).cpu()
        self.evaluator.save(checkpoint)

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from the place in the schedule; noise waits until the fit starts.

        Raises:
            ValueError: If the file is not as it was written, or of other optimizers.
        """
        trainer = attached_trainer(self)
        if trainer is not None and trainer.ckpt_path:
            check_undamaged(trainer.ckpt_path)
        check_kinds(self.state_dict(), checkpoint["state_dict"])
        if trainer is not None and is_fitting(trainer):
            check_states(self.optimizer_specs(), checkpoint)
        self.turns.load(checkpoint.get("schedule", {}))
        self._noise_states = checkpoint.get("noise")
        self._steps_loaded = checkpoint.get("global_step", 0)
        count_steps_manually(checkpoint)
        end_finished_epoch(checkpoint)
        self.evaluator.load(checkpoint)

    # Arguments ----------------------------------------------------------------------

    @classmethod
    def load_from_checkpoint(
        cls,
        checkpoint_path: Any,
        *args: Any,
        trusted: Sequence[str] = (),
        **kwargs: Any,
    ) -> Self:
        """Lightning's, with ``weights_only=True``: nothing in the file is unpickled.

        Args:
            checkpoint_path: A file, which may be untrusted.
            *args: Lightning's ``map_location`` and so on.
            trusted: Packages, modules or classes that the file may name beside those of
                this library, torch, torchvision and timm.
            **kwargs: Arguments of the module that win over those of the file.

        Raises:
            ValueError: If the file is damaged or was written by another class, or names
                what is not trusted; nothing of that was imported. Also if an argument
                is not one of the class or can't have this value.
        """
        kwargs.setdefault("weights_only", True)
        with (
            warnings.catch_warnings(),
            building(cls, checkpoint_path, trusted),
        ):
            # Lightning 2.6 calls jsonargparse by a name that is going away.
            for text in ("instantiate_classes", "JSONARGPARSE_DEPRECATION_WARNINGS"):
                warnings.filterwarnings("ignore", f"(?s).*{text}")
            file = load_upgraded(cls, checkpoint_path, kwargs)
            try:
                return super().load_from_checkpoint(file, *args, **kwargs)
            except ArgumentError as error:
                raise refused_value(cls, error) from error
            except RuntimeError as error:
                raise unfitting_weights(cls, checkpoint_path, error) from error

    @classmethod
    def from_pretrained(
        cls, name: str | os.PathLike[str], *, trusted: Sequence[str] = ()
    ) -> Self:
        """A trained model, in eval mode, on the CPU.

        Args:
            name: Name of a model that comes with the library, such as ``digits``, a
                folder that ``wasserstein-critics export`` wrote, or ``user/model`` of
                the Hugging Face Hub (``pip install 'wasserstein-critics[hub]'``). It
                may be untrusted: nothing in it is unpickled or run.
            trusted: See `load_from_checkpoint`.

        Raises:
            FileNotFoundError: If there is no such model.
            ValueError: If it is damaged, or of another class.
        """
        return load_model(cls, name, trusted)

    @override
    def save_hyperparameters(
        self,
        *args: Any,
        ignore: Sequence[str] | str | None = None,
        frame: FrameType | None = None,
        logger: bool = True,
    ) -> None:
        """Like Lightning's, with networks and factories in plain form."""
        if frame is None:
            current = inspect.currentframe()
            assert current is not None
            frame = current.f_back
        assert frame is not None
        if not args and not built_by_cli():
            args = (plain_arguments(type(self), constructor_arguments(frame)),)
        super().save_hyperparameters(*args, ignore=ignore, frame=frame, logger=logger)
