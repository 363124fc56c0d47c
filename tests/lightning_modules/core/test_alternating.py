"""Who steps when, what counts as a step, and that nobody else moves."""

from collections.abc import Callable

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from lightning_modules import GAN, WGAN, WGANGP
from lightning_modules.core.alternating import frozen
from lightning_modules.generative.base import GenerativeModule
from tests.support.games import batches, networks, trainer

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
