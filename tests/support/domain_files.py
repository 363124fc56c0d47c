"""Two domains of features in small files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.adaptation.base import TwoDomains
from datamodules.adaptation.domain_features import DomainFeatures
from tests.support.feature_sets import (
    counts,
    labels,
    write,
)

D = 5
SIZES = {"source": 24, "target": 20, "source_val": 9, "target_test": 11}
CLASSES = (-1, 3, 12)


def arrays(part: str) -> tuple[np.ndarray, np.ndarray]:
    number = list(SIZES).index(part)
    return counts(SIZES[part], D, number), labels(SIZES[part], CLASSES, number)


def files(root: Path, *names: str, ending: str = ".npz") -> dict[str, Any]:
    """Two to four files, by their keys."""
    return {part: str(write(root / f"{part}{ending}", *arrays(part))) for part in names}


def domains(root: Path, *more: str, ending: str = ".npz", **options: Any) -> Any:
    settings = {"batch_size": 4, "batches_per_epoch": 7, **options}
    paths = files(root, "source", "target", *more, ending=ending)
    return DomainFeatures(**{**paths, **settings})


def numbered(y: np.ndarray) -> list[int]:
    return [CLASSES.index(label) for label in y]


def refused(data: TwoDomains, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as info:
        data.setup()
    assert "\n" not in str(info.value)
