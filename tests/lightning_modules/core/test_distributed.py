"""Two processes on half a batch each are one process on the whole batch."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader
from typing_extensions import override

from lightning_modules import (
    GAN,
    WGAN,
    WGANGP,
    MLPCritic,
    MLPGenerator,
)
from lightning_modules.core.distributed import (
    OnTheWay,
    data_ranks,
    joined_rows,
    rows_of_all_ranks,
)
from lightning_modules.core.random import RandomStream
from lightning_modules.generative.base import GenerativeModule
from tests.support.processes import on_two_ranks
from tests.support.trainers import QUIET_TRAINER

SEED = 7
N_CRITIC = 2
STEPS = 10

pytestmark = [
    # these fits have nothing to validate
    pytest.mark.filterwarnings("ignore:You defined a `validation_step`"),
    # the forked children start no threads of their own before they train
    pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
]


class Halves(LightningDataModule):
    """Batches (8, 2); with two processes each rank gets its half of every batch."""

    def train_dataloader(self) -> DataLoader[Tensor]:
        assert self.trainer is not None
        rank, world = self.trainer.global_rank, self.trainer.world_size
        g = torch.Generator().manual_seed(1)
        whole = torch.randn(N_CRITIC * STEPS, 8, 2, generator=g)
        mine = whole.chunk(world, dim=1)[rank]
        return DataLoader(mine, batch_size=None)  # type: ignore[arg-type]


class JoinedNoise(RandomStream):
    """What rank 0 and rank 1 draw, one below the other."""

    def __init__(self) -> None:
        super().__init__(SEED, 0, "train")
        self.parts = [RandomStream(SEED, rank, "train") for rank in (0, 1)]

    def normal(self, *shape: int) -> Tensor:
        n, *rest = shape
        return torch.cat([part.normal(n // 2, *rest) for part in self.parts])

    def uniform(self, *shape: int) -> Tensor:
        n, *rest = shape
        return torch.cat([part.uniform(n // 2, *rest) for part in self.parts])


def networks() -> tuple[MLPGenerator, MLPCritic]:
    torch.manual_seed(0)
    return MLPGenerator(3, (2,), hidden=(16,)), MLPCritic((2,), hidden=(16,))


def fit(module: GenerativeModule, devices: int, **options: Any) -> Trainer:
    trainer = Trainer(
        **QUIET_TRAINER,
        devices=devices,
        strategy="ddp_fork" if devices > 1 else "auto",
        use_distributed_sampler=False,
        max_epochs=1,
        **options,
    )
    torch.manual_seed(SEED)
    trainer.fit(module, Halves())
    return trainer


def alone(module: GenerativeModule, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process with the noise of both ranks."""
    start = module.on_fit_start

    def on_fit_start() -> None:
        start()
        module.noise = JoinedNoise()

    monkeypatch.setattr(module, "on_fit_start", on_fit_start)
    fit(module, 1)


@pytest.mark.parametrize(
    ("method", "tolerance"), [(GAN, 1e-5), (WGAN, 1e-5), (WGANGP, 1e-4)]
)
def test_two_processes_equal_one_on_the_joined_batch_and_noise(
    method: Callable[..., GenerativeModule],
    tolerance: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    together = method(*networks(), n_critic=N_CRITIC)
    fit(together, 2)
    single = method(*networks(), n_critic=N_CRITIC)
    before = {k: v.clone() for k, v in single.state_dict().items()}
    alone(single, monkeypatch)
    for key, value in single.state_dict().items():
        # A Wasserstein critic's last bias cancels in the loss. Its gradient is rounding
        # noise, which RMSProp and Adam scale up to a full step; it changes nothing.
        if method is not GAN and key == "critic.layers.3.bias":
            continue
        assert (value - together.state_dict()[key]).abs().max() <= tolerance
        assert not torch.equal(value, before[key])


def test_ranks_draw_different_noise_and_the_same_in_every_run(tmp_path: Path) -> None:
    from lightning.pytorch import Callback, LightningModule

    class Save(Callback):
        def __init__(self, path: Path) -> None:
            self.path = path

        @override
        def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            trainer.save_checkpoint(self.path)

    states = []
    for name in ("one.ckpt", "two.ckpt"):
        fit(WGAN(*networks()), 2, callbacks=[Save(tmp_path / name)])
        states.append(torch.load(tmp_path / name, weights_only=True)["noise"])
    assert torch.equal(*states)
    assert not torch.equal(states[0][0], states[0][1])


def test_noise_differs_by_seed_rank_and_stream_and_repeats() -> None:
    keys = [(0, 0, "train"), (1, 0, "train"), (0, 1, "train"), (0, 0, "sample")]
    draws = [RandomStream(*key).normal(8) for key in keys]
    for i, one in enumerate(draws):
        assert torch.equal(one, RandomStream(*keys[i]).normal(8))
        assert all(not torch.equal(one, other) for other in draws[i + 1 :])


def test_noise_goes_on_from_its_state() -> None:
    noise = RandomStream(0, 0, "train")
    noise.normal(5)
    state, ahead = noise.state, noise.uniform(7)
    other = RandomStream(9, 9, "x")
    other.state = torch.stack([RandomStream(1, 1, "y").state, state])[
        1
    ]  # one rank's row
    assert torch.equal(other.uniform(7), ahead)


def test_noise_has_the_laws_it_names() -> None:
    noise = RandomStream(0, 0, "law")
    normal, uniform = noise.normal(200_000), noise.uniform(200_000)
    assert normal.mean().abs() < 0.01
    assert normal.std() == pytest.approx(1, abs=0.01)
    assert uniform.mean() == pytest.approx(0.5, abs=0.005)
    assert 0 <= uniform.min() <= uniform.max() < 1


# Rows of all processes ----------------------------------------------------------------


def joined_on_a_rank(rank: int) -> dict[str, Any]:
    """Rows of two ranks, and the gradient of sum_i i x_i over all of them."""
    x = torch.full((2, 3), float(rank), requires_grad=True)
    rows = joined_rows(x)
    (rows.sum(1) * torch.arange(4.0)).sum().backward()  # type: ignore[no-untyped-call]
    known = rows_of_all_ranks(torch.tensor([rank, 9]))
    return {"rows": rows.detach(), "gradient": x.grad, "known": known}


def test_rows_of_all_ranks_stand_in_their_order_and_a_rank_gets_its_own_gradients(
    tmp_path: Path,
) -> None:
    """Every rank has the same loss, so that its rows get the gradient twice."""
    for rank, parts in enumerate(on_two_ranks(joined_on_a_rank, tmp_path)):
        assert parts["rows"][:, 0].tolist() == [0, 0, 1, 1]
        assert parts["known"].tolist() == [[0, 9], [1, 9]]
        assert parts["gradient"][:, 0].tolist() == [4.0 * rank, 4.0 * rank + 2]


def test_one_process_has_its_own_rows_alone() -> None:
    x = torch.randn(3, 2)
    assert joined_rows(x) is x
    assert torch.equal(rows_of_all_ranks(x), x[None])
    assert data_ranks(Trainer(accelerator="cpu", logger=False)) == {
        "rank": 0,
        "world_size": 1,
    }


@pytest.mark.gpu
def test_numbers_of_a_device_arrive_without_a_wait_at_their_start() -> None:
    numbers = [torch.tensor(1.0, device="cuda"), torch.tensor(torch.nan, device="cuda")]
    torch.cuda.set_sync_debug_mode("error")
    try:
        sent = OnTheWay(numbers)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    first, second = sent.arrived()
    assert first == 1
    assert math.isnan(second)
