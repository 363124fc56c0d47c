"""Films and who rated them: the MovieLens data sets of GroupLens."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from datamodules.core.arguments import at_least, one_of
from datamodules.readers.tables.item_table import ItemTable
from datamodules.readers.tables.movielens_films import FilmTable
from datamodules.readers.tables.pair_columns import read_pairs
from datamodules.readers.tables.table import Table
from datamodules.recommendation.base import InteractionData, SplitPairs
from datamodules.recommendation.interactions import catalogue_of, core
from datamodules.recommendation.splitting import PairSplit, Split, split_pairs

Variant = Literal["100k", "1m", "10m", "20m", "25m", "32m", "latest", "latest-small"]
FILES: dict[str, tuple[str, str]] = {
    "100k": ("u.data", "u.item"),
    "1m": ("ratings.dat", "movies.dat"),
    "10m": ("ratings.dat", "movies.dat"),
}
COLUMNS = ("userId", "movieId", "rating", "timestamp")
DOUBLE_COLON = ("userId", "_1", "movieId", "_2", "rating", "_3", "timestamp")


class MovieLens(InteractionData):
    """Who rated which film, with titles as names and genres as features.

    Ids are those of the files. The published protocol of ml-100k cuts the ratings of
    each user in random order, round(0.75 n) to train on and the rest for test, and
    takes every rating as a pair; so do the defaults here. Validation pairs come out of
    the training part: round(val_share n) of each user, by default a tenth of it. With
    ``val_share`` 0 all of it is trained on.

    Args:
        root: Folder of the files, or the folder above ``ml-<variant>``.
        variant: Which data set; ``100k`` reads u.data and u.item, ``1m`` and ``10m``
            ratings.dat and movies.dat, all others ratings.csv and movies.csv.
        rating_threshold: Least rating that makes a pair; None takes every rating.
        k_core: Users and films with fewer pairs are left out, again and again.
        split: See `Interactions`.
        val_share: Share of the pairs for validation.
        test_share: Share of the pairs for test.
        split_seed: Seed of the cut.
        keep_cold_users: Whether ``split: time`` keeps users without a training pair.
        features: ``genres``, 1 for those of the film (a film of no or of unknown genre
            has zeros), or ``none``.
        batch_size: Pairs in a batch of one process.
        eval_batch_size: Users ranked at a time.
        mask_val: Whether validation films are left out of the ranking at test.
        predict_users: Ids of the users that prediction ranks items for; None takes all.
        num_workers: Worker processes that slice batches; the batches are the same for
            any number.
        seed: Seed of the order of the pairs.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file, or an argument, can't be used.

    References:
        Harper and Konstan 2015 (doi:10.1145/2827872); the cut of 75 to 25 is that of
        the table of github.com/recommenders-team/recommenders.
    """

    def __init__(
        self,
        root: str = "data",
        variant: Variant = "100k",
        rating_threshold: float | None = None,
        k_core: int = 1,
        split: Split = "ratio",
        val_share: float = 0.075,
        test_share: float = 0.25,
        split_seed: int = 0,
        keep_cold_users: bool = False,
        features: Literal["genres", "none"] = "genres",
        batch_size: int = 1024,
        eval_batch_size: int = 256,
        mask_val: bool = False,
        predict_users: Sequence[int | str] | None = None,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            batch_size, eval_batch_size, mask_val, predict_users, num_workers, seed
        )
        at_least("k_core", k_core, 1)
        one_of("variant", variant, get_args(Variant))
        one_of("features", features, ("genres", "none"))
        self.cut = PairSplit(split, val_share, test_share, split_seed, keep_cold_users)
        self.root, self.variant, self.k_core = Path(root).expanduser(), variant, k_core
        self.rating_threshold, self.features = rating_threshold, features
        self.names = FILES.get(variant, ("ratings.csv", "movies.csv"))

    def find(self) -> None:
        """Checks that both files are there."""
        for name in self.names:
            if not (self._folder / name).is_file():
                raise FileNotFoundError(
                    f"data.root: {self._folder / name} does not exist; put the files "
                    f"of ml-{self.variant} there (grouplens.org/datasets/movielens)."
                )

    def read(self) -> SplitPairs:
        """The pairs that are left, cut, and what the films are."""
        ratings = self._ratings()
        least, timed = self.rating_threshold, self.cut.split != "ratio"
        user, film, rating, time = COLUMNS
        wanted = None if least is None else (rating, least)
        table = read_pairs(ratings, user, film, wanted, time if timed else None)
        table = core(table, self.k_core, ratings.path)
        table, parts = self.cut.cut(table)
        films = FilmTable(self._folder / self.names[1], "root")
        genres = ["genres"] if self.features == "genres" else []
        described = catalogue_of(table, ItemTable(films, "movieId", "title", genres))
        names = [name.removeprefix("genres=") for name in described.feature_names]
        described = replace(described, feature_names=names)
        return split_pairs(table, parts, described, ratings.path)

    def _ratings(self) -> Table:
        path = self._folder / self.names[0]
        if path.suffix == ".csv":
            return Table(path, "root")
        if path.suffix == ".dat":
            return Table(path, "root", separator=":", header=DOUBLE_COLON)
        return Table(path, "root", separator="\t", header=COLUMNS)

    @property
    def _folder(self) -> Path:
        below = self.root / f"ml-{self.variant}"
        return below if below.is_dir() else self.root
