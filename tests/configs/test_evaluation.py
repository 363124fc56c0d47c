"""Experiments of each topic are evaluated, and predict what their topic predicts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from tests.support.shipped import CONFIGS
from tests.support.small_data import FILM, USERS
from wasserstein_critics.cli import app

RUN = Path("runs/smoke/version_0")
LAST = f"--ckpt_path={RUN}/checkpoints/last.ckpt"
PREDICTED = RUN / "predict-last/predictions"
Call = Callable[..., int]


@pytest.mark.parametrize("name", ["gan/mnist", "wgan/ring8", "wgan_gp/digits"])
def test_generators_are_evaluated_and_sampled_from(name: str, call: Call) -> None:
    path = CONFIGS / f"{name}.yaml"
    assert call("fit", path) == 0
    for subcommand in ("validate", "test", "predict"):
        assert call(subcommand, path, LAST) == 0
    samples = torch.load(PREDICTED / "samples.pt", weights_only=True)
    assert len(samples) == 3
    assert list(PREDICTED.rglob("*.png"))


@pytest.mark.parametrize("name", ["wdgrl/amazon", "wdgrl/image_domains"])
def test_adapted_classifiers_are_evaluated_and_label_the_target(
    name: str, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    path = CONFIGS / f"{name}.yaml"
    assert call("fit", path) == 0
    for subcommand, stage in (("validate", "val"), ("test", "test")):
        capsys.readouterr()
        assert call(subcommand, path, LAST) == 0
        lines = capsys.readouterr().out.splitlines()
        (line,) = [text for text in lines if f"{stage}/target_accuracy " in text]
        assert 0 <= float(line.split()[1]) <= 1
    assert call("predict", path, LAST, "--trainer.limit_predict_batches=null") == 0
    table = pl.read_csv(PREDICTED / "labels.csv")
    assert len(table) == (24 if "amazon" in name else 30)
    shares = table.select(pl.selectors.starts_with("p_"))
    assert shares.width == (2 if "amazon" in name else 10)
    assert np.allclose(shares.sum_horizontal(), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["cml/ml_100k", "smooth_cml/interactions"])
def test_rankings_have_the_ids_and_names_of_the_data(name: str, call: Call) -> None:
    path = CONFIGS / f"{name}.yaml"
    assert call("fit", path) == 0
    assert call("predict", path, LAST, "--trainer.limit_predict_batches=1.0") == 0
    table = pl.read_parquet(PREDICTED / "items.parquet")
    assert table.columns[:2] == ["user", "item"]
    assert {"rank", "distance"} <= set(table.columns)
    if name.endswith("ml_100k"):
        assert set(table["user"]) == set(range(1, USERS + 1))
        assert set(table["name"]) == {FILM}
    else:
        assert set(table["user"]) == {f"u{u}" for u in range(USERS)}


def test_an_unknown_user_is_named_in_one_sentence(
    call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    path = CONFIGS / "cml" / "interactions.yaml"
    assert call("fit", path) == 0
    capsys.readouterr()
    assert call("predict", path, LAST, "--data.predict_users=[nobody]") != 0
    sentence = capsys.readouterr().err.strip().splitlines()[-1]
    assert "data.predict_users" in sentence
    assert "'nobody'" in sentence


def test_ids_on_the_command_line_are_the_users_own(call: Call) -> None:
    users = ("0010", "8", "10", "750", "12:30", "no", "1_000", "1000", "False")
    rows = [f"{u},i{(n + k) % 9}" for k, u in enumerate(users) for n in range(6)]
    Path("own.csv").write_text("\n".join(["user,item", *rows, ""]))
    path = CONFIGS / "cml" / "interactions.yaml"
    options = ("--data.path=own.csv", "--data.batch_size=4")
    assert call("fit", path, *options) == 0
    wanted = "--data.predict_users=[0010, 12:30, no, 1_000, 750]"
    everybody = "--trainer.limit_predict_batches=1.0"
    assert call("predict", path, LAST, *options, wanted, everybody) == 0
    table = pl.read_parquet(PREDICTED / "items.parquet")
    assert set(table["user"]) == {"0010", "12:30", "no", "1_000", "750"}


@pytest.mark.parametrize(
    ("experiment", "options", "says"),
    [
        ("wdgrl", ["--data", "Digits"], "set data to DigitsShift or DomainFeatures"),
        (
            "wdgrl",
            ["--model.n_classes=3"],
            "model.n_classes is 3, but the data has 10 classes: set "
            "--model.n_classes 10 --model.classifier.n_classes 10.",
        ),
        ("wdgrl", ["--model.n_critic=0"], "error: model.n_critic must be at least 1"),
        ("wdgrl", ["--model.n_classes=1"], "error: model.n_classes must be at least 2"),
        (
            "wdgrl",
            ["--model.transfer_weight=.nan"],
            "error: model.transfer_weight must be a",
        ),
        ("wdgrl", ["--data.batch_size=9999"], "takes 9999 rows of each domain"),
        ("wdgrl", ["--trainer.gradient_clip_val=1.0"], "model.clip_norm"),
        ("wdgrl", ["--model.ramp=linear"], "model.ramp"),
        # what needs more than one row of a batch
        ("coral", ["--data.batch_size=1"], "error: data.batch_size is 1, but "),
        (
            "mmd",
            ["--data.batch_size=1", "--model.unbiased=true"],
            "error: data.batch_size is 1, but ",
        ),
    ],
)
def test_a_mistake_in_adaptation_ends_in_one_sentence(
    experiment: str, options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = CONFIGS / experiment / "digits_shift.yaml"
    quiet = ["--trainer.enable_progress_bar=false", *options]
    assert app.main(["fit", f"--config={path}", *quiet]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert says in error
    assert not Path("runs").exists()


def test_a_gan_refuses_two_domains(capsys: pytest.CaptureFixture[str]) -> None:
    path = CONFIGS / "wgan_gp" / "digits.yaml"
    assert app.main(["fit", "--config", str(path), "--data", "DigitsShift"]) == 2
    assert "DigitsShift gives a source and a target domain" in capsys.readouterr().err
