"""Office-Caltech10: ten kinds of objects in four kinds of pictures, as features."""

from pathlib import Path
from typing import Literal

import torch

from datamodules.arguments import at_least
from datamodules.domain_features import FeatureDomains, Normalise
from datamodules.feature_files import FeatureFile, read_features
from datamodules.sampler import seeded_generator
from datamodules.two_domains import Domains
from lightning_modules.sparse import Rows

OfficeDomain = Literal["amazon", "caltech10", "dslr", "webcam"]
N_TRAIN = {"amazon": 800, "caltech10": 1000, "dslr": 100, "webcam": 200}
CLASSES = (
    *("backpack", "bike", "calculator", "headphones", "keyboard"),
    *("laptop", "monitor", "mouse", "mug", "projector"),
)
_FORMS = ("{}.mat", "{}_SURF_L10.mat", "{}_decaf.mat")


class OfficeCaltech(FeatureDomains):
    """SURF histograms (n, 800) or DeCAF features (n, 4096), float32, of ten classes.

    A domain's file is ``<root>/<features>/<domain>.mat`` with ``fts`` or ``feas`` and
    ``labels`` from 1 to 10; ``<domain>_SURF_L10.mat`` and ``<domain>_decaf.mat`` are
    found as well, in any case of letters.

    Args:
        source: Domain with labels.
        target: Domain without.
        root: Folder that holds the folder of the features.
        features: Name of that folder, ``surf`` or ``decaf``.
        protocol: ``transductive`` trains on all rows of both domains and measures
            accuracy on all of the target, as most papers do; ``split`` is that of the
            WDGRL authors: 800, 1,000, 100 and 200 rows (amazon, caltech10, dslr,
            webcam), drawn by ``split_seed``, are trained on, the others tested on.
        normalise: See `FeatureDomains`; the custom for SURF is ``l1-zscore``.
        n_val: Source rows held out for validation in the transductive protocol; with 0
            the training rows serve for that too.
        split_seed: Seed of the split.
        batch_size: Rows of each domain in a batch of one process.
        batches_per_epoch: Batches that count as an epoch.
        num_workers: Worker processes that slice batches; the batches are the same for
            any number.
        seed: Seed of the order of the rows.

    Raises:
        FileNotFoundError: A file is missing; there is no download.
        ValueError: Source and target are the same, or a file is damaged.

    References:
        Gong et al. 2012, CVPR, "Geodesic flow kernel".
    """

    def __init__(
        self,
        source: OfficeDomain = "amazon",
        target: OfficeDomain = "caltech10",
        root: str = "data/office_caltech10",
        features: Literal["surf", "decaf"] = "surf",
        protocol: Literal["transductive", "split"] = "transductive",
        normalise: Normalise = "l1-zscore",
        n_val: int = 0,
        split_seed: int = 0,
        batch_size: int = 32,
        batches_per_epoch: int = 30,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(normalise, batch_size, batches_per_epoch, num_workers, seed)
        at_least("n_val", n_val, 0)
        if source == target:
            raise ValueError(
                f"data.source and data.target are both '{source}': choose two domains."
            )
        self.domain_names = (source, target)
        self.folder = Path(root, features)
        self.protocol, self.n_val, self.split_seed = protocol, n_val, split_seed

    def find(self) -> None:
        """Says which file is missing."""
        for domain in self.domain_names:
            self._path(domain)

    def _path(self, domain: str) -> Path:
        names = [form.format(domain).lower() for form in _FORMS]
        for path in sorted(self.folder.glob("*.mat")):
            if path.name.lower() in names:
                return path
        raise FileNotFoundError(
            f"'{self.folder}' (data.root, data.features) lacks {domain}.mat: put the "
            "file of that domain there, with keys fts and labels."
        )

    def read(self) -> Domains:
        """The files of both domains, whole or split."""
        source, target = (self._parts(domain) for domain in self.domain_names)
        found = self.join(source, target, self.n_val)
        if self.num_classes == len(CLASSES):
            self.class_names = CLASSES
        return found

    def _parts(self, domain: str) -> tuple[FeatureFile, FeatureFile | None]:
        file = read_features(self._path(domain))
        if self.protocol == "transductive":
            return file, None
        n = len(file.x)
        key = list(N_TRAIN).index(domain)
        order = torch.randperm(
            n, generator=seeded_generator("office", self.split_seed, key)
        )
        if n <= N_TRAIN[domain]:
            raise ValueError(
                f"'{file.path}' has {n} rows, too few for data.protocol 'split', which "
                f"trains on {N_TRAIN[domain]}: use 'transductive'."
            )
        cut = N_TRAIN[domain]
        return _part(file, order[:cut]), _part(file, order[cut:])


def _part(file: FeatureFile, rows: torch.Tensor) -> FeatureFile:
    x: Rows = file.x[rows]
    return FeatureFile(x, None if file.y is None else file.y[rows.numpy()], file.path)
