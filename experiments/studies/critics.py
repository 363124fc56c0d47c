"""Training one critic against samples that do not learn."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from rich.progress import track
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR

from datamodules import PointClouds
from lightning_modules import (
    GAN,
    WGAN,
    WGANGP,
    GANAdam,
    MLPCritic,
    WGANGPAdam,
    WGANRMSprop,
)
from lightning_modules.core.random import RandomStream
from lightning_modules.generative.base import GenerativeModule

Pairs = Callable[[], tuple[Tensor, ...]]
KINDS: dict[str, tuple[Callable[..., GenerativeModule], Callable[..., Any]]] = {
    "gan": (GAN, GANAdam),
    "wgan": (WGAN, WGANRMSprop),
    "wgan_gp": (WGANGP, WGANGPAdam),
}
OPTIONS = {"gan": (), "wgan": ("clip",), "wgan_gp": ("penalty_weight", "one_sided")}
NAMES = {"gan": "GAN", "wgan": "WGAN", "wgan_gp": "WGAN-GP"}


class Frozen(nn.Module):
    """Stands where a module needs a generator; the samples come from elsewhere."""

    latent_dim = 1

    def forward(self, latent: Tensor) -> Tensor:
        """Latents, as they are."""
        return latent


def gan_module(
    method: str, generator: nn.Module, critic: nn.Module, lr: float, **options: Any
) -> GenerativeModule:
    """A method with its paper's optimizers, both at this learning rate.

    Args:
        method: ``gan``, ``wgan`` or ``wgan_gp``.
        generator: The generator.
        critic: The critic or discriminator.
        lr: The learning rate.
        **options: ``clip``, ``penalty_weight`` and ``one_sided``, of which the method
            is given those that it has.
    """
    cls, optimizer = KINDS[method]

    def factory(parameters: Any) -> Any:
        return optimizer(parameters, lr=lr)

    own = {name: value for name, value in options.items() if name in OPTIONS[method]}
    optimizers = {"critic_optimizer": factory, "generator_optimizer": factory}
    return cls(generator, critic, **optimizers, **own)


def module_of(
    method: str, critic: nn.Module, lr: float, **options: Any
) -> GenerativeModule:
    """A method around a critic and no generator, see `gan_module`."""
    return gan_module(method, Frozen(), critic, lr, **options)


def mlp_critic(
    width: int, seed: int, *, depth: int = 3, dim: int = 2, **options: Any
) -> nn.Module:
    """A critic of some hidden layers, with initial weights from this seed."""
    return seeded(lambda: MLPCritic((dim,), (width,) * depth, **options), seed)


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network with initial weights from this seed, torch's state left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def critic_steps(
    module: GenerativeModule,
    pairs: Pairs,
    steps: int,
    *,
    seed: int = 0,
    final_rate: float = 0.05,
    label: str = "critic",
) -> Iterator[int]:
    """Train the critic, giving the number of updates after each, 0 first.

    Args:
        module: What gives the loss, and does what its paper does after a step.
        pairs: Draws a batch (real, fake).
        steps: Updates.
        seed: Seed of the penalty's points.
        final_rate: What the learning rate falls to, as a share of the first.
        label: What the progress bar says.
    """
    module.noise = RandomStream(seed, 0, "train")
    optimizer = module.critic_spec.optimizer(module.critic.parameters())
    decay = LinearLR(optimizer, 1.0, final_rate, total_iters=steps)
    yield 0
    for step in track(range(1, steps + 1), label):
        loss = module.critic_loss(*pairs())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        module.after_critic_update()
        decay.step()
        yield step


def train(module: GenerativeModule, pairs: Pairs, steps: int, **options: Any) -> None:
    """Train the critic to the end, see `critic_steps`."""
    for _ in critic_steps(module, pairs, steps, **options):
        pass


def cloud(name: str, seed: int) -> Tensor:
    """100,000 points of a named distribution, (n, 2)."""
    data = PointClouds(name, seed=seed)  # type: ignore[arg-type]
    data.setup("fit")
    return data.real("train")


def batches_of(*pools: Tensor, size: int, seed: int) -> Pairs:
    """Draws rows of each pool, independently, with replacement."""
    noise = RandomStream(seed, 0, "batches")

    def draw() -> tuple[Tensor, ...]:
        numbers = (
            torch.randint(len(p), (size,), generator=noise.generator) for p in pools
        )
        return tuple(pool[rows] for pool, rows in zip(pools, numbers, strict=True))

    return draw


def noisy_copies(pool: Tensor, size: int, seed: int, spread: float = 1.0) -> Pairs:
    """Data beside fresh data with normal noise: a fixed generator of figure 1a."""
    draw = batches_of(pool, pool, size=size, seed=seed)
    noise = RandomStream(seed, 1, "noise")

    def pair() -> tuple[Tensor, Tensor]:
        real, other = draw()
        return real, other + spread * noise.normal(*other.shape)

    return pair


def in_double(network: nn.Module) -> nn.Module:
    """A copy in float64, so that tiny gradients don't vanish in rounding."""
    return copy.deepcopy(network).double()
