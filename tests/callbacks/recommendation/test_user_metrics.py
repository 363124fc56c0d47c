"""The metrics of each user are those that the test is the mean of."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
import torch

from callbacks.recommendation.user_metrics import UserMetrics
from datamodules import Digits
from lightning_modules import BPR
from tests.support.ranking_data import planted
from tests.support.shop import N_USERS, USERS, Nothing, Shop, placed, read, trainer


class Untaught(Nothing):
    """A module that can be tested and ranks nothing."""

    def test_step(self, batch: Any, batch_idx: int) -> None:
        pass


def measured(
    directory: Path, module: Any, data: Any, **options: Any
) -> dict[str, float]:
    run = trainer(UserMetrics(**options), default_root_dir=directory)
    (found, *_) = run.test(module, data, verbose=False)
    return dict(found)


@pytest.mark.parametrize("format", ["csv", "parquet"])
@pytest.mark.parametrize("batch_size", [5, 100])
def test_their_means_are_what_the_test_reports(
    format: Any, batch_size: int, tmp_path: Path
) -> None:
    shop = Shop(eval_batch_size=batch_size)
    found = measured(tmp_path, placed(), shop, format=format)
    table = read(tmp_path / f"users.{format}")
    metrics = {key: value for key, value in found.items() if "@" in key}
    compared = [key for key in metrics if key.removeprefix("test/") in table.columns]
    assert len(compared) == len(metrics) - 3  # coverage and the like of whole lists
    for key in compared:
        mean = table[key.removeprefix("test/")].mean()
        assert mean == pytest.approx(metrics[key], rel=1e-5)


def test_a_line_says_who_is_active_and_what_was_to_be_found(tmp_path: Path) -> None:
    shop = Shop()
    measured(tmp_path, placed(), shop)
    table = read(tmp_path / "users.parquet")
    train, test = (shop.interactions(split) for split in ("train", "test"))
    with_test = [user for user in range(N_USERS) if test.counts[user]]
    assert table["user"].to_list() == [USERS[user] for user in with_test]
    for line, user in zip(table.iter_rows(named=True), with_test, strict=True):
        wanted = test.items[test.users == user]
        times = [int((train.items == item).sum()) for item in wanted]
        assert line["n_train"] == int((train.users == user).sum())
        assert line["n_test"] == len(wanted)
        assert line["popularity"] == pytest.approx(np.mean(times))


def test_an_earlier_file_stays(tmp_path: Path) -> None:
    model, data = placed(), Shop()
    measured(tmp_path, model, data)
    measured(tmp_path, model, data)
    first, second = (read(tmp_path / f"users{n}.parquet") for n in ("", "-1"))
    assert first.equals(second)


def test_a_run_that_only_tries_writes_nothing(tmp_path: Path) -> None:
    run = trainer(UserMetrics(), default_root_dir=tmp_path, fast_dev_run=True)
    run.test(placed(), Shop(), verbose=False)
    assert not list(tmp_path.rglob("users*"))


def test_data_without_ids_has_rows_and_every_ranker_has_users(tmp_path: Path) -> None:
    data, model = planted(), BPR(dim=3, ks=(4,))
    torch.manual_seed(0)
    found = measured(tmp_path, model, data)
    table = read(tmp_path / "users.parquet")
    assert table["user"].dtype == polars.Int64
    assert table["recall@4"].mean() == pytest.approx(found["test/recall@4"], rel=1e-5)


TWO_PROCESSES = """
from callbacks.recommendation.user_metrics import UserMetrics
from tests.support.shop import Shop, placed, trainer

run = trainer(UserMetrics(), devices=2, strategy="ddp_fork")
run.test(placed(), Shop(eval_batch_size=1), verbose=False)
"""


@pytest.mark.long("starts a process that forks")
def test_two_processes_write_what_one_writes(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(repository))
    command = [sys.executable, "-c", TWO_PROCESSES]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=200)
    measured(tmp_path / "one", placed(), Shop(eval_batch_size=1))
    one, both = (read(p / "users.parquet") for p in (tmp_path / "one", tmp_path))
    assert one.equals(both)


@pytest.mark.parametrize(
    ("module", "data", "says"),
    [
        (Untaught(), Shop, "UserMetrics is for models that rank .* Untaught is none"),
        (placed(), Digits, r"UserMetrics needs data of users and items, .*\(Digits\)"),
    ],
)
def test_what_does_not_fit_is_refused(
    module: Any, data: Any, says: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=says):
        measured(tmp_path, module, data())


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="csv, parquet, got 'npz'"):
        UserMetrics("npz")  # type: ignore[arg-type]
