"""What is shipped is what is tested: every experiment runs for a few steps."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from lightning_modules import GAN, WGAN, WGANGP, Classifier, MetricLearner
from lightning_modules.core.module import TrackedModule
from wasserstein_critics.cli import app

CONFIGS = Path(__file__).parents[2] / "configs"
METHODS: dict[str, type[TrackedModule]] = {
    "gan": GAN,
    "wgan": WGAN,
    "wgan_gp": WGANGP,
    "classifier": Classifier,
    "metric_learner": MetricLearner,
}
EXPERIMENTS = sorted(p for name in METHODS for p in (CONFIGS / name).glob("*.yaml"))
OTHERS = ("classifier", "metric_learner")
ADVERSARIAL = [p for p in EXPERIMENTS if p.parent.name not in OTHERS]
SMOKE = CONFIGS / "smoke.yaml"
TASKS = ("cifar10", "digits", "grid25", "mnist", "ring8", "swiss_roll")

# A smoke run writes where an earlier one wrote, and validates more than once an epoch.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Checkpoint directory .* exists and is not empty"
)


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def write_mnist(root: Path, random: np.random.Generator) -> None:
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, n in (("train", 40), ("t10k", 16)):
        pixels = random.integers(0, 256, (n, 28, 28), np.uint8)
        labels = random.integers(0, 10, n, np.uint8)
        for kind, array in (("images-idx3", pixels), ("labels-idx1", labels)):
            head = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            (raw / f"{part}-{kind}-ubyte").write_bytes(head + array.tobytes())


def write_cifar10(root: Path, random: np.random.Generator) -> None:
    for strip, n in ((0, 40), (50, 16)):
        pixels = random.integers(0, 256, (n, 1024, 3), np.uint8)
        Image.fromarray(pixels).save(root / f"cifar10_batch_{strip}.png")
    labels = random.integers(0, 10, 50_016).tolist()
    (root / "labels.json").write_text(json.dumps(labels))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MNIST and CIFAR-10 of a few pictures, in the formats of the real ones."""
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    write_mnist(root, random)
    write_cifar10(root, random)
    return root


def small(path: Path, pictures: Path) -> list[str]:
    """Options that make an experiment's data few; networks and settings stay."""
    config = yaml.safe_load(path.read_text())
    data = config["data"]["class_path"]
    options = {"Digits": ["--data.n_held_out=1700"]}.get(data, [])
    if data == "PointClouds":
        options = [f"--data.n_{split}=64" for split in ("train", "val", "test")]
    if data in ("MNIST", "CIFAR10"):
        options = ["--data.n_val=16", f"--data.root={pictures}"]
    if config["model"]["init_args"].get("warmup"):
        options.append("--model.warmup=false")  # 100 critic updates for each step
    if data == "LabelledTable":
        return [*options, "--data.batch_size=8"]
    return [*options, "--data.batch_size=8", "--data.n_predict=3"]


def call(subcommand: str, path: Path, *options: str) -> int:
    paths = ["--config", str(path), "--config", str(SMOKE)]
    quiet = ["--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu"]
    return app.main([subcommand, *paths, *quiet, *options])


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name_of)
def test_every_experiment_trains(
    path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("fit", path, *small(path, pictures)) == 0
    run = Path("runs/smoke")
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 2
    method = METHODS[path.parent.name]
    monitors = {state.get("monitor") for state in checkpoint["callbacks"].values()}
    assert method.monitor in monitors
    # what was saved as the run's config is a config, and the same one
    written = run / "config.yaml"
    assert "Unable to serialize" not in written.read_text()
    capsys.readouterr()
    with pytest.raises(SystemExit):
        app.main(["fit", "--config", str(written), "--print_config"])
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed == yaml.safe_load(written.read_text())


@pytest.mark.parametrize("name", ["gan/mnist", "wgan/ring8", "wgan_gp/digits"])
def test_experiments_of_each_kind_are_measured_and_sampled_from(
    name: str, pictures: Path
) -> None:
    path = CONFIGS / f"{name}.yaml"
    options = small(path, pictures)
    assert call("fit", path, *options) == 0
    last = "--ckpt_path=runs/smoke/checkpoints/last.ckpt"
    assert call("validate", path, *options, last) == 0
    assert call("test", path, *options, last) == 0
    assert call("predict", path, *options, last) == 0
    samples = torch.load("runs/smoke/predictions/samples.pt", weights_only=True)
    assert len(samples) == 3
    assert list(Path("runs/smoke/predictions").rglob("*.png"))


def test_every_method_has_every_task() -> None:
    found = {name_of(path) for path in ADVERSARIAL}
    assert found == {f"{m}/{t}" for m in METHODS if m not in OTHERS for t in TASKS}


@pytest.mark.parametrize("path", ADVERSARIAL, ids=name_of)
def test_schedules_end_with_the_budget(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    budget = config["trainer"]["max_steps"]
    for player in ("critic", "generator"):
        schedule = config["model"]["init_args"].get(f"{player}_scheduler")
        assert schedule is None or schedule["init_args"]["total_iters"] == budget


@pytest.mark.parametrize("path", ADVERSARIAL, ids=name_of)
def test_headers_name_the_paper_and_the_budget(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    header = path.read_text().split("\n\n")[0]
    assert "arXiv:" in header
    assert f"{config['trainer']['max_steps']:,} generator updates" in header
    every = config["trainer"]["callbacks"][0]["init_args"]["every_n_train_steps"]
    n_critic = config["model"]["init_args"]["n_critic"]
    assert config["trainer"]["val_check_interval"] == every * n_critic


def resolved(capsys: pytest.CaptureFixture[str], *names: str) -> dict[str, Any]:
    words = [word for name in names for word in ("--config", str(CONFIGS / name))]
    with pytest.raises(SystemExit):
        app.main(["fit", *words, "--print_config"])
    config: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)
    return config


@pytest.mark.parametrize(
    ("overlay", "changed"),
    [
        ("ddp.yaml", {"strategy": "ddp", "devices": 2}),
        ("gpu.yaml", {"accelerator": "gpu", "benchmark": True, "precision": "32-true"}),
        ("smoke.yaml", {"max_steps": 2, "logger": False, "limit_val_batches": 1}),
    ],
)
def test_overlays_change_what_they_say_and_nothing_else_of_the_experiment(
    overlay: str, changed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    before = resolved(capsys, "wgan_gp/digits.yaml")
    after = resolved(capsys, "wgan_gp/digits.yaml", overlay)
    for key, value in changed.items():
        assert after["trainer"][key] == value
    for part in ("model", "data", "seed_everything"):
        assert after[part] == before[part]
    assert after["trainer"]["callbacks"] == before["trainer"]["callbacks"]
