"""What a callback needs is refused in one sentence, and else handed over."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.demos.boring_classes import BoringModel
from typing_extensions import get_protocol_members

from callbacks.core import requirements
from datamodules import PlantedInteractions, PointClouds, ShiftedBlobs
from lightning_modules import (
    BPR,
    WGAN,
    MLPCritic,
    MLPGenerator,
    Popularity,
    SourceOnly,
)
from lightning_modules.data_contracts import contracts


class Watch(Callback):
    """Needs something."""


class Featured(BoringModel):
    def features(self, x: Any) -> Any:
        return x


def game() -> WGAN:
    return WGAN(MLPGenerator(2, (2,)), MLPCritic((2,)))


def trainer(data: LightningDataModule | None) -> Trainer:
    run = Trainer(accelerator="cpu", logger=False)
    if data is not None:
        run.datamodule = data  # type: ignore[attr-defined]
    return run


OF_MODULES = [
    (requirements.require_generator, game, "draws samples, and BoringModel has no"),
    (requirements.require_critic, game, "a critic, and BoringModel has none"),
    (requirements.require_features, Featured, "draws features, and BoringModel has"),
    (requirements.require_points, BPR, "each user and item, and BoringModel has none"),
]


@pytest.mark.parametrize(("require", "make", "says"), OF_MODULES)
def test_a_module_is_handed_over_or_refused(
    require: Callable[..., Any], make: Callable[[], Any], says: str
) -> None:
    module = make()
    assert require(Watch(), module) is module
    with pytest.raises(
        ValueError, match=rf"^Watch .*{says}.*: remove it from trainer\.c"
    ):
        require(Watch(), BoringModel())


def test_a_method_that_compares_domains_without_a_critic_is_refused() -> None:
    encoder, classifier = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="a critic, and SourceOnly has none"):
        requirements.require_critic(Watch(), SourceOnly(encoder, classifier, 2))


@pytest.mark.parametrize(
    ("protocol", "make"),
    [
        (contracts.DrawsSamples, game),
        (contracts.ComparesSamples, game),
        (contracts.HasAverage, game),
        (contracts.HasPoints, BPR),
        (contracts.RanksItems, lambda: Popularity().evaluator),
    ],
)
def test_isinstance_of_python_3_12_finds_every_member(
    protocol: type, make: Callable[[], Any]
) -> None:
    """It asks no ``__getattr__``, which is what hands out networks."""
    for name in get_protocol_members(protocol):
        inspect.getattr_static(make(), name)


def test_the_part_of_a_module_that_ranks_is_handed_over_or_refused() -> None:
    module = Popularity()
    assert requirements.require_ranker(Watch(), module) is module.evaluator
    for other in (BoringModel(), game()):
        with pytest.raises(ValueError, match=r"^Watch is for models that rank items"):
            requirements.require_ranker(Watch(), other)


OF_DATA = [
    (requirements.require_domains, ShiftedBlobs, "two domains, such as DigitsShift"),
    (requirements.require_interactions, PlantedInteractions, "users and items, such"),
]


@pytest.mark.parametrize(("require", "make", "says"), OF_DATA)
def test_data_is_handed_over_or_refused(
    require: Callable[..., Any], make: Callable[[], Any], says: str
) -> None:
    data = make()
    assert require(Watch(), trainer(data)) is data
    for wrong, name in (
        (PointClouds("ring8"), "PointClouds"),
        (None, "there is no data mod"),
    ):
        pattern = rf"^Watch needs data of {says}.*\({name}.*: remove it from trainer\.c"
        with pytest.raises(ValueError, match=pattern):
            require(Watch(), trainer(wrong))


def test_modes_are_handed_over_or_refused() -> None:
    ring = PointClouds("ring8")
    modes, std = requirements.require_modes(Watch(), trainer(ring))
    assert modes is ring.modes
    assert std == ring.mode_std
    for wrong in (PointClouds("swiss_roll"), ShiftedBlobs(), None):
        with pytest.raises(
            ValueError, match=r"known modes.*: remove it from trainer\.c"
        ):
            requirements.require_modes(Watch(), trainer(wrong))
