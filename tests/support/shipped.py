"""The experiments that ship, found by their files."""

from functools import cache
from pathlib import Path
from pydoc import locate
from typing import Any

from lightning.pytorch import LightningModule

import lightning_modules
from wasserstein_critics.cli.config_files import read_config

CONFIGS = Path(__file__).parents[2] / "configs"
OTHERS = ("defaults", "studies", "sweeps")
EXPERIMENTS = sorted(
    path for path in CONFIGS.glob("*/*.yaml") if path.parent.name not in OTHERS
)
METHODS = [
    cls
    for cls in map(lightning_modules.__dict__.__getitem__, lightning_modules.__all__)
    if isinstance(cls, type) and issubclass(cls, LightningModule)
]


def name_of(path: Path) -> str:
    """``<method>/<data>``."""
    return f"{path.parent.name}/{path.stem}"


@cache
def config_of(path: Path) -> dict[str, Any]:
    """What an experiment says together with its defaults."""
    return read_config(path)


def method_of(path: Path) -> type[LightningModule]:
    """The class that an experiment trains."""
    name = config_of(path)["model"]["class_path"]
    cls = locate(name if "." in name else f"lightning_modules.{name}")
    assert isinstance(cls, type), f"{name_of(path)} names no model: {name}"
    assert issubclass(cls, LightningModule), f"{name_of(path)} names no model: {name}"
    return cls


def topic_of(cls: type) -> str:
    """The room of a method, such as ``generative``."""
    return cls.__module__.split(".")[1]
