"""Checks of networks against two-domain data before training."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from lightning_modules.adaptation.balance import TransferWeight
from lightning_modules.adaptation.evaluation import DomainClassifier
from lightning_modules.data_contracts.contracts import (
    KnownClasses,
    RandomRows,
    TwoDomainData,
    data_of,
)
from lightning_modules.data_contracts.sparse_rows import Rows, join


class Adapts(DomainClassifier, Protocol):
    """An adaptation method, whose networks are checked against the data."""

    n_classes: int
    transfer_weight: TransferWeight
    min_batch_size: int

    @property
    def dtype(self) -> torch.dtype | str:
        """Of its weights."""

    @property
    def discriminators(self) -> Mapping[str, Callable[[Tensor], Tensor]]:
        """What scores features (n, d) with one number each, by argument."""


def check_domains(module: Adapts, data: Any) -> None:
    """Refuse domains that the networks, in eval mode, do not fit, once read.

    Raises:
        ValueError: Naming the network and what to set.
    """
    if not isinstance(data, KnownClasses) or not isinstance(data, RandomRows):
        return
    if data.num_classes != module.n_classes:
        raise ValueError(
            f"model.n_classes is {module.n_classes}, but the data has "
            f"{data.num_classes} classes: set --model.n_classes {data.num_classes} "
            f"--model.classifier.n_classes {data.num_classes}."
        )
    batch = data.random_rows("train", 1, torch.Generator())
    rows = join(batch[0], batch[-1]).to(module.device)
    _check_networks(module, rows.to(module.dtype))


def check_rows(module: Adapts) -> None:
    """Refuse batches with fewer rows than the transfer term needs.

    Raises:
        ValueError: Naming ``data.batch_size``.
    """
    data, needed = data_of(module.trainer), module.min_batch_size
    if not module.transfer_weight or not isinstance(data, TwoDomainData):
        return
    if data.batch_size * module.trainer.world_size < needed:
        raise ValueError(
            f"data.batch_size is {data.batch_size}, but {type(module).__name__} needs "
            f"{needed} rows of each domain: set it to {needed} or more."
        )


def _check_networks(module: Adapts, rows: Rows) -> None:
    features = _call_or_raise(
        lambda: module.features(rows),
        f"The extractor does not accept samples of shape {list(rows.shape[1:])}",
        "make the shape of model.extractor",
    )
    logits = _call_or_raise(
        lambda: module.classifier(features),
        f"The classifier does not accept features of shape {list(features.shape[1:])}",
        "make the shape of model.classifier",
    )
    if logits.shape != (2, module.n_classes):
        raise ValueError(
            f"The classifier gives logits of shape {list(logits.shape[1:])} for "
            f"{module.n_classes} classes: set its n_classes to {module.n_classes}."
        )
    for key, network in module.discriminators.items():
        scores = _call_or_raise(
            lambda network=network: network(features),  # type: ignore[misc]
            f"The {key} does not accept features of shape {list(features.shape[1:])}",
            f"make the shape of model.{key}",
        )
        if scores.shape != (2,):
            raise ValueError(
                f"The {key} gives scores of shape {list(scores.shape)} for two rows "
                "instead of [2]: end it in .squeeze(-1)."
            )


def _call_or_raise(call: Callable[[], Tensor], problem: str, hint: str) -> Tensor:
    try:
        return call()
    except (RuntimeError, TypeError, AttributeError, ValueError) as error:
        why = str(error).rstrip(".")
        raise ValueError(f"{problem}: {hint} fit ({why}).") from error
