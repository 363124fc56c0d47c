"""Schedule of alternating optimisation, and frozen networks."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lightning_modules.core.validation import check_at_least


class Warmup(NamedTuple):
    """More batches per counted step, early in training and at intervals later.

    The defaults are those of the authors' WGAN code; the paper does not mention them.

    Attributes:
        batches: Batches of a step that is warmed up.
        first: Number of first steps that are.
        every: Interval of the later ones, in steps.
    """

    batches: int = 100
    first: int = 25
    every: int = 500


class Turns:
    """Schedule of the learners that wait, across epochs and resumes.

    Args:
        batches_per_step: Batches between two counted steps.
        warmup: More batches before certain steps, or None.

    Attributes:
        updates: Number of updates of each learner, by its name.

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
        """Number of counted steps in the first batches of training."""
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
        """Start from the first batch."""
        self.updates.clear()
        self._waiting = 0

    def state(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return {"batches_waiting": self._waiting, "updates": dict(self.updates)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Load the state of a checkpoint, also of version 0.1."""
        old = {"critic": state.get("critic_updates", 0)}
        self.updates = Counter(state.get("updates", old))
        self._waiting = state.get("batches_waiting", 0)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Context in which a network is in eval mode; restores the mode of each layer."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@torch.no_grad()
def outputs_of_two(
    network: nn.Module, shape: Sequence[int], device: torch.device
) -> Tensor:
    """What a network in eval mode makes of two samples of the data's shape.

    Args:
        network: Argument ``network`` of a method; maps samples (n, ...) to (n, ...).
        shape: Shape of a sample.
        device: Device of the weights.

    Raises:
        ValueError: It does not accept them, or makes no row of each.

    >>> outputs_of_two(nn.Linear(5, 3), (5,), torch.device("cpu")).shape
    torch.Size([2, 3])
    """
    written = f"[{','.join(map(str, shape))}]"
    dtype = next((weight.dtype for weight in network.parameters()), None)
    try:
        with evaluating(network):
            outputs: Tensor = network(
                torch.zeros(2, *shape, device=device, dtype=dtype)
            )
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        why = " ".join(str(error).split()).rstrip(".")
        raise ValueError(
            f"The network does not accept the data's samples of shape {written}: set "
            f"--model.network.shape {written} ({why})."
        ) from error
    if outputs.ndim != 2 or len(outputs) != 2:
        raise ValueError(
            f"The network makes {list(outputs.shape)} of two samples where two rows "
            "[2, d] are required: end it in a linear layer."
        )
    return outputs


def trainable(network: nn.Module) -> list[nn.Parameter]:
    """Parameters of a network that require gradients."""
    return [p for p in network.parameters() if p.requires_grad]


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Context in which the networks' weights get no gradients.

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
