"""Gradient norms of each layer."""

from collections import defaultdict
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer
from typing_extensions import override

from callbacks.core.every_n_steps import EveryNSteps
from callbacks.core.loggers import log_scalars


class GradientNorms(EveryNSteps):
    """Logs ``grad_norm/critic/<layer>`` and ``grad_norm/generator/<layer>``.

    The norms are those of the gradients that an update is made from, before gradient
    clipping: of the generator's (or encoder's) update and of the critic's last update
    before it. A layer is a module that holds weights itself; ``total`` is the norm over
    all of the network. Between the steps asked for nothing is computed, and the device
    is waited for once per measurement.

    Args:
        every_n_steps: Generator updates between two measurements.

    Raises:
        ValueError: If the number is below 1.
    """

    def __init__(self, every_n_steps: int = 500) -> None:
        super().__init__(every_n_steps)
        self._norms: dict[str, Tensor] = {}

    @override
    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Measure the gradients if the step being made is due."""
        if self.is_due(trainer.global_step + 1):
            self._norms.update(layer_gradient_norms(pl_module, optimizer))

    @override
    def on_step(self, trainer: Trainer, pl_module: LightningModule, batch: Any) -> None:
        """Log what was measured for the update that has just been made."""
        if self._norms:
            values = torch.stack(list(self._norms.values())).tolist()
            names = [f"grad_norm/{name}" for name in self._norms]
            log_scalars(trainer, dict(zip(names, values, strict=True)))
            self._norms.clear()


def layer_gradient_norms(
    module: torch.nn.Module, optimizer: Optimizer
) -> dict[str, Tensor]:
    """Gradient norms of the layers that an optimizer updates.

    Returns:
        Norms by ``<network>/<layer>``, with ``<network>/total`` over each network;
        weights without a gradient count as nothing.

    >>> critic = torch.nn.Sequential(torch.nn.Linear(1, 1))
    >>> net = torch.nn.ModuleDict({"critic": critic})
    >>> critic(torch.ones(1, 1)).sum().backward()
    >>> layer_gradient_norms(net, torch.optim.SGD(net.parameters()))
    {'critic/0': tensor(1.4142), 'critic/total': tensor(1.4142)}
    """
    stepping = {id(p) for group in optimizer.param_groups for p in group["params"]}
    norms: dict[str, list[Tensor]] = defaultdict(list)
    for name, parameter in module.named_parameters():
        if id(parameter) in stepping and parameter.grad is not None:
            network, _, rest = name.partition(".")
            norm = parameter.grad.detach().float().norm()
            layer = rest.rpartition(".")[0]
            for key in {f"{network}/{layer}", f"{network}/total"}:
                norms[key].append(norm)
    return {name: torch.stack(parts).norm() for name, parts in sorted(norms.items())}
