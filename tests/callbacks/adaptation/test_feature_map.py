from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from PIL import Image
from torch import Tensor, nn

from callbacks.adaptation import feature_map as module_under_test
from callbacks.adaptation.feature_map import CHUNK, FeatureMap
from callbacks.plotting.feature_plots import Labelled
from callbacks.plotting.projections import principal_plane
from callbacks.runs.ema import WeightEMA
from datamodules import Digits
from lightning_modules import Classifier, ConvClassifier
from lightning_modules.core.alternating import evaluating
from tests.support.adapting import (
    NAMES,
    Herds,
    PixelHerds,
    Shepherd,
    SparseHerds,
    trainer,
)


class Seen:
    """What is given to the drawing function, and when the picture is logged."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.planes: list[dict[str, Tensor]] = []
        self.rows: list[Labelled] = []
        self.titles: list[str] = []
        self.steps: list[int] = []
        monkeypatch.setattr(module_under_test, "feature_map", self.draw)
        monkeypatch.setattr(module_under_test, "log_picture", self.log)

    def draw(self, planes: dict[str, Tensor], rows: Labelled, title: str) -> Any:
        self.planes.append(planes)
        self.rows.append(rows)
        self.titles.append(title)
        return np.zeros((1, 1, 3), np.uint8)

    def log(self, _: Any, key: str, __: Any, step: int, ___: str) -> None:
        assert key == "features"
        self.steps.append(step)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    return Seen(monkeypatch)


# When -------------------------------------------------------------------------------


def test_files_appear_before_training_every_so_often_and_at_its_end(
    tmp_path: Path,
) -> None:
    run = trainer(FeatureMap(2), default_root_dir=tmp_path)
    run.fit(Shepherd(), datamodule=Herds())
    files = list((tmp_path / "images" / "features").iterdir())
    assert {file.name for file in files} == {"0.png", "2.png", "4.png", "5.png"}
    with Image.open(tmp_path / "images" / "features" / "5.png") as picture:
        assert picture.text["Description"] == "step 5"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("every", "steps"), [(None, [0, 5]), (5, [0, 5]), (3, [0, 3, 5]), (9, [0, 5])]
)
def test_no_picture_is_drawn_twice(
    every: int | None, steps: list[int], seen: Seen
) -> None:
    trainer(FeatureMap(every)).fit(Shepherd(), datamodule=Herds())
    assert seen.steps == steps


def test_a_resumed_run_draws_no_start(tmp_path: Path, seen: Seen) -> None:
    first = trainer(max_steps=3)
    first.fit(Shepherd(), datamodule=Herds())
    first.save_checkpoint(tmp_path / "at.ckpt", weights_only=False)
    again = trainer(FeatureMap())
    again.fit(Shepherd(), datamodule=Herds(), ckpt_path=tmp_path / "at.ckpt")
    assert seen.steps == [5]


def test_a_second_fit_draws_its_own_start(seen: Seen) -> None:
    observer = FeatureMap()
    for _ in range(2):
        trainer(observer, max_steps=2).fit(Shepherd(), datamodule=Herds())
    assert seen.steps == [0, 2, 0, 2]


def test_a_fit_that_failed_leaves_the_next_one_its_start(seen: Seen) -> None:
    class Fails(Shepherd):
        def training_step(self, *_: Any) -> Tensor:
            raise InterruptedError

    observer = FeatureMap()
    with pytest.raises(InterruptedError):
        trainer(observer).fit(Fails(), datamodule=Herds())
    trainer(observer, max_steps=2).fit(Shepherd(), datamodule=Herds())
    assert seen.steps == [0, 0, 2]


def test_a_smoke_run_draws_nothing(seen: Seen) -> None:
    trainer(FeatureMap(), fast_dev_run=1).fit(Shepherd(), datamodule=Herds())
    assert seen.titles == []


# What -------------------------------------------------------------------------------


def test_the_features_are_those_of_the_averaged_weights(seen: Seen) -> None:
    class Led(Shepherd):
        @property
        def averaged(self) -> nn.Module:
            return self

    module, herds, average = Led(), Herds(), WeightEMA(0.9)
    trainer(average, FeatureMap(n=100)).fit(module, datamodule=herds)
    raw = trainer(FeatureMap(n=100), max_steps=5)
    with average.averaged(module):
        callback = FeatureMap(n=100)
        raw.datamodule = herds  # type: ignore[attr-defined]
        callback.plot(raw, module, "")
    drawn, expected = (next(iter(seen.planes[k].values())) for k in (-2, -1))
    assert torch.equal(drawn, expected)
    callback.plot(raw, module, "")
    assert not torch.equal(drawn, next(iter(seen.planes[-1].values())))


@pytest.mark.parametrize("data", [Herds, PixelHerds, SparseHerds])
def test_points_are_the_features_of_both_domains_in_eval_mode(
    data: type[Herds], seen: Seen
) -> None:
    module, herds = Shepherd(), data()
    trainer(FeatureMap(n=100)).fit(module, datamodule=herds)
    found, g = herds.domains, torch.Generator().manual_seed(0)
    order = [torch.randperm(n, generator=g) for n in (20, 40)]
    x = [found.source_val.x[order[0]], found.target_test.x[order[1]]]
    scaled = [herds.on_model_scale(part) for part in x]
    with torch.no_grad(), evaluating(module):
        features = torch.cat([module.features(part) for part in scaled])
    points, share = principal_plane(features)
    (name, drawn), *others = seen.planes[-1].items()
    assert not others
    assert name == f"PCA, {100 * share:.0f} % of the variance"
    torch.testing.assert_close(drawn, points)
    rows = seen.rows[-1]
    labels = [found.source_val.y[order[0]], found.target_test.y[order[1]]]
    assert rows.classes.equal(torch.cat(labels))
    assert rows.classes.min() == -1
    assert rows.domains.tolist() == [0] * 20 + [1] * 40
    assert rows.class_names == NAMES
    assert rows.domain_names == ("meadow", "stable")


def test_the_same_rows_are_drawn_every_time_and_others_for_another_seed(
    seen: Seen,
) -> None:
    for seed in (0, 0, 1):
        run = trainer(FeatureMap(1, n=7, seed=seed), max_steps=2)
        run.fit(Shepherd(), datamodule=Herds())
    labels = [rows.classes.tolist() for rows in seen.rows]
    assert labels[0] == labels[1] == labels[5] != labels[6] == labels[8]
    assert [len(rows.domains) for rows in seen.rows] == [14] * 9


def test_many_rows_go_through_the_network_in_parts(seen: Seen) -> None:
    sizes: list[int] = []

    class Counting(Shepherd):
        def features(self, x: Any) -> Tensor:
            sizes.append(len(x))
            return super().features(x)

    data = Herds()
    data.setup()
    rows = data.domains.target_test.part(torch.arange(600) % 40)
    object.__setattr__(data.domains, "target_test", rows)
    trainer(FeatureMap(n=600), max_steps=1).fit(Counting(), datamodule=data)
    assert len(seen.rows[0].domains) == 20 + 600
    assert max(sizes) == CHUNK


def test_a_source_without_validation_rows_is_drawn_from_its_training_rows(
    seen: Seen,
) -> None:
    class Bare(Herds):
        def read(self) -> Any:
            found = super().read()
            object.__setattr__(found, "source_val", found.source_val.part(slice(0)))
            return found

    run = trainer(FeatureMap(), limit_val_batches=0, num_sanity_val_steps=0)
    run.fit(Shepherd(), datamodule=Bare())
    assert (seen.rows[0].domains == 0).sum() == 40


def test_both_methods_are_drawn_of_the_same_rows(seen: Seen) -> None:
    for method in ("pca", "tsne", "both"):
        run = trainer(FeatureMap(method=method), max_steps=1)
        run.fit(Shepherd(), datamodule=Herds())
    names = [[name.split(",")[0] for name in planes] for planes in seen.planes[::2]]
    assert names == [["PCA"], ["t-SNE"], ["PCA", "t-SNE"]]
    torch.testing.assert_close(seen.planes[2]["t-SNE"], seen.planes[4]["t-SNE"])


@pytest.mark.parametrize(("spoilt", "drawn"), [(3, True), (57, False), (60, False)])
def test_rows_that_diverged_are_left_out_and_counted(
    spoilt: int, drawn: bool, seen: Seen
) -> None:
    class Diverged(Shepherd):
        def features(self, x: Any) -> Tensor:
            found = super().features(x)
            if not self.training:  # 20 rows of the source, then 40 of the target
                found[: spoilt if len(found) == 20 else max(0, spoilt - 20)] = torch.nan
            return found

    run = trainer(FeatureMap(), limit_val_batches=0, num_sanity_val_steps=0)
    run.fit(Diverged(), datamodule=Herds())
    if not drawn:
        assert 0 not in seen.steps
        return
    assert len(seen.rows[0].classes) == 60 - spoilt
    subject = "Diverged on Herds: meadow to stable"
    left_out = f"{spoilt} rows are not finite and left out"
    assert seen.titles[0] == f"{subject}, step 0: {left_out}"


# Training ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["pca", "both"])
def test_weights_and_random_numbers_are_the_same_without_it(method: Any) -> None:
    found = []
    for observers in ([], [FeatureMap(1, n=30, method=method)]):
        module = Shepherd()
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002
        trainer(*observers).fit(module, datamodule=Herds())
        numbers = torch.rand(1), torch.tensor(np.random.random())  # noqa: NPY002
        assert all(part.training for part in module.modules())
        found.append([*module.state_dict().values(), *numbers])
    for plain, watched in zip(*found, strict=True):
        assert torch.equal(plain, watched)


@pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks")
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_of_two_processes_the_first_draws(tmp_path: Path) -> None:
    class Watched(Shepherd):
        def features(self, x: Any) -> Tensor:
            assert self.training or self.global_rank == 0
            return super().features(x)

    run = trainer(
        FeatureMap(),
        devices=2,
        strategy="ddp_fork",
        default_root_dir=tmp_path,
        max_steps=2,
        limit_val_batches=0,
    )
    run.fit(Watched(), datamodule=Herds())
    files = (tmp_path / "images" / "features").iterdir()
    assert {file.name for file in files} == {"0.png", "2.png"}


# Mistakes ---------------------------------------------------------------------------


def test_data_that_is_not_two_domains_is_refused_before_training() -> None:
    model = Classifier(ConvClassifier((1, 8, 8)))
    with pytest.raises(ValueError, match=r"FeatureMap needs data of two .*\(Digits\)"):
        trainer(FeatureMap()).fit(model, datamodule=Digits())


def test_a_module_without_features_is_refused_before_training() -> None:
    class Blind(BoringModel):
        pass

    with pytest.raises(ValueError, match="Blind has none: remove it"):
        trainer(FeatureMap()).fit(Blind(), datamodule=Herds())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"every_n_steps": 0}, "every_n_steps must be at least 1, got 0"),
        ({"n": 0}, "n must be at least 1, got 0"),
        ({"method": "umap"}, "method must be one of pca, tsne, both, got 'umap'"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        FeatureMap(**settings)
