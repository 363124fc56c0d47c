"""Base of WDGRL and the other methods of unsupervised domain adaptation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, cast, get_args

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.optimizer import ParamsT
from typing_extensions import override

from lightning_modules.adaptation.balance import (
    GradientBalance,
    Ramp,
    TransferWeight,
    check_transfer_weight,
    sigmoid_ramp,
)
from lightning_modules.adaptation.checks import check_domains, check_rows
from lightning_modules.adaptation.evaluation import DomainEvaluator
from lightning_modules.adaptation.label_shift import ClassShares, check_label_shift
from lightning_modules.adaptation.scores import Selection
from lightning_modules.core.alternating import evaluating, trainable
from lightning_modules.core.distributed import joined_rows
from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.optimisation import Learner, OptimizerSpec, check_specs
from lightning_modules.core.validation import (
    check_at_least,
    check_choice,
    check_nonnegative,
)
from lightning_modules.data_contracts.batches import (
    check_classes,
    domains_of,
    explained,
    numbered_of,
)
from lightning_modules.data_contracts.contracts import DataKind
from lightning_modules.data_contracts.sparse_rows import Rows, join
from lightning_modules.optim.paper_defaults import AdaptationAdam


class Features(NamedTuple):
    """A batch after the extractor: features (n, d) with their graph, labels (n,).

    Source rows have weights (n,), 1 on average, if classes are more frequent in one
    domain than in the other and the method is to mind it.
    """

    source: Tensor
    labels: Tensor
    target: Tensor
    weights: Tensor | None = None


class AdaptationModule(AlternatingModule):
    r"""Extractor and classifier, trained on a labelled source and an unlabelled target.

    .. math:: \min_{\theta_g, \theta_c} \mathcal L_c + \lambda_t \, T(h^s, h^t)

    A method defines its transfer term T (`transfer_loss`), and WDGRL the critic that
    estimates it. Everything else is shared, so that methods differ in their losses
    only: the features of a batch come from one pass over both domains; extractor and
    classifier have one optimizer. A batch is ``(source_x, source_y, target_x)``.

    See `DomainEvaluator` for what validation and test log.

    Args:
        extractor: Maps samples (n, ...) to features (n, d).
        classifier: Maps features (n, d) to logits (n, n_classes).
        n_classes: Number of classes.
        transfer_weight: Lambda of eq. 45; ``auto`` finds it during training, see
            `GradientBalance`.
        transfer_share: Rho of ``auto``: the transfer term's gradient beside that of the
            classes.
        ramp: ``sigmoid`` raises lambda from 0 as
            :math:`\lambda_t = \lambda (2 / (1 + e^{-10 p}) - 1)` with p the share of
            ``trainer.max_steps`` that is done (arXiv:1505.07818); ``constant`` doesn't.
        label_shift: Weight the source's rows in the transfer term by the classes'
            shares in the target, estimated without its labels, see `ClassShares`.
        weight_decay: L2 penalty :math:`\frac{c}{2} \lVert w \rVert^2` on the weights
            of extractor and classifier, not on biases and norms; 0 keeps the
            optimizer's own.
        selection: Score that selects a validation without target labels.
        optimizer: Makes the optimizer of extractor and classifier.
        scheduler: Makes its learning-rate schedule, or None.
        clip_norm: Largest gradient norm of their update, or None.
        compile: Compile the functions of the objectives with torch.compile.

    Raises:
        ValueError: If an argument is out of its range.
    """

    monitor: ClassVar[str] = "val/target_im"
    mode: ClassVar[str] = "max"
    takes: ClassVar[Sequence[DataKind]] = ("two_domains",)
    averaged_name: ClassVar[str | None] = "adapted"
    follows: ClassVar[Mapping[str, str]] = {
        "n_classes": "data.num_classes",
        "extractor.shape": "data.shape",
        "classifier.n_features": "extractor.num_features",
        "classifier.n_classes": "data.num_classes",
        "critic.shape": "extractor.num_features",
        "discriminator.shape": "extractor.num_features",
    }
    sides: ClassVar[tuple[str, str]] = ("source", "target")
    """Names of the two sets that a critic compares."""
    uses_target: ClassVar[bool] = True
    balances: ClassVar[bool] = True
    """Whether ``transfer_weight`` may be ``auto``: it multiplies `transfer_loss`."""
    weighs_rows: ClassVar[bool] = False
    """Whether `transfer_loss` minds the weights of source rows (``label_shift``)."""
    min_batch_size: int = 1
    """Rows of each domain that the transfer term needs in a step of all processes."""

    evaluator: DomainEvaluator

    def __init__(
        self,
        extractor: nn.Module,
        classifier: nn.Module,
        n_classes: int,
        *,
        transfer_weight: TransferWeight = 1.0,
        transfer_share: float = 0.3,
        ramp: Ramp = "constant",
        label_shift: bool = False,
        weight_decay: float = 0.0,
        selection: Selection = "im",
        optimizer: OptimizerCallable = lambda p: AdaptationAdam(p),
        scheduler: LRSchedulerCallable | None = None,
        clip_norm: float | None = None,
        compile: bool = False,
    ) -> None:
        check_at_least(2, n_classes=n_classes)
        check_choice("selection", selection, get_args(Selection))
        check_nonnegative(weight_decay=weight_decay, transfer_share=transfer_share)
        name = type(self).__name__
        check_transfer_weight(transfer_weight, name, balances=self.balances)
        weighs = label_shift and self.uses_target
        check_label_shift(name, asked=weighs, weighs_rows=self.weighs_rows)
        check_choice("ramp", ramp, get_args(Ramp))
        super().__init__(DomainEvaluator(n_classes, selection), compile=compile)
        self.n_classes = n_classes
        self.transfer_weight, self.ramp = transfer_weight, ramp
        automatic = transfer_weight == "auto" and self.uses_target
        self.balance = GradientBalance(transfer_share) if automatic else None
        self.class_shares = ClassShares(n_classes) if weighs else None
        self.weight_decay = weight_decay
        self.adapted = nn.ModuleDict({"extractor": extractor, "classifier": classifier})
        self._factories = optimizer, scheduler, clip_norm
        check_specs([OptimizerSpec("", [], *self._factories)])

    @property
    def extractor(self) -> nn.Module:
        """The network that maps samples to features."""
        return self.adapted["extractor"]

    @property
    def classifier(self) -> nn.Module:
        """The network that maps features to logits."""
        return self.adapted["classifier"]

    # What a method defines ----------------------------------------------------------

    @property
    def discriminators(self) -> Mapping[str, Callable[[Tensor], Tensor]]:
        """What scores features (n, d) with one number each, by argument."""
        return {}

    def transfer_loss(self, features: Features) -> Tensor | None:
        """Transfer term T, or None for none."""
        raise NotImplementedError

    # Training -----------------------------------------------------------------------

    @override
    def learners(self) -> list[Learner]:
        """Extractor and classifier together, once per batch."""
        spec = OptimizerSpec("", self._weights(), *self._factories)
        return [Learner("adapted", self.objective, [spec], waits=True, counts=True)]

    @override
    def prepare(self, batch: Any) -> Features:
        """Features of both domains from one pass, for all updates of the batch."""
        source, labels, target = domains_of(batch)
        check_classes(labels, self.n_classes, look=self.begins)
        if not self.uses_target:
            features = self.features(source)
            return Features(features, labels, features[:0])
        features = self.features(join(source, target))
        of_source, of_target = features[: len(labels)], features[len(labels) :]
        return Features(
            of_source, labels, of_target, self._weights_of(labels, of_target)
        )

    def _weights_of(self, labels: Tensor, target: Tensor) -> Tensor | None:
        """Weights (n,) of source rows, from the target's features so far."""
        if self.class_shares is None:
            return None
        with torch.no_grad():
            self.class_shares.update(labels, self.classifier(target))
        return self.class_shares.weights(labels)

    def objective(self, batch: Features) -> Tensor:
        """Cross-entropy of the source (eq. 44) plus lambda times the transfer term."""
        loss = F.cross_entropy(self.classifier(batch.source), batch.labels)
        self.record(classification_loss=loss)
        transfer = self.transfer_loss(batch) if self.transfer_weight else None
        if transfer is None:
            return loss
        if self.balance is None:
            return loss + self.current_transfer_weight() * transfer
        weight: Tensor = self.balance(loss, transfer, [batch.source, batch.target])
        self.record(transfer_weight=weight)
        return loss + self._ramped() * weight * transfer

    def of_all_ranks(self, features: Features) -> Features:
        """Features of all processes, for a term that is not a mean over rows."""
        source, labels, target = map(joined_rows, features[:3])
        weights = features.weights
        weights = None if weights is None else joined_rows(weights)
        return Features(source, labels, target, weights)

    def current_transfer_weight(self) -> float:
        """Transfer weight (lambda) at this step, where it is a number."""
        assert not isinstance(self.transfer_weight, str)
        return self.transfer_weight * self._ramped()

    def _ramped(self) -> float:
        """The part of lambda that the ramp has reached."""
        if self.ramp == "constant":
            return 1.0
        return sigmoid_ramp(self.global_step / self.trainer.max_steps)

    def _weights(self) -> ParamsT:
        """Parameter groups: matrices with weight decay, all else without."""
        weights = trainable(self.adapted)
        if not self.weight_decay:
            return weights
        decays = {"weight_decay": self.weight_decay}
        return [
            {"params": [w for w in weights if w.ndim > 1], **decays},
            {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
        ]

    @override
    def on_fit_start(self) -> None:
        """Refuse a ramp without ``max_steps``, and batches that are too small."""
        super().on_fit_start()
        check_rows(self)
        if self.ramp != "constant" and self.trainer.max_steps < 1:
            raise ValueError(
                f"model.ramp '{self.ramp}' rises until trainer.max_steps: set "
                "trainer.max_steps."
            )

    @override
    def check_data(self, data: Any) -> None:
        super().check_data(data)
        with evaluating(self), torch.no_grad():
            check_domains(self, data)

    # Use ----------------------------------------------------------------------------

    def features(self, x: Rows) -> Tensor:
        """Features (n, d) of samples (n, ...)."""
        return cast(Tensor, self.extractor(x))

    @override
    def forward(self, x: Rows) -> Tensor:
        """Logits (n, n_classes) of samples (n, ...)."""
        return cast(Tensor, self.classifier(self.features(x)))

    @override
    def transport_samples(self, batch: Any, seed: int) -> tuple[Tensor, Tensor]:
        """Features of source and target rows (n, d), in eval mode.

        Args:
            batch: A batch of the data module.
            seed: Not used.
        """
        with torch.no_grad(), evaluating(self.extractor):
            return self.features(batch[0]), self.features(batch[-1])

    @override
    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Probabilities (n, n_classes) of a batch ``(numbers, x)``.

        Raises:
            ValueError: The batch is another.
        """
        with explained(batch, self):
            probabilities: Tensor = self(numbered_of(batch)).softmax(1)
        return probabilities
