"""Two small domains with three classes, and a classifier that trains on them."""

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from datamodules.adaptation.base import Domains, TwoDomains
from datamodules.core.tensor_dataset import LabelledRows
from lightning_modules.data_contracts.sparse_rows import Rows, SparseRows, join
from tests.support.trainers import QUIET_TRAINER

NAMES = ("cat", "dog", "_cow, $2")


class Herds(TwoDomains):
    """Three clusters in five dimensions; every seventh target label is unknown."""

    shape = (5,)
    num_classes = 3
    class_names = NAMES
    domain_names = ("meadow", "stable")

    def __init__(
        self, *, unlabelled: bool = False, n_target: int = 40, **options: Any
    ) -> None:
        super().__init__(**{"batch_size": 8, "batches_per_epoch": 3, **options})
        self.unlabelled, self.n_target = unlabelled, n_target

    def rows(self, x: Tensor) -> Rows:
        return x

    def read(self) -> Domains:
        source, target = self._draw(60, 0, 0.0), self._draw(self.n_target, 1, 1.5)
        known = torch.arange(self.n_target) % 7 != 6
        if self.unlabelled:
            known[:] = False
        labels = torch.where(known, target[1], -1)
        return Domains(
            LabelledRows(self.rows(source[0][:40]), source[1][:40]),
            LabelledRows(self.rows(source[0][40:]), source[1][40:]),
            self.rows(target[0]),
            LabelledRows(self.rows(target[0]), labels),
        )

    def _draw(self, n: int, seed: int, shift: float) -> tuple[Tensor, Tensor]:
        g = torch.Generator().manual_seed(seed)
        y = torch.randint(3, (n,), generator=g)
        return 3 * F.one_hot(y, 5) + shift + torch.randn(n, 5, generator=g), y


class SparseHerds(Herds):
    """The same, held without zeros."""

    def rows(self, x: Tensor) -> Rows:
        return SparseRows.from_dense(x)


class PixelHerds(Herds):
    """The same as bytes, which the data module turns into [-1, 1]."""

    def rows(self, x: Tensor) -> Rows:
        return (20 * x + 100).clamp(0, 255).byte()


class Shepherd(LightningModule):
    """Features, logits and steps of an adaptation module; dropout draws at random."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Linear(5, 4)
        self.rest = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.3), nn.ReLU())
        self.classifier = nn.Linear(4, 3)

    def features(self, x: Rows) -> Tensor:
        if isinstance(x, SparseRows):
            x = x.to_dense()
        found: Tensor = self.rest(self.first(x))
        return found

    @override
    def forward(self, x: Rows) -> Tensor:
        logits: Tensor = self.classifier(self.features(x))
        return logits

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        source, labels, target = batch
        logits = self(join(source, target))[: len(labels)]
        return F.cross_entropy(logits, labels)

    @override
    def validation_step(
        self,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> Tensor:
        logits: Tensor = self(batch[0])
        return logits

    test_step = validation_step

    @override
    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        p: Tensor = self(batch[1]).softmax(1)
        return p

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(*callbacks: Any, **options: Any) -> Trainer:
    settings: dict[str, Any] = {
        **QUIET_TRAINER,
        "devices": 1,
        "max_steps": 5,
        "max_epochs": -1,
        "use_distributed_sampler": False,
        "callbacks": list(callbacks),
    }
    return Trainer(**{**settings, **options})
