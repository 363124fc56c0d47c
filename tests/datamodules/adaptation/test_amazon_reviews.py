"""Amazon reviews, tried on few of them in the original format, and on all."""

import time
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from datamodules.adaptation.amazon_reviews import AmazonReviews
from lightning_modules.data_contracts.sparse_rows import SparseRows
from tests.support.dense_domains import equal
from tests.support.feature_sets import (
    counts,
    filled,
    labels,
    measured,
    seen_in_training,
    write,
)

WIDTH = 5_000
SIZES = {"train": 20, "test": 13}
GOODS = ("books", "dvd", "electronics", "kitchen")


def reviews(goods: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    seed = 2 * GOODS.index(goods) + (part == "test")
    return counts(SIZES[part], WIDTH, seed, share=0.004), labels(SIZES[part], seed=seed)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for goods in ("books", "dvd"):
        for part in SIZES:
            write(tmp_path / f"{goods}_{part}.svmlight", *reviews(goods, part))
    return tmp_path


def amazon(root: Path, **options: Any) -> AmazonReviews:
    settings = {"batch_size": 4, "batches_per_epoch": 6, **options}
    return AmazonReviews(root=str(root), **settings)


@pytest.mark.parametrize("dense", [False, True])
def test_the_four_files_are_the_four_parts(root: Path, dense: bool) -> None:
    data = amazon(root, dense=dense)
    data.prepare_data()
    data.setup()
    found = data.domains
    for x, goods, part in (
        (found.source.x, "books", "train"),
        (found.source_val.x, "books", "test"),
        (found.target, "dvd", "train"),
        (found.target_test.x, "dvd", "test"),
    ):
        assert isinstance(x, SparseRows) != dense
        written = torch.from_numpy(reviews(goods, part)[0]).float()
        assert torch.equal(filled(x), written)
    assert found.source.y.tolist() == (reviews("books", "train")[1] > 0).tolist()
    assert found.source_val.y.tolist() == (reviews("books", "test")[1] > 0).tolist()
    assert found.target_test.y.tolist() == (reviews("dvd", "test")[1] > 0).tolist()


def test_what_a_method_needs_is_known_before_anything_is_read() -> None:
    data = AmazonReviews("kitchen", "dvd")
    assert (data.shape, data.num_classes) == ((WIDTH,), 2)
    assert data.class_names == ("negative", "positive")
    assert data.domain_names == ("kitchen", "dvd")


def test_sparse_and_dense_reviews_make_the_same_batches(root: Path) -> None:
    assert equal(*(seen_in_training(amazon(root, dense=d)) for d in (False, True)))


@pytest.mark.parametrize("part", ["train", "test"])
def test_labels_of_the_target_reach_no_training_batch(root: Path, part: str) -> None:
    before = amazon(root)
    first, labels_before = seen_in_training(before), measured(before)
    x, y = reviews("dvd", part)
    write(root / f"dvd_{part}.svmlight", x, -y)
    after = amazon(root)
    assert equal(first, seen_in_training(after))
    same = torch.equal(labels_before, measured(after))
    assert same == (part == "train")  # not even accuracy is made from those


def test_column_0_is_the_first_even_where_it_is_empty(root: Path) -> None:
    for goods in ("books", "dvd"):
        for part in SIZES:
            x, y = reviews(goods, part)
            x[:, 0] = 0
            write(root / f"{goods}_{part}.svmlight", x, y)
    data = amazon(root)
    data.setup()
    x, _ = reviews("dvd", "train")
    x[:, 0] = 0
    assert torch.equal(filled(data.domains.target), torch.from_numpy(x).float())


def test_missing_files_are_named_with_where_they_come_from(root: Path) -> None:
    (root / "dvd_test.svmlight").unlink()
    with pytest.raises(
        FileNotFoundError,
        match=r"^data\.root: .* lacks dvd_test\.svmlight; .*GRAAL-Research/"
        "domain_adversarial_neural_network, folder data",
    ):
        amazon(root).prepare_data()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"source": "dvd", "target": "dvd"},
            r"data\.source and data\.target are both dvd",
        ),
        ({"source": "cds"}, r"data\.source must be one of books, dvd"),
        ({"target": "cds"}, r"data\.target must be one of books, dvd"),
        ({"normalise": "bm25"}, r"data\.normalise .* got 'bm25'"),
    ],
)
def test_arguments_out_of_range_are_refused_by_their_key(
    options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        AmazonReviews(**options)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("3 0:1\n", r"has the label 3, .* -1, 1;"),
        ("1 5000:1\n", "has a column 5000 where 5000 columns are counted from 0"),
        ("1 0:1\n-1 2:", "is cut off, damaged"),
        ("", "features is empty"),
    ],
)
def test_other_files_of_that_name_are_refused(
    root: Path, lines: str, sentence: str
) -> None:
    (root / "dvd_test.svmlight").write_text(lines)
    with pytest.raises(ValueError, match=rf"^data\.root: .*dvd_test.*{sentence}"):
        amazon(root).setup()


def test_a_class_without_a_training_row_is_refused(root: Path) -> None:
    x, y = reviews("books", "train")
    write(root / "books_train.svmlight", x, np.abs(y))
    with pytest.raises(ValueError, match=r"books_train.* no training row .*'negative'"):
        amazon(root).setup()


@pytest.mark.data
@pytest.mark.parametrize("goods", GOODS)
def test_the_real_files_hold_the_published_counts(real_data: Path, goods: Any) -> None:
    other: Any = GOODS[GOODS.index(goods) - 1]
    data = AmazonReviews(goods, other, str(real_data / "amazon_reviews"))
    begin = time.perf_counter()
    data.setup()
    assert time.perf_counter() - begin < 5
    published = {
        "books": [2_201, 2_264],
        "dvd": [1_779, 1_807],
        "electronics": [2_824, 2_857],
        "kitchen": [2_991, 2_954],
    }
    found = data.domains
    assert found.source.y.bincount().tolist() == [1_000, 1_000]
    assert found.source_val.y.bincount().tolist() == published[goods]
    assert found.target_test.y.bincount().tolist() == published[other]
    assert len(found.target) == 2_000


@pytest.mark.data
def test_logistic_regression_on_real_reviews_is_as_good_as_known(
    real_data: Path,
) -> None:
    known = {("books", "dvd"): 0.787, ("electronics", "kitchen"): 0.835}
    assert set(known) < set(permutations(GOODS, 2))
    for (source, target), accuracy in known.items():
        root = str(real_data / "amazon_reviews")
        data = AmazonReviews(source, target, root, "binary", dense=True)  # type: ignore[arg-type]
        data.setup()
        train, test = data.domains.source, data.domains.target_test
        model = LogisticRegression(C=0.01, max_iter=1_000).fit(filled(train.x), train.y)
        found = model.score(filled(test.x), test.y)
        assert found == pytest.approx(accuracy, abs=0.002)
