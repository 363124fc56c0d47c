"""Ratings of movies: the MovieLens data sets of GroupLens."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from typing_extensions import override

from datamodules.readers.tables.item_table import ItemTable
from datamodules.readers.tables.movielens_films import FilmTable
from datamodules.readers.tables.pair_columns import read_pairs
from datamodules.readers.tables.pair_table import PairTable
from datamodules.readers.tables.table import Table
from datamodules.recommendation.catalogue import Catalogue
from datamodules.recommendation.split_table import SplitTable, catalogue_of
from lightning_modules.core.validation import check_choice

Variant = Literal["100k", "1m", "10m", "20m", "25m", "32m", "latest", "latest-small"]
FILES: dict[str, tuple[str, str]] = {
    "100k": ("u.data", "u.item"),
    "1m": ("ratings.dat", "movies.dat"),
    "10m": ("ratings.dat", "movies.dat"),
}
COLUMNS = ("userId", "movieId", "rating", "timestamp")
DOUBLE_COLON = ("userId", "_1", "movieId", "_2", "rating", "_3", "timestamp")
TEXT_FORMS = {".dat": (":", DOUBLE_COLON), ".data": ("\t", COLUMNS)}
FOLDERS = {"10m": ("ml-10M100K", "ml-10m")}
"""Where the archives unpack to, other than ``ml-<variant>``."""


class MovieLens(SplitTable):
    """Users and the movies that they rated, with titles and genres.

    Ids are those of the files. The published protocol of ml-100k splits the ratings of
    each user in random order, round(0.75 n) to train on and the rest for test, and
    takes every rating as a pair; so do the defaults here. Validation pairs come out of
    the training part: round(val_share n) of each user, by default a tenth of it. With
    ``val_share`` 0 all of it is trained on.

    Args:
        root: Folder of the files, or the folder above ``ml-<variant>``
            (``ml-10M100K``).
        variant: Which data set; ``100k`` reads u.data and u.item, ``1m`` and ``10m``
            ratings.dat and movies.dat, all others ratings.csv and movies.csv.
        rating_threshold: Least rating that makes a pair; None takes every rating.
        val_share: Share of the pairs for validation.
        test_share: Share of the pairs for test.
        features: ``genres``, 1 for those of the item (an item of no or of unknown
            genre has zeros), or ``none``.
        **options: Filter and split of `SplitTable`, batches of `InteractionData`.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file, or an argument, can't be used.

    References:
        Harper and Konstan 2015 (doi:10.1145/2827872); the split of 75 to 25 is that of
        the table of github.com/recommenders-team/recommenders.
    """

    def __init__(
        self,
        root: str = "data",
        variant: Variant = "100k",
        rating_threshold: float | None = None,
        *,
        val_share: float = 0.075,
        test_share: float = 0.25,
        features: Literal["genres", "none"] = "genres",
        **options: Any,
    ) -> None:
        super().__init__(val_share=val_share, test_share=test_share, **options)
        check_choice("data.variant", variant, get_args(Variant))
        check_choice("data.features", features, ("genres", "none"))
        self.root, self.variant = Path(root).expanduser(), variant
        self.rating_threshold, self.features = rating_threshold, features
        self.names = FILES.get(variant, ("ratings.csv", "movies.csv"))

    @property
    @override
    def title(self) -> str:
        return f"{super().title} {self.variant}"

    @override
    def find(self) -> None:
        for name in self.names:
            if not (self._folder / name).is_file():
                raise FileNotFoundError(
                    f"data.root: {self._folder / name} does not exist; put the files "
                    f"of ml-{self.variant} there (grouplens.org/datasets/movielens)."
                )

    @override
    def read_table(self) -> PairTable:
        """Pairs with a rating that is high enough."""
        least, timed = self.rating_threshold, self.split.split != "ratio"
        user, film, rating, time = COLUMNS
        threshold = None if least is None else (rating, least)
        table = self._ratings()
        return read_pairs(table, user, film, threshold, time if timed else None)

    @override
    def describe(self, table: PairTable) -> tuple[PairTable, Catalogue]:
        """The pairs, and titles and genres of the movies."""
        films = FilmTable(self._folder / self.names[1], "root", whole_ids=True)
        genres = ["genres"] if self.features == "genres" else []
        catalogue = catalogue_of(table, ItemTable(films, "movieId", "title", genres))
        names = [name.removeprefix("genres=") for name in catalogue.feature_names]
        return table, replace(catalogue, feature_names=names)

    def _ratings(self) -> Table:
        self.path = path = self._folder / self.names[0]
        if path.suffix == ".csv":
            return Table(path, "root", whole_ids=True)
        separator, header = TEXT_FORMS[path.suffix]
        return Table(path, "root", separator, header, whole_ids=True)

    @property
    def _folder(self) -> Path:
        names = FOLDERS.get(self.variant, (f"ml-{self.variant}",))
        below = (self.root / name for name in names)
        return next((folder for folder in below if folder.is_dir()), self.root)
