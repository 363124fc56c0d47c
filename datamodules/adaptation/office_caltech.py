"""Office-Caltech10: ten classes of objects in four domains, as features."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.adaptation.amazon_reviews import two_of
from datamodules.adaptation.domain_features import DomainFeatures, SplitRows
from datamodules.core.samplers import seeded_generator
from datamodules.core.tensor_dataset import LabelledRows
from datamodules.readers.features.scaling import Normalisation
from lightning_modules.core.validation import check_choice, check_seed

OfficeDomain = Literal["amazon", "caltech10", "dslr", "webcam"]
N_TRAIN = {"amazon": 800, "caltech10": 1_000, "dslr": 100, "webcam": 200}
WIDTHS = {"surf": 800, "decaf": 4_096}
CUSTOM: dict[str, Normalisation] = {"surf": "l1-zscore", "decaf": "none"}
NAMES = {"surf": ("{}.mat", "{}_surf_l10.mat"), "decaf": ("{}.mat", "{}_decaf.mat")}


class OfficeCaltech(DomainFeatures):
    """Features of 2,533 images, float32 (n, 800) or (n, 4096), in ten classes.

    ``surf`` are histograms of 800 visual words, ``decaf`` the 4,096 activations of a
    layer of a network. The file of a domain is ``<root>/<features>/<domain>.mat`` or
    ``<domain>_SURF_L10.mat`` or ``<domain>_decaf.mat``, whatever the case, there or in
    ``root``; caltech10 may be called Caltech. It holds ``fts`` or ``feas``, and
    ``labels`` from 1 to 10. There is no download.

    | domain | rows | trained on in ``split`` |
    | --- | --- | --- |
    | amazon | 958 | 800 |
    | caltech10 | 1,123 | 1,000 |
    | dslr | 157 | 100 |
    | webcam | 295 | 200 |

    Args:
        source: Domain with labels.
        target: Domain without.
        root: Folder of the features.
        features: ``surf`` or ``decaf``.
        protocol: ``transductive`` trains on all rows of both domains, those of the
            target without labels, and measures accuracy on all rows of the target.
            ``split`` is the protocol of WDGRL: each domain is split at random, and
            accuracy is measured on the rows that aren't trained on; those of the
            source serve for validation.
        normalise: See `fit_scaling`. By default ``l1-zscore`` for ``surf``, as is the
            custom, and ``none`` for ``decaf``, as the authors of WDGRL do.
        n_val: Source rows held out for validation in ``transductive``, in proportion to
            the classes. With 0 all are trained on and serve for validation too.
        split_seed: Seed of ``split``; a domain is split in the same way as source and
            as target.
        batches_per_epoch: Batches that count as an epoch; 30 pass over amazon.
        **options: Other options of `TwoDomains`.

    Attributes:
        test_rows: Rows of the target's file that are tested, int64 (n,), known once the
            data was read; the row numbers of predictions point into it, and their
            table has these.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: Source and target are the same, a file is damaged or has too few
            rows, or an argument is out of its range.

    References:
        Gong et al. 2012, doi:10.1109/CVPR.2012.6247911. The split: arXiv:1707.01217.
    """

    num_classes = 10
    class_names = (
        *("backpack", "bike", "calculator", "headphones", "keyboard"),
        *("laptop", "monitor", "mouse", "mug", "projector"),
    )
    written_labels = tuple(range(1, 11))
    file_key = "root"
    # float32 tells shares of histograms apart
    exact: ClassVar[tuple[Normalisation, ...]] = ("zscore",)
    test_rows: Tensor

    def __init__(
        self,
        source: OfficeDomain = "amazon",
        target: OfficeDomain = "caltech10",
        root: str = "data/office_caltech10",
        features: Literal["surf", "decaf"] = "surf",
        protocol: Literal["transductive", "split"] = "transductive",
        normalise: Normalisation | None = None,
        n_val: int = 0,
        split_seed: int = 0,
        *,
        batches_per_epoch: int = 30,
        **options: Any,
    ) -> None:
        two_of(source, target, get_args(OfficeDomain))
        check_seed("data.", split_seed=split_seed)
        check_choice("data.features", features, tuple(WIDTHS))
        check_choice("data.protocol", protocol, ("transductive", "split"))
        if n_val and protocol == "split":
            raise ValueError(
                f"data.n_val is {n_val}, but in data.protocol split the source's rows "
                "that aren't trained on serve for validation; leave it out."
            )
        super().__init__(
            source=source,  # the names of the files are known once they were found
            target=target,
            source_val=None,
            target_test=None,
            n_val=n_val,
            normalise=normalise or CUSTOM[features],
            dense=True,
            zero_based="auto",
            n_features=WIDTHS[features],
            labels=None,
            batches_per_epoch=batches_per_epoch,
            **options,
        )
        self.root, self.features = Path(root).expanduser(), features
        self.protocol, self.split_seed = protocol, split_seed
        self.shape = (WIDTHS[features],)

    @override
    def find(self) -> None:
        keys = ("source", "target")
        self.paths = {
            key: self._path(domain)
            for key, domain in zip(keys, self.domain_names, strict=True)
        }

    @override
    def split(self, rows: Mapping[str, LabelledRows]) -> tuple[SplitRows, SplitRows]:
        """All rows of both domains, or the same part of each in every run."""
        if self.protocol == "transductive":
            self.test_rows = torch.arange(len(rows["target"]))
            return super().split(rows)
        source, target = rows["source"], rows["target"]
        trained, held_out = self._split_domain("source", source)
        seen, self.test_rows = self._split_domain("target", target)
        return (
            (source.part(trained), source.part(held_out)),
            (target.part(seen), target.part(self.test_rows)),
        )

    @property
    @override
    def row_columns(self) -> dict[str, list[int]]:
        """Numbers of the rows in the target's file."""
        return {"row": self.test_rows.tolist()}

    def _split_domain(self, part: str, rows: LabelledRows) -> tuple[Tensor, Tensor]:
        """Numbers of the rows that are trained on, and of the others."""
        domain = self.domain_names[part == "target"]
        n = N_TRAIN[domain]
        if len(rows) <= n:
            raise ValueError(
                f"data.protocol: split trains on {n} rows of {domain}, but "
                f"{self.paths[part]} has {len(rows)}; use transductive."
            )
        number = list(N_TRAIN).index(domain)
        generator = seeded_generator("office", self.split_seed, number)
        order = torch.randperm(len(rows), generator=generator)
        return order[:n].sort().values, order[n:].sort().values

    def _path(self, domain: str) -> Path:
        spelled = (domain, "caltech") if domain == "caltech10" else (domain,)
        names = [form.format(name) for name in spelled for form in NAMES[self.features]]
        for folder in (self.root / self.features, self.root):
            there = sorted(folder.iterdir()) if folder.is_dir() else []
            found = {path.name.lower(): path for path in there if path.is_file()}
            for name in names:
                if name in found:
                    return found[name]
        raise FileNotFoundError(
            f"data.root: {self.root / self.features} lacks {domain}.mat; put it there "
            f"(there is no download; {WHERE[self.features]})."
        )


WHERE = {
    "surf": "it is in the repository redhat12345/OfficeCaltechDomainAdaptation, folder "
    "features/surf",
    "decaf": "with feas, (n, 4096), and labels from 1 to 10",
}
