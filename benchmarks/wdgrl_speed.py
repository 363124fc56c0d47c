"""Player steps per second of WDGRL, beside the same method written the usual way.

    python -m benchmarks.wdgrl_speed

The usual way computes the features of the batch anew in each of the n critic steps, and
scores them once for the distance and once for the penalty. Both run in the same Trainer
with the same optimizer, in turn and several rounds, on rows as wide and as full as the
Amazon reviews (5,000 columns, 70 of them filled), held dense and held sparse. Writes
docs/results/wdgrl_speed.csv: median steps per second over the rounds.
"""

import argparse
import logging
import statistics
import time
import warnings
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from callbacks import write_whole
from datamodules.adaptation.base import Domains, LabelledRows, TwoDomains
from experiments.provenance import commit, hardware
from experiments.records import RESULTS
from lightning_modules import (
    WDGRL,
    LinearClassifier,
    MLPCritic,
    MLPExtractor,
)
from lightning_modules.adaptation.base import Features
from lightning_modules.data_contracts.sparse_rows import SparseRows
from lightning_modules.functional.adversarial import (
    wasserstein_critic_loss,
)
from lightning_modules.functional.lipschitz import (
    gradient_norm,
    interpolate,
)

WIDTH, FILLED, ROWS = 5000, 70, 2000


class Usual(WDGRL):
    """The same updates, with the features of the batch computed in every step."""

    def prepare(self, batch: Any) -> Any:
        """Nothing is kept."""
        return batch

    def critic_objective(self, batch: Any) -> Tensor:
        """Features, distance and penalty, each by passes of its own."""
        source, target = self.features(batch[0]).detach(), self.features(batch[2])
        target = target.detach()
        gap = wasserstein_critic_loss(self.critic(source), self.critic(target))
        lines = interpolate(source, target, self.noise.uniform(len(source)))
        points = torch.cat([source, target, lines])
        slopes = gradient_norm(self.critic, points, create_graph=True)
        return gap + self.penalty_weight * (slopes - 1).square().mean()

    def player_objective(self, batch: Any) -> Tensor:
        """Features once more."""
        source, labels, target = batch
        found = Features(self.features(source), labels, self.features(target))
        return super().player_objective(found)


class Reviews(TwoDomains):
    """Random rows of the size of the Amazon reviews."""

    shape, num_classes, class_names = (WIDTH,), 2, ("negative", "positive")

    def __init__(self, *, dense: bool) -> None:
        super().__init__(batch_size=32, batches_per_epoch=62)
        self.dense = dense

    def read(self) -> Domains:
        """Two domains of the same law: only the time matters."""
        rows = [self._rows(seed) for seed in (0, 1)]
        y = torch.arange(ROWS) % 2
        source, target = (LabelledRows(x, y) for x in rows)
        return Domains(source, source, target.x, target)

    def _rows(self, seed: int) -> Any:
        g = torch.Generator().manual_seed(seed)
        columns = (
            torch.rand(ROWS, WIDTH, generator=g).topk(FILLED).indices.sort().values
        )
        starts = torch.arange(0, ROWS * FILLED + 1, FILLED)
        counts = torch.ones(ROWS * FILLED)
        found = SparseRows(starts, columns.flatten(), counts, WIDTH)
        return found.to_dense() if self.dense else found


def steps_per_second(method: type[WDGRL], data: Reviews, steps: int) -> float:
    """Of one training run, without its start."""
    torch.manual_seed(0)
    networks = MLPExtractor((WIDTH,), (500,)), LinearClassifier(500, 2)
    model = method(*networks, MLPCritic((500,), (100,)), 2, weight_decay=1e-4)
    clock = Clock(steps // 5)
    trainer = Trainer(
        accelerator="cpu",
        max_steps=steps,
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    model.on_train_batch_end = clock.tick  # type: ignore[method-assign, assignment]
    trainer.fit(model, data)
    return clock.rate


class Clock:
    """Counts batches from one of them on."""

    def __init__(self, first: int) -> None:
        self.first, self.count, self.start, self.end = first, 0, 0.0, 0.0

    def tick(self, *_: Any) -> None:
        """At the end of each batch."""
        self.count += 1
        self.end = time.perf_counter()
        if self.count == self.first:
            self.start = self.end

    @property
    def rate(self) -> float:
        """Batches per second."""
        return (self.count - self.first) / (self.end - self.start)


def measure(rounds: int, steps: int) -> list[tuple[str, float, float]]:
    """(how rows are held, ours, usual) in steps per second, medians over the rounds."""
    found = []
    for held in ("dense", "sparse"):
        data = Reviews(dense=held == "dense")
        data.setup()
        rates: dict[type[WDGRL], list[float]] = {WDGRL: [], Usual: []}
        for _ in range(rounds):
            for method, seen in rates.items():
                seen.append(steps_per_second(method, data, steps))
        ours, usual = (statistics.median(seen) for seen in rates.values())
        times = f"{ours / usual:.2f} times as fast"
        print(f"{held}: {ours:.1f} against {usual:.1f} steps a second, {times}")
        found.append((held, ours, usual))
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--steps", type=int, default=250, help="(default: %(default)s)")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    code = commit()
    rows = measure(args.rounds, args.steps)
    lines = [
        f"# command: python -m benchmarks.wdgrl_speed --rounds {args.rounds} "
        f"--steps {args.steps}",
        f"# commit: {code}",
        f"# hardware: {hardware()}",
        "rows held,steps per second,written the usual way,times as fast",
        *(f"{held},{a:.1f},{b:.1f},{a / b:.2f}" for held, a, b in rows),
    ]
    write_whole(RESULTS / "wdgrl_speed.csv", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
