"""What is optimised, how it is clipped, and how its rates are scheduled."""

import math
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins import MixedPrecision
from torch import nn
from torch.optim import SGD, lr_scheduler, swa_utils
from torch.optim.lr_scheduler import LinearLR, ReduceLROnPlateau

from lightning_modules import GAN, WGANGP, LinearDecay
from lightning_modules.core.alternating import Turns, Warmup
from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.optimisation import (
    OptimizerSpec,
    SpreadOverRun,
    check_made,
    check_specs,
    check_states,
    make_optimizers,
    steps_of_run,
)
from lightning_modules.optim import schedules
from lightning_modules.optim.paper_defaults import AdaptationAdam
from tests.support.games import batches, networks, trainer

pytestmark = pytest.mark.filterwarnings(
    # these fits have nothing to validate
    "ignore:You defined a `validation_step` but have no `val_dataloader`",
)


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


def made(name: str, **arguments: Any) -> Any:
    """An optimizer or a schedule of torch's or ours."""
    weights = [nn.Parameter(torch.zeros(1))]
    if hasattr(torch.optim, name):
        return vars(torch.optim)[name](weights, **arguments)
    known: dict[str, Any] = {}
    for home in (lr_scheduler, swa_utils, schedules):
        known |= vars(home)
    return known[name](SGD(weights, lr=0.1), **arguments)


USELESS: list[tuple[str, dict[str, Any]]] = [
    *(
        (name, {"total_iters": n})
        for name in ("LinearDecay", "OneCycle", "LinearLR", "ConstantLR")
        for n in (0, -5)
    ),
    *(("PolynomialLR", {"total_iters": n}) for n in (0, -5)),
    ("PolynomialLR", {"power": -1.0}),
    *(("StepLR", {"step_size": n}) for n in (0, -1)),
    ("StepLR", {"step_size": 1, "gamma": -1.0}),
    ("StepLR", {"step_size": 1, "gamma": math.inf}),
    ("ExponentialLR", {"gamma": -1.0}),
    ("MultiStepLR", {"milestones": [-1]}),
    *(("CosineAnnealingLR", {"T_max": n}) for n in (0, -5)),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": -1.0}),
    ("CosineAnnealingWarmRestarts", {"T_0": 0}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": -1.0}),
    ("SWALR", {"swa_lr": -1.0}),
    ("Adam", {"lr": math.inf}),
    ("SGD", {"lr": math.nan}),
    ("SGD", {"momentum": 2.0}),
    ("RMSprop", {"alpha": 2.0}),
    ("LBFGS", {}),
]


@pytest.mark.parametrize(("name", "arguments"), USELESS)
def test_what_no_training_can_use_is_refused_though_torch_takes_it(
    name: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"must|Expected|evaluates the loss|Invalid"):
        check_made("scheduler", made(name, **arguments))


USEFUL: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ("Adam", "SGD", "RMSprop", "Adagrad", "Rprop", "NAdam")),
    *((name, {}) for name in ("LinearLR", "ConstantLR", "PolynomialLR", "OneCycle")),
    ("LinearDecay", {"total_iters": 1}),
    ("LambdaLR", {"lr_lambda": float}),
    ("MultiStepLR", {"milestones": [3, 5]}),
    ("StepLR", {"step_size": 1, "gamma": 0.0}),
    ("CosineAnnealingLR", {"T_max": 5}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 9}),
]


@pytest.mark.parametrize(("name", "arguments"), USEFUL)
def test_other_values_are_left_alone(name: str, arguments: dict[str, Any]) -> None:
    if name == "CyclicLR":
        arguments = arguments | {"cycle_momentum": False}
    check_made("scheduler", made(name, **arguments))


