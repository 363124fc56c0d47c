"""An exact exponential moving average of the player's weights."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import ReferenceType, ref

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn


class WeightEMA(Callback):
    r"""Keeps an average of the player's weights and evaluates with it.

    The player is the generator of a GAN, or extractor and classifier of a domain
    adaptation.

    After player update t the average s becomes

    .. math:: s_t = d_t s_{t-1} + (1 - d_t) w_t, \qquad s_0 = w_0,

    with d the decay; :math:`d_t = \min(d, (1 + t) / (10 + t))` with ``warmup``,
    so that a short run forgets its initial weights. Buffers are not averaged:
    the averaged player has the trained one's. Validation, test and predict
    run with the average, which the checkpoint holds beside the trained weights;
    training never sees it. Before the first update there is nothing to swap in.

    Args:
        decay: d in [0, 1); 0 keeps a copy of the trained weights.
        warmup: Whether the decay grows with the number of updates.

    Raises:
        ValueError: If the decay is outside [0, 1), or the average was stored for
            another network.

    References:
        arXiv:1806.04498 (why averaging helps GANs).
    """

    def __init__(self, decay: float = 0.999, warmup: bool = False) -> None:
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"decay of WeightEMA must be in [0, 1), but is {decay}.")
        self.decay = decay
        self.warmup = warmup
        self.updates = 0
        self._shadow: dict[str, Tensor] = {}
        self._live: dict[str, Tensor] = {}
        self._evaluation = ExitStack()
        self._owner: ReferenceType[nn.Module] | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Refuse a module whose weights are nobody's player."""
        if not isinstance(getattr(pl_module, "player", None), nn.Module):
            raise ValueError(
                f"WeightEMA averages the weights of a GAN's generator or of a domain "
                f"adaptation, and {type(pl_module).__name__} is neither: remove it "
                "from trainer.callbacks."
            )

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Start from the player's weights, or go on from a checkpoint's average."""
        player = _player(pl_module)
        foreign = self._owner is not None and self._owner() is not player
        if foreign or not self.updates:
            self.updates, self._shadow = 0, _copies(player.named_parameters())
        self._check(player)
        self._owner = ref(player)
        for name, weight in player.named_parameters():
            self._shadow[name] = self._shadow[name].to(weight.device)

    def on_train_batch_end(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Average once per player update."""
        if pl_module.player_stepped:
            self.update(_player(pl_module))

    @torch.no_grad()
    def update(self, player: nn.Module) -> None:
        """Take the player's present weights into the average."""
        self.updates += 1
        decay = self.decay
        if self.warmup:
            decay = min(decay, (1 + self.updates) / (10 + self.updates))
        shadow = list(self._shadow.values())
        weights = [
            weight.detach().to(mean.dtype)
            for weight, mean in zip(player.parameters(), shadow, strict=True)
        ]
        torch._foreach_lerp_(shadow, weights, 1.0 - decay)

    @contextmanager
    def averaged(self, pl_module: LightningModule) -> Iterator[nn.Module]:
        """Put the average into the player; afterwards put it back exactly.

        Does nothing before the first update, nor inside another such block.
        """
        player = _player(pl_module)
        if self._live or not self.updates:
            yield player
            return
        self._check(player)
        self._live = _copies(_tensors(player).items(), keep_dtype=True)
        _fill(player, self._shadow)
        try:
            yield player
        finally:
            _fill(player, self._live)
            self._live = {}

    def _check(self, player: nn.Module) -> None:
        shapes = {name: tuple(w.shape) for name, w in player.named_parameters()}
        if shapes != {name: tuple(w.shape) for name, w in self._shadow.items()}:
            raise ValueError(
                "The averaged weights in the checkpoint are those of other layers than "
                "the model's: use the config that the checkpoint was trained with."
            )

    def _enter(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self._evaluation.enter_context(self.averaged(pl_module))

    def _leave(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self._evaluation.close()

    on_validation_start = on_test_start = on_predict_start = _enter
    on_validation_end = on_test_end = on_predict_end = _leave

    def on_exception(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        exception: BaseException,  # noqa: ARG002
    ) -> None:
        """Put the trained weights back, whatever went wrong."""
        self._evaluation.close()

    def state_dict(self) -> dict[str, Any]:
        """The average and the number of updates; empty before the first one."""
        return {"updates": self.updates, "shadow": self._shadow} if self.updates else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint; Lightning calls this in every stage."""
        self.updates, self._shadow = state_dict["updates"], dict(state_dict["shadow"])
        self._owner = None

    def on_save_checkpoint(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Store the trained weights even while the average is swapped in."""
        for name, tensor in self._live.items():
            key = f"{pl_module.player_name}.{name}"
            if key in checkpoint["state_dict"]:
                checkpoint["state_dict"][key] = tensor


@contextmanager
def averaged_weights(trainer: Trainer, pl_module: LightningModule) -> Iterator[None]:
    """Inside the block the player has its averaged weights, if the run has any."""
    with ExitStack() as stack:
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, WeightEMA):
                stack.enter_context(callback.averaged(pl_module))
        yield


@contextmanager
def averaged_player(
    trainer: Trainer, pl_module: LightningModule
) -> Iterator[nn.Module]:
    """The player that samples are drawn from, such as the generator.

    Inside the block ``pl_module.player`` holds the averaged weights if the run has a
    `WeightEMA`, else the trained ones.
    """
    with averaged_weights(trainer, pl_module):
        yield _player(pl_module)


def load_averaged(
    pl_module: LightningModule, checkpoint: str | os.PathLike[str]
) -> None:
    """Replace the player's weights by the average that a checkpoint holds.

    ``load_from_checkpoint`` gives the trained weights; call this afterwards for
    the ones that validation and pictures used.

    Raises:
        ValueError: If the checkpoint holds no average, or one of another network.
    """
    states = torch.load(checkpoint, map_location="cpu", weights_only=True)["callbacks"]
    if "WeightEMA" not in states:
        raise ValueError(f"'{checkpoint}' holds no averaged weights.")
    stored = WeightEMA()
    stored.load_state_dict(states["WeightEMA"])
    stored._check(_player(pl_module))
    _fill(_player(pl_module), stored._shadow)


def _player(pl_module: LightningModule) -> nn.Module:
    player = pl_module.player
    assert isinstance(player, nn.Module)
    return player


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters()) | dict(module.named_buffers())


@torch.no_grad()
def _copies(named: Any, *, keep_dtype: bool = False) -> dict[str, Tensor]:
    # In half precision a step of (1 - d) is lost to rounding: average in float32.
    return {
        name: t.detach().to(_wide(t.dtype, keep_dtype), copy=True) for name, t in named
    }


def _wide(dtype: torch.dtype, keep: bool) -> torch.dtype:
    narrow = dtype in (torch.float16, torch.bfloat16)
    return torch.float32 if narrow and not keep else dtype


@torch.no_grad()
def _fill(module: nn.Module, values: dict[str, Tensor]) -> None:
    targets = _tensors(module)
    for name, value in values.items():
        targets[name].copy_(value)
