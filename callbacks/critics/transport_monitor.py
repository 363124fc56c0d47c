"""The critic's estimate beside the exact distance, while it trains."""

from typing import Any

import lightning.pytorch as pl
from lightning.fabric.utilities import move_data_to_device
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from callbacks.core.scalars import at_least_one, due, log_scalars
from callbacks.plotting.images import log_picture
from callbacks.plotting.plots import curves
from lightning_modules.core.alternating import CriticModule, evaluating
from lightning_modules.core.random import RandomStream
from lightning_modules.data_contracts.sparse_rows import SparseRows
from lightning_modules.functional.slope import PlanEstimate, estimate_on_plan
from lightning_modules.functional.transport import wasserstein_distance
from lightning_modules.generative.base import samples_of

DRAWN = {
    "wasserstein_exact": "exact W1",
    "wasserstein_floor": "floor: data to other data",
    "wasserstein_per_slope": "critic's estimate per slope",
}
LARGEST = 2_000  # an assignment of so many takes about a second


class TransportMonitor(pl.Callback):
    """Checks the critic against exact optimal transport, now and then.

    It takes n training samples and n generated ones, pairs them by an exact
    assignment, and logs

    * ``train/wasserstein_exact``: exact W1 between the two samples, in units of the
      data; pictures count as flat vectors;
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

    At the end of training a picture ``transport`` shows the exact distance, the floor
    and the estimate per slope over the updates.

    The training samples are drawn anew at each step by ``random_rows`` of the
    datamodule, as a batch; without such a datamodule they are those of the step's
    batch. The floor is logged only where the data has 2 n samples or more. What is
    compared the module says: data and samples, or features of two domains
    (``transport_samples``). Random numbers are the callback's own and follow from the
    step alone, so training is the same with and without it, and a resumed run logs what
    the uninterrupted one would have logged.

    Args:
        every_n_steps: Player updates between two measurements.
        n: Samples on each side, 1 to 2,000, or as many as there are; the assignment
            takes a few milliseconds for 256 and about a second for 2,000.
        seed: Seed of the latents and of the points on the lines.
        floor: Whether to measure the floor, which takes as long again.

    Raises:
        ValueError: If a count is out of its range, or the module has no critic.
    """

    def __init__(
        self,
        every_n_steps: int = 500,
        n: int = 256,
        seed: int = 0,
        floor: bool = True,
    ) -> None:
        self.every_n_steps = at_least_one("every_n_steps", every_n_steps)
        self.n = at_least_one("n", n)
        if n > LARGEST:
            raise ValueError(f"n must be at most {LARGEST}, got {n}.")
        self.seed = seed
        self.floor = floor
        self._curves: dict[str, list[float]] = {"step": []}

    @property
    def state_key(self) -> str:
        """Monitors with other settings keep their own curves in a checkpoint."""
        n, every = self.n, self.every_n_steps
        return self._generate_state_key(n=n, every_n_steps=every, seed=self.seed)

    def state_dict(self) -> dict[str, Any]:
        """The curves, which a resumed run goes on with."""
        return {"curves": {name: list(line) for name, line in self._curves.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the curves of a checkpoint."""
        self._curves = {name: list(line) for name, line in state_dict["curves"].items()}

    def setup(
        self,
        trainer: pl.Trainer,  # noqa: ARG002
        pl_module: pl.LightningModule,
        stage: str,  # noqa: ARG002
    ) -> None:
        """Refuse a module that has nothing to measure."""
        _critical(pl_module)

    def on_train_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
    ) -> None:
        """A new run begins its own curves."""
        if trainer.global_step == 0:
            self._curves = {"step": []}

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ARG002
        batch: Any,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Measure when a player update that is due has just been made."""
        if due(trainer, pl_module, self.every_n_steps) and trainer.is_global_zero:
            module, step = _critical(pl_module), trainer.global_step
            real, others = self._rows(trainer, batch, step)
            found = self.measure(module, real, step)
            values = {
                "wasserstein_exact": found.exact,
                "wasserstein_raw": found.raw,
                "wasserstein_ratio": found.raw / found.exact if found.exact else 0.0,
                "wasserstein_per_slope": found.per_slope,
                "critic_slope": found.slope,
                "critic_lipschitz": found.lipschitz,
            }
            if others is not None:
                values["wasserstein_floor"] = _distance(module, real, others, step)
            log_scalars(trainer, {f"train/{k}": v for k, v in values.items()})
            self._keep(step, {k: float(values.get(k, float("nan"))) for k in DRAWN})

    def _keep(self, step: int, values: dict[str, float]) -> None:
        for name, value in {"step": step, **values}.items():
            self._curves.setdefault(name, []).append(value)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw what was measured."""
        steps = [int(step) for step in self._curves["step"]]
        if len(steps) < 2 or not trainer.is_global_zero:
            return
        lines = {label: self._curves[name] for name, label in DRAWN.items()}
        lines = {k: v for k, v in lines.items() if any(x == x for x in v)}
        one, other = getattr(pl_module, "sides", ("real", "generated"))
        title = f"W1 between {self.n} {one} and {self.n} {other} samples"
        picture = curves(steps, lines, title, "distance, in units of what is compared")
        log_picture(trainer, "transport", picture, steps[-1], title)

    def _rows(self, trainer: pl.Trainer, batch: Any, step: int) -> tuple[Any, Any]:
        """Data for a step, and as much other data for the floor, if there is."""
        draw = getattr(getattr(trainer, "datamodule", None), "random_rows", None)
        if draw is None:
            return batch, None
        noise = RandomStream(self.seed, step, "transport_monitor_rows")
        n = self.n * (2 if self.floor else 1)
        drawn = draw("train", n, noise.generator)
        drawn = move_data_to_device(drawn, samples_of(batch).device)
        first, others = (
            apply_to_collection(
                drawn, (Tensor, SparseRows), lambda rows, part=part: rows[part]
            )
            for part in (slice(self.n), slice(self.n, None))
        )
        return first, others if len(samples_of(others)) == self.n else None

    def measure(self, pl_module: CriticModule, batch: Any, step: int) -> PlanEstimate:
        """Measure on a batch; the same step draws the same numbers."""
        device = samples_of(batch).device
        noise = RandomStream(self.seed, step, "transport_monitor", device)
        seed = int(noise.uniform(1).item() * 2**24)
        real, fake = pl_module.transport_samples(batch, seed)
        real, fake = real[: self.n], fake[: self.n]
        with evaluating(pl_module.critic):
            epsilon = noise.uniform(len(real))
            return estimate_on_plan(pl_module.critic, real, fake, epsilon)


def _distance(module: CriticModule, one: Any, other: Any, step: int) -> Tensor:
    """Exact W1 between two samples of the data, where the critic compares them."""
    x, y = (module.transport_samples(rows, step)[0].flatten(1) for rows in (one, other))
    return wasserstein_distance(x, y)


def _critical(module: pl.LightningModule) -> CriticModule:
    if not isinstance(module, CriticModule) or not module.critic_steps:
        raise ValueError(
            f"TransportMonitor checks a critic, and {type(module).__name__} has none: "
            "take it out of trainer.callbacks."
        )
    return module
