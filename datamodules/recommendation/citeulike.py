"""CiteULike: articles in the libraries of users, with tags and words."""

from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
from scipy import sparse
from typing_extensions import override

from datamodules.readers.features.arrays import as_rows
from datamodules.readers.tables.citeulike_lines import (
    CountedLines,
    read_counted,
    weighted,
)
from datamodules.readers.tables.pair_table import PairTable
from datamodules.recommendation.base import InteractionData, PredictItems, SplitPairs
from datamodules.recommendation.catalogue import Catalogue
from datamodules.recommendation.splitting import (
    Counts,
    assign_splits,
    shuffled_by_user,
    split_pairs,
)
from lightning_modules.core.validation import check_at_least, check_choice, check_seed
from lightning_modules.data_contracts.sparse_rows import Rows

Features = Literal["none", "tags", "words", "tags_words"]
Weights = Literal["tf_idf", "binary"]
PAIRS, TAGS, OF_ITEM, OF_TAG = "users.dat", "tags.dat", "item-tag.dat", "tag-item.dat"
WORDS, VOCABULARY, CITED = "mult.dat", "vocabulary.dat", "citations.dat"


class CiteULike(InteractionData):
    """Users and the articles of their libraries, in the files of citeulike-a and -t.

    Line u of ``users.dat`` is how many articles user u has, and their numbers from 0.
    The first number is not an article: the code of the paper took it for one, so its
    table for this data is of other pairs. Features are tags, of ``item-tag.dat`` (a
    line for each article, as in citeulike-a) or ``tag-item.dat`` (a line for each tag,
    as in citeulike-t), and words, of ``mult.dat`` (lines ``count word:times ...``);
    names of both are in ``tags.dat`` and ``vocabulary.dat``. Only the files that are
    asked for are needed. Articles that no user has are kept.

    Users with few items are left out. Of the n items of each other user, in random
    order, int(0.6 n) are for training, int(0.2 n) for validation, the rest for test.

    Args:
        root: Folder of the files.
        features: What describes the articles, in sparse rows.
        tag_items: Tags on fewer articles are left out.
        weights: ``tf_idf``, see `weighted` (of tags and words apart, then side by
            side), or 1 for each tag and word.
        min_items: Users with fewer items are left out.
        split_seed: Seed of the split.
        predict_items: Which articles prediction ranks: ``all``, or the ``new`` ones,
            without a training pair. Models that place these by their features rank
            them only so. Validation and test rank all articles.
        **options: Batches of `InteractionData`; ids in ``predict_users`` are lines of
            ``users.dat``, from 0.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A line of a file, or an argument, can't be used.

    References:
        CML (doi:10.1145/3038912.3052639), section 4.1, for the split and the tags.
    """

    ranks_cold_items = True  # as the published protocol does

    def __init__(
        self,
        root: str = "data/citeulike-t",
        features: Features = "none",
        tag_items: int = 5,
        weights: Weights = "tf_idf",
        min_items: int = 5,
        split_seed: int = 0,
        *,
        predict_items: PredictItems = "all",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_at_least(1, "data.", tag_items=tag_items, min_items=min_items)
        check_seed("data.", split_seed=split_seed)
        check_choice("data.features", features, get_args(Features))
        check_choice("data.weights", weights, get_args(Weights))
        check_choice("data.predict_items", predict_items, get_args(PredictItems))
        self.predict_items = predict_items
        self.root, self.split_seed = Path(root).expanduser(), split_seed
        self.with_tags, self.with_words = "tags" in features, "words" in features
        self.tag_items, self.weights, self.min_items = tag_items, weights, min_items

    @override
    def find(self) -> None:
        """Checks that the files that are asked for are there."""
        names = [PAIRS] + [WORDS] * self.with_words
        if self.with_tags and not (self.root / OF_ITEM).is_file():
            names.append(OF_TAG)
        for name in names:
            if not (self.root / name).is_file():
                also = f" (or {OF_ITEM})" if name == OF_TAG else ""
                raise FileNotFoundError(
                    f"data.root: {self.root / name} does not exist{also}; put the "
                    "files of citeulike-a or citeulike-t into a folder and name it."
                )

    @override
    def read(self) -> SplitPairs:
        """Pairs of users with enough items, and features of all articles."""
        pairs = read_counted(self.root / PAIRS)
        blocks = {TAGS: self._tags()} if self.with_tags else {}
        if self.with_words:
            blocks[VOCABULARY] = read_counted(self.root / WORDS)
        widest = max(block.n_lines for block in (pairs.turned(), *blocks.values()))
        n_items = max(widest, *map(self._count_lines, (OF_ITEM, WORDS, CITED)))
        table = self._table(pairs, n_items)
        order = shuffled_by_user(table, self.split_seed)
        parts = assign_splits(table, order, *split_60_20_20(table.counts))
        features, names = self._features(blocks, n_items)
        ids = table.user_ids.to_numpy(), table.item_ids.to_numpy()
        catalogue = Catalogue(*ids, features=features, feature_names=names)
        return split_pairs(table, catalogue, parts, self.root / PAIRS)

    def _table(self, pairs: CountedLines, n_items: int) -> PairTable:
        table = PairTable.of(pl.Series(pairs.lines), pl.Series(pairs.entries))
        table = table.part((table.counts >= self.min_items)[table.users])
        if not len(table):
            raise ValueError(
                f"data.min_items: no user in {self.root / PAIRS} has "
                f"{self.min_items} items or more; lower it."
            )
        return table.with_items(n_items)

    def _tags(self) -> CountedLines:
        """A line for each article, whichever file has them."""
        if (self.root / OF_ITEM).is_file():
            return read_counted(self.root / OF_ITEM)
        return read_counted(self.root / OF_TAG).turned()

    def _count_lines(self, name: str) -> int:
        """Lines of a file that has one for each article; 0 if it isn't there."""
        path = self.root / name
        return len(path.read_bytes().rstrip().splitlines()) if path.is_file() else 0

    def _features(
        self, blocks: dict[str, CountedLines], n_items: int
    ) -> tuple[Rows | None, list[str]]:
        """Blocks of columns side by side, and the names of the columns."""
        matrices, names = [], []
        for file, block in blocks.items():
            counts = block.matrix(n_items, block.width)
            frequency = np.bincount(counts.indices, minlength=block.width)
            least = self.tag_items if file == TAGS else 1
            columns = np.flatnonzero(frequency >= least)
            matrices.append(weighted(counts[:, columns], self.weights == "tf_idf"))
            all_names = self._column_names(file, block.width)
            names += [all_names[column] for column in columns]
        if not matrices:
            return None, names
        joined = sparse.csr_array(sparse.hstack(matrices))
        return as_rows(f"data.tag_items: what is left of {self.root}", joined), names

    def _column_names(self, name: str, n: int) -> list[str]:
        """Names of n columns; their numbers where the file doesn't name them."""
        path, given = self.root / name, list[str]()
        if path.is_file():
            given = path.read_text("utf-8", errors="replace").split("\n")
        return [given[i].strip() if i < len(given) else str(i) for i in range(n)]


def split_60_20_20(counts: Counts) -> tuple[Counts, Counts]:
    """Pairs for validation and for test where int(0.6 n) are trained on."""
    n_train, n_val = (counts * 3 // 5), counts // 5
    return n_val, counts - n_train - n_val
