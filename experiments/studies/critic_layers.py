"""Gradients and weights inside a critic."""

import numpy as np
import torch
from torch import Tensor, nn

from experiments.studies.study import Row
from lightning_modules import MLPCritic
from lightning_modules.generative.base import GenerativeModule


def layer_norms(module: GenerativeModule, real: Tensor, fake: Tensor) -> list[float]:
    """Norm of the critic loss' gradient at the output of each hidden layer.

    In float64, so that what underflows in float32 is still seen; of the loss without
    the penalty, which acts on the input alone.
    """
    critic = MLPCritic((2,), _widths(module.critic)).double()
    critic.load_state_dict(module.critic.state_dict())
    activations: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: Tensor) -> None:
        output.retain_grad()
        activations.append(output)

    for layer in critic.modules():
        if isinstance(layer, nn.ReLU):
            layer.register_forward_hook(keep)
    loss = critic(fake.double()).mean() - critic(real.double()).mean()
    loss.backward()
    half = len(activations) // 2  # fake first, then real
    pairs = zip(activations[:half], activations[half:], strict=True)
    return [float((a.grad.norm() ** 2 + b.grad.norm() ** 2) ** 0.5) for a, b in pairs]  # type: ignore[union-attr]


def _widths(critic: nn.Module) -> tuple[int, ...]:
    layers = [m for m in critic.modules() if isinstance(m, nn.Linear)]
    return tuple(layer.out_features for layer in layers[:-1])


def weight_rows(critic: nn.Module, clip: float | None, bins: int = 61) -> list[Row]:
    """Histogram of all weights, and how many of them stand at the walls of the box."""
    matrices = [p.detach().flatten() for p in critic.parameters() if p.ndim > 1]
    values = torch.cat(matrices)
    rows: list[Row] = []
    if clip is not None:
        at_walls = float((values.abs() > 0.99 * clip).float().mean())
        rows.append({"part": "at walls", "value": at_walls})
    # A few large weights of a penalised critic would hide the rest.
    reach = clip or 1.5 * float(values.abs().quantile(0.99))
    counts, edges = np.histogram(values.numpy(), bins, (-reach, reach), density=True)
    for x, y in zip((edges[1:] + edges[:-1]) / 2, counts, strict=True):
        rows.append({"part": "weights", "layer": float(x), "value": float(y)})
    return rows
