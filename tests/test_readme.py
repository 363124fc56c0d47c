"""What the README says works."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from itertools import compress
from pathlib import Path

import numpy as np
import polars
import pytest
import torch
from PIL import Image

from callbacks.runs.wandb_run import finish_open_run
from datamodules import MovieLens, PlantedInteractions
from tests.support.command_line import inspect_wandb_run
from wasserstein_critics.__main__ import main
from wasserstein_critics.cli import app
from wasserstein_critics.commands import SUBCOMMANDS

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()
STEPS = "max_steps=1000"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    """What follows train.py; a run has the config that it was given."""
    found, config = [], ""
    for line in "".join(blocks("bash")).splitlines():
        if run := re.match(r"RUN=runs/(\w+)-(\w+)/", line):
            config = f"{run[1]}/{run[2]}"
        if re.search("train.py (fit|validate|test|predict) ", line):
            words = line.split("#")[0].split("python train.py ")[1]
            found.append(words.replace("$RUN/config.yaml", config))
    return found


def test_the_quick_start_runs() -> None:
    assert STEPS in README
    code = "\n".join(blocks("python")).replace(STEPS, "max_steps=2")
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    images, generator = names["images"], names["generator"]
    assert isinstance(images, torch.Tensor)
    assert images.shape == (16, 1, 8, 8)
    assert images.abs().max() <= 1
    assert isinstance(generator, torch.nn.Module)
    assert generator(torch.zeros(1, 32)).shape == (1, 1, 8, 8)


def test_the_quick_start_is_ten_lines() -> None:
    assert len([line for line in blocks("python")[0].splitlines() if line]) <= 10


def write_two_domains() -> None:
    """Images and features as the README names them."""
    random = np.random.default_rng(0)
    for domain in ("photos", "sketches"):
        for kind in ("bike", "mug", "pen"):
            folder = Path("my_folder", domain, kind)
            folder.mkdir(parents=True)
            for i in range(12):
                pixels = random.integers(0, 256, (40, 50, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.jpg")
        x = random.standard_normal((36, 128)).astype(np.float32)
        np.savez(f"{domain}.npz", x=x, y=np.arange(36) % 3)


def script() -> Iterator[list[str]]:
    """The words of each line of the README's shell commands."""
    run = ""
    for line in "".join(blocks("bash")).splitlines():
        words = shlex.split(line.replace("$RUN", run), comments=True)
        if words[0].startswith("RUN="):
            run = words.pop(0).removeprefix("RUN=")
        elif words[0] == "WANDB_MODE=offline":  # as every test has it
            words.pop(0)
        if words:
            yield words


def execute(words: list[str]) -> None:
    """Run one command; training is cut short, and goes on for two steps."""
    match words:
        case ["python", "train.py", subcommand, *options]:
            steps = 4 if "--ckpt_path" in options else 2
            short = ["--trainer.enable_progress_bar=false"]
            fits = subcommand in ("fit", "select")
            short += [f"--trainer.max_steps={steps}"] if fits else []
            short += ["--data.batch_size=8"] if "my_images" in options else []
            training = fits or subcommand in SUBCOMMANDS
            given = [subcommand, *options, *(short if training else [])]
            assert main(given) == 0, words
        case ["wandb", "leet", "inspect", *options, pattern]:
            finish_open_run()
            (path,) = Path().glob(pattern)
            done = inspect_wandb_run(path, *options)
            assert done.returncode == 0, done.stderr
            assert "val/sliced_wasserstein" in json.loads(done.stdout)["summary"]
        case ["wandb", "leet" | "sync", path]:  # a terminal; an upload
            assert list(Path().glob(path)), words
        case _:
            assert words[0] == "make", words  # see below


FOLDER = "wgan_gp-digits/version_0"
WRITTEN = (
    f"{FOLDER}/config.yaml",
    f"{FOLDER}/run.json",
    f"{FOLDER}/report.html",
    "both.html",
    f"{FOLDER}/metrics.csv",
    f"{FOLDER}/generator.safetensors",
    f"{FOLDER}/checkpoints/last.ckpt",
    f"{FOLDER}/checkpoints/last-previous.ckpt",
    f"{FOLDER}/test-last/metrics.csv",
    f"{FOLDER}/predict-last/predictions/samples.pt",
    f"{FOLDER}/predict-last/predictions/samples.npz",
    f"{FOLDER}/predict-last/predictions/*/*.png",
    "wdgrl-digits_shift/version_0/images/features/*.png",
    "wdgrl-digits_shift/version_0/predict-last/predictions/labels.csv",
    "cml-planted/version_0/predict-last/predictions/items.parquet",
    "wgan_gp-ring8/version_0/wandb/offline-run-*/*.wandb",
)


