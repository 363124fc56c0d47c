"""Shapes, classes and widths follow from the data where they are left out."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.public_names import accepted_names
from tests.support.command_line import QUIET, Run
from tests.support.shipped import METHODS
from wasserstein_critics.cli import app

pytestmark = QUIET
SHORT = ["--trainer.max_steps=2", "--trainer.enable_progress_bar=false"]
FEATURES = ["wdgrl/feature_domains", "--data.source=one.csv", "--data.target=other.csv"]
FEATURES += ["--data.batch_size=4", "--callbacks.FeatureMap=false"]
IMAGES = ["wgan_gp/images", "--data.root=photos", "--data.batch_size=4"]
OWN: Mapping[str, tuple[list[str], dict[str, tuple[int, ...]]]] = {
    "wgan_gp-photos": (
        [*IMAGES, "--data.image_size=16"],
        {"critic.layers.0.weight": (16, 3, 5, 5)},
    ),
    "wdgrl-one-other": (
        FEATURES,
        {
            "adapted.extractor.first.weight": (2, 100),
            "adapted.classifier.layer.weight": (3, 100),
        },
    ),
    "metric_learner-one": (
        ["metric_learner/table", "--data.table=one.csv"],
        {"network.weight": (2, 2)},
    ),
}
"""Words after ``--config`` and shapes in the checkpoint, by the run's name."""


@pytest.fixture(autouse=True)
def _own_data() -> None:
    random = np.random.default_rng(0)
    Path("photos").mkdir()
    for i in range(8):
        pixels = random.integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(f"photos/{i}.png")
    x = pl.DataFrame(random.standard_normal((30, 2)), schema=["size", "price"])
    kinds = pl.Series("y", [f"kind {i % 3}" for i in range(30)])
    x.with_columns(kinds).write_csv("one.csv")
    x.select("price", "size").write_csv("other.csv")


def fit(config: str, *words: str) -> int:
    return app.main(["fit", "--config", config, *SHORT, *words])


@pytest.mark.parametrize("name", OWN)
def test_a_config_for_own_data_needs_its_paths_alone(name: str) -> None:
    words, shapes = OWN[name]
    assert fit(*words) == 0
    last = Path("runs", name, "version_0/checkpoints/last.ckpt")
    weights = torch.load(last, weights_only=True)["state_dict"]
    assert {key: tuple(weights[key].shape) for key in shapes} == shapes
    # the run's config has them, and the same command goes on with the run
    assert "{data}" not in Path(last.parents[1], "config.yaml").read_text()
    record = json.loads(Path(last.parents[1], "run.json").read_text())
    assert record["shipped"] == words[0]
    changed = {key: values for key, *values in record["differences"]}
    assert changed["trainer.max_steps"][1] == 2
    assert "trainer.logger.name" not in changed  # it changes no training
    assert fit(*words, f"--ckpt_path={last}", "--trainer.max_steps=3") == 0
    assert torch.load(last, weights_only=True)["global_step"] == 3


MISTAKES = [
    (["--model.n_classes=4"], r"model.n_classes is 4, but the data has 3 classes"),
    (["--model.extractor.shape=[5]"], r"does not accept samples of shape \[2\]"),
    (["--model.critic.shape=[5]"], r"critic does not accept features of shape \[100\]"),
    (["--model.extractor=torch.nn.Identity"], "model.extractor does not say its num_f"),
    (["--data.target=no.csv"], "data.target: no.csv does not exist"),
    (["--data=PlantedInteractions"], "WDGRL takes a source and a target domain, but"),
    (["--data=ShiftedBlobs", "--model.critic=torch.nn.Linear"], "critic lacks in_feat"),
]


@pytest.mark.parametrize(("words", "sentence"), MISTAKES)
def test_what_is_said_explicitly_stays_and_what_cannot_be_known_is_told(
    words: list[str], sentence: str, run: Run
) -> None:
    code, error = run("fit", "--config", *FEATURES, *SHORT, *words)
    assert code == 2
    assert re.search(sentence, error), error
    assert not Path("runs").exists()


@pytest.mark.parametrize("cls", METHODS, ids=lambda cls: cls.__name__)
def test_what_follows_belongs_to_an_argument_or_to_another_method(
    cls: type[AlternatingModule],
) -> None:
    roots = {key.partition(".")[0] for key in cls.follows}
    assert roots - {"critic", "discriminator"} <= accepted_names(cls)
