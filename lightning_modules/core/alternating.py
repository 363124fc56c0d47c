"""Alternating optimisation: whose turn it is, and what stands still meanwhile."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import nn

from lightning_modules.core.validation import check_at_least


class Warmup(NamedTuple):
    """Batches per counted step early in training and now and then later.

    The defaults are those of the authors' WGAN code, which the paper leaves out.
    """

    batches: int = 100
    first: int = 25
    every: int = 500


class Turns:
    """When the learners that wait are due, over epochs and across a resume.

    Args:
        batches_per_step: Batches between two counted steps.
        warmup: More batches before certain steps, or None.

    Attributes:
        updates: How many updates each learner has made, by its name.

    >>> turns = Turns(batches_per_step=2)
    >>> [(turns.due(0), turns.end())[0] for _ in range(4)]
    [False, True, False, True]
    """

    def __init__(self, batches_per_step: int = 1, warmup: Warmup | None = None) -> None:
        check_at_least(1, n_critic=batches_per_step)
        self.batches_per_step, self.warmup = batches_per_step, warmup
        self.updates: Counter[str] = Counter()
        self._waiting = 0
        self._is_due = False

    def due(self, step: int) -> bool:
        """Whether the learners that wait update on this batch, after ``step`` steps."""
        self._is_due = self._waiting + 1 >= self._batches_before(step)
        return self._is_due

    def end(self) -> None:
        """Count the batch."""
        self._waiting = 0 if self._is_due else self._waiting + 1

    def steps_in(self, batches: int) -> int:
        """Counted steps that so many batches give, from the start of training."""
        steps = 0
        while self.warmup and batches >= (needed := self._batches_before(steps)):
            batches, steps = batches - needed, steps + 1
        return steps if self.warmup else batches // self.batches_per_step

    def _batches_before(self, step: int) -> int:
        w = self.warmup
        if w and (step < w.first or step % w.every == 0):
            return w.batches
        return self.batches_per_step

    def reset(self) -> None:
        """Begin a new training."""
        self.updates.clear()
        self._waiting = 0

    def state(self) -> dict[str, Any]:
        """The place in the schedule, for a checkpoint."""
        return {"batches_waiting": self._waiting, "updates": dict(self.updates)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint, also of version 0.1."""
        old = {"critic": state.get("critic_updates", 0)}
        self.updates = Counter(state.get("updates", old))
        self._waiting = state.get("batches_waiting", 0)


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
    """The weights of a network that require gradients."""
    return [p for p in network.parameters() if p.requires_grad]


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Within the block the networks' weights get no gradients.

    Inputs still do, so a generator learns through a frozen critic without the cost of
    the critic's weight gradients.
    """
    weights = [weight for network in networks for weight in trainable(network)]
    for parameter in weights:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in weights:
            parameter.requires_grad_(True)
