"""GAN, WGAN and WGAN-GP by hand: a bare loop and a reference loop.

The bare loop does the same arithmetic as the modules, written by hand: fakes for the
critic without gradients, real and fake in one call of the critic, no gradients of the
frozen side, the penalty from our function. It draws, scores and descends.

The reference loop is written as published scripts are: the graph of the fakes is kept,
real and fake are scored apart, each part of the critic's loss goes backward by a call
of its own, and the generator's step computes the critic's gradients in vain.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer, RMSprop

from benchmarks.fitting import shuffled
from benchmarks.generative import N_CRITIC, Method, Pair, RandomRows, module
from lightning_modules.core.alternating import frozen
from lightning_modules.functional.lipschitz import gradient_penalty


def _torch_default(ours: Optimizer) -> Optimizer:
    """The same rule and settings, with torch's choice of how to carry it out."""
    (group,) = ours.param_groups
    if isinstance(ours, RMSprop):
        return RMSprop(group["params"], group["lr"], group["alpha"])
    return Adam(group["params"], group["lr"], group["betas"])


@dataclass
class Loop:
    """Networks, their optimizers and the data of a loop by hand."""

    method: Method
    generator: nn.Module
    critic: nn.Module
    optimizers: tuple[Optimizer, Optimizer]
    rows: Tensor
    batch: int
    latent: int

    @classmethod
    def of(cls, method: Method, pair: Pair, reference: bool = False) -> "Loop":
        """The same networks as in our module, and its optimizers or torch's own."""
        ours = module(method, pair)
        optimizers, _ = ours.configure_optimizers()
        if reference:
            optimizers = [_torch_default(optimizer) for optimizer in optimizers]
        rows = RandomRows(pair.shape, pair.batch).read()[0].x
        networks = ours.generator, ours.critic
        return cls(
            method, *networks, tuple(optimizers), rows, pair.batch, ours.latent_dim
        )

    def batches(self) -> Iterator[Tensor]:
        """Shuffled batches without end."""
        return (self.rows[part] for part in shuffled(len(self.rows), self.batch))

    def clip(self) -> None:
        """Algorithm 1 of WGAN, line 7."""
        if self.method == "wgan":
            with torch.no_grad():
                for weight in self.critic.parameters():
                    weight.clamp_(-0.01, 0.01)

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """On scores."""
        if self.method == "gan":
            return F.softplus(-real).mean() + F.softplus(fake).mean()
        return fake.mean() - real.mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """On scores."""
        return F.softplus(-fake).mean() if self.method == "gan" else -fake.mean()


Step = Callable[[Loop, Tensor], None]


def bare_critic(loop: Loop, real: Tensor) -> None:
    """One update of the critic."""
    with torch.no_grad():
        fake = loop.generator(torch.randn(len(real), loop.latent))
    scores = loop.critic(torch.cat([real, fake]))
    loss = loop.critic_loss(scores[: len(real)], scores[len(real) :])
    if loop.method == "wgan_gp":
        penalty = gradient_penalty(loop.critic, real, fake, torch.rand(len(real)))
        loss = loss + 10 * penalty
    loop.optimizers[0].zero_grad()
    torch.autograd.backward(loss)
    loop.optimizers[0].step()
    loop.clip()


def bare_generator(loop: Loop, real: Tensor) -> None:
    """One update of the generator."""
    with frozen(loop.critic):
        fake = loop.generator(torch.randn(len(real), loop.latent))
        loss = loop.generator_loss(loop.critic(fake))
        loop.optimizers[1].zero_grad()
        torch.autograd.backward(loss)
    loop.optimizers[1].step()


def reference_critic(loop: Loop, real: Tensor) -> None:
    """One update of the critic, in two or three backward calls."""
    fake = loop.generator(torch.randn(len(real), loop.latent))
    loop.optimizers[0].zero_grad()
    here, there = loop.critic(real), loop.critic(fake)
    if loop.method == "gan":
        torch.autograd.backward(F.softplus(-here).mean())
        torch.autograd.backward(F.softplus(there).mean())
    else:
        torch.autograd.backward(-here.mean())
        torch.autograd.backward(there.mean())
    if loop.method == "wgan_gp":
        torch.autograd.backward(
            10 * _reference_penalty(loop.critic, real, fake.detach())
        )
    loop.optimizers[0].step()
    loop.clip()


def _reference_penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    epsilon = torch.rand(len(real), *[1] * (real.ndim - 1))
    points = (epsilon * real + (1 - epsilon) * fake).requires_grad_(True)
    scores = critic(points)
    (slopes,) = torch.autograd.grad(
        scores, points, torch.ones_like(scores), create_graph=True, retain_graph=True
    )
    penalty: Tensor = ((slopes.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
    return penalty


def reference_generator(loop: Loop, real: Tensor) -> None:
    """One update of the generator, with gradients of the critic's weights."""
    loop.optimizers[1].zero_grad()
    fake = loop.generator(torch.randn(len(real), loop.latent))
    torch.autograd.backward(loop.generator_loss(loop.critic(fake)))
    loop.optimizers[1].step()


def updates(loop: Loop, critic: Step, generator: Step) -> Callable[[int], None]:
    """Generator updates, each after ``n_critic`` of the critic, as a function."""
    batches = loop.batches()

    def run(steps: int) -> None:
        for _ in range(steps):
            for _ in range(N_CRITIC[loop.method]):
                real = next(batches)
                critic(loop, real)
            generator(loop, real)

    return run
