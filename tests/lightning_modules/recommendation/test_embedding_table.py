"""Two processes that hold half of the tables each are one process."""

import os
import socket
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import pytest
import torch
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.multiprocessing.spawn import start_processes

from lightning_modules.optim.rowwise_adagrad import RowwiseAdagrad
from lightning_modules.recommendation.bpr import BPR
from lightning_modules.recommendation.cml import CML
from lightning_modules.recommendation.evaluation import Sizes
from lightning_modules.recommendation.factors import FactorRanker
from lightning_modules.recommendation.metric import MetricRanker
from lightning_modules.recommendation.smooth_cml import SmoothCML
from tests.support.ranking_data import planted, trainer

PairRanker = FactorRanker | MetricRanker
STEPS = 12
MAKES: dict[str, Any] = {
    "cml": lambda: CML(dim=3, margin=2.0, optimizer=lambda p: RowwiseAdagrad(p, lr=1)),
    "smooth": lambda: SmoothCML(dim=3, n_negatives=15),
    "bpr": lambda: BPR(dim=3),
}
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
]


def started(kind: str) -> PairRanker:
    pl.seed_everything(3, verbose=False)
    model: PairRanker = MAKES[kind]()
    model.evaluator._make(Sizes(31, 41, 0))  # neither is even
    return model


def data() -> Any:
    return planted(n_users=31, n_items=41)


def spread(rank: int, port: int, kind: str, folder: str) -> None:
    """What each of the two processes does."""
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
    }
    torch.set_num_threads(1)
    model, given = started(kind), data()
    run = trainer(
        max_steps=STEPS,
        devices=2,
        strategy=ModelParallelStrategy(save_distributed_checkpoint=False),
        plugins=[TorchElasticEnvironment()],
    )
    run.fit(model, given)
    state = next(iter(run.optimizers[0].state.values()))["sum"]
    users, items = (cast(DTensor, t.weight) for t in (model.users, model.items))
    run.save_checkpoint(Path(folder) / "spread.ckpt")
    (tested,) = run.test(model, given, verbose=False)
    found = {
        "users": users.full_tensor().detach(),
        "items": items.full_tensor().detach(),
        "rows": len(items.to_local()),
        "state": len(state.to_local()),
        "tested": tested,
    }
    torch.save(found, Path(folder) / f"{rank}.pt")


def two_processes(kind: str, folder: Path) -> list[dict[str, Any]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = (port, kind, str(folder))
    start: Any = start_processes
    start(spread, given, 2, start_method="fork")
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize("kind", list(MAKES))
def test_spread_tables_are_trained_and_tested_as_whole_ones(
    kind: str, tmp_path: Path
) -> None:
    first, second = two_processes(kind, tmp_path)
    single, given = started(kind), data()
    run = trainer(max_steps=STEPS)
    run.fit(single, given)
    (tested,) = run.test(single, given, verbose=False)
    for name, table in (("users", single.users), ("items", single.items)):
        whole: Tensor = table.weight.detach()
        torch.testing.assert_close(first[name], whole, atol=1e-5, rtol=0)
        assert torch.equal(first[name], second[name])
    assert first["tested"] == pytest.approx(tested, abs=1e-6)
    assert {first["rows"] + second["rows"], first["state"] + second["state"]} <= {
        41,
        31,
    }
    assert first["rows"] == 21, "a process holds half of the rows"
    assert first["state"] in (16, 21), "and half of the optimizer's state"


def test_the_checkpoint_of_spread_tables_is_that_of_whole_ones(tmp_path: Path) -> None:
    first, _ = two_processes("cml", tmp_path)
    again = CML.load_from_checkpoint(tmp_path / "spread.ckpt")
    assert torch.equal(again.items.weight.detach(), first["items"])
