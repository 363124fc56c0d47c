"""Every argument of every public class changes what it should."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache, partial
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

import callbacks
import datamodules
import lightning_modules
from datamodules import Digits, LabelledTable, PointClouds
from lightning_modules import (
    ConvClassifier,
    LinearClassifier,
    LinearMap,
    MLPCritic,
    MLPExtractor,
    MLPGenerator,
    RowwiseAdagrad,
)
from lightning_modules.core.alternating import Warmup
from lightning_modules.core.public_names import declarations
from lightning_modules.data_contracts.sparse_rows import SparseRows
from tests.support import small_data
from tests.support.domains import Pair
from tests.support.ranking_data import featured
from tests.support.shipped import METHODS, topic_of
from tests.support.trainers import QUIET_TRAINER, same

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*Consider increasing the value of the"),
    pytest.mark.filterwarnings("ignore:.*left out 'title'"),
]


class Change(NamedTuple):
    """Another value of an argument, and where it is seen.

    Attributes:
        value: The other value.
        given: Other arguments, without which this one does nothing.
        seen: What differs: an entry of `SEEN`, or an attribute of the object.
        among: Other arguments that go with the other value.
    """

    value: Any
    given: Mapping[str, Any] = {}
    seen: str = "weights"
    among: Mapping[str, Any] = {}


def public(package: Any) -> dict[str, Any]:
    """The classes that a package exports and that can be made, by name."""
    found = {name: getattr(package, name) for name in package.__all__}
    return {
        name: cls
        for name, cls in found.items()
        if isinstance(cls, type) and not inspect.isabstract(cls)
    }


def arguments(cls: type) -> list[str]:
    return sorted(declarations(cls).keys() - LEFT_OUT.get(cls.__name__, set()))


def differ(one: Any, other: Any) -> bool:
    return not same(plain(one), plain(other))


def plain(value: Any) -> Any:
    """Tensors of any rows, which `same` compares."""
    if isinstance(value, SparseRows):
        return value.to_dense()
    if isinstance(value, tuple | list):
        return [plain(part) for part in value]
    return value


# Methods ------------------------------------------------------------------------------


def halved(optimizer: Any) -> LambdaLR:
    return LambdaLR(optimizer, lambda step: 0.5**step)


def descent(parameters: Any) -> SGD:
    return SGD(parameters, lr=0.01)


def large_steps(parameters: Any) -> RowwiseAdagrad:
    return RowwiseAdagrad(parameters, lr=1.0)


def critic(width: int = 4, shape: int = 2, **options: Any) -> MLPCritic:
    return MLPCritic((shape,), (width,), **options)


PENALISED: dict[str, Any] = {"penalty_weight": 1.0}
FEATURES: dict[str, Any] = {"feature_weight": 0.5, "feature_hidden": (4,)}
FACTORS: dict[str, Change] = {
    "dim": Change(3),
    "decay": Change(0.5),
    "item_chunk": Change(7, seen="evaluator.item_chunk"),
    "ks": Change((5,), seen="evaluated"),
    "n_negatives": Change(3),
    "optimizer": Change(lambda p: RowwiseAdagrad(p, lr=0.5)),
    "popularity_power": Change(0.0, {"sampling": "popularity"}),
    "sampling": Change("popularity"),
    "scheduler": Change(halved, seen="rates"),
    "margin": Change(1e-3),
    "negative": Change("hardest"),
    "rank_weighted": Change(False),
}
POINTS = FACTORS | {
    "negative": Change("first"),
    "ball": Change(False, {"optimizer": large_steps}),
    "covariance_weight": Change(2.0),
    "feature_dropout": Change(0.0, FEATURES),
    "feature_hidden": Change((5,), {"feature_weight": 0.5}),
    "feature_optimizer": Change(descent, FEATURES),
    "feature_weight": Change(0.5, {"feature_hidden": (4,)}),
    "temperature": Change(0.5),
}
FITTED = {
    "l2": Change(3.0),
    "alpha": Change(3.0),
    "sweeps": Change(2),
    "epochs": Change(2),
    "lr": Change(0.5),
    "k": Change(2),
}
GAMES = {
    "generator": Change(lambda: MLPGenerator(2, (2,), hidden=(5,))),
    "critic": Change(lambda: critic(5)),
    "compile": Change(True, seen="_compiler.enabled"),
    "critic_clip_norm": Change(1e-3, seen="critic"),
    "critic_optimizer": Change(descent, seen="critic"),
    "critic_scheduler": Change(halved, seen="critic rates"),
    "generator_clip_norm": Change(1e-9, seen="generator"),
    "generator_optimizer": Change(descent, seen="generator"),
    "generator_scheduler": Change(halved, seen="generator rates"),
    "n_critic": Change(2),
    "warmup": Change(Warmup(batches=3)),
    "loss": Change("saturating", seen="generator"),
    "penalty_every": Change(2, PENALISED),
    "penalty_rescale": Change(True, PENALISED | {"penalty_every": 2}),
    "penalty_weight": Change(2.0),
    "penalty_where": Change("around_data", PENALISED),
    "slope": Change(0.5, PENALISED),
    "norm_order": Change(1.0),
    "one_sided": Change(True),
    "clip": Change(0.02),
    "clip_norm_layers": Change(False, {"critic": lambda: critic(norm="layer")}),
}


def three_classes(**networks: Callable[[], nn.Module]) -> Change:
    among = {"classifier": lambda: LinearClassifier(6, 3), **networks}
    seen = "evaluator.scores.source_confusion.num_classes"
    return Change(3, seen=seen, among=among)


ADAPTATION = {
    "extractor": Change(lambda: MLPExtractor((2,), (6,), activation="leaky_relu")),
    "classifier": Change(lambda: nn.Linear(6, 2)),
    "critic": Change(lambda: critic(5, 6)),
    "discriminator": Change(lambda: critic(5, 6)),
    "n_classes": three_classes(),
    "adversary": Change(lambda: nn.Linear(6, 2)),
    "entropy": Change(False),
    "margin": Change(2.0),
    "clip_norm": Change(1e-9),
    "compile": Change(True, seen="_compiler.enabled"),
    "critic_clip_norm": Change(1e-9, seen="critic"),
    "critic_optimizer": Change(descent, seen="critic"),
    "critic_scheduler": Change(halved, seen="critic rates"),
    "ends": Change(False, seen="critic"),
    "n_critic": Change(2, seen="critic"),
    "penalty_weight": Change(2.0, seen="critic"),
    "optimizer": Change(descent, seen="adapted"),
    "ramp": Change("sigmoid", seen="adapted"),
    "scheduler": Change(halved, seen="rates"),
    "selection": Change("snd", seen="evaluator.scores.selection"),
    "label_shift": Change(True, seen="adapted"),
    "transfer_share": Change(3.0, {"transfer_weight": "auto"}, seen="adapted"),
    "transfer_weight": Change(0.25, seen="adapted"),
    "weight_decay": Change(0.5, seen="adapted"),
    "temperature": Change(1.0),
    "widths": Change((1.0,)),
    "unbiased": Change(True),
    "feature_weight": Change(0.5),
    "label_weight": Change(0.5),
}
TABLES = {
    "network": Change(lambda: LinearMap((13,), 5)),
    "clip_norm": Change(1e-9),
    "distance": Change("manhattan"),
    "k": Change(1),
    "loss": Change("triplet"),
    "margin": Change(0.1, {"loss": "triplet"}),
    "mining": Change("all", {"loss": "triplet"}),
    "optimizer": Change(descent),
    "push_weight": Change(0.25),
    "scheduler": Change(halved, seen="rates"),
}
IMAGES = {
    "network": Change(lambda: ConvClassifier((1, 8, 8), 10, 5)),
    "clip_norm": Change(1e-9),
    "n_classes": Change(
        11,
        seen="evaluator.accuracy.num_classes",
        among={"network": lambda: ConvClassifier((1, 8, 8), 11, 4)},
    ),
    "optimizer": Change(descent),
    "shift": Change(0),
}
GRAPH = {"n_layers": Change(1), "optimizer": Change(descent)}
OF_METHODS: Mapping[str, Mapping[str, Change]] = {
    **dict.fromkeys(("GAN", "WGAN", "WGANGP"), GAMES),
    "WGAN": GAMES | {"warmup": Change(True)},
    **dict.fromkeys(("CORAL", "DANN", "DeepJDOT", "MCC", "MMD"), ADAPTATION),
    "CDAN": ADAPTATION
    | {
        "discriminator": Change(lambda: critic(5, 12)),
        "n_classes": three_classes(discriminator=lambda: critic(4, 18)),
    },
    "MDD": ADAPTATION
    | {"n_classes": three_classes(adversary=lambda: LinearClassifier(6, 3))},
    **dict.fromkeys(("SourceOnly", "WDGRL"), ADAPTATION),
    **dict.fromkeys(("BPR", "WARP"), FACTORS),
    "LightGCN": FACTORS | GRAPH,
    "LightGCNPlusPlus": FACTORS
    | GRAPH
    | {"alpha": Change(0.2), "beta": Change(0.3), "gamma": Change(0.6)},
    "CML": POINTS,
    "SmoothCML": POINTS | {"height": Change(0.5)},
    **dict.fromkeys(("EASE", "WRMF", "ItemKNN"), FACTORS | FITTED),
    **dict.fromkeys(("Popularity", "ImplicitBPR"), FACTORS | FITTED),
    "MetricLearner": TABLES,
    "Classifier": IMAGES,
}
"""Another value of each argument of each method, and where it is seen."""
ONE_FORM = ("n_features", "source_val", "target_test", "zero_based")
LEFT_OUT: Mapping[str, set[str]] = {
    "BPR": {"n_negatives"},  # given by the class, as are the next two
    "CML": {"shared"},
    "SmoothCML": {"shared"},
    # no effect, as its docstring says
    "SourceOnly": {"transfer_weight", "transfer_share", "ramp", "label_shift"},
    "CORAL": {"label_shift"},  # refused
    "MCC": {"label_shift"},
    **{key: {"label_shift", "transfer_share"} for key in ("CDAN", "DANN", "MDD")},
    "Digits": {"flip"},  # given by the class, as are those of the next
    "PointClouds": {"flip"},
    "LabelledTable": {"flip", "n_predict"},
    "PlantedInteractions": {"mask_val"},
    "AmazonReviews": {"labels", "n_val", *ONE_FORM},
    "OfficeCaltech": {"labels", "dense", *ONE_FORM},
    "Checkpoint": set(declarations(ModelCheckpoint)),
    "Recommender": {"data", "model"},  # what is asked, which is no setting
}


class Fitted(NamedTuple):
    """A method after some batches, and who trained it."""

    module: Any
    data: LightningDataModule
    trainer: Trainer


def rates(run: Fitted, side: int | None = None) -> list[float]:
    chosen = run.trainer.optimizers if side is None else [run.trainer.optimizers[side]]
    return [group["lr"] for one in chosen for group in one.param_groups]


def evaluated(run: Fitted) -> Any:
    return Trainer(**QUIET_TRAINER).test(run.module, run.data, verbose=False)


def weights(run: Fitted, part: str = "") -> dict[str, Tensor]:
    state = run.module.state_dict()
    return {key: state[key] for key in state if key.startswith(part)}


SEEN: Mapping[str, Callable[[Fitted], Any]] = {
    "weights": weights,
    **{p: partial(weights, part=p) for p in ("critic", "generator", "adapted")},
    "rates": rates,
    "critic rates": lambda run: rates(run, 0),
    "generator rates": lambda run: rates(run, 1),
    "evaluated": evaluated,
}


def made(cls: Any, **options: Any) -> tuple[LightningModule, LightningDataModule]:
    """A small instance with small data; factories of networks are called here."""
    torch.manual_seed(0)
    topic = topic_of(cls)
    own: dict[str, Any]
    data: LightningDataModule
    if topic == "generative":
        own = {"generator": lambda: MLPGenerator(2, (2,), hidden=(4,)), "n_critic": 1}
        own["critic"] = critic
        data = PointClouds("ring8", 4, n_train=28, n_val=16, n_test=16)
    elif topic == "adaptation":
        own = {k: lambda: critic(4, 6) for k in ("critic", "discriminator")}
        own["extractor"] = lambda: MLPExtractor((2,), (6,))
        if cls.__name__ == "CDAN":
            own["discriminator"] = lambda: critic(4, 12)
        two = dict.fromkeys(("classifier", "adversary"), lambda: LinearClassifier(6, 2))
        own |= {**two, "n_classes": 2}
        data = Pair(batches_per_epoch=7)
    elif cls.__name__ == "MetricLearner":
        own, data = {"network": lambda: LinearMap((13,))}, LabelledTable(batch_size=15)
    elif cls.__name__ == "Classifier":
        own = {"network": lambda: ConvClassifier((1, 8, 8), 10, 4)}
        data = Digits(batch_size=64)
    else:
        own, data = {"dim": 2, "n_negatives": 4}, featured(batch_size=16)
    own = {key: own[key] for key in own.keys() & arguments(cls)} | options
    networks = {"generator", "critic", "extractor", "classifier", "discriminator"}
    torch.manual_seed(0)
    for key in sorted((networks | {"adversary", "network"}) & own.keys()):
        own[key] = own[key]()
    return cls(**own), data


def fitted(cls: Any, options: Mapping[str, Any]) -> Fitted:
    module, data = made(cls, **options)
    trainer = Trainer(
        **QUIET_TRAINER,
        max_epochs=1,
        max_steps=50,  # for the ramp
        limit_train_batches=6,
        limit_val_batches=0,
    )
    trainer.fit(module, data)
    return Fitted(module, data, trainer)


@cache
def fitted_before(cls: Any, given: Any) -> Fitted:
    """The same fit for all arguments that need the same others."""
    return fitted(cls, dict(given))


@pytest.mark.parametrize(
    ("cls", "name"), [(cls, name) for cls in METHODS for name in arguments(cls)]
)
def test_each_argument_of_a_method_changes_what_it_should(cls: Any, name: str) -> None:
    change = OF_METHODS[cls.__name__][name]
    given = {k: v for k, v in change.given.items() if k in declarations(cls)}
    other = {**given, **change.among, name: change.value}
    if "." in change.seen:
        see = attrgetter(change.seen)
        assert differ(see(made(cls, **given)[0]), see(made(cls, **other)[0]))
        return
    observe, before = SEEN[change.seen], fitted_before(cls, tuple(given.items()))
    assert differ(observe(before), observe(fitted(cls, other)))


@pytest.mark.parametrize("cls", METHODS)
def test_two_fits_with_the_same_arguments_are_the_same(cls: Any) -> None:
    one, other = fitted_before(cls, ()), fitted(cls, {})
    assert not differ(weights(one), weights(other))
    assert not differ(rates(one), rates(other))


@pytest.mark.parametrize("cls", METHODS)
def test_a_method_remembers_its_arguments(cls: Any) -> None:
    own = set(inspect.signature(cls).parameters) - {"options"}
    module, _ = made(cls)
    assert own <= module.hparams.keys()


# Data modules -------------------------------------------------------------------------


def batches(data: Any) -> Any:
    """What a method gets of the data, or the sentence that refuses it."""
    data.prepare_data()
    data.setup()
    loaders = [data.train_dataloader()]
    for more in (data.val_dataloader(), data.test_dataloader()):
        loaders += more if isinstance(more, list) else [more]
    loaders.append(data.predict_dataloader())
    return [[len(one), *(tuple(batch) for batch in one)] for one in loaders]


NOWHERE = "nowhere"
KEPT = "state"
ROWS: dict[str, Change] = {
    "batch_size": Change(3),
    "download": Change(True, seen="download"),  # nothing is missing
    "flip": Change(True),
    "n_predict": Change(2),
    "max_gigabytes": Change(1e-9, seen=KEPT),  # refusing is tested by kind of file
    "num_workers": Change(1, seen="workers"),
    "root": Change(NOWHERE),
    "seed": Change(1),
    "n_val": Change(3),
    "image_size": Change(6),
    "channels": Change(1),
    "limit": Change(12),
    "n_held_out": Change(1701),
    "val_fraction": Change(0.5),
    "on_corrupt": Change("error", seen=KEPT),
    "white_level": Change(4095, seen=KEPT),
    **{f"n_{part}": Change(20) for part in ("train", "test")},
    "name": Change("grid25", seen="batches"),
    "scale": Change(3.0),
    "table": Change("iris"),
    "labels": Change(NOWHERE),
    "label_column": Change("kind", seen=KEPT),  # see the tests of tables
    "normalise": Change("none"),
    "split_seed": Change(1),
    "test_share": Change(0.4),
    "val_share": Change(0.3),
}
DOMAINS = ROWS | {
    "channels": Change(3),
    "batches_per_epoch": Change(2),
    "source": Change(NOWHERE),
    "target": Change(NOWHERE),
    "source_val": Change(NOWHERE),
    "target_test": Change(NOWHERE),
    "labels": Change({"source": NOWHERE}),
    "dense": Change(True, seen="kinds"),
    "normalise": Change("l2"),
    "n_features": Change(5001),
    "zero_based": Change(True, seen=KEPT),
    "features": Change("decaf"),
    "protocol": Change("split"),
    "split_seed": Change(1, seen=KEPT),  # there are too few rows to split
    "crop": Change(2),
    "target_test_share": Change(0.3),
    "same_box": Change(True),
    "warp": Change(0.1),
    "blur": Change(0.1),
    "down": Change(1),
    "right": Change(2),
    "gap": Change(3.0),
    "shift": Change((1.0, 2.0)),
    "std": Change(2.0),
}
STARS = {"rating_column": "stars", "rating_threshold": 3.0}
TIMES = {"split": "time", "time_column": "day", "time_format": "%d/%m/%Y"}
GOODS = {"features": "goods.csv"}
PAIRS = ROWS | {
    "user_column": Change("customer"),
    "item_column": Change("article"),
    "rating_column": Change("points", STARS),
    "time_column": Change("month", TIMES),
    "time_format": Change("%m/%d/%Y", TIMES),
    "quoted": Change(False, seen=KEPT),
    "name_column": Change("title", GOODS, seen="names"),
    "feature_columns": Change(["weight"], GOODS, seen="features"),
    "keep_cold_items": Change(True, GOODS, seen="features"),
    "keep_cold_users": Change(True, TIMES | {"test_share": 0.3}),
    "normalise": Change("zscore", GOODS, seen="features"),
    "eval_batch_size": Change(5),
    "by_user": Change(True),
    "mask_val": Change(True, seen="seen_at"),
    "predict_users": Change([1, 3]),
    "predict_items": Change("new", seen="predict_items"),
    "features": Change("tags_and_words", seen="features"),
    "min_items": Change(11),
    "tag_items": Change(8, {"features": "tags"}, seen="features"),
    "weights": Change("binary", {"features": "tags"}, seen="features"),
    "k_core": Change(11),
    "split": Change("leave_one_out"),
    "split_seed": Change(1),
    "rating_threshold": Change(5.0, STARS),
    "variant": Change("1m"),
    "path": Change(NOWHERE),
    "n_users": Change(9),
    "n_items": Change(25),
    "n_taken": Change(8),
    "dim": Change(3),
    "reach": Change(0.5),
    "draw_order": Change(True),
}
EXCEPT: Mapping[str, Mapping[str, Change]] = {
    "SplitFiles": {
        key: Change(value, {"root": "unsplit"})
        for key, value in (("split_seed", 1), ("val_share", 0.5))
    },
    "Interactions": {
        "features": Change("goods.csv", seen="features"),
        "split": Change("leave_one_out", {"test_share": 0.4}),
    },
    "LabelledTable": {"labels": Change(NOWHERE, seen=KEPT)},  # of another table
    "MovieLens": {
        "features": Change("none", seen="features"),
        "rating_threshold": Change(4.5),
        "keep_cold_users": Change(True, seen=KEPT),
    },
}
"""What differs from the tables of all data modules of a kind."""


def options_of(cls: type, root: Path) -> dict[str, Any]:
    """Arguments that make a data module small, and those that it needs."""
    amazon = {
        side: root / "amazon_reviews" / f"{goods}_train.svmlight"
        for side, goods in (("source", "books"), ("target", "dvd"))
    }
    needed: Mapping[str, Mapping[str, Any]] = {
        "PointClouds": {"name": "ring8"},
        "OfficeImages": {"source": "amazon", "target": "webcam", "image_size": 8},
        "DomainFeatures": {**amazon, "batch_size": 4},
        "Interactions": {"path": root / "orders.csv"},
    }
    small = small_data.OPTIONS[cls.__name__](root)
    return {**small, **needed.get(cls.__name__, {})}


def kinds(data: Any) -> Any:
    return [[str(type(part)) for part in batch] for batch in batches(data)[0][1:]]


def downloads(files: Any) -> list[bool]:
    """Whether each of the sets of files may be fetched."""
    several = files.values() if isinstance(files, dict) else [files]
    return [one.download for one in several]


class Refused(NamedTuple):
    """What is seen of a data module that refuses its arguments."""

    error: Exception


def observed(make: Callable[[], Any], seen: str) -> Any:
    """What a data module gives, or the sentence that refuses its arguments."""
    try:
        data = make()
        if seen == "weights":
            return batches(data)
        if seen in SETTINGS:
            return SETTINGS[seen](data)
        data.setup()
        return OBSERVED[seen](data)
    except (ValueError, FileNotFoundError) as error:
        return Refused(error)


def plain_state(one: Any) -> dict[str, str]:
    return {key: repr(value) for key, value in vars(one).items()}


SETTINGS: Mapping[str, Callable[[Any], Any]] = {
    KEPT: plain_state,
    "download": lambda data: downloads(data.files),
    "seen_at": attrgetter("seen_at"),
    "predict_items": attrgetter("predict_items"),
}
OBSERVED: Mapping[str, Callable[[Any], Any]] = {
    "batches": batches,
    "kinds": kinds,
    "workers": lambda data: data.train_dataloader().num_workers,
    "features": lambda data: plain(data.catalogue.features),
    "names": lambda data: list(data.catalogue.item_names),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    small_data.write_all(folder)
    (folder / "unsplit").mkdir()
    for part in ("train", "test"):
        source = folder / "split_files" / f"{part}.txt"
        (folder / "unsplit" / source.name).write_text(source.read_text())
    _write_shop(folder)
    return folder


def _write_shop(folder: Path) -> None:
    """Orders with two columns of everything, and goods with one nobody ordered."""
    rows = [(n // 6, (5 * n + n // 6) % 13) for n in range(72)]
    orders = {
        "user": [f"u{user}" for user, _ in rows],
        "item": [f"i{item}" for _, item in rows],
        "customer": [f"c{item}" for _, item in rows],
        "article": [f"a{user}" for user, _ in rows],
        "stars": [1 + n % 5 for n in range(72)],
        "points": [1 + n % 3 for n in range(72)],
        "day": [f"{1 + n % 12:02}/{1 + (n > 59):02}/2020" for n in range(72)],
        "month": [f"{1 + n % 12:02}/01/2020" for n in range(72)],
    }
    pl.DataFrame(orders).write_csv(folder / "orders.csv")
    goods = {
        "item": [f"i{item}" for item in range(14)],
        "title": [f"title {item}" for item in range(14)],
        "weight": [item % 4 for item in range(14)],
        "colour": [item % 3 for item in range(14)],
    }
    pl.DataFrame(goods).write_csv(folder / "goods.csv")


DATA = public(datamodules)


@pytest.mark.parametrize(
    ("name", "argument"),
    [(name, a) for name, cls in DATA.items() for a in arguments(cls)],
)
def test_each_argument_of_a_data_module_changes_what_it_should(
    name: str, argument: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cls = DATA[name]
    table: Mapping[str, Change] = ROWS
    if issubclass(cls, datamodules.TwoDomains):
        table = DOMAINS
    elif cls.kind == "interactions":
        table = PAIRS
    change = {**table, **EXCEPT.get(name, {})}[argument]
    monkeypatch.chdir(root)
    given = options_of(cls, root) | dict(change.given)
    one = observed(lambda: cls(**given), change.seen)
    other = observed(lambda: cls(**{**given, argument: change.value}), change.seen)
    assert not isinstance(one, Refused), one
    assert isinstance(other, Refused) or differ(one, other)


# Callbacks ----------------------------------------------------------------------------

OF_CALLBACKS: Mapping[str, Any] = {
    "every_n_steps": 7,
    "every_n_validations": 2,
    "seed": 1,
    **dict.fromkeys(("n", "k", "n_samples", "n_val_samples"), 11),
    **dict.fromkeys(("n_colours", "kid_subset_size", "kid_subsets"), 3),
    **dict.fromkeys(("grid_size", "scale"), 3),
    "users": (1, 2),
    "method": "tsne",
    "network": "critic",
    "index": "flat",
    "classifier": "other.ckpt",
    "inception": True,
    "inception_weights": "weights.pth",
    "key": "drawn",
    "floor": False,
    "summaries": {"val/loss": "max"},
    "decay": 0.5,
    "warmup": True,
    "parser": "another",
    "config": "another",
    "config_filename": "another.yaml",
}
"""Another value of each argument of a callback; its state differs, and what a callback
does with its state the tests of the callback say."""
NEEDED: Mapping[str, Mapping[str, Any]] = {
    "FeatureMetrics": {"classifier": "one.ckpt"},
    "RunConfig": {"parser": None, "config": None},
}
CALLBACKS = public(callbacks)


@pytest.mark.parametrize(
    ("name", "argument"),
    [(name, a) for name, cls in CALLBACKS.items() for a in arguments(cls)],
)
def test_each_argument_of_a_callback_changes_its_state(
    name: str, argument: str
) -> None:
    cls, given = CALLBACKS[name], dict(NEEDED.get(name, {}))
    other = OF_CALLBACKS.get(argument)
    if argument == "format":
        other = "parquet" if name == "LabelTable" else "csv"
    one, changed = cls(**given), cls(**{**given, argument: other})
    assert plain_state(one) != plain_state(changed)
    if argument not in ("n_samples", "summaries"):  # of which more is kept
        assert vars(changed).get(argument, other) == other


# Networks and optimizers --------------------------------------------------------------

SMALL: Mapping[str, Any] = {
    "shape": (3, 16, 16),
    "latent_dim": 2,
    "n_features": 6,
    "n_classes": 3,
    "num_features": 5,
    "width": 4,
    "hidden": (4,),
    "channels": (4, 6),
}
OF_NETWORKS: Mapping[str, Any] = {
    "shape": (1, 16, 16),
    "latent_dim": 3,
    "n_features": 7,
    "n_classes": 4,
    "num_features": 7,
    "width": 5,
    "hidden": (5,),
    "channels": (5, 6),
    "activation": "elu",
    "dropout": 0.5,
    "init": "dcgan",
    "norm": "layer",
    "output": "tanh",
    "smallest_side": 8,
    "lr": 0.3,
    "betas": (0.1, 0.2),
    "weight_decay": 0.3,
    "alpha": 0.3,
    "initial": 0.3,
    "eps": 0.3,
    "total_iters": 2,
    "last_epoch": 0,
}
"""Another value of each argument of a network, an optimizer or a schedule."""
PARTS = {
    name: cls
    for name, cls in public(lightning_modules).items()
    if cls not in METHODS and name != "Backbone"  # which has tests of its own
}


def part(cls: Any, options: Mapping[str, Any]) -> Any:
    """What tells two networks, optimizers or schedules apart."""
    torch.manual_seed(0)
    if issubclass(cls, torch.optim.Optimizer):
        return cls([nn.Parameter(torch.zeros(1, 1))], **options).param_groups
    if issubclass(cls, LRScheduler):
        optimizer = SGD([{"params": nn.Parameter(torch.ones(1)), "initial_lr": 1.0}])
        schedule = cls(optimizer, **{"total_iters": 3, **options})
        return [optimizer.step() or schedule.step() or rate(optimizer) for _ in "12"]
    network = cls(**options)
    return [str(network), *network.state_dict().values()]


def rate(optimizer: torch.optim.Optimizer) -> float:
    return float(optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize(
    ("name", "argument"),
    [(name, a) for name, cls in PARTS.items() for a in arguments(cls)],
)
def test_each_argument_of_a_network_or_optimizer_changes_it(
    name: str, argument: str
) -> None:
    cls = PARTS[name]
    given = {k: v for k, v in SMALL.items() if k in arguments(cls)}
    other = {**given, argument: OF_NETWORKS[argument]}
    assert differ(part(cls, given), part(cls, other))
