"""The subcommand ``recommend``: items for users, known or new, of a trained run."""

import argparse
import csv
import json
import sys
from argparse import ArgumentError
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule
from lightning.pytorch.cli import LightningArgumentParser

from callbacks.predictions.prediction_table import data_frame, write_table
from callbacks.report.run_files import read_run
from callbacks.runs.run_config import CHECKPOINTS
from datamodules.readers.tables.pair_columns import read_pairs
from datamodules.readers.tables.table import Table
from lightning_modules.core.hparams import method_class
from lightning_modules.core.lightning_internals import classes_alone
from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.public_names import accepted_names, public_class
from lightning_modules.recommendation.recommender import Recommended, Recommender
from wasserstein_critics.cli.checkpoints import read_checkpoint
from wasserstein_critics.cli.errors import UsageError, told
from wasserstein_critics.cli.names import suggestion
from wasserstein_critics.commands import table_lines
from wasserstein_critics.shipped import program

_KINDS = {"data": LightningDataModule, "model": AlternatingModule}


def recommend(words: Sequence[str]) -> int:
    """``recommend --run RUN --users a,b``: print the best items, or write them."""
    parser = _parser()
    options, others = parser.parse_known_args(words)
    odd = [word for word in others if word.startswith("-")]
    if not all(word.startswith("--data.") for word in odd):
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    try:
        shop = recommender(options.run, options.ckpt_path, others)
        rows, value = _asked(shop, options)
        columns = _columns(rows, "similar to" if options.similar else "user", value)
        if options.output:
            write_table(data_frame(columns), options.output)
            sys.stdout.write(f"wrote {options.output}\n")
        else:
            sys.stdout.writelines(table_lines(columns))
    except Exception as error:
        return told(error)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{program()} recommend",
        description="Print or write the best items for users, by a trained run. Ids "
        "are those of the data, with commas between them (in double quotes where an id "
        "has one). A new user is folded in: nothing is trained again.",
        epilog="Options of the data may follow, as --data.root my_data, where it lies "
        "elsewhere than it did.",
        allow_abbrev=False,
    )
    asked = parser.add_mutually_exclusive_group(required=True)
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    asked.add_argument("--users", metavar="IDS", help="users whom it was trained on")
    asked.add_argument("--items", metavar="IDS", help="the items of one new user")
    asked.add_argument(
        "--pairs",
        type=Path,
        metavar="FILE",
        help="new users and their items: CSV, TSV or Parquet with the columns of the "
        "run's data, or user and item",
    )
    asked.add_argument("--similar", metavar="IDS", help="items to find the like of")
    parser.add_argument("--k", type=int, default=10, help="items of each; default 10")
    parser.add_argument(
        "--output", "-o", type=_table_file, help="file to write: .csv or .parquet"
    )
    parser.add_argument(
        "--ckpt_path", type=Path, help="checkpoint; checkpoints/last.ckpt by default"
    )
    return parser


def _table_file(text: str) -> Path:
    if Path(text).suffix not in (".csv", ".parquet"):
        raise argparse.ArgumentTypeError("name a file that ends in .csv or .parquet")
    return Path(text)


def _asked(
    shop: Recommender, options: argparse.Namespace
) -> tuple[list[Recommended], str]:
    """The lines that were asked for, and what their values are."""
    k = options.k
    if options.similar:
        value = shop.score_name if shop.score_name == "distance" else "likeness"
        return shop.similar_items(_ids(options.similar), k), value
    if options.users:
        return shop.recommend(_ids(options.users), k), shop.score_name
    owned = _ids(options.items) if options.items else _read(options.pairs, shop.data)
    return shop.recommend_for_items(owned, k), shop.score_name


def _ids(text: str) -> list[str]:
    """Ids with commas between them, as CSV writes them."""
    lines = list(csv.reader([text]))
    return [one.strip() for line in lines for one in line if one.strip()]


def _read(path: Path, data: Any) -> dict[str, list[str]]:
    """Ids of the items of each new user in a file."""
    named = vars(data).get("columns", ("user", "item"))
    try:
        table = Table(path.expanduser(), "pairs")
        table.find()
        pairs = read_pairs(table, *named)
    except (ValueError, FileNotFoundError) as error:
        text = str(error).replace("data.pairs", "--pairs")
        raise UsageError(text) from error
    owned: dict[str, list[str]] = {}
    for user, item in zip(pairs.users.tolist(), pairs.items.tolist(), strict=True):
        name = str(pairs.user_ids[user])
        owned.setdefault(name, []).append(str(pairs.item_ids[item]))
    return owned


def _columns(
    rows: Sequence[Recommended], asked: str, value: str
) -> dict[str, list[Any]]:
    """The table's columns: ids, name where it says more, value, reasons."""
    columns: dict[str, list[Any]] = {
        asked: [row.user for row in rows],
        "rank": [row.rank for row in rows],
        "item": [row.item for row in rows],
    }
    if any(row.name != row.item for row in rows):
        columns["name"] = [row.name for row in rows]
    columns[value] = [row.value for row in rows]
    if any(row.because for row in rows):
        columns["because of"] = ["; ".join(row.because) for row in rows]
    return columns


# A run --------------------------------------------------------------------------------


def recommender(
    run: Path, ckpt_path: Path | None = None, words: Sequence[str] = ()
) -> Recommender:
    """The method and the data of a run, ready to be asked.

    Args:
        run: The run's folder.
        ckpt_path: A checkpoint; by default the last one.
        words: Options of the data that replace the run's, as ``--data.root=x``.

    Raises:
        FileNotFoundError: If the folder is no run's.
        ValueError: If it does not rank items, or its data is not there.
    """
    config, path = read_run(run).config, ckpt_path or run / CHECKPOINTS / "last.ckpt"
    content = read_checkpoint(path)
    arguments = content.get("hyper_parameters") or {}
    cls = method_class(AlternatingModule, str(arguments.get("_class_path")), path)
    model = cls.load_from_checkpoint(path, map_location="cpu")
    if not isinstance(config.get("data"), dict):
        raise UsageError(f"'{run}' has no config.yaml with the data of the run.")
    return Recommender(model, built("data", config["data"], words))


def built(kind: str, node: Mapping[str, Any], words: Sequence[str] = ()) -> Any:
    """The data module or the method that a part of a config describes.

    Args:
        kind: ``data`` or ``model``.
        node: ``class_path`` and ``init_args``.
        words: Options that replace some of it, as ``--data.root=x``.

    Raises:
        UsageError: If it can't be built.
    """
    _check_names(kind, node, words)
    parser = LightningArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(_KINDS[kind], kind)
    try:
        with classes_alone():
            config = parser.parse_args([f"--{kind}={json.dumps(node)}", *words])
            return parser.instantiate_classes(config)[kind]
    except ArgumentError as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"{kind} of the run can't be built ({reason}).") from error


def _check_names(kind: str, node: Mapping[str, Any], words: Sequence[str]) -> None:
    """Refuse options that the class has not."""
    cls = public_class(str(node.get("class_path")))
    if cls is None:
        return
    names = accepted_names(cls)
    for word in (word for word in words if word.startswith(f"--{kind}.")):
        key = word.removeprefix(f"--{kind}.").partition("=")[0].partition(".")[0]
        if key not in names:
            raise UsageError(f"{kind} has no option '{key}'{suggestion(key, names)}")
