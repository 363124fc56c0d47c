import copy
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor, nn

from callbacks import FeatureMetrics
from callbacks.generative import feature_metrics as module_under_test
from callbacks.generative.sampling import CHUNK
from datamodules import Digits
from lightning_modules import WGANGP, ConvClassifier, MLPCritic, MLPGenerator
from lightning_modules.core.recipe import save_network
from lightning_modules.metrics import FrozenFeatures, feature_scores
from tests.support.trainers import QUIET_TRAINER, MetricsFile

NAMES = {"fid", "kid", "inception_score", "min_class_share", "max_class_share"}


def gan(seed: int = 0) -> WGANGP:
    torch.manual_seed(seed)
    return WGANGP(
        MLPGenerator(4, (1, 8, 8), hidden=(16,)),
        MLPCritic((1, 8, 8), hidden=(16,)),
        n_critic=1,
    )


@pytest.fixture
def classifier(tmp_path: Path) -> str:
    torch.manual_seed(1)
    network = ConvClassifier((1, 8, 8), width=4)
    network.train()(torch.rand(64, 1, 8, 8) * 2 - 1)
    return str(save_network(network, tmp_path / "classifier.safetensors"))


def trainer(*callbacks: pl.Callback, **kwargs: Any) -> pl.Trainer:
    settings: dict[str, Any] = {
        **QUIET_TRAINER,
        "devices": 1,
        "max_steps": 3,
        "num_sanity_val_steps": 0,
        "val_check_interval": 1.0,
        "callbacks": list(callbacks),
    }
    return pl.Trainer(**(settings | kwargs))


def measured(run: pl.Trainer, stage: str) -> dict[str, float]:
    return {
        name.removeprefix(f"{stage}/"): float(value)
        for name, value in run.callback_metrics.items()
        if name.removeprefix(f"{stage}/") in NAMES
    }


def chunked_samples(module: WGANGP, n: int) -> Tensor:
    return torch.cat(
        [
            module.sample(min(CHUNK, n - first), seed=1_000_003 + i)
            for i, first in enumerate(range(0, n, CHUNK))
        ]
    )


@pytest.mark.parametrize("stage", ["val", "test"])
def test_logged_scores_are_those_of_all_real_images_and_fixed_samples(
    stage: str, classifier: str
) -> None:
    module, data, run = (
        gan(),
        Digits(),
        trainer(FeatureMetrics(classifier, n_samples=300)),
    )
    evaluate = run.validate if stage == "val" else run.test
    evaluate(module, datamodule=data, verbose=False)
    frozen = FrozenFeatures.from_file(classifier)
    features, logits = frozen.features_and_logits(chunked_samples(module, 300))
    real = frozen(data.real(stage))  # type: ignore[arg-type]
    expected = {k: float(v) for k, v in feature_scores(real, features, logits).items()}
    counts = logits.argmax(1).bincount(minlength=10) / 300
    expected |= {
        "min_class_share": float(counts.min()),
        "max_class_share": float(counts.max()),
    }
    assert measured(run, stage) == pytest.approx(expected, rel=1e-4)


def test_training_is_the_same_with_and_without_it(classifier: str) -> None:
    weights, states = [], []
    for callbacks in ([], [FeatureMetrics(classifier, n_samples=20)]):
        module = gan()
        pl.seed_everything(3, verbose=False)
        trainer(*callbacks, val_check_interval=1).fit(module, datamodule=Digits())
        weights.append(copy.deepcopy(module.state_dict()))
        states.append(torch.get_rng_state())
    assert weights[0].keys() == weights[1].keys()
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])
    assert states[0].equal(states[1])


