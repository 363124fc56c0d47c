"""WDGRL on dense rows of the Amazon reviews' size: our Trainer, and by a bare loop.

The bare loop does the same arithmetic: features once for all critic steps, scores and
slopes in one pass, the extractor's gradients only in the player's step.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from benchmarks.wdgrl_speed import WIDTH, Reviews
from lightning_modules import WDGRL, LinearClassifier, MLPCritic, MLPExtractor
from lightning_modules.core.alternating import frozen
from lightning_modules.functional.lipschitz import interpolate, scores_and_slopes

NETWORKS = f"extractor {WIDTH}-500, critic 500-100-1, classifier 500-2, 32 + 32 rows"
N_CRITIC, BATCH = 5, 32


def networks() -> tuple[nn.Module, nn.Module, nn.Module]:
    """Extractor, classifier and critic of the shipped experiment."""
    torch.manual_seed(0)
    extractor, classifier = MLPExtractor((WIDTH,), (500,)), LinearClassifier(500, 2)
    return extractor, classifier, MLPCritic((500,), (100,))


def module(method: type[WDGRL] = WDGRL) -> WDGRL:
    """Our module, or the same written the usual way."""
    return method(*networks(), 2, weight_decay=1e-4, n_critic=N_CRITIC)


@dataclass
class Adaptation:
    """Networks, their optimizers and both domains, for a loop by hand."""

    extractor: nn.Module
    classifier: nn.Module
    critic: nn.Module
    critic_optimizer: Optimizer
    optimizer: Optimizer
    source: tuple[Tensor, Tensor]
    target: Tensor

    @classmethod
    def of(cls, data: Reviews) -> "Adaptation":
        """The same networks and optimizers as those of our module."""
        ours = module()
        (of_critic, of_player), _ = ours.configure_optimizers()
        domains = data.read()
        source = cast(Tensor, domains.source.x), domains.source.y
        return cls(
            ours.extractor,
            ours.classifier,
            ours.critic,
            of_critic,
            of_player,
            source,
            cast(Tensor, domains.target),
        )

    def step(self, x: Tensor, y: Tensor, target: Tensor) -> None:
        """Five critic updates on the same features, and one of the player."""
        features = self.extractor(torch.cat([x, target]))
        n, fixed = len(x), features.detach()
        for _ in range(N_CRITIC):
            lines = interpolate(fixed[:n], fixed[n:], torch.rand(n))
            points = torch.cat([fixed, lines])
            scores, slopes = scores_and_slopes(self.critic, points, create_graph=True)
            gap = scores[n : 2 * n].mean() - scores[:n].mean()
            loss = gap + 10 * (slopes - 1).square().mean()
            self.critic_optimizer.zero_grad()
            torch.autograd.backward(loss)
            self.critic_optimizer.step()
        with frozen(self.critic):
            scores = self.critic(features)
            apart = scores[:n].mean() - scores[n:].mean()
            loss = F.cross_entropy(self.classifier(features[:n]), y) + apart
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
        self.optimizer.step()


Batch = tuple[Tensor, Tensor, Tensor]


def batches(adaptation: Adaptation) -> Iterator[Batch]:
    """Shuffled rows of both domains, epoch after epoch."""
    x, y = adaptation.source
    while True:
        orders = (torch.randperm(len(part)) for part in (x, adaptation.target))
        for here, there in zip(*(torch.split(o, BATCH) for o in orders), strict=True):
            if len(here) == BATCH:
                yield x[here], y[here], adaptation.target[there]


def play(adaptation: Adaptation, rows: Iterator[Batch], steps: int) -> None:
    """Some player updates."""
    for _ in range(steps):
        adaptation.step(*next(rows))
