"""What is optimised, how it is clipped, and how its rates are scheduled."""

from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR, ReduceLROnPlateau
from torch.utils.data import DataLoader

from lightning_modules import GAN, WGANGP, MLPCritic, MLPGenerator
from lightning_modules.optim.paper_defaults import AdaptationAdam

pytestmark = pytest.mark.filterwarnings(
    # these fits have nothing to validate
    "ignore:You defined a `validation_step` but have no `val_dataloader`",
)


def networks() -> tuple[MLPGenerator, MLPCritic]:
    torch.manual_seed(0)
    return MLPGenerator(3, (2,), hidden=(8,)), MLPCritic((2,), hidden=(8,))


def batches(n: int, size: int = 4) -> DataLoader[Tensor]:
    x = torch.randn(n * size, 2, generator=torch.Generator().manual_seed(1))
    return DataLoader(x, batch_size=size)  # type: ignore[arg-type]


def trainer(**options: Any) -> Trainer:
    defaults = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "max_epochs": 1,
    }
    return Trainer(**{**defaults, **options})


class Norms(Callback):
    """Gradient norms of both sides as the last update found them."""

    def __init__(self) -> None:
        self.norms: dict[str, float] = {}

    def on_train_batch_end(
        self, _: Trainer, pl_module: LightningModule, *__: object
    ) -> None:
        for side in ("critic", "generator"):
            found = [p.grad for p in getattr(pl_module, side).parameters()]
            grads = [g for g in found if g is not None]
            self.norms[side] = nn.utils.get_total_norm(grads).item()


def test_both_schedulers_step_once_per_generator_update() -> None:
    def falling(optimizer: torch.optim.Optimizer) -> LinearLR:
        return LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=4)

    module = WGANGP(
        *networks(), n_critic=5, critic_scheduler=falling, generator_scheduler=falling
    )
    t = trainer()
    t.fit(module, batches(15))
    rates = [o.param_groups[0]["lr"] for o in t.optimizers]
    assert rates == [pytest.approx(1e-4 / 4)] * 2  # 3 of 4 updates made


@pytest.mark.parametrize(
    ("which", "other"), [("critic", "generator"), ("generator", "critic")]
)
def test_clip_norm_bounds_the_gradient_of_its_own_side(which: str, other: str) -> None:
    limit: dict[str, Any] = {f"{which}_clip_norm": 1e-3}
    measured = Norms()
    trainer(callbacks=[measured]).fit(GAN(*networks(), **limit), batches(1))
    assert measured.norms[which] == pytest.approx(1e-3, rel=1e-3)
    assert measured.norms[other] > 2e-3


@pytest.mark.parametrize("which", ["critic", "generator"])
@pytest.mark.parametrize("fused", [False, True])
def test_gradients_are_clipped_on_their_own_scale(which: str, fused: bool) -> None:
    """A fused optimizer unscales them itself, in its step after the clipping."""
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    measured = Norms()
    limit: dict[str, Any] = {f"{which}_clip_norm": 1e-3}
    if fused:
        limit |= dict.fromkeys(
            ("critic_optimizer", "generator_optimizer"), AdaptationAdam
        )
    trainer(
        callbacks=[measured],
        plugins=[MixedPrecision("16-mixed", "cpu", scaler=scaler)],
    ).fit(GAN(*networks(), **limit), batches(1))
    assert measured.norms[which] == pytest.approx(1e-3, rel=1e-2)


def test_a_schedule_that_wants_a_metric_is_refused() -> None:
    module = GAN(*networks(), critic_scheduler=ReduceLROnPlateau)
    with pytest.raises(ValueError, match="ReduceLROnPlateau"):
        module.configure_optimizers()
