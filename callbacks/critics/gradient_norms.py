"""How large the gradients of each layer are."""

from collections import defaultdict
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from callbacks.core.scalars import at_least_one, due, log_scalars


class GradientNorms(pl.Callback):
    """Logs ``grad_norm/critic/<layer>`` and ``grad_norm/generator/<layer>``.

    The norms are those of the gradients that an update is made from, before gradient
    clipping: of the player's update and of the critic's last update before it. A
    layer is a module that holds weights itself; ``total`` is the norm over all of the
    network. Between the steps asked for nothing is computed, and the device is waited
    for once per measurement.

    Args:
        every_n_steps: Player updates between two measurements.
    """

    def __init__(self, every_n_steps: int = 500) -> None:
        self.every_n_steps = at_least_one("every_n_steps", every_n_steps)
        self._norms: dict[str, Tensor] = {}

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Measure the gradients if the player update being prepared is due."""
        if (trainer.global_step + 1) % self.every_n_steps == 0:
            self._norms.update(layer_gradient_norms(pl_module, optimizer))

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Log what was measured for the update that has just been made."""
        if self._norms and due(trainer, pl_module, self.every_n_steps):
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
