"""Networks and data that do not fit are refused before training."""

from dataclasses import replace
from typing import Any

import pytest
from lightning.pytorch import Trainer
from torch import Tensor, nn

from datamodules.adaptation.base import Domains
from datamodules.core.tensor_dataset import LabelledRows
from lightning_modules import (
    DANN,
    WDGRL,
    LinearClassifier,
    MLPCritic,
    MLPExtractor,
    SourceOnly,
)
from lightning_modules.adaptation.base import AdaptationModule
from lightning_modules.data_contracts.sparse_rows import SparseRows
from tests.support.domains import Pair, fit, module

pytestmark = [
    # the forked children start no threads of their own before they train
    pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
    # DDP copies such a gradient instead of keeping it where it is
    pytest.mark.filterwarnings("ignore:Grad strides do not match"),
]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"num_classes": 3}, "model.n_classes is 2, but the data has 3 classes"),
    ],
)
def test_data_that_does_not_fit_is_refused(change: dict[str, Any], says: str) -> None:
    data = Pair()
    for key, value in change.items():
        setattr(data, key, value)
    with pytest.raises(ValueError, match=says):
        fit(module("source_only"), data, 1)


@pytest.mark.parametrize(
    ("networks", "says"),
    [
        (
            (nn.Linear(5, 6), LinearClassifier(6, 2)),
            r"extractor does not accept samples of shape \[2\]: make the shape of",
        ),
        (
            (MLPExtractor((2,), (6,)), LinearClassifier(7, 2)),
            r"classifier does not accept features of shape \[6\]: make the shape of",
        ),
    ],
)
def test_networks_that_do_not_fit_are_refused(
    networks: tuple[nn.Module, nn.Module], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        fit(SourceOnly(*networks, 2), Pair(), 1)


class SparsePair(Pair):
    """The same rows without their zeros."""

    def read(self) -> Domains:
        found = super().read()
        assert isinstance(found.source.x, Tensor)
        assert isinstance(found.target, Tensor)
        x = SparseRows.from_dense(found.source.x)
        source = LabelledRows(x, found.source.y)
        return replace(found, source=source, target=SparseRows.from_dense(found.target))


def test_a_network_for_dense_rows_is_refused_for_sparse_ones() -> None:
    dense = nn.Sequential(nn.Linear(2, 6))
    with pytest.raises(ValueError, match="The extractor does not accept samples"):
        SourceOnly(dense, LinearClassifier(6, 2), 2).check_data(SparsePair())


@pytest.mark.parametrize(
    ("name", "options"), [("coral", {}), ("mmd", {"unbiased": True})]
)
def test_batches_of_a_row_are_refused_where_they_have_no_distance(
    name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"data\.batch_size is 1, .* to 2 or mor"):
        fit(module(name, **options), Pair(batch_size=1), 1)
    fit(module(name, **options), Pair(batch_size=2), 1)
    fit(module(name, **options, transfer_weight=0.0), Pair(batch_size=1), 1)
    # the rows of all processes count: here the second one's are only missing
    monkeypatch.setattr(Trainer, "world_size", 2)
    with pytest.raises(ValueError, match="at least two rows of each domain"):
        fit(module(name, **options), Pair(batch_size=1), 1)


@pytest.mark.parametrize("name", ["dann", "deepjdot", "mmd", "source_only", "wdgrl"])
def test_batches_of_a_row_train_the_others(name: str) -> None:
    fit(module(name), Pair(batch_size=1), 1)


def test_a_classifier_of_other_classes_is_refused() -> None:
    model = SourceOnly(MLPExtractor((2,), (6,)), LinearClassifier(6, 3), 2)
    with pytest.raises(ValueError, match="set its n_classes to 2"):
        model.check_data(Pair())


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (
            WDGRL(
                MLPExtractor((2,), (6,)),
                LinearClassifier(6, 2),
                MLPCritic((5,), (4,)),
                2,
            ),
            r"The critic does not accept features of shape \[6\]",
        ),
        (
            DANN(MLPExtractor((2,), (6,)), LinearClassifier(6, 2), nn.Linear(6, 1), 2),
            r"The discriminator gives scores of shape \[2, 1\]",
        ),
    ],
)
def test_a_critic_that_the_features_do_not_fit_is_refused(
    model: AdaptationModule, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        model.check_data(Pair())
