"""Who steps when: the schedule that all critic methods share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar, NamedTuple

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.optimizer import ParamsT

from lightning_modules.core.compiled import Compiled, P, R
from lightning_modules.core.module import TrackedModule
from lightning_modules.core.strategies import prepare_strategy
from lightning_modules.core.validation import check_positive


class Warmup(NamedTuple):
    """Critic batches per player update early in training and now and then later.

    The defaults are those of the authors' WGAN code, which the paper leaves out.
    """

    batches: int = 100
    first: int = 25
    every: int = 500


class Learner(NamedTuple):
    """A network with what makes its optimizer and its schedule."""

    key: str
    """How its options begin on the command line."""
    network: nn.Module
    optimizer: OptimizerCallable
    scheduler: LRSchedulerCallable | None
    clip_norm: float | None


class CriticModule(TrackedModule):
    """A critic and a player that learn in turn, by manual optimisation.

    Two integers describe the schedule. Every batch gives ``critic_steps`` critic
    updates; after every ``player_every`` batches the player updates once. WGAN is
    (1, n_critic), a GAN (1, 1), WDGRL (n, 1); with 0 critic steps there is no critic,
    and the player learns alone.

    ``trainer.global_step``, ``max_steps``, checkpoint intervals and the loggers' axis
    count player updates, the unit of the papers.

    Subclasses define ``critic``, ``player_name``, the two objectives,
    and call ``self.save_hyperparameters()``.

    Args:
        critic_steps: Critic updates on each batch; 0 for a method without a critic.
        player_every: Batches between two player updates.
        critic_optimizer: Makes the critic's optimizer from its weights.
        player_optimizer: Makes the player's optimizer from its weights.
        critic_scheduler: Makes the critic's learning-rate schedule, or None. It is
            stepped once per *player* update, like the player's own.
        player_scheduler: Makes the player's learning-rate schedule, or None.
        critic_clip_norm: Largest gradient norm of a critic update, or None.
        player_clip_norm: Largest gradient norm of a player update, or None.
        warmup: Longer critic training at certain player updates, or None.
        compile: Have torch compile what the objectives are made of. The first step
            then takes a minute or so; losses are the same up to rounding.

    Raises:
        ValueError: If an argument is out of its range.
    """

    critic: nn.Module
    player_name: ClassVar[str]
    """Attribute that holds the player."""
    player_key: ClassVar[str] = ""
    """How the player's options begin on the command line."""
    sides: ClassVar[tuple[str, str]] = ("real", "generated")
    """What the critic compares."""

    def __init__(
        self,
        *,
        critic_steps: int,
        player_every: int,
        critic_optimizer: OptimizerCallable,
        player_optimizer: OptimizerCallable,
        critic_scheduler: LRSchedulerCallable | None = None,
        player_scheduler: LRSchedulerCallable | None = None,
        critic_clip_norm: float | None = None,
        player_clip_norm: float | None = None,
        warmup: Warmup | None = None,
        compile: bool = False,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self._compiled: dict[Callable[..., Any], Any] | None = {} if compile else None
        self._compiler_told: set[str] = set()
        self.critic_steps = critic_steps
        self.player_every = player_every
        self.warmup = warmup
        self._optimizer_factories = (critic_optimizer, player_optimizer)
        self._scheduler_factories = (critic_scheduler, player_scheduler)
        self._clip_norms = (critic_clip_norm, player_clip_norm)
        check_positive(critic_clip_norm=critic_clip_norm)
        check_positive(**{f"{self.player_key}clip_norm": player_clip_norm})
        if critic_steps < 0:
            raise ValueError(f"n_critic must not be negative, got {critic_steps}.")
        if player_every < 1:
            raise ValueError(f"n_critic must be at least 1, got {player_every}.")
        self.critic_updates = 0
        self.player_stepped = False
        self._batches_waiting = 0

    # What a method defines ----------------------------------------------------------

    def prepare(self, batch: Any) -> Any:
        """What all objectives of this batch are made from; computed once."""
        return batch

    def critic_objective(self, batch: Any) -> Tensor:
        """What the critic descends on this batch."""
        raise NotImplementedError

    def player_objective(self, batch: Any) -> Tensor:
        """What the player descends, with the critic's weights frozen."""
        raise NotImplementedError

    def after_critic_step(self) -> None:
        """Called after each critic update; weight clipping goes here."""

    def transport_samples(self, batch: Any, seed: int) -> tuple[Tensor, Tensor]:
        """Two sample sets whose distance the critic estimates, without gradients.

        Args:
            batch: A batch of the datamodule, or as many rows as wanted.
            seed: Key of random numbers, if there are any.

        Returns:
            Two tensors (n, ...), the critic's larger side first.
        """
        raise NotImplementedError

    # The schedule -------------------------------------------------------------------

    def training_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """One batch: critic updates, and a player update when it is due."""
        due = self._batches_waiting + 1 >= self._batches_per_player_update()
        self.recording = due and self.is_logged(self.global_step + 1)
        *critic, player = self.learning()
        prepared = self.prepare(batch)
        for _ in range(self.critic_steps):
            self._descend(critic[0], self.critic_objective, prepared)
            self.step_uncounted(critic[0])
            self.critic_updates += 1
            self.after_critic_step()
        self._batches_waiting += 1
        if due:
            with frozen(self.critic) if critic else nullcontext():
                self._descend(player, self.player_objective, prepared)
            player.step()
            self.step_schedulers()
            self._batches_waiting = 0
        self.player_stepped = due
        self.publish_records()

    def _batches_per_player_update(self) -> int:
        w = self.warmup
        if w and (self.global_step < w.first or self.global_step % w.every == 0):
            return w.batches
        return self.player_every

    def _descend(
        self,
        optimizer: LightningOptimizer,
        objective: Callable[[Any], Tensor],
        batch: Any,
    ) -> None:
        loss = objective(batch)
        optimizer.zero_grad()
        self.manual_backward(loss)

    def compiled(self, function: Callable[P, R]) -> Callable[P, R]:
        """A network or a method of this module, compiled if that is asked for.

        A method that is compiled reads networks and settings, and changes nothing.
        """
        if self._compiled is None:
            return function
        new = Compiled(function, self._compiler_told)
        made: Callable[P, R] = self._compiled.setdefault(function, new)
        return made

    @property
    def player(self) -> nn.Module:
        """The network that plays against the critic."""
        return self.get_submodule(self.player_name)

    def learners(self) -> list[Learner]:
        """The critic, if there is one, and the player."""
        sides = [(self.player_key, self.player)]
        if self.critic_steps:
            sides.insert(0, ("critic_", self.critic))
        return [
            Learner(
                key,
                network,
                self._optimizer_factories[side],
                self._scheduler_factories[side],
                self._clip_norms[side],
            )
            for side, (key, network) in enumerate(sides, start=2 - len(sides))
        ]

    def weights_of(self, network: nn.Module) -> ParamsT:
        """What the optimizer of a network gets: its weights, or groups of them."""
        return trainable(network)

    def configure_optimizers(self) -> Any:
        """Optimizers of critic and player, in this order, and their schedules."""
        optimizers, schedulers = [], []
        for learner in self.learners():
            optimizers.append(learner.optimizer(self.weights_of(learner.network)))
            if learner.scheduler is not None:
                schedulers.append(learner.scheduler(optimizers[-1]))
            if schedulers and isinstance(schedulers[-1], ReduceLROnPlateau):
                raise ValueError(
                    f"{learner.key}scheduler is stepped once per player update, "
                    "without a metric: use LinearLR, CosineAnnealingLR or another "
                    "schedule in steps instead of ReduceLROnPlateau."
                )
        return optimizers, schedulers

    def setup(self, stage: str) -> None:
        """Refuse what can't work, and let plain ``ddp`` work."""
        super().setup(stage)
        prepare_strategy(self.trainer.strategy)

    def on_fit_start(self) -> None:
        """Start the schedule, unless an earlier fit goes on."""
        super().on_fit_start()
        if self.starts_anew:
            self.critic_updates = self._batches_waiting = 0

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the place in the schedule."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["schedule"] = {
            "critic_updates": self.critic_updates,
            "batches_waiting": self._batches_waiting,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from the place in the schedule."""
        super().on_load_checkpoint(checkpoint)
        schedule = checkpoint.get("schedule", {})
        self.critic_updates = schedule.get("critic_updates", 0)
        self._batches_waiting = schedule.get("batches_waiting", 0)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip the gradient norm of the player or critic that is about to step."""
        if not any(self._clip_norms):
            return
        steps = [one.optimizer for one in self.learning()]
        limit = self.learners()[steps.index(optimizer)].clip_norm
        if limit is not None:
            scaler = getattr(self.trainer.precision_plugin, "scaler", None)
            if scaler is not None and hasattr(optimizer, "_step_supports_amp_scaling"):
                limit *= scaler.get_scale()  # a fused step unscales by itself, later
            weights = [p for group in optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(weights, limit)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Within the block the network is in eval mode; then every layer as before."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def trainable(network: nn.Module) -> list[nn.Parameter]:
    """The weights of a network that want gradients."""
    return [p for p in network.parameters() if p.requires_grad]


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Within the block the network's weights get no gradients.

    Inputs still do, so a player learns through a frozen critic without the cost of
    the critic's weight gradients.
    """
    thawed = trainable(network)
    for parameter in thawed:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in thawed:
            parameter.requires_grad_(True)
