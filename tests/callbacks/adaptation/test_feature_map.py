from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from PIL import Image
from sklearn.decomposition import PCA
from torch import Tensor, nn

from callbacks.adaptation import feature_map as module_under_test
from callbacks.adaptation.feature_map import CHUNK, FeatureMap
from callbacks.plotting.feature_plots import (
    COLOURS,
    LONGEST,
    Labelled,
    feature_map,
    short_names,
)
from callbacks.plotting.projections import neighbour_plane, principal_plane
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

GREY = "#9aa3ad"


@pytest.mark.parametrize(
    "names",
    [
        ["cat", "desktop_computer_a", "desktop_computer_b"],
        [f"very_long_{i}_and_just_as_long" for i in range(200)],
    ],
)
def test_names_that_are_cut_stay_apart(names: list[str]) -> None:
    found = short_names(names)
    assert len(set(found)) == len(names)
    assert max(map(len, found)) <= LONGEST


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


def cloud(n: int, d: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator) * torch.arange(1.0, d + 1)


# When -------------------------------------------------------------------------------


def test_files_appear_before_training_every_so_often_and_at_its_end(
    tmp_path: Path,
) -> None:
    run = trainer(FeatureMap(2), default_root_dir=tmp_path)
    run.fit(Shepherd(), datamodule=Herds())
    files = list((tmp_path / "pictures" / "features").iterdir())
    assert {file.name for file in files} == {"0.png", "2.png", "4.png", "5.png"}
    with Image.open(tmp_path / "pictures" / "features" / "5.png") as picture:
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
        player_stepped = True

        @property
        def player(self) -> nn.Module:
            return self

        player_name = "itself"

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
    scaled = [herds._scaled(part) for part in x]
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
    assert seen.titles[0] == f"step 0: {spoilt} rows are not finite and left out"


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
    files = (tmp_path / "pictures" / "features").iterdir()
    assert {file.name for file in files} == {"0.png", "2.png"}


# Projections ------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "d"), [(50, 2), (50, 7), (8, 30)])
def test_the_principal_plane_is_that_of_scikit_learn(n: int, d: int) -> None:
    x = cloud(n, d) + 100
    points, share = principal_plane(x)
    reference = PCA(2, svd_solver="full").fit(x.double().numpy())
    expected = torch.from_numpy(reference.transform(x.double().numpy()))
    torch.testing.assert_close(points.abs(), expected.abs())
    assert share == pytest.approx(reference.explained_variance_ratio_.sum())


def test_the_principal_plane_of_a_mirrored_cloud_is_mirrored() -> None:
    """Axes point to where their largest entry grows, whatever the rows."""
    x = cloud(40, 3)
    points, mirrored = principal_plane(x)[0], principal_plane(-x)[0]
    torch.testing.assert_close(points, -mirrored)
    assert torch.corrcoef(torch.stack([points[:, 0], x[:, 2].double()]))[0, 1] > 0


def test_rows_of_one_coordinate_lie_on_a_line_and_equal_rows_on_a_point() -> None:
    points, share = principal_plane(torch.tensor([[1.0], [3.0]]))
    torch.testing.assert_close(points, torch.tensor([[-1.0, 0.0], [1.0, 0.0]]).double())
    assert share == pytest.approx(1.0)
    points, share = principal_plane(torch.ones(5, 3))
    assert not points.any()
    assert share == 1.0


@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e30])
def test_neighbours_stay_neighbours_in_any_unit(unit: float) -> None:
    """Of two far clusters, each row's nearest is of its own."""
    x = unit * (cloud(60, 8) + 100 * (torch.arange(60) % 2)[:, None])
    points = neighbour_plane(x, principal_plane(x)[0])
    apart = torch.cdist(points, points).fill_diagonal_(torch.inf)
    assert (apart.argmin(dim=1) % 2 == torch.arange(60) % 2).all()
    assert points.equal(neighbour_plane(x, principal_plane(x)[0]))


@pytest.mark.parametrize(
    "x", [torch.zeros(30, 3), torch.ones(30, 3), cloud(4, 3), 1e30 * cloud(5, 1)]
)
def test_neighbours_are_drawn_of_few_equal_and_enormous_rows(x: Tensor) -> None:
    points = neighbour_plane(x, principal_plane(x)[0])
    assert points.shape == (len(x), 2)
    assert points.isfinite().all()


# The picture ------------------------------------------------------------------------


def has(picture: Any, colour: str) -> bool:
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((np.abs(picture.astype(int) - wanted).sum(axis=2) < 8).any())


@pytest.mark.parametrize("unknown", [True, False])
def test_the_legend_has_all_classes_even_those_without_a_point(unknown: bool) -> None:
    classes = torch.tensor([0, 1, -1 if unknown else 2, 0])
    rows = Labelled(classes, torch.tensor([0, 0, 1, 1]), list("abcdefghij"), ("s", "t"))
    picture = feature_map({"PCA": cloud(4, 2)}, rows, "step 0")
    below = picture[-picture.shape[0] // 8 :, : picture.shape[1] // 2]
    assert all(has(below, colour) for colour in COLOURS)
    assert has(below, GREY) is unknown


def test_both_panels_have_the_same_points_at_the_same_places() -> None:
    rows = Labelled(torch.tensor([7] * 40), torch.tensor([0, 1] * 20), ("a",) * 8, "st")
    picture = feature_map({"PCA": cloud(40, 2)}, rows, "")
    panels = np.split(picture[60:560].min(axis=2) < 200, 2, axis=1)
    inked = [np.argwhere(panel[:, 20:-20]) for panel in panels]
    for one, other in zip(inked[0].mean(axis=0), inked[1].mean(axis=0), strict=True):
        assert one == pytest.approx(other, abs=8)


def test_a_second_projection_makes_a_second_line_of_panels() -> None:
    rows = Labelled(torch.zeros(9).long(), torch.arange(9) % 2, NAMES, ("s", "t"))
    heights = [
        feature_map({name: cloud(9, 2) for name in names}, rows, "").shape[0]
        for names in (["PCA"], ["PCA", "t-SNE"])
    ]
    assert heights[1] - heights[0] == 570


def test_sixty_five_classes_with_long_and_strange_names_are_drawn() -> None:
    names = [rf"_$\oh$ {i} " + "x" * i for i in range(65)]
    rows = Labelled(torch.arange(65), torch.arange(65) % 2, names, ("s", "t" * 40))
    assert feature_map({"PCA": cloud(65, 2)}, rows, r"$\oh$").shape[1] == 1200


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
