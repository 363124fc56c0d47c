"""Who steps when, what counts as a step, and that nobody else moves."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor, nn

from lightning_modules import GAN, WGAN, WGANGP
from lightning_modules.core.alternating import frozen
from lightning_modules.generative.base import GenerativeModule
from tests.support.games import batches, fit, make, networks, trainer

pytestmark = pytest.mark.filterwarnings(
    # these fits have nothing to validate
    "ignore:You defined a `validation_step` but have no `val_dataloader`",
)


class Ledger(Callback):
    """Writes down after each batch what has moved."""

    def __init__(self) -> None:
        self.rows: list[tuple[bool, bool, bool, int, int]] = []
        self.before: dict[str, Tensor] = {}

    def on_train_batch_start(
        self, _: Trainer, pl_module: LightningModule, *__: object
    ) -> None:
        self.before = {k: v.clone() for k, v in pl_module.state_dict().items()}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *_: object
    ) -> None:
        assert isinstance(pl_module, GenerativeModule)
        moved = {
            k.split(".")[0]
            for k, v in pl_module.state_dict().items()
            if not torch.equal(v, self.before[k])
        }
        self.rows.append(
            (
                "critic" in moved,
                "generator" in moved,
                pl_module.step_ended,
                trainer.global_step,
                pl_module.turns.updates["critic"],
            )
        )


@pytest.mark.parametrize("n_critic", [1, 2, 5])
@pytest.mark.parametrize("method", [GAN, WGAN, WGANGP])
def test_global_step_counts_generator_updates(
    method: Callable[..., GenerativeModule], n_critic: int
) -> None:
    ledger = Ledger()
    module = method(*networks(), n_critic=n_critic)
    trainer(callbacks=[ledger]).fit(module, batches(11))
    for i, row in enumerate(ledger.rows, start=1):
        due = i % n_critic == 0
        assert row == (True, due, due, i // n_critic, i)


def test_max_steps_counts_generator_updates_over_epochs() -> None:
    ledger = Ledger()
    t = trainer(callbacks=[ledger], max_steps=4, max_epochs=-1)
    t.fit(WGAN(*networks(), n_critic=5), batches(3))
    assert t.global_step == 4
    assert len(ledger.rows) == 20  # the count of batches goes on over 7 epochs


def test_warmup_trains_the_critic_longer_at_first_and_now_and_then() -> None:
    module = WGAN(*networks(), warmup=True, n_critic=2)
    assert module.turns.warmup is not None
    module.turns.warmup = module.turns.warmup._replace(batches=4, first=2, every=5)
    ledger = Ledger()
    trainer(callbacks=[ledger], max_steps=7, max_epochs=-1).fit(module, batches(30))
    gaps = torch.tensor([i for i, row in enumerate(ledger.rows) if row[2]]).diff()
    #         update: 2  3  4  5  6  7
    assert gaps.tolist() == [4, 2, 2, 2, 4, 2]


def test_the_authors_warmup_is_the_default() -> None:
    assert WGAN(*networks(), warmup=True).turns.warmup == (100, 25, 500)
    assert WGAN(*networks()).turns.warmup is None


def test_repeated_critic_steps_use_the_same_batch() -> None:
    """The (n, 1) schedule of domain adaptation."""
    module = GAN(*networks())
    critic, generator = module.learners()
    seen: list[Tensor] = []

    def objective(batch: Tensor) -> Tensor:
        seen.append(batch)
        return critic.objective(batch)

    repeated = critic._replace(objective=objective, steps=3)
    module.learners = lambda: [repeated, generator]  # type: ignore[method-assign]
    t = trainer()
    t.fit(module, batches(2))
    assert t.global_step == 2
    assert module.turns.updates["critic"] == 6
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[2], seen[3])


@pytest.mark.parametrize("method", [GAN, WGAN, WGANGP])
def test_an_update_leaves_gradients_only_where_it_acts(
    method: Callable[..., GenerativeModule],
) -> None:
    module = method(*networks())
    t = trainer(max_steps=1, max_epochs=-1)
    t.fit(module, batches(1))
    module.zero_grad()
    module.critic_objective(torch.randn(4, 2)).backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in module.generator.parameters())
    assert all(p.grad is not None for p in module.critic.parameters())
    module.zero_grad()
    with frozen(module.critic):
        module.generator_objective(torch.randn(4, 2)).backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in module.critic.parameters())
    assert all(p.grad is not None for p in module.generator.parameters())


def test_frozen_gives_back_what_it_found() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].requires_grad_(False)
    with frozen(net):
        assert not any(p.requires_grad for p in net.parameters())
    assert [p.requires_grad for p in net.parameters()] == [True, True, False, False]


HOOKS = ("on_before_backward", "on_after_backward", "on_before_optimizer_step")


class Listener(Callback):
    """Counts how often one hook is called."""

    def __init__(self, hook: str) -> None:
        self.n = 0
        setattr(self, hook, self.count)

    def count(self, *_: Any) -> None:
        self.n += 1


def hearing_module(hook: str) -> type[WGANGP]:
    """A class that counts how often one of its hooks is called."""

    def count(self: Any, *args: Any) -> None:
        getattr(super(hearing, self), hook)(*args)
        self.n = getattr(self, "n", 0) + 1

    hearing = type("Hearing", (WGANGP,), {hook: count, "__module__": __name__})
    return hearing


def is_plain(module: Any) -> bool:
    return bool(module._descent._is_plain)


@pytest.mark.parametrize("hook", HOOKS)
def test_whoever_has_a_hook_of_an_update_is_told(hook: str) -> None:
    listener, quiet = Listener(hook), LambdaCallback()
    silent, module, heard = (make(WGANGP), make(WGANGP), make(hearing_module(hook)))
    for one, callbacks in ((silent, [quiet]), (module, [quiet, listener]), (heard, [])):
        fit(one, *callbacks, steps=4)
    assert [is_plain(one) for one in (silent, module, heard)] == [True, False, False]
    assert listener.n == heard.n == 2 * 4 + 4  # two critic updates for each step
    for name, weight in silent.state_dict().items():
        assert torch.equal(weight, module.state_dict()[name])
        assert torch.equal(weight, heard.state_dict()[name])


class OwnStrategy(SingleDeviceStrategy):
    """May do anything."""


@pytest.mark.parametrize(
    "options",
    [
        {"profiler": "simple"},
        {"precision": "bf16-mixed"},
        {"strategy": OwnStrategy("cpu")},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_does_more_around_an_update_is_not_passed_by(
    options: dict[str, Any],
) -> None:
    module = make(WGANGP)
    trainer(**options, max_steps=1).fit(module, batches(4))
    assert not is_plain(module)
