"""Amazon reviews of four kinds of goods: is the review positive?"""

from pathlib import Path
from typing import Any, Literal, get_args

from typing_extensions import override

from datamodules.adaptation.domain_features import DomainFeatures
from datamodules.readers.features.scaling import Normalisation
from lightning_modules.core.validation import check_choice

Goods = Literal["books", "dvd", "electronics", "kitchen"]
ORIGIN = "GRAAL-Research/domain_adversarial_neural_network"


class AmazonReviews(DomainFeatures):
    """Counts of 5,000 words and pairs of words: `SparseRows`, or float32 (n, 5000).

    2,000 labelled reviews of the source and 2,000 of the target without labels are
    trained on (``<goods>_train.svmlight``). Accuracy is measured on those of the
    target's ``<goods>_test.svmlight``; the source's serve for validation. Columns in
    the files count from 0, labels are -1 (negative) and 1 (positive). There is no
    download, since no licence is stated for the files: they are in the folder ``data``
    of the repository GRAAL-Research/domain_adversarial_neural_network.

    | goods | training | test |
    | --- | --- | --- |
    | books | 2,000 | 4,465 |
    | dvd | 2,000 | 3,586 |
    | electronics | 2,000 | 5,681 |
    | kitchen | 2,000 | 5,945 |

    Args:
        source: Goods whose reviews have labels.
        target: Goods whose reviews have none.
        root: Folder with the files.
        normalise: What is done to the counts, see `fit_scaling`; the authors of WDGRL
            take them as they are.
        dense: Hold the zeros too, 20 kB a review.
        batches_per_epoch: Batches that count as an epoch; 62 pass over 2,000 reviews.
        **options: Other options of `TwoDomains`.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: Source and target are the same, a file is damaged, or an argument is
            out of its range.

    References:
        Blitzer et al. 2007, https://aclanthology.org/P07-1056. In this form and with
        these parts: Ganin et al. 2016, arXiv:1505.07818.
    """

    shape = (5000,)
    num_classes = 2
    class_names = ("negative", "positive")
    written_labels = (-1, 1)
    file_key = "root"

    def __init__(
        self,
        source: Goods = "books",
        target: Goods = "dvd",
        root: str = "data/amazon_reviews",
        normalise: Normalisation = "none",
        dense: bool = False,
        *,
        batches_per_epoch: int = 62,
        **options: Any,
    ) -> None:
        two_of(source, target, get_args(Goods))
        self.root = Path(root).expanduser()
        super().__init__(
            source=str(self.root / f"{source}_train.svmlight"),
            target=str(self.root / f"{target}_train.svmlight"),
            source_val=str(self.root / f"{source}_test.svmlight"),
            target_test=str(self.root / f"{target}_test.svmlight"),
            n_val=0,
            normalise=normalise,
            dense=dense,
            zero_based=True,
            n_features=self.shape[0],
            labels=None,
            batches_per_epoch=batches_per_epoch,
            **options,
        )
        self.domain_names = (source, target)

    @override
    def find(self) -> None:
        missing = [path.name for path in self.paths.values() if not path.is_file()]
        if missing:
            raise FileNotFoundError(
                f"data.root: {self.root} lacks {', '.join(missing)}; put them there "
                f"(no download: they are in the repository {ORIGIN}, folder data)."
            )


def two_of(source: str, target: str, allowed: tuple[str, ...]) -> None:
    """Refuses domains that aren't two different ones of those that there are."""
    check_choice("data.source", source, allowed)
    check_choice("data.target", target, allowed)
    if source == target:
        raise ValueError(
            f"data.source and data.target are both {source}; choose two of "
            f"{', '.join(allowed)}."
        )
