"""Every experiment of the rankers runs on a few users, and is tested and asked."""

from pathlib import Path

import numpy as np
import polars
import pytest
import torch
import yaml

from wasserstein_critics.cli import app

CONFIGS = Path(__file__).parents[2] / "configs"
LEARNT = ("cml", "smooth_cml", "bpr", "warp")
METHODS = (*LEARNT, "wrmf", "implicit_bpr", "item_knn", "ease", "popularity")
TASKS = ("lastfm", "citeulike_t", "ml_100k", "planted")
EXPERIMENTS = sorted(path for m in METHODS for path in (CONFIGS / m).glob("*.yaml"))
SMOKE = CONFIGS / "smoke.yaml"
USERS, ITEMS, TAKEN = 12, 30, 10

pytestmark = pytest.mark.filterwarnings(
    "ignore:Checkpoint directory .* exists and is not empty"
)


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def lines(path: Path, rows: object) -> None:
    path.write_text("".join(f"{row}\n" for row in rows), "latin-1")  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three data sets of a few users, in the formats of the real ones."""
    folder = tmp_path_factory.mktemp("ranking")
    random = np.random.default_rng(0)
    taken = [random.permutation(ITEMS)[:TAKEN].tolist() for _ in range(USERS)]
    split = folder / "lastfm"
    split.mkdir()
    for name, part in (("train", (0, 6)), ("valid", (6, 8)), ("test", (8, 10))):
        rows = [" ".join(map(str, (u, *t[slice(*part)]))) for u, t in enumerate(taken)]
        lines(split / f"{name}.txt", rows)
    articles = folder / "citeulike_t"
    articles.mkdir()
    lines(articles / "users.dat", (" ".join(map(str, (len(t), *t))) for t in taken))
    tags = [sorted(random.permutation(ITEMS)[:7].tolist()) for _ in range(5)]
    lines(articles / "tag-item.dat", (" ".join(map(str, (7, *t))) for t in tags))
    lines(articles / "tags.dat", ("tag" + str(t) for t in range(5)))
    lines(articles / "mult.dat", (f"2 {i % 4}:1 4:{1 + i % 3}" for i in range(ITEMS)))
    lines(articles / "vocabulary.dat", ("word" + str(w) for w in range(5)))
    films = folder / "ml_100k"
    films.mkdir()
    rated = [(u + 1, i + 1, 4, 9) for u, t in enumerate(taken) for i in t]
    lines(films / "u.data", ("\t".join(map(str, row)) for row in rated))
    flags = "|".join(["0", "1"] + ["0"] * 17)
    title = "Les Misérables (1995)"
    lines(films / "u.item", (f"{i + 1}|{title}|||x|{flags}" for i in range(ITEMS)))
    lines(films / "u.genre", (f"genre{g}|{g}" for g in range(19)))
    pairs = [(f"u{u}", f"i{i}") for u, t in enumerate(taken) for i in t]
    table = polars.DataFrame(pairs, schema=["user", "item"], orient="row")
    table.write_csv(folder / "interactions.csv")
    return folder


def call(subcommand: str, path: Path, root: Path, *options: str) -> int:
    task = path.stem.removesuffix("_tags").removesuffix("_tags_words")
    given = [f"--data.root={root / task}"]
    if task == "planted":
        sizes = {"n_users": USERS, "n_items": ITEMS, "n_taken": TAKEN}
        given = [f"--data.{key}={value}" for key, value in sizes.items()]
    if task == "interactions":
        given = [f"--data.path={root / 'interactions.csv'}"]
    words = ["--data.batch_size=8", "--trainer.accelerator=cpu"]
    words += ["--trainer.enable_progress_bar=false", "--trainer.max_epochs=-1"]
    overlay = ["--config", str(path), "--config", str(SMOKE)]
    return app.main([subcommand, *overlay, *given, *words, *options])


def fitted(path: Path, root: Path) -> int:
    """Two steps, or solved: whose epoch has one batch, and nothing to wait for."""
    learnt = "limit_train_batches" not in yaml.safe_load(path.read_text())["trainer"]
    solved = ["--trainer.max_epochs=1", "--trainer.val_check_interval=1.0"]
    return call("fit", path, root, *([] if learnt else solved))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name_of)
def test_every_experiment_trains_and_is_tested(
    path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fitted(path, root) == 0
    last = Path("runs/smoke/checkpoints/last.ckpt")
    monitor = yaml.safe_load(path.read_text())["trainer"]["callbacks"][0]
    monitor = monitor["init_args"]["monitor"]
    checkpoint = torch.load(last, weights_only=True)
    kept = [state.get("monitor") for state in checkpoint["callbacks"].values()]
    assert monitor in kept
    assert call("test", path, root, f"--ckpt_path={last}") == 0
    assert monitor.removeprefix("val/") in capsys.readouterr().out


def test_every_method_has_every_data_set() -> None:
    found = {name_of(path) for path in EXPERIMENTS}
    assert found >= {f"{method}/{task}" for method in METHODS for task in TASKS}


@pytest.mark.parametrize("name", ["cml/ml_100k", "smooth_cml/interactions"])
def test_predict_writes_own_ids_and_names(name: str, root: Path) -> None:
    path = CONFIGS / f"{name}.yaml"
    assert fitted(path, root) == 0
    last = "--ckpt_path=runs/smoke/checkpoints/last.ckpt"
    assert call("predict", path, root, last, "--trainer.limit_predict_batches=1.0") == 0
    table = polars.read_parquet("runs/smoke/predictions/items.parquet")
    assert table.columns[:2] == ["user", "item"]
    assert {"rank", "distance"} <= set(table.columns)
    if name.endswith("ml_100k"):
        assert set(table["user"]) == set(range(1, USERS + 1))
        assert set(table["name"]) == {"Les Misérables (1995)"}
    else:
        assert set(table["user"]) == {f"u{u}" for u in range(USERS)}


def test_an_unknown_user_is_named_in_one_sentence(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = CONFIGS / "cml" / "interactions.yaml"
    assert fitted(path, root) == 0
    capsys.readouterr()
    last = "--ckpt_path=runs/smoke/checkpoints/last.ckpt"
    assert call("predict", path, root, last, "--data.predict_users=[nobody]") != 0
    told = capsys.readouterr().err.strip().splitlines()
    assert "data.predict_users" in told[-1]
    assert "'nobody'" in told[-1]
