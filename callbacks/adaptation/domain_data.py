"""The two domains that a run is about."""

from typing import Any

import lightning.pytorch as pl


def domain_data(callback: pl.Callback, trainer: pl.Trainer) -> Any:
    """The trainer's data module, a ``TwoDomains``, which callbacks don't import.

    Raises:
        ValueError: If the data is not two domains.
    """
    data = getattr(trainer, "datamodule", None)
    if not hasattr(data, "domain_names"):
        found = "there is no data module" if data is None else type(data).__name__
        raise ValueError(
            f"{type(callback).__name__} needs data of two domains, such as DigitsShift,"
            f" and not what is set ({found}): take it out of trainer.callbacks."
        )
    return data
