"""What has to hold on a device before its times mean anything."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn

from benchmarks import generative, ranking
from callbacks import ExactResume
from experiments.trainers import quiet_trainer
from lightning_modules import WGANGP, ConvCritic, ConvGenerator, MLPCritic
from lightning_modules.functional import lipschitz

SHAPE = (1, 8, 8)
Check = Callable[[str], str]
"""From the device (``cuda`` or ``cpu``) to what was found; raises where it fails."""


def _networks(width: int = 8) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    options: dict[str, Any] = {"shape": SHAPE, "width": width, "norm": "none"}
    return ConvGenerator(8, **options), ConvCritic(**options)


def _trained(
    device: str,
    module: LightningModule,
    steps: int,
    ckpt: Path | None = None,
    **more: Any,
) -> Trainer:
    torch.manual_seed(0)
    run = quiet_trainer(accelerator=device, devices=1, max_steps=steps, **more)
    run.fit(module, generative.RandomRows(SHAPE, 64), ckpt_path=ckpt)
    return run


def _farthest(module: nn.Module, other: nn.Module) -> float:
    """The largest difference of a weight."""
    pairs = zip(module.parameters(), other.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def _at_most(value: float, most: float, what: str) -> str:
    if not value <= most:
        raise AssertionError(f"{what} is {value:.2g}, more than {most:g}")
    return f"{what} {value:.2g}"


def double_backward(device: str) -> str:
    """The penalty's gradient under autocast points where that in float64 does."""
    torch.manual_seed(0)
    critic = MLPCritic(SHAPE, (64, 64))
    real, fake = torch.rand(2, 256, *SHAPE)
    exact = _penalty_gradient(critic.double(), real.double(), fake.double())
    critic.float().to(device)
    with torch.autocast(device, torch.bfloat16):
        rounded = _penalty_gradient(critic, real.to(device), fake.to(device))
    cosine = nn.functional.cosine_similarity(rounded.double().cpu(), exact, 0)
    return _at_most(1 - float(cosine), 0.02, "1 - cosine")


def _penalty_gradient(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    half = real.new_full((len(real),), 0.5)
    weights = [p for p in critic.parameters() if p.ndim > 1]
    penalty = lipschitz.gradient_penalty(critic, real, fake, half)
    return torch.cat([g.flatten() for g in torch.autograd.grad(penalty, weights)])


def compiled_penalty(device: str) -> str:
    """A compiled WGAN-GP learns what the eager one learns."""
    eager, compiled = (WGANGP(*_networks(), compile=c) for c in (False, True))
    for module in (eager, compiled):
        _trained(device, module, steps=4)
    if compiled.compile_failed:
        raise AssertionError("it could not be compiled")
    return _at_most(_farthest(eager, compiled), 1e-3, "difference of a weight")


def exact_resume(device: str) -> str:
    """A run that is resumed in its middle equals the whole one bit for bit."""
    whole, first, second = (WGANGP(*_networks()) for _ in range(3))
    _trained(device, whole, 6, callbacks=[ExactResume()])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "middle.ckpt")
        run = _trained(device, first, 3, callbacks=[ExactResume()])
        run.save_checkpoint(path)
        _trained(device, second, 6, path, callbacks=[ExactResume()])
    return _at_most(_farthest(whole, second), 0.0, "difference of a weight")


def process_group(device: str) -> str:
    """One process of a group (NCCL on a GPU) learns what it learns without."""
    alone, grouped = (WGANGP(*_networks()) for _ in range(2))
    _trained(device, alone, 4)
    before = dict(os.environ)  # Lightning says there what process it is
    _trained(device, grouped, 4, strategy="ddp")
    name = torch.distributed.get_backend()
    torch.distributed.destroy_process_group()
    for key in os.environ.keys() - before.keys():
        del os.environ[key]
    return f"{name}: " + _at_most(_farthest(alone, grouped), 1e-6, "difference")


def many_items(device: str) -> str:
    """CML takes steps on a million items (ten thousand on a CPU)."""
    shop = ranking.Shop(100_000, 10**6 if device == "cuda" else 10**4)
    module = ranking.module()
    run = quiet_trainer(accelerator=device, devices=1, max_steps=4)
    run.fit(module, shop)
    if not all(bool(p.isfinite().all()) for p in module.parameters()):
        raise AssertionError("a point is not finite")
    return f"{shop.sizes[1]:,} items, 4 steps"


CHECKS: dict[str, Check] = {
    "double backward under autocast": double_backward,
    "compiled penalty beside eager": compiled_penalty,
    "resumed beside whole": exact_resume,
    "one process of a group": process_group,
    "CML with many items": many_items,
}
