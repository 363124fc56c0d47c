"""Every experiment of domain adaptation runs for a few steps on small files."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from PIL import Image
from scipy.io import savemat
from sklearn.datasets import dump_svmlight_file

from lightning_modules import CORAL, DANN, MMD, WDGRL, DeepJDOT, SourceOnly
from lightning_modules.adaptation.base import AdaptationModule
from tests.support.digit_sets import write_mnist, write_usps
from wasserstein_critics.cli import app

CONFIGS = Path(__file__).parents[2] / "configs"
METHODS: dict[str, type[AdaptationModule]] = {
    "coral": CORAL,
    "dann": DANN,
    "deepjdot": DeepJDOT,
    "mmd": MMD,
    "source_only": SourceOnly,
    "wdgrl": WDGRL,
}
TASKS = (
    *("amazon", "digits_shift", "mnist_usps"),
    *("office_images", "office_surf", "shifted_blobs"),
)
EXPERIMENTS = sorted(p for name in METHODS for p in (CONFIGS / name).glob("*.yaml"))
CLASSES = ("bike", *(f"kind_{i}" for i in range(9)))
ROOTS = {
    "amazon": "amazon_reviews",
    "amazon_authors": "amazon_reviews",
    "mnist_usps": "digits",
    "office_images": "pictures",
    "office_surf": "office",
    "office_surf_authors": "office",
}

# A smoke run writes where an earlier one wrote, and validates more than once an epoch.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Checkpoint directory .* exists and is not empty"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All data sets, a few rows of each, in the formats of the real ones."""
    root = tmp_path_factory.mktemp("domains")
    random = np.random.default_rng(0)
    (root / "amazon_reviews").mkdir()
    for name in ("books_train", "books_test", "dvd_train", "dvd_test"):
        counts = (random.random((24, 5000)) < 0.01) * random.integers(1, 4, (24, 5000))
        signs = np.where(np.arange(24) % 2, 1, -1)
        path = root / "amazon_reviews" / f"{name}.svmlight"
        dump_svmlight_file(counts, signs, str(path), zero_based=True)
    (root / "office" / "surf").mkdir(parents=True)
    for domain in ("amazon", "caltech10"):
        fts = random.integers(0, 9, (30, 800), np.uint8)
        held = {"fts": fts, "labels": (1 + np.arange(30) % 10).reshape(-1, 1)}
        savemat(root / "office" / "surf" / f"{domain}.mat", held)
    for domain in ("amazon", "webcam"):
        for kind in CLASSES:
            folder = root / "pictures" / domain / kind
            folder.mkdir(parents=True)
            for i in range(3):
                pixels = random.integers(0, 256, (20, 24, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.jpg")
    write_mnist(root / "digits")
    write_usps(root / "digits")
    return root


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def call(subcommand: str, path: Path, data: Path, *options: str) -> int:
    words = ["--config", str(path), "--config", str(CONFIGS / "smoke.yaml")]
    words += ["--data.batch_size=4", "--trainer.enable_progress_bar=false"]
    if path.stem in ROOTS:
        words.append(f"--data.root={data / ROOTS[path.stem]}")
    if path.stem == "mnist_usps":
        words.append("--data.n_val=4")
    if path.stem == "shifted_blobs":
        words += [f"--data.n_{part}=16" for part in ("train", "val", "test")]
    return app.main([subcommand, *words, "--trainer.accelerator=cpu", *options])


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name_of)
def test_every_experiment_trains(
    path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("fit", path, data) == 0
    run = Path("runs/smoke")
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 2
    monitors = {state.get("monitor") for state in checkpoint["callbacks"].values()}
    assert METHODS[path.parent.name].monitor in monitors
    assert (run / "pictures" / "features" / "0.png").is_file()
    assert (run / "pictures" / "confusion" / "2.png").is_file()
    written = run / "config.yaml"
    assert "Unable to serialize" not in written.read_text()
    capsys.readouterr()
    with pytest.raises(SystemExit):
        app.main(["fit", "--config", str(written), "--print_config"])
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed == yaml.safe_load(written.read_text())


@pytest.mark.parametrize("name", ["wdgrl/amazon", "dann/office_images"])
def test_experiments_are_measured_and_label_the_target(
    name: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = CONFIGS / f"{name}.yaml"
    assert call("fit", path, data) == 0
    last = "--ckpt_path=runs/smoke/checkpoints/last.ckpt"
    for subcommand, stage in (("validate", "val"), ("test", "test")):
        capsys.readouterr()
        assert call(subcommand, path, data, last) == 0
        said = capsys.readouterr().out.splitlines()
        (line,) = [one for one in said if f"{stage}/target_accuracy " in one]
        assert 0 <= float(line.split()[1]) <= 1
    assert (
        call("predict", path, data, last, "--trainer.limit_predict_batches=null") == 0
    )
    table = pl.read_csv("runs/smoke/predictions/labels.csv")
    classes = yaml.safe_load(path.read_text())["model"]["init_args"]["n_classes"]
    assert len(table) == (24 if "amazon" in name else 30)
    shares = table.select(pl.selectors.starts_with("p_"))
    assert shares.width == classes
    assert np.allclose(shares.sum_horizontal(), 1, atol=1e-5)


def test_every_method_has_every_task() -> None:
    found = {name_of(path) for path in EXPERIMENTS}
    product = {f"{method}/{task}" for method in METHODS for task in TASKS}
    assert found == product | {"wdgrl/amazon_authors", "wdgrl/office_surf_authors"}


@pytest.mark.parametrize("task", TASKS)
def test_all_methods_have_the_same_networks_batches_and_budget(task: str) -> None:
    def shared(method: str) -> dict[str, Any]:
        config = yaml.safe_load((CONFIGS / method / f"{task}.yaml").read_text())
        model = config["model"]["init_args"]
        keys = ("extractor", "classifier", "n_classes", "weight_decay", "optimizer")
        budget = config["trainer"]["max_steps"], config["trainer"]["val_check_interval"]
        averaged = [c for c in config["trainer"]["callbacks"] if "EMA" in str(c)]
        networks = {key: model.get(key) for key in keys}
        return {**networks, "data": config["data"], "t": budget, "a": averaged}

    expected = shared("wdgrl")
    assert all(shared(method) == expected for method in METHODS)


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name_of)
def test_headers_name_the_budget_and_the_paper(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    header = path.read_text().split("\n\n")[0]
    assert f"{config['trainer']['max_steps']:,} " in header
    assert "arXiv:" in header or path.parent.name == "source_only"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--data", "Digits"), "set data to one of two domains"),
        (
            ("--model.n_classes=3",),
            "model.n_classes is 3, but the data has 10 classes: set "
            "--model.n_classes 10 --model.classifier.n_classes 10.",
        ),
        (("--model.n_critic=0",), "error: model.n_critic must be at least 1"),
        (("--model.n_classes=1",), "error: model.n_classes must be at least 2"),
        (("--model.transfer_weight=.nan",), "error: model.transfer_weight must be a"),
        (("--data.batch_size=9999",), "takes 9999 rows of each domain"),
        (("--trainer.gradient_clip_val=1.0",), "model.clip_norm"),
        (("--model.ramp=linear",), "model.ramp"),
    ],
)
def test_mistakes_end_in_one_sentence(
    options: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = CONFIGS / "wdgrl" / "digits_shift.yaml"
    words = ["fit", "--config", str(path), "--trainer.enable_progress_bar=false"]
    assert app.main([*words, *options]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert says in error
    assert not Path("runs").exists()


@pytest.mark.parametrize("options", [("coral",), ("mmd", "--model.unbiased=true")])
def test_a_batch_of_a_row_is_refused_before_a_run_is_made(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    method, *words = options
    path = CONFIGS / method / "digits_shift.yaml"
    words += ["--data.batch_size=1", "--trainer.enable_progress_bar=false"]
    assert app.main(["fit", "--config", str(path), *words]) == 2
    assert "error: data.batch_size is 1, but " in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_gan_refuses_two_domains(capsys: pytest.CaptureFixture[str]) -> None:
    path = CONFIGS / "wgan_gp" / "digits.yaml"
    assert app.main(["fit", "--config", str(path), "--data", "DigitsShift"]) == 2
    assert "DigitsShift has two domains" in capsys.readouterr().err
