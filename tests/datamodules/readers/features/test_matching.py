"""Files that do not belong together are refused."""

from pathlib import Path

import pytest
import torch

from datamodules.adaptation.domain_features import DomainFeatures
from tests.support.dense_domains import parts
from tests.support.feature_sets import (
    SIZES,
    arrays,
    counts,
    domains,
    files,
    refused,
    write,
)


@pytest.mark.parametrize("part", ["target", "source_val", "target_test"])
def test_widths_that_differ_are_refused(tmp_path: Path, part: str) -> None:
    data = domains(tmp_path, *{"target_test", "source_val"} & {part})
    write(tmp_path / f"{part}.npz", counts(SIZES[part], 7), arrays(part)[1])
    refused(data, rf"^data\.{part}: .* has 7 features .* where .*source\.npz has 5")


def test_a_width_other_than_asked_for_is_refused(tmp_path: Path) -> None:
    refused(
        domains(tmp_path, n_features=9),
        r"data\.source: .* should be 9; .* data\.n_feat",
    )


def test_sparse_beside_dense_is_filled_up_on_request(tmp_path: Path) -> None:
    paths = files(tmp_path, "source") | files(tmp_path, "target", ending=".svm")
    refused(DomainFeatures(**paths), r"^data\.target: .*target\.svm and .* data\.dense")
    found = parts(DomainFeatures(**paths, dense=True))
    assert torch.equal(found.target, torch.from_numpy(arrays("target")[0]).float())


def test_a_stray_column_that_fills_the_memory_is_refused(tmp_path: Path) -> None:
    data = domains(tmp_path, ending=".svm", dense=True)
    with (tmp_path / "source.svm").open("a") as file:  # 859 TB, more than anybody has
        file.write("3 0:1 2147483646:1\n" * 10**5)
    refused(data, r"^data\.dense: 100024 rows of 2147483647 columns .*source\.svm")