@pytest.mark.long("all of the README's commands, in turn")
def test_all_commands_run_as_written_and_what_they_name_is_there() -> None:
    write_two_domains()
    shutil.copytree("my_folder/photos/bike", "my_images")
    write_shop()
    before = {path.name for path in Path().iterdir()}
    for words in script():
        execute(words)
    made = {path.name for path in Path().iterdir()} - before
    assert made == {"runs", "my.yaml", "my_digits"}
    for name in WRITTEN:
        assert list(Path("runs").glob(name)), name
    told = json.loads(Path("runs/wgan_gp-digits/version_0/run.json").read_text())
    assert (told["first_step"], told["last_step"]) == (2, 4)


SHOP = shlex.split(next(line for line in commands() if "orders.csv" in line))[1:]
COLD_START = r"--data.features goods.csv \S+ true --model.feature_weight [0-9.]+"
(FEATURES, *_) = map(str.split, re.findall(COLD_START, " ".join(README.split())))


def recalls_with_and_without_features(*options: str) -> list[float]:
    """Test recalls of the README's two commands for interactions of one's own."""
    recalls = []
    words = ["fit", *SHOP, "--trainer.enable_progress_bar=false", *options]
    for features in ([], FEATURES):
        cli = app.command_line([*words, *features])
        (found,) = cli.trainer.test(cli.model, cli.datamodule, verbose=False)
        recalls.append(found["test/recall@10"])
    return recalls


def write_shop() -> set[str]:
    """Orders and goods as the README names them; the articles that nobody ordered."""
    shop = PlantedInteractions(n_users=400, n_items=180, n_taken=20)
    shop.setup()
    x, y = shop.item_positions.T
    goods = {
        "article": [f"article {n:03d}" for n in range(180)],
        "sort": [f"sort {n}" for n in (torch.atan2(y, x) * 2).floor().int().tolist()],
        "size": (x.square() + y.square()).tolist(),
    }
    polars.DataFrame(goods).write_csv("goods.csv")
    pairs = shop.interactions("all")
    columns = {"customer": pairs.users.numpy(), "article": pairs.items.numpy()}
    orders = polars.DataFrame(columns).filter(polars.col("article") < 170)
    named = polars.col("article").replace_strict(range(180), goods["article"])
    orders.with_columns(named).write_csv("orders.csv")
    return set(goods["article"][170:])


@pytest.mark.long("three trainings by the command line")
@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_cold_start_items_are_ranked_on_request_and_harm_nobody() -> None:
    Path("configs").symlink_to(REPOSITORY / "configs")
    new = write_shop()
    without, recall = recalls_with_and_without_features("--trainer.max_epochs=15")
    assert without > 0.8
    assert recall > without - 0.02
    run = Path("runs/smooth_cml-orders/version_1")
    for which, sold in (("all", False), ("new", True)):
        asked = ["--ckpt_path", str(run / "checkpoints/last.ckpt"), *SHOP, *FEATURES]
        assert app.main(["predict", *asked, f"--data.predict_items={which}"]) == 0
        (path,) = run.glob("predict-*/predictions/items.parquet")
        items = set(polars.read_parquet(path)["item"].to_list())
        assert (items <= new) == sold
        assert (items & new != set()) == sold
        path.rename(path.with_suffix(".read"))


@pytest.mark.slow
@pytest.mark.data
def test_features_harm_nobody_on_movielens_without_fifty_films(real_data: Path) -> None:
    """The figures of docs/decisions/0022."""
    Path("configs").symlink_to(REPOSITORY / "configs")
    source = MovieLens(str(real_data))
    source.setup()
    pairs, names = source.interactions("all"), source.catalogue.feature_names
    assert isinstance(source.catalogue.features, torch.Tensor)
    genres = ["|".join(compress(names, row)) for row in source.catalogue.features]
    ids = [f"film {n}" for n in range(source.n_items)]
    polars.DataFrame({"article": ids, "genres": genres}).write_csv("goods.csv")
    order = torch.randperm(source.n_items, generator=torch.Generator().manual_seed(0))
    sold = ~torch.isin(pairs.items, order[:50])
    articles = [ids[item] for item in pairs.items[sold].tolist()]
    columns = {"customer": pairs.users[sold].numpy(), "article": articles}
    polars.DataFrame(columns).write_csv("orders.csv")
    recalls = recalls_with_and_without_features()
    assert recalls == pytest.approx([0.23, 0.23], abs=0.01)


def test_every_target_and_file_that_is_named_exists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"make ([a-z0-9-]+)", README):
        rule = "results-%" if target.startswith("results-") else target
        assert f"\n{rule}:" in makefile, target
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (REPOSITORY / link).exists(), link
    for path in re.findall(r"configs/[\w/]+\.yaml", README):
        assert (REPOSITORY / path).is_file(), path
