"""Two small domains and networks for them."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn

from datamodules.adaptation.base import Domains, TwoDomains
from datamodules.core.tensor_dataset import LabelledRows
from lightning_modules import LinearClassifier, MLPCritic, MLPExtractor
from lightning_modules.adaptation.base import AdaptationModule
from lightning_modules.data_contracts.sparse_rows import SparseRows
from tests.support.shipped import EXPERIMENTS, method_of, topic_of
from tests.support.trainers import QUIET_TRAINER

METHODS: dict[str, Callable[..., Any]] = {
    path.parent.name: method_of(path)
    for path in EXPERIMENTS
    if topic_of(method_of(path)) == "adaptation"
}
"""Every method, by the folder of its experiments."""

FORKS = [
    # the forked children start no threads of their own before they train
    pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
    # DDP copies such a gradient instead of keeping it where it is
    pytest.mark.filterwarnings("ignore:Grad strides do not match"),
]


class Pair(TwoDomains):
    """Two classes in the plane; the target is turned a little and moved."""

    shape = (2,)
    num_classes = 2
    class_names = ("left", "right")

    def __init__(self, *, sparse: bool = False, garbage: bool = False, **options: Any):
        super().__init__(**{"batch_size": 8, "batches_per_epoch": 5, **options})
        self.sparse, self.garbage = sparse, garbage

    def read(self) -> Domains:
        g = torch.Generator().manual_seed(0)
        y = torch.randint(2, (60,), generator=g)
        x = torch.randn(60, 2, generator=g) + 4 * y[:, None]
        target = x @ torch.tensor([[0.9, 0.4], [-0.4, 0.9]]) + 1
        labels = (7 * torch.arange(60)) % 2 if self.garbage else y
        if self.sparse:
            rows = SparseRows.from_dense(x), SparseRows.from_dense(target)
            sparse = LabelledRows(rows[0], y)
            return Domains(sparse, sparse, rows[1], LabelledRows(rows[1], labels))
        source = LabelledRows(x[:40], y[:40])
        held_out = LabelledRows(x[40:], y[40:])
        return Domains(source, held_out, target, LabelledRows(target, labels))


def module(name: str, **options: Any) -> AdaptationModule:
    """The method on fresh small networks, always the same ones."""
    torch.manual_seed(0)
    extractor, classifier = MLPExtractor((2,), (6,)), LinearClassifier(6, 2)
    method = METHODS[name]
    width = 12 if name == "cdan" else 6
    against: dict[str, nn.Module] = {
        **{key: MLPCritic((width,), (5,)) for key in ("critic", "discriminator")},
        "adversary": LinearClassifier(6, 2),
    }
    own = against.keys() & inspect.signature(method).parameters.keys()
    scorers = {key: against[key] for key in own}
    model: AdaptationModule = method(
        extractor, classifier, n_classes=2, **scorers, **options
    )
    return model


def fit(
    model: AdaptationModule, data: TwoDomains, steps: int, **options: Any
) -> Trainer:
    settings: dict[str, Any] = {
        **QUIET_TRAINER,
        "limit_val_batches": 0,
        "max_steps": steps,
        "max_epochs": -1,
    }
    trainer = Trainer(**{**settings, **options})
    trainer.fit(model, data)
    return trainer


def weights(model: AdaptationModule) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in model.state_dict().items()}