def test_no_optimizer_starts_again_where_a_run_goes_on() -> None:
    one = OptimizerSpec("", [nn.Parameter(torch.zeros(1))], SGD, LinearLR)
    check_states([one], {"optimizer_states": [{}], "lr_schedulers": [{}]})
    fewer: dict[str, Any] = {"optimizer_states": []}
    more: dict[str, Any] = {"lr_schedulers": [{}, {}]}
    for states in (fewer, more):
        with pytest.raises(ValueError, match="and this method 1: go on with"):
            check_states([one], states)


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


# Specifications -----------------------------------------------------------------------


def spec(key: str, lr: float, **options: Any) -> OptimizerSpec:
    weights = [nn.Parameter(torch.zeros(2))]
    return OptimizerSpec(key, weights, lambda p: SGD(p, lr=lr), **options)


def test_optimizers_stand_in_the_order_of_their_specifications() -> None:
    def halved(optimizer: torch.optim.Optimizer) -> LinearLR:
        return LinearLR(optimizer, 0.5)

    specs = [spec("a_", 1.0), spec("b_", 2.0, scheduler=halved), spec("c_", 3.0)]
    optimizers, schedules = make_optimizers(specs, lambda: pytest.fail("not needed"))
    assert [o.defaults["lr"] for o in optimizers] == [1.0, 2.0, 3.0]
    for one, optimizer in zip(specs, optimizers, strict=True):
        assert optimizer.param_groups[0]["params"] == one.parameters
    assert [s.optimizer for s in schedules] == [optimizers[1]]


def test_only_a_schedule_that_lasts_as_long_as_training_is_told_how_long() -> None:
    lengths = iter([7])
    specs = [spec("", 1.0, scheduler=lambda o: LinearDecay(o))]
    _, (schedule,) = make_optimizers(specs, lambda: next(lengths))
    assert isinstance(schedule, SpreadOverRun)
    assert schedule.total_iters == 7  # type: ignore[attr-defined]
    assert not isinstance(LinearLR(SGD(specs[0].parameters)), SpreadOverRun)


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan])
def test_a_limit_of_the_gradient_norm_is_refused_by_the_key_of_its_optimizer(
    limit: float,
) -> None:
    check_specs([spec("", 1.0), spec("critic_", 1.0, clip_norm=0.1)])
    with pytest.raises(ValueError, match=r"^critic_clip_norm must be above 0"):
        check_specs([spec("critic_", 1.0, clip_norm=limit)])


# The length of a training -------------------------------------------------------------


class Length(Callback):
    """Asks how many counted steps the training has."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, AlternatingModule)
        self.steps = steps_of_run(trainer, pl_module.turns)
        trainer.should_stop = math.isinf(self.steps)


@pytest.mark.parametrize(
    ("options", "n_critic", "steps"),
    [
        ({"max_epochs": 2}, 1, 14),
        ({"max_epochs": 2}, 3, 4),
        ({"max_epochs": 2, "max_steps": 3}, 3, 3),
        ({"max_epochs": 2, "max_steps": 30}, 3, 4),
        ({"max_epochs": -1, "max_steps": 5}, 3, 5),
        ({"max_epochs": 2, "limit_train_batches": 3}, 1, 6),
    ],
)
def test_a_training_is_as_long_as_its_counted_steps(
    options: dict[str, int], n_critic: int, steps: int
) -> None:
    length = Length()
    run = trainer(callbacks=[length], **options)
    run.fit(GAN(*networks(), n_critic=n_critic), batches(7))
    assert length.steps == run.global_step == steps


def test_a_training_without_an_end_is_infinitely_long() -> None:
    length = Length()
    run = trainer(callbacks=[length], max_epochs=-1)
    run.fit(GAN(*networks()), batches(2))
    assert length.steps == math.inf


@pytest.mark.parametrize("warmup", [None, Warmup(4, 2, 3)])
def test_steps_in_so_many_batches_are_those_that_become_due(
    warmup: Warmup | None,
) -> None:
    turns, steps = Turns(2, warmup), 0
    for batches_before in range(40):
        assert Turns(2, warmup).steps_in(batches_before) == steps
        steps += turns.due(steps)
        turns.end()
