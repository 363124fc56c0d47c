"""Amazon reviews of four kinds of goods: is the review positive?"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from datamodules.domain_features import FeatureDomains, Normalise
from datamodules.feature_files import FeatureFile, read_features
from datamodules.two_domains import Domains
from lightning_modules.sparse import SparseRows

AmazonDomain = Literal["books", "dvd", "electronics", "kitchen"]
WIDTH = 5000
FROM = "folder data of the repository GRAAL-Research/domain_adversarial_neural_network"


class AmazonReviews(FeatureDomains):
    """Counts of 5,000 words and pairs of words: `SparseRows`, or float32 (n, 5000).

    2,000 labelled reviews of the source and 2,000 of the target without labels are
    trained on (``<domain>_train.svmlight``); accuracy is measured on the thousands in
    the target's ``_test`` file, and those of the source's serve for validation. Class 0
    is negative, class 1 positive.

    Args:
        source: Goods whose reviews have labels.
        target: Goods whose reviews have none.
        root: Folder with the eight files.
        normalise: What is done to the counts, see `FeatureDomains`; the published rows
            take them as they are.
        dense: Hold the zeros too (400 MB for a pair of domains).
        batch_size: Reviews of each domain in a batch of one process.
        batches_per_epoch: Batches that count as an epoch; 62 pass over 2,000 reviews.
        num_workers: Worker processes that slice batches; the batches are the same for
            any number.
        seed: Seed of the order of the reviews.

    Raises:
        FileNotFoundError: A file is missing; there is no download.
        ValueError: Source and target are the same, or a file is damaged.

    References:
        Blitzer et al. 2007, ACL; in this form Chen et al. 2012, arXiv:1206.4683.
    """

    def __init__(
        self,
        source: AmazonDomain = "books",
        target: AmazonDomain = "dvd",
        root: str = "data/amazon_reviews",
        normalise: Normalise = "none",
        dense: bool = False,
        batch_size: int = 32,
        batches_per_epoch: int = 62,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(normalise, batch_size, batches_per_epoch, num_workers, seed)
        if source == target:
            raise ValueError(
                f"data.source and data.target are both '{source}': choose two domains."
            )
        self.domain_names = (source, target)
        self.root, self.dense = Path(root), dense

    def find(self) -> None:
        """Says which files are missing and where they come from."""
        missing = [path for path in self._paths() if not path.is_file()]
        if missing:
            names = ", ".join(path.name for path in missing)
            raise FileNotFoundError(
                f"data.root '{self.root}' lacks {names}: put them there ({FROM})."
            )

    def _paths(self) -> list[Path]:
        return [
            self.root / f"{domain}_{part}.svmlight"
            for domain in self.domain_names
            for part in ("train", "test")
        ]

    def read(self) -> Domains:
        """The four files of the two domains."""
        train, test, seen, tested = (self._file(path) for path in self._paths())
        found = self.join((train, test), (seen, tested))
        self.class_names = ("negative", "positive")
        return found

    def _file(self, path: Path) -> FeatureFile:
        file = read_features(path, WIDTH)
        if self.dense and isinstance(file.x, SparseRows):
            return replace(file, x=file.x.to_dense())
        return file
