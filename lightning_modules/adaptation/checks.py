"""What can be wrong with a domain adaptation, said before it starts."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lightning_modules.core.alternating import evaluating
from lightning_modules.data_contracts.sparse_rows import Rows, join

if TYPE_CHECKING:
    from lightning_modules.adaptation.base import AdaptationModule


def check_domains(module: "AdaptationModule", data: Any) -> None:
    """Refuse data that is not two domains, or that the networks don't fit.

    Raises:
        ValueError: Naming what does not fit.
    """
    if not hasattr(data, "domain_names"):
        raise ValueError(
            f"{type(module).__name__} adapts a source to a target, and "
            f"{type(data).__name__} is a single data set: set data to one of two "
            "domains, such as DigitsShift."
        )
    if not hasattr(data, "num_classes"):
        return  # not read yet
    if data.num_classes != module.n_classes:
        raise ValueError(
            f"model.n_classes is {module.n_classes}, but the data has "
            f"{data.num_classes} classes: set --model.n_classes {data.num_classes} "
            f"--model.classifier.n_classes {data.num_classes}."
        )
    batch = data.random_rows("train", 1, torch.Generator())
    both = (batch.source, batch.target)
    with evaluating(module), torch.no_grad():
        _check_networks(module, join(*(rows.to(module.device) for rows in both)))


def _check_networks(module: "AdaptationModule", rows: Rows) -> None:
    features = _tried(
        lambda: module.features(rows),
        f"The extractor doesn't take samples of shape {list(rows.shape[1:])}",
        "make the shape of model.extractor",
    )
    logits = _tried(
        lambda: module.classifier(features),
        f"The classifier doesn't take features of shape {list(features.shape[1:])}",
        "make the shape of model.classifier",
    )
    if logits.shape != (2, module.n_classes):
        raise ValueError(
            f"The classifier gives logits of shape {list(logits.shape[1:])} for "
            f"{module.n_classes} classes: set its n_classes to {module.n_classes}."
        )
    for key, judge in module.judges.items():
        scores = _tried(
            lambda judge=judge: judge(features),  # type: ignore[misc]
            f"The {key} doesn't take features of shape {list(features.shape[1:])}",
            f"make the shape of model.{key}",
        )
        if scores.shape != (2,):
            raise ValueError(
                f"The {key} gives scores of shape {list(scores.shape)} for two rows "
                "instead of [2]: let it end in one number for each."
            )


def _tried(call: Callable[[], Tensor], wrong: str, mend: str) -> Tensor:
    try:
        return call()
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(f"{wrong}: {mend} fit ({error}).") from error
