"""Metric learning on labelled rows (eq. 46-50): LMNN, triplet, contrastive."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from typing_extensions import override

from lightning_modules.core.alternating import outputs_of_two
from lightning_modules.core.distributed import joined_rows
from lightning_modules.core.evaluation import Evaluator, Values
from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.optimisation import Learner, OptimizerSpec
from lightning_modules.core.validation import check_choice, check_positive
from lightning_modules.data_contracts.batches import explained, labelled_of, rows_of
from lightning_modules.data_contracts.contracts import (
    DataKind,
    ReferenceRows,
    SampleShape,
)
from lightning_modules.functional import metric_learning as F
from lightning_modules.functional.distance import cosine_distance, pairwise
from lightning_modules.functional.mining import Mining, mine_triplets, pairs
from lightning_modules.metrics.neighbours import (
    NearestNeighbourAccuracy,
    NeighbourDistance,
)

Loss = Literal["lmnn", "triplet", "improved_triplet", "contrastive"]
NORMS = {"euclidean": 2.0, "manhattan": 1.0, "chebyshev": math.inf}


class MetricLearner(AlternatingModule):
    r"""Metric learning: a map to a space where rows of one class are near.

    With a `LinearMap` it learns a Mahalanobis distance (eq. 46), with ``loss: lmnn``
    by large margin nearest neighbours (eq. 50):

    .. math:: (1 - \mu) \, \mathcal L_{pull} + \mu \, \mathcal L_{push}

    Pairs and triplets are those of the batch: use batches in which every class has
    several rows, or a small data set as one batch. Several processes gather the rows
    of all of them. LMNN's target neighbours are the nearest rows of the same class in
    the batch before the map, as in the paper.

    See `NeighbourEvaluator` for what validation and test log.

    Args:
        network: Maps samples (n, ...) to points (n, d).
        loss: ``lmnn`` (eq. 50), ``triplet`` (eq. 48), ``improved_triplet`` (eq. 49) or
            ``contrastive`` (eq. 47).
        distance: Distance between points: ``euclidean``, ``manhattan``, ``chebyshev``
            or ``cosine``.
        margin: alpha > 0; in units of the distance, for ``lmnn`` of its square.
        k: Number of neighbours: targets of ``lmnn``, and voters of the evaluation.
        push_weight: mu of ``lmnn``, in (0, 1).
        mining: Triplets of a batch: ``all``, ``semi-hard`` or ``hard``.
        optimizer: Makes the optimizer.
        scheduler: Makes its learning-rate schedule, stepped once per update, or None.
        clip_norm: Largest gradient norm of an update, or None.

    Raises:
        ValueError: If an argument is out of its range.

    References:
        Weinberger and Saul 2009, JMLR 10, 207-244.

    Example:
        >>> from lightning_modules.networks import LinearMap
        >>> MetricLearner(LinearMap((13,)), loss="lmnn").k
        3
    """

    monitor: ClassVar[str] = "val/knn_accuracy"
    mode: ClassVar[str] = "max"
    takes: ClassVar[Sequence[DataKind]] = ("labelled_rows",)
    alternates: ClassVar[bool] = False
    follows: ClassVar[Mapping[str, str]] = {"network.shape": "data.shape"}

    evaluator: "NeighbourEvaluator"

    def __init__(
        self,
        network: nn.Module,
        loss: Loss = "lmnn",
        distance: NeighbourDistance = "euclidean",
        margin: float = 1.0,
        k: int = 3,
        push_weight: float = 0.5,
        mining: Mining = "hard",
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-2),
        scheduler: LRSchedulerCallable | None = None,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(NeighbourEvaluator(k, distance))
        check_choice("loss", loss, get_args(Loss))
        check_choice("distance", distance, get_args(NeighbourDistance))
        check_choice("mining", mining, get_args(Mining))
        check_positive(margin=margin, clip_norm=clip_norm)
        if not 0 < push_weight < 1:
            raise ValueError(f"push_weight must be in (0, 1), got {push_weight}.")
        self.save_hyperparameters()
        self.network = network
        self.loss, self.distance, self.mining = loss, distance, mining
        self.margin, self.k, self.push_weight = margin, k, push_weight
        self._factories = optimizer, scheduler, clip_norm

    @override
    def forward(self, x: Tensor) -> Tensor:
        """Points (n, d) of samples (n, ...)."""
        points: Tensor = self.network(x)
        return points

    @override
    def learners(self) -> list[Learner]:
        weights = list(self.network.parameters())
        spec = OptimizerSpec("", weights, *self._factories)
        return [Learner("network", self.objective, [spec], waits=True, counts=True)]

    @override
    def check_data(self, data: Any) -> None:
        super().check_data(data)
        if isinstance(data, SampleShape):
            outputs_of_two(self.network, data.shape, self.device)

    def objective(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Loss of the batches (x, y) of all processes."""
        own = labelled_of(batch)
        x, labels = (joined_rows(part) for part in own)
        z = joined_rows(self(own.x))
        distances = self._pairwise_distances(z)
        loss = (
            self._lmnn(x, distances, labels)
            if self.loss == "lmnn"
            else self._pairs_or_triplets(distances, labels)
        )
        self.record(loss=loss)
        return loss

    def _pairwise_distances(self, z: Tensor) -> Tensor:
        """Matrix (n, n) of distances between all rows."""
        if self.distance == "cosine":
            return pairwise(cosine_distance, z, z)
        exactly = "donot_use_mm_for_euclid_dist"  # else small distances lose digits
        return torch.cdist(z, z, NORMS[self.distance], compute_mode=exactly)

    def _lmnn(self, x: Tensor, distances: Tensor, labels: Tensor) -> Tensor:
        before = self._pairwise_distances(x.flatten(1))
        rows, real = F.target_neighbours(before, labels, min(self.k, len(x) - 1))
        targets, (_, different) = distances.gather(1, rows), pairs(labels)
        pull = F.lmnn_pull(targets, real)
        push = F.lmnn_push(targets, distances, different, self.margin, real)
        self.record(pull=pull, push=push)
        return (1 - self.push_weight) * pull + self.push_weight * push

    def _pairs_or_triplets(self, distances: Tensor, labels: Tensor) -> Tensor:
        if self.loss == "contrastive":
            same, different = pairs(labels)
            return F.contrastive_loss(distances, same, self.margin, same | different)
        triplets = mine_triplets(distances, labels, self.mining)
        loss = F.triplet_loss if self.loss == "triplet" else F.improved_triplet_loss
        return loss(triplets.positive, triplets.negative, self.margin, triplets.mask)

    @override
    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Points (n, d) of the samples of a batch ``x`` or ``(x, ...)``.

        Raises:
            ValueError: The batch is another.
        """
        with explained(batch, self):
            points: Tensor = self(rows_of(batch))
        return points


class NeighbourEvaluator(Evaluator[MetricLearner]):
    """Accuracy of k nearest neighbours, after the map and before it.

    Loader 0 has the reference rows, among which neighbours are searched, loader 1 the
    queries. The accuracy after the map is ``knn_accuracy``, that before it
    ``input_knn_accuracy``, shares in [0, 1].

    Args:
        k: Number of neighbours.
        distance: Distance between points.
    """

    def __init__(self, k: int, distance: NeighbourDistance) -> None:
        self.after = NearestNeighbourAccuracy(k, distance)
        self.before = NearestNeighbourAccuracy(k, distance)
        self._before_of_val: Tensor | None = None

    @override
    def check_data(self, data: Any) -> None:
        """Refuse more neighbours than there are reference rows."""
        if isinstance(data, ReferenceRows) and self.after.k > len(data.train_set):
            n = len(data.train_set)
            raise ValueError(
                f"model.k is {self.after.k}, but there are {n} reference rows: set it "
                f"to at most {n}."
            )

    @override
    def setup(self) -> None:
        self._before_of_val = None

    @override
    def start(self, stage: str) -> None:
        for metric in (self.after, self.before):
            metric.to(self.module.device).reset()

    @override
    def update(self, stage: str, batch: Any, loader: int) -> None:
        x, labels = labelled_of(batch)
        points = self.module(x)
        self.watch(points.abs())
        self.after.update(points, labels, reference=loader == 0)
        if stage == "test" or self._before_of_val is None:
            self.before.update(x.flatten(1), labels, reference=loader == 0)

    @override
    def metric_names(self) -> tuple[str, ...]:
        return ("knn_accuracy", "input_knn_accuracy")

    @override
    def compute(self, stage: str) -> Values:
        before = self._before_of_val if stage == "val" else None
        if before is None:
            before = self.before.compute()
        if stage == "val" and not self.module.trainer.sanity_checking:
            self._before_of_val = before  # the same at every validation
        return {"knn_accuracy": self.after.compute(), "input_knn_accuracy": before}
