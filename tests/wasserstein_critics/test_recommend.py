"""The subcommand ``recommend``: items for users of a run, and for new ones."""

import csv
import random
from pathlib import Path

import polars as pl
import pytest

from tests.support.command_line import tiny, write
from wasserstein_critics.__main__ import main
from wasserstein_critics.recommend import recommender

KITCHEN = ["tea", "cup", "pot", "milk", "jam", "pan", "salt", "egg"]
TOOLS = ["bolt", "nut", "saw", "file", "rasp", "nail", "glue", "axe"]
NAMES = ["anna", "ben", "cleo", "dora", "emil", "fred", "gina", "hal", "ida", "jo"]
PAIRS = {
    name: random.Random(name).sample(KITCHEN if n % 2 else TOOLS, 6)
    for n, name in enumerate(NAMES)
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EASE on a small shop with text ids."""
    home = tmp_path_factory.mktemp("shop")
    with (home / "pairs.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["customer", "article"])
        lines.writerows([user, item] for user, own in PAIRS.items() for item in own)
    config = tiny(max_epochs=1, max_steps=-1, limit_train_batches=1)
    config["model"] = {"class_path": "EASE", "init_args": {"l2": 1.0, "ks": [5]}}
    data = {"path": str(home / "pairs.csv"), "batch_size": 2}
    columns = {"user_column": "customer", "item_column": "article"}
    config["data"] = {"class_path": "Interactions", "init_args": data | columns}
    config["trainer"]["logger"]["init_args"]["save_dir"] = str(home)
    config["trainer"] |= {"limit_val_batches": 0, "num_sanity_val_steps": 0}
    assert main(["fit", "--config", str(write(config, home / "shop.yaml"))]) == 0
    return home / "tiny" / "version_0"


def asked(run: Path, *words: str) -> int:
    return main(["recommend", "--run", str(run), *words])


def test_a_table_says_what_for_whom_and_why(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(run, "--users", "anna, ben", "--k", "2") == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "user"
    assert head.endswith("because of")
    for user, goods, two in (("anna", TOOLS, lines[:2]), ("ben", KITCHEN, lines[2:])):
        assert [line.split()[:2] for line in two] == [[user, "1"], [user, "2"]]
        assert {line.split()[2] for line in two} == {*goods} - {*PAIRS[user]}
    expected = recommender(run).recommend(["anna"], k=1)[0]
    assert lines[0].endswith("; ".join(expected.because))


def test_new_users_come_from_words_or_from_a_file(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(run, "--items", "bolt,nut", "--k", "3") == 0
    told = [line.split()[2] for line in capsys.readouterr().out.splitlines()[1:]]
    assert {*told} <= {*TOOLS} - {"bolt", "nut"}
    Path("new.csv").write_text("customer,article\numa,bolt\numa,nut\nvic,tea\n")
    assert asked(run, "--pairs", "new.csv", "--k", "3", "-o", "out.parquet") == 0
    table = pl.read_parquet("out.parquet")
    assert table["user"].to_list() == ["uma"] * 3 + ["vic"] * 3
    assert table["item"][:3].to_list() == told
    assert table["rank"].to_list() == [1, 2, 3] * 2


def test_similar_items_are_bought_together(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(run, "--similar", "saw", "--k", "2") == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("similar to")
    assert {line.split()[2] for line in lines} < {*TOOLS}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--users", "ana"], "no user 'ana' in the data; the nearest ids are 'anna'"),
        (["--items", "tee"], "no item 'tee' in the data; the nearest ids are 'tea'"),
        (["--items", ","], "give at least one id"),
        (["--users", "anna", "--k", "0"], "k must be at least 1"),
        (["--pairs", "new.csv"], "--pairs: new.csv does not exist"),
        (["--users", "anna", "--data.path=no.csv"], "data.path: no.csv does not"),
        (
            ["--users", "anna", "--data.pth", "x"],
            "'pth'; did you mean 'path'",
        ),
    ],
)
def test_a_mistake_ends_in_one_sentence(
    words: list[str], said: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(run, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert said in error


def test_what_is_no_run_of_a_ranker_is_refused(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(Path("nowhere"), "--users", "anna") == 2
    assert "'nowhere' is not the folder of a run" in capsys.readouterr().err
    lines = [f"{name},{item}\n" for name in NAMES for item in TOOLS]
    Path("pairs.csv").write_text("customer,article\n" + "".join(lines))
    assert asked(run, "--users", "anna", "--data.path", "pairs.csv") == 2
    assert "not those that the model was trained on" in capsys.readouterr().err
