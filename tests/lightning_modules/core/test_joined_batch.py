"""Every method: two processes with half a batch each are one with the whole batch.

One pair of processes trains them all, in float64, where only rounding differs.
"""

import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.multiprocessing.spawn import ProcessRaisedException

from lightning_modules import BPR, CML, GAN, WARP, Classifier
from lightning_modules.core.random import RandomStream
from lightning_modules.recommendation.evaluation import Sizes
from lightning_modules.recommendation.fitted import FittedRanker
from tests.support.domains import FORKS
from tests.support.methods import build
from tests.support.processes import on_two_ranks
from tests.support.ranking_data import featured
from tests.support.shipped import METHODS
from tests.support.trainers import QUIET_TRAINER

Weights = dict[str, Tensor]
STEPS = (1, 10)
TERMS: dict[str, dict[str, Any]] = {
    "decay": {"decay": 0.5},
    "covariance": {"covariance_weight": 20.0},
    "features": {"feature_weight": 0.5, "feature_hidden": (6,), "feature_dropout": 0.0},
}
TERMS["all"] = TERMS["covariance"] | TERMS["features"]
OWN: dict[Any, dict[str, Any]] = {
    # draws that are not one a row, and statistics of a process's own rows
    Classifier: {"shift": 0, "network": nn.Sequential(nn.Flatten(), nn.Linear(64, 10))}
}
SOLVED = [cls for cls in METHODS if issubclass(cls, FittedRanker)]
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    **{cls.__name__: (cls, OWN.get(cls, {})) for cls in METHODS if cls not in SOLVED},
    **{f"{cls.__name__}-decay": (cls, TERMS["decay"]) for cls in (BPR, WARP)},
    "GAN-around": (GAN, {"penalty_weight": 5.0, "penalty_where": "around_data"}),
    # SmoothCML's candidates are shared by the rows of a process: terms over all rows of
    # two processes have them twice.
    **{f"CML-{term}": (CML, TERMS[term]) for term in ("covariance", "features", "all")},
}
CANCELS = ("critic.layers.3.bias", "critic.layers.5.bias")
"""Its gradient is rounding noise, which Adam scales up; it changes nothing."""

pytestmark = [
    *FORKS,
    pytest.mark.filterwarnings("ignore:You defined a `validation_step`"),
    pytest.mark.filterwarnings("ignore:.*Consider increasing the value of the `num_w"),
]


class Share(RandomStream):
    """A rank's rows of the numbers that one process draws for the joined batch.

    Numbers that all rows of a batch share are the same on both ranks.
    """

    def __init__(self, rank: int, ranks: int) -> None:
        super().__init__(7, 0, "train")
        self.rank, self.ranks = rank, ranks

    def normal(self, *shape: int) -> Tensor:
        return self._own(super().normal(*self._joined(shape)))

    def uniform(self, *shape: int) -> Tensor:
        return self._own(super().uniform(*self._joined(shape)))

    def integers(self, high: int, *shape: int) -> Tensor:
        return self._own(super().integers(high, *self._joined(shape)))

    def _joined(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        first = shape[0] if shape[0] == 1 else shape[0] * self.ranks
        return first, *shape[1:]

    def _own(self, rows: Tensor) -> Tensor:
        return rows if len(rows) == 1 else rows.chunk(self.ranks)[self.rank]


class ShareOfItems(Share):
    """No item of a batch stands at its features alone.

    That is drawn once for each distinct item, and two processes have others than one.
    """

    def uniform(self, *shape: int) -> Tensor:
        return torch.zeros(shape) if shape[1:] == (1,) else super().uniform(*shape)


def trained(name: str, steps: int, rank: int, ranks: int) -> Weights:
    """Weights after some steps on one of the processes."""
    method, options = CASES[name]
    torch.manual_seed(0)
    module, data = build(method, **deepcopy(options))
    if "feature_weight" in options:
        data = featured()
        module.evaluator._make(Sizes(24, 40, 4))  # type: ignore[union-attr, operator]
    data.batch_size = 16 // ranks  # type: ignore[attr-defined]
    start = module.on_fit_start

    def on_fit_start() -> None:
        start()
        kind = ShareOfItems if "feature_weight" in options else Share
        module.noise = kind(rank, ranks)  # type: ignore[assignment]

    module.on_fit_start = on_fit_start  # type: ignore[method-assign]
    trainer = Trainer(
        **QUIET_TRAINER,
        devices=ranks,
        strategy="ddp" if ranks > 1 else "auto",
        precision="64-true",
        use_distributed_sampler=False,
        max_steps=steps,
        max_epochs=-1,
        limit_val_batches=0,
    )
    torch.manual_seed(7)
    trainer.fit(module, data)
    return {key: value.clone() for key, value in module.state_dict().items()}


def all_trained(rank: int) -> dict[str, Weights]:
    """Weights of all cases on one of two processes."""
    os.environ |= {"LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "NODE_RANK": "0"}
    return {
        f"{name} {steps}": trained(name, steps, rank, 2)
        for name in CASES
        for steps in STEPS
    }


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Weights]]:
    return on_two_ranks(all_trained, Path(tmp_path_factory.mktemp("ranks")))


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", CASES)
def test_two_processes_equal_one_on_the_joined_batch(
    name: str, steps: int, together: list[dict[str, Weights]]
) -> None:
    alone = trained(name, steps, 0, 1)
    for both in together:
        for key, value in both[f"{name} {steps}"].items():
            if key not in CANCELS:
                torch.testing.assert_close(value, alone[key], atol=1e-10, rtol=0)


@pytest.mark.parametrize("method", SOLVED, ids=lambda cls: cls.__name__)
def test_what_is_solved_at_once_is_refused_on_two_processes(method: Any) -> None:
    module, data = build(method)
    trainer = Trainer(**QUIET_TRAINER, devices=2, strategy="ddp_fork", max_epochs=1)
    with pytest.raises(ProcessRaisedException, match="is solved at once, by one proc"):
        trainer.fit(module, data)
