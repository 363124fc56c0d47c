"""A small instance of every method, with small data for it; hostile arguments."""

from collections.abc import Callable
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule
from torch import nn

from datamodules import Digits, LabelledTable, PointClouds
from lightning_modules import (
    Classifier,
    ConvClassifier,
    LinearMap,
    MetricLearner,
    MLPCritic,
    MLPGenerator,
)
from lightning_modules.core.public_names import accepted_names
from tests.support import domains
from tests.support.ranking_data import planted
from tests.support.shipped import topic_of

BY_CLASS = {cls: name for name, cls in domains.METHODS.items()}


def build(cls: Any, **options: Any) -> tuple[LightningModule, LightningDataModule]:
    """A small method, and small data for it of at least 7 batches an epoch."""
    topic = topic_of(cls)
    if topic == "generative":
        networks = MLPGenerator(2, (2,), hidden=(4,)), MLPCritic((2,), hidden=(4,))
        return cls(*networks, **options), PointClouds(
            "ring8", n_train=28, n_val=16, n_test=16, batch_size=4
        )
    if topic == "adaptation":
        data = domains.Pair(batches_per_epoch=7)
        return domains.module(BY_CLASS[cls], **options), data
    if cls is MetricLearner:
        return cls(LinearMap((13,)), **options), LabelledTable(batch_size=15)
    if cls is Classifier:
        options.setdefault("network", ConvClassifier((1, 8, 8), 10, 4))
        return cls(n_classes=10, **options), Digits(batch_size=64)
    size = {"dim": 2} if "dim" in accepted_names(cls) else {}
    return cls(**size, **options), planted()


# What a stranger's file may hold ------------------------------------------------------

CALLED: list[str] = []


def made_by_a_function(code: str = "") -> nn.Module:
    """What a file may name, for its annotation promises a network."""
    CALLED.append(code)
    return nn.Linear(2, 2)


HERE = __name__
HOSTILE = [
    f"{HERE}.made_by_a_function",
    "evilmod.Critic",
    "evilmod",
    "os.system",
    "os._exit",
    "builtins.exec",
    "subprocess.Popen",
    "functools.partial",
    "torch.load",
    "torch.hub.load",
    "torch.fx.graph_module.reduce_graph_module",
    "torch.nn.modules.module.functools.partial",
    "torch.nn.utils.spectral_norm",
    "lightning_modules.core.module.os.system",
    "lightning_modules.load_network",
    "lightning_modules.core.recipe.build",
    "lightning.pytorch.cli.instantiate_module",
    "jsonargparse.set_parsing_settings",
]
NAMES, VALUES = ("code", "args"), ("x", "echo x > ran", 1)
WAYS = ("path", "spec", "kwargs", "schedule", "inside")


def hostile_tree(path: str, arguments: dict[str, Any], way: str) -> Any:
    """A value of a checkpoint's arguments that names what must not be built."""
    return {
        "path": path,
        "spec": {"class_path": path, "init_args": arguments},
        "kwargs": {"class_path": path, "dict_kwargs": arguments},
        "schedule": {
            "class_path": "torch.optim.lr_scheduler.LambdaLR",
            "init_args": {"lr_lambda": path},
        },
        "inside": {
            "class_path": "torch.nn.Sequential",
            "dict_kwargs": {"args": [{"class_path": path, "init_args": arguments}]},
        },
    }[way]


def recorded(
    module: Any, objective: Callable[[Any], Any], batch: Any
) -> dict[str, Any]:
    """What an objective of a module would log of a step."""
    module.records.active = True
    objective(batch)
    values, module.records._values = module.records._values, {}
    return {name.removeprefix("train/"): value for name, value in values.items()}
