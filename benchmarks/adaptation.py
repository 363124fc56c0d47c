"""WDGRL on rows of the Amazon reviews' size: ours, by a bare loop, and a reference.

The bare loop does the same: features once for all critic steps, scores and slopes in
one pass, the extractor's gradients only in the extractor's step. It leaves the critic's
derivatives to torch, as one would by hand, or takes this library's function. The
reference computes the features of the batch again in each of the critic steps, and
scores them once for the distance and once for the penalty.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from benchmarks.fitting import shuffled
from datamodules.adaptation.base import Domains, TwoDomains
from datamodules.core.tensor_dataset import LabelledRows
from lightning_modules import WDGRL, LinearClassifier, MLPCritic, MLPExtractor
from lightning_modules.adaptation.base import Features
from lightning_modules.core.alternating import frozen
from lightning_modules.data_contracts.sparse_rows import SparseRows
from lightning_modules.functional.adversarial import wasserstein_critic_loss
from lightning_modules.functional.lipschitz import (
    interpolate,
    scores_and_slopes,
)

WIDTH, FILLED, ROWS = 5000, 70, 2000
NETWORKS = f"extractor {WIDTH}-500, critic 500-100-1, classifier 500-2, 32 + 32 rows"
N_CRITIC, BATCH = 5, 32


class Reviews(TwoDomains):
    """Random rows of the size of the Amazon reviews."""

    shape, num_classes, class_names = (WIDTH,), 2, ("negative", "positive")

    def __init__(self, *, dense: bool) -> None:
        super().__init__(batch_size=BATCH, batches_per_epoch=62)
        self.dense = dense

    def read(self) -> Domains:
        """Two domains of the same law: only the time matters."""
        rows = [self._rows(seed) for seed in (0, 1)]
        y = torch.arange(ROWS) % 2
        source, target = (LabelledRows(x, y) for x in rows)
        return Domains(source, source, target.x, target)

    def _rows(self, seed: int) -> Any:
        g = torch.Generator().manual_seed(seed)
        scores = torch.rand(ROWS, WIDTH, generator=g)
        columns = scores.topk(FILLED).indices.sort().values
        starts = torch.arange(0, ROWS * FILLED + 1, FILLED)
        counts = torch.ones(ROWS * FILLED)
        rows = SparseRows(starts, columns.flatten(), counts, WIDTH)
        return rows.to_dense() if self.dense else rows


def slopes_by_torch(critic: nn.Module, points: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (n,) and slopes (n,), differentiated twice by torch."""
    points = points.requires_grad_(True)
    scores = critic(points)
    (gradient,) = torch.autograd.grad(scores.sum(), points, create_graph=True)
    return scores, (gradient.square().sum(1) + 1e-12).sqrt()


class ReferenceWDGRL(WDGRL):
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
        slopes = slopes_by_torch(self.critic, points)[1]
        return gap + self.penalty.weight * (slopes - 1).square().mean()

    def objective(self, batch: Any) -> Tensor:
        """Features once more."""
        source, labels, target = batch
        features = Features(self.features(source), labels, self.features(target))
        return super().objective(features)


def module(method: type[WDGRL] = WDGRL) -> WDGRL:
    """Our module with the networks of the shipped experiment, or the reference."""
    torch.manual_seed(0)
    extractor, classifier = MLPExtractor((WIDTH,), (500,)), LinearClassifier(500, 2)
    networks = extractor, classifier, MLPCritic((500,), (100,))
    return method(*networks, 2, weight_decay=1e-4, n_critic=N_CRITIC)


our_slopes = partial(scores_and_slopes, create_graph=True)


@dataclass
class Loop:
    """Networks, their optimizers and both domains, for a loop by hand."""

    extractor: nn.Module
    classifier: nn.Module
    critic: nn.Module
    critic_optimizer: Optimizer
    optimizer: Optimizer
    source: tuple[Tensor, Tensor]
    target: Tensor
    slopes: Callable[[nn.Module, Tensor], tuple[Tensor, Tensor]]

    @classmethod
    def of(cls, data: Reviews, slopes: Any = slopes_by_torch) -> "Loop":
        """The same networks and optimizers as those of our module."""
        ours = module()
        (of_critic, other), _ = ours.configure_optimizers()
        domains = data.read()
        source = cast(Tensor, domains.source.x), domains.source.y
        networks = ours.extractor, ours.classifier, ours.critic
        target = cast(Tensor, domains.target)
        return cls(*networks, of_critic, other, source, target, slopes)

    def step(self, x: Tensor, y: Tensor, target: Tensor) -> None:
        """Five critic updates on the same features, and one of the extractor."""
        features = self.extractor(torch.cat([x, target]))
        n, fixed = len(x), features.detach()
        for _ in range(N_CRITIC):
            lines = interpolate(fixed[:n], fixed[n:], torch.rand(n))
            points = torch.cat([fixed, lines])
            scores, slopes = self.slopes(self.critic, points)
            gap = scores[n : 2 * n].mean() - scores[:n].mean()
            loss = gap + 10 * (slopes - 1).square().mean()
            self.critic_optimizer.zero_grad()
            torch.autograd.backward(loss)
            self.critic_optimizer.step()
        with frozen(self.critic):
            scores = self.critic(features)
            gap = scores[:n].mean() - scores[n:].mean()
            loss = F.cross_entropy(self.classifier(features[:n]), y) + gap
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
        self.optimizer.step()

    def batches(self) -> Iterator[tuple[Tensor, ...]]:
        """Shuffled rows of both domains, without end."""
        x, y = self.source
        orders = (shuffled(len(part), BATCH) for part in (x, self.target))
        for here, there in zip(*orders, strict=True):
            yield x[here], y[here], self.target[there]