def test_real_features_are_computed_once_and_not_in_the_sanity_check(
    classifier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    original = FrozenFeatures.forward

    def counted(self: FrozenFeatures, x: Tensor) -> Tensor:
        seen.append(len(x))
        return original(self, x)

    monkeypatch.setattr(FrozenFeatures, "forward", counted)
    monitor = FeatureMetrics(classifier, n_samples=20)
    run = trainer(monitor, val_check_interval=1, num_sanity_val_steps=1)
    run.fit(gan(), datamodule=Digits())
    assert sum(seen) == 898


DISTANCES = {"val/sliced_wasserstein", "val/wasserstein"}


def test_a_checkpoint_can_be_chosen_by_fid_and_holds_no_extractor(
    classifier: str, tmp_path: Path
) -> None:
    keeper = pl.callbacks.ModelCheckpoint(
        tmp_path / "kept", monitor="val/fid", filename="best", save_weights_only=False
    )
    run = trainer(
        FeatureMetrics(classifier, n_samples=20),
        keeper,
        enable_checkpointing=True,
        val_check_interval=1,
    )
    run.fit(gan(), datamodule=Digits())
    saved = torch.load(tmp_path / "kept" / "best.ckpt", weights_only=True)
    assert keeper.best_model_score == run.callback_metrics["val/fid"]
    stated = {f"val/{name}" for name in FeatureMetrics(classifier).metric_names()}
    assert stated == {n for n in run.callback_metrics if "val/" in n} - DISTANCES
    assert {name.split(".")[0] for name in saved["state_dict"]} == {
        "generator",
        "critic",
    }
    assert "FeatureMetrics" not in str(saved["callbacks"])


class FakeInception(nn.Module):
    """Features and logits that no classifier gives."""

    num_features = 3

    def __init__(self, weights: str | None) -> None:
        super().__init__()
        assert weights == "weights.pth"

    def features(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, [0, 20, 40]]

    def head(self, features: Tensor) -> Tensor:
        return features[:, :2]


def test_with_both_networks_inception_scores_and_the_classifier_counts(
    classifier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module_under_test, "Inception", FakeInception)
    module, data = gan(), Digits()
    monitor = FeatureMetrics(
        classifier, inception=True, inception_weights="weights.pth", n_samples=30
    )
    run = trainer(monitor)
    run.test(module, datamodule=data, verbose=False)
    inception, images = FakeInception("weights.pth"), module.sample(30, seed=1_000_003)
    real, fake = (inception.features(x) for x in (data.real("test"), images))
    expected = feature_scores(real, fake, inception.head(fake))
    logits = FrozenFeatures.from_file(classifier).features_and_logits(images)[1]
    found = measured(run, "test")
    assert found["fid"] == pytest.approx(float(expected["fid"]), rel=1e-4)
    largest = float(logits.argmax(1).bincount().max() / 30)
    assert found["max_class_share"] == pytest.approx(largest)


def test_inception_alone_logs_no_class_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_under_test, "Inception", FakeInception)
    run = trainer(
        FeatureMetrics(inception=True, inception_weights="weights.pth", n_samples=30)
    )
    run.test(gan(), datamodule=Digits(), verbose=False)
    assert set(measured(run, "test")) == {"fid", "kid", "inception_score"}


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_two_processes_log_what_one_logs(classifier: str, tmp_path: Path) -> None:
    """300 samples are two chunks, one for each process; 10 leave one process none."""
    # KID and Inception score depend on which rows a random subset takes.
    exact = ("test/fid", "test/min_class_share", "test/max_class_share")
    for n_samples in (300, 10):
        found = []
        for devices in (1, 2):
            strategy = "ddp_fork" if devices == 2 else "auto"
            run = trainer(
                FeatureMetrics(classifier, n_samples=n_samples, kid_subset_size=1000),
                MetricsFile(tmp_path / "found.pt", *exact),
                devices=devices,
                strategy=strategy,
            )
            run.test(gan(), datamodule=Digits(batch_size=449), verbose=False)
            found.append(torch.load(tmp_path / "found.pt", weights_only=True))
        for name in exact:
            assert found[1][name] == pytest.approx(found[0][name], rel=1e-4)


def test_without_a_network_it_says_what_to_set() -> None:
    with pytest.raises(ValueError, match="set classifier to a file"):
        FeatureMetrics()


def test_a_missing_classifier_file_is_named_before_training() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.safetensors"):
        trainer(FeatureMetrics("nowhere.safetensors")).fit(gan(), datamodule=Digits())


def test_a_classifier_of_other_images_is_refused_before_training(
    tmp_path: Path,
) -> None:
    path = save_network(ConvClassifier((1, 28, 28)), tmp_path / "other.safetensors")
    run = trainer(FeatureMetrics(str(path)))
    with pytest.raises(
        ValueError, match=r"shape \(1, 28, 28\), but the data has \(1, 8"
    ):
        run.fit(gan(), datamodule=Digits())


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"n_samples": 9}, "10 samples"),
        ({"n_val_samples": 3}, "10 samples at val"),
        ({"kid_subsets": 0}, "kid_subsets"),
        ({"kid_subset_size": 0}, "kid_subset_size"),
    ],
)
def test_bad_numbers_are_named(settings: dict[str, int], key: str) -> None:
    with pytest.raises(ValueError, match=key):
        FeatureMetrics("a.safetensors", **settings)  # type: ignore[arg-type]


def test_a_module_that_draws_no_samples_is_refused(classifier: str) -> None:
    with pytest.raises(ValueError, match="LightningModule has no generator: remove it"):
        FeatureMetrics(classifier).setup(trainer(), pl.LightningModule(), "fit")


def test_predicting_needs_no_classifier() -> None:
    FeatureMetrics("nowhere.safetensors").setup(trainer(), gan(), "predict")
