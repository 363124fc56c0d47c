"""The critic's estimate of a distance, compared with exact optimal transport."""

import math
from typing import Any

from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch import LightningModule, Trainer
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor
from typing_extensions import override

from callbacks.core.every_n_steps import EveryNSteps
from callbacks.core.loggers import log_scalars
from callbacks.core.requirements import require_critic
from callbacks.plotting.images import log_picture
from callbacks.plotting.plots import curves, subject
from lightning_modules.core.alternating import evaluating
from lightning_modules.core.lightning_internals import state_key
from lightning_modules.core.random import RandomStream
from lightning_modules.core.validation import check_at_least, check_seed
from lightning_modules.data_contracts.batches import rows_of
from lightning_modules.data_contracts.contracts import (
    ComparesSamples,
    RandomRows,
    data_of,
)
from lightning_modules.data_contracts.sparse_rows import SparseRows
from lightning_modules.functional.slope import PlanEstimate, estimate_on_plan
from lightning_modules.functional.transport import wasserstein_distance

CURVES = {
    "wasserstein_exact": "exact W1",
    "wasserstein_floor": "floor: data to other data",
    "wasserstein_per_slope": "critic's estimate per slope",
}
LARGEST = 2_000  # an assignment of so many takes about a second


class TransportMonitor(EveryNSteps):
    """Checks the critic against exact optimal transport, now and then.

    It takes n training samples and n generated ones, pairs them by an exact
    assignment, and logs

    * ``train/wasserstein_exact``: exact W1 between the two samples, in units of the
      data; images count as flat vectors;
    * ``train/wasserstein_floor``: exact W1 between those n training samples and n
      others, which is what a perfect generator would show at this n. Between n points
      of high dimension it is far from 0;
    * ``train/wasserstein_raw``: the critic's estimate, mean f(real) - mean f(fake), on
      the same samples;
    * ``train/wasserstein_ratio``: raw over exact, 1 for a critic that attains W1;
    * ``train/critic_slope``: mean gradient norm of the critic at random points of the
      lines between partners;
    * ``train/critic_lipschitz``: largest slope of the critic found on those lines, of
      the gradient norms and of the rises between partners. The ratio is never above it;
    * ``train/wasserstein_per_slope``: the raw estimate divided by the mean slope, in
      units of the data whatever the critic's scale.

    At the end of training a plot ``transport`` shows the exact distance, the floor and
    the estimate per slope over the updates.

    The training samples are drawn again at each step by ``random_rows`` of the
    datamodule (one tensor, or a tuple with one for each domain); without such a
    datamodule they are those of the step's batch. The floor is logged only where the
    data has 2 n samples or more. The module says what is compared
    (``transport_samples``): data and samples, or features of two domains. Random
    numbers are the callback's own and follow from the step alone, so training is the
    same with and without it, and a resumed run logs what the uninterrupted one would
    have logged.

    Args:
        every_n_steps: Generator (or encoder) updates between two measurements.
        n: Samples on each side, 1 to 2,000, or as many as there are; the assignment
            takes a few milliseconds for 256 and about a second for 2,000.
        seed: Seed of the latents and of the points on the lines.
        floor: Whether to measure the floor, which takes as long again.

    Raises:
        ValueError: If a count is out of its range, or the module has no critic.
    """

    def __init__(
        self, every_n_steps: int = 500, n: int = 256, seed: int = 0, floor: bool = True
    ) -> None:
        super().__init__(every_n_steps)
        check_at_least(1, n=n)
        check_seed(seed=seed)
        if n > LARGEST:
            raise ValueError(f"n must be at most {LARGEST}, got {n}.")
        self.n, self.seed, self.floor = n, seed, floor
        self._curves: dict[str, list[float]] = {"step": []}

    @property
    @override
    def state_key(self) -> str:
        """Monitors with other settings keep their own curves in a checkpoint."""
        n, every = self.n, self.every_n_steps
        return state_key(self, n=n, every_n_steps=every, seed=self.seed)

    @override
    def state_dict(self) -> dict[str, Any]:
        """The curves, which a resumed run goes on with."""
        return {"curves": {name: list(line) for name, line in self._curves.items()}}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._curves = {name: list(line) for name, line in state_dict["curves"].items()}

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        require_critic(self, pl_module)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin new curves in a new run."""
        if trainer.global_step == 0:
            self._curves = {"step": []}

    @override
    def on_step(self, trainer: Trainer, pl_module: LightningModule, batch: Any) -> None:
        if trainer.is_global_zero:
            module, step = require_critic(self, pl_module), trainer.global_step
            real, others = self._rows(trainer, batch, step)
            plan = self.measure(module, real, step)
            values = {
                "wasserstein_exact": plan.exact,
                "wasserstein_raw": plan.raw,
                "wasserstein_ratio": plan.raw / plan.exact if plan.exact else 0.0,
                "wasserstein_per_slope": plan.per_slope,
                "critic_slope": plan.slope,
                "critic_lipschitz": plan.lipschitz,
            }
            if others is not None:
                values["wasserstein_floor"] = _distance(module, real, others, step)
            log_scalars(trainer, {f"train/{k}": v for k, v in values.items()})
            self._append(step, {k: float(values.get(k, math.nan)) for k in CURVES})

    def _append(self, step: int, values: dict[str, float]) -> None:
        for name, value in {"step": step, **values}.items():
            self._curves.setdefault(name, []).append(value)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        steps = [int(step) for step in self._curves["step"]]
        if len(steps) < 2 or not trainer.is_global_zero:
            return
        lines = {label: self._curves[name] for name, label in CURVES.items()}
        lines = {k: v for k, v in lines.items() if not all(map(math.isnan, v))}
        one, other = require_critic(self, pl_module).sides
        title = f"W1 between {self.n} {one} and {self.n} {other} samples"
        above = f"{subject(trainer, pl_module)}\n{title}"
        plot = curves(steps, lines, above, "distance, in units of what is compared")
        log_picture(trainer, "transport", plot, steps[-1], title)

    def _rows(self, trainer: Trainer, batch: Any, step: int) -> tuple[Any, Any]:
        """Data for a step, and as much other data for the floor, if there is."""
        data = data_of(trainer)
        if not isinstance(data, RandomRows):
            return batch, None
        noise = RandomStream(self.seed, step, "transport_monitor_rows")
        n = self.n * (2 if self.floor else 1)
        rows = data.random_rows("train", n, noise.generator)
        rows = move_data_to_device(rows, rows_of(batch).device)
        first, others = (
            apply_to_collection(
                rows, (Tensor, SparseRows), lambda x, part=part: x[part]
            )
            for part in (slice(self.n), slice(self.n, None))
        )
        return first, others if len(rows_of(others)) == self.n else None

    def measure(
        self, pl_module: ComparesSamples, batch: Any, step: int
    ) -> PlanEstimate:
        """Measure on a batch; the same step draws the same numbers."""
        device = rows_of(batch).device
        noise = RandomStream(self.seed, step, "transport_monitor", device)
        seed = int(noise.uniform(1).item() * 2**24)
        real, fake = pl_module.transport_samples(batch, seed)
        real, fake = real[: self.n], fake[: self.n]
        critic = pl_module.get_submodule("critic")
        with evaluating(critic):
            epsilon = noise.uniform(len(real))
            return estimate_on_plan(critic, real, fake, epsilon)


def _distance(module: ComparesSamples, one: Any, other: Any, step: int) -> Tensor:
    """Exact W1 between two samples of the data, where the critic compares them."""
    x, y = (module.transport_samples(rows, step)[0].flatten(1) for rows in (one, other))
    return wasserstein_distance(x, y)
