"""A classifier that learns from one domain and is used on another."""

import math
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.optimizer import ParamsT

from lightning_modules.adaptation.checks import check_domains
from lightning_modules.adaptation.evaluation import EvaluatedOnDomains
from lightning_modules.adaptation.scores import Selection
from lightning_modules.core.alternating import evaluating, trainable
from lightning_modules.core.distributed import joined_rows
from lightning_modules.core.validation import check_choice, check_nonnegative
from lightning_modules.data_contracts.sparse_rows import join
from lightning_modules.optim.paper_defaults import AdaptationAdam

Ramp = Literal["constant", "sigmoid"]


class Features(NamedTuple):
    """A batch after the extractor: features (n, d) with their graph, labels (n,)."""

    source: Tensor
    labels: Tensor
    target: Tensor


class AdaptationModule(EvaluatedOnDomains):
    r"""Extractor and classifier that learn from labelled source and bare target rows.

    .. math:: \min_{\theta_g, \theta_c} \mathcal L_c + \lambda_t \, T(h^s, h^t)

    A method is its transfer term T (`transfer_loss`), and for WDGRL the critic that
    estimates it. Everything else is shared, so that a table compares losses: the
    features of a batch come from one pass over both domains; one optimizer serves
    extractor and classifier. A batch is ``(source_x, source_y, target_x)``.

    See `EvaluatedOnDomains` for what validation and test log.

    Args:
        extractor: Maps samples (n, ...) to features (n, d).
        classifier: Maps features (n, d) to logits (n, n_classes).
        n_classes: Number of classes.
        transfer_weight: Lambda of eq. 45.
        ramp: ``sigmoid`` raises lambda from 0 as
            :math:`\lambda_t = \lambda (2 / (1 + e^{-10 p}) - 1)` with p the share of
            ``trainer.max_steps`` that is done (arXiv:1505.07818); ``constant`` doesn't.
        weight_decay: L2 penalty :math:`\frac{c}{2} \lVert w \rVert^2` on the weights
            that extractor's and classifier's optimizer steps, not on biases and norms;
            0 leaves the optimizer's own.
        selection: Score that picks a validation without target labels.
        optimizer: Makes the optimizer of extractor and classifier.
        scheduler: Makes its learning-rate schedule, or None.
        clip_norm: Largest gradient norm of their update, or None.
        **critic_options: The critic's part, see `CriticModule`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    player_name: ClassVar[str] = "adapted"
    sides: ClassVar[tuple[str, str]] = ("source", "target")
    uses_target: ClassVar[bool] = True
    least_rows: int = 1
    """Rows of each domain that the transfer term needs in a step of all processes."""

    def __init__(
        self,
        extractor: nn.Module,
        classifier: nn.Module,
        n_classes: int,
        *,
        transfer_weight: float = 1.0,
        ramp: Ramp = "constant",
        weight_decay: float = 0.0,
        selection: Selection = "im",
        optimizer: OptimizerCallable = lambda p: AdaptationAdam(p),
        scheduler: LRSchedulerCallable | None = None,
        clip_norm: float | None = None,
        critic_steps: int = 0,
        critic_optimizer: OptimizerCallable = lambda p: AdaptationAdam(p),
        **critic_options: Any,
    ) -> None:
        super().__init__(
            n_classes,
            selection,
            critic_steps=critic_steps,
            player_every=1,
            critic_optimizer=critic_optimizer,
            player_optimizer=optimizer,
            player_scheduler=scheduler,
            player_clip_norm=clip_norm,
            **critic_options,
        )
        check_nonnegative(transfer_weight=transfer_weight, weight_decay=weight_decay)
        check_choice("ramp", ramp, get_args(Ramp))
        self.transfer_weight, self.ramp = transfer_weight, ramp
        self.weight_decay = weight_decay
        self.adapted = nn.ModuleDict({"extractor": extractor, "classifier": classifier})

    @property
    def extractor(self) -> nn.Module:
        """Maps samples to features."""
        return self.adapted["extractor"]

    @property
    def classifier(self) -> nn.Module:
        """Maps features to logits."""
        return self.adapted["classifier"]

    # What a method defines ----------------------------------------------------------

    @property
    def judges(self) -> dict[str, nn.Module]:
        """What scores features: the critic, if there is one."""
        return {"critic": self.critic} if self.critic_steps else {}

    def transfer_loss(self, features: Features) -> Tensor | None:
        """T, what the player descends besides the classification loss."""
        raise NotImplementedError

    # Training -----------------------------------------------------------------------

    def prepare(self, batch: Any) -> Features:
        """Features of both domains from one pass; all steps of the batch use them."""
        source, labels, target = batch
        if not self.uses_target:
            features = self.features(source)
            return Features(features, labels, features[:0])
        features = self.features(join(source, target))
        return Features(features[: len(labels)], labels, features[len(labels) :])

    def player_objective(self, batch: Features) -> Tensor:
        """Cross-entropy of the source (eq. 44) plus lambda times the transfer term."""
        loss = F.cross_entropy(self.classifier(batch.source), batch.labels)
        self.record(classification_loss=loss)
        transfer = self.transfer_loss(batch) if self.transfer_weight else None
        return loss if transfer is None else loss + self.strength() * transfer

    def of_all_ranks(self, features: Features) -> Features:
        """The features of all processes, for a term that is no mean over rows."""
        return Features(*(joined_rows(part) for part in features))

    def strength(self) -> float:
        """Lambda at this step."""
        if self.ramp == "constant":
            return self.transfer_weight
        done = self.global_step / self.trainer.max_steps
        return self.transfer_weight * (2 / (1 + math.exp(-10 * done)) - 1)

    def check_data(self, data: Any) -> None:
        """See `check_domains`."""
        check_domains(self, data)

    def weights_of(self, network: nn.Module) -> ParamsT:
        """Matrices with weight decay and the rest without, as two groups."""
        weights = trainable(network)
        if network is not self.player or not self.weight_decay:
            return weights
        decays = {"weight_decay": self.weight_decay}
        return [
            {"params": [w for w in weights if w.ndim > 1], **decays},
            {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
        ]

    def transport_samples(self, batch: Any, seed: int) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Features of source and target rows, in eval mode."""
        with torch.no_grad(), evaluating(self.extractor):
            return self.features(batch[0]), self.features(batch[-1])

    def on_fit_start(self) -> None:
        """Refuse a ramp without an end, and data that the networks don't fit."""
        super().on_fit_start()
        data = getattr(self.trainer, "datamodule", None)
        if data is not None:
            self.check_data(data)
            self._check_rows(data)
        if self.ramp != "constant" and self.trainer.max_steps < 1:
            raise ValueError(
                f"model.ramp '{self.ramp}' rises until trainer.max_steps: set that."
            )

    def _check_rows(self, data: Any) -> None:
        rows = getattr(data, "batch_size", self.least_rows)
        if self.transfer_weight and rows * self.trainer.world_size < self.least_rows:
            raise ValueError(
                f"data.batch_size is {rows}, but {type(self).__name__} needs "
                f"{self.least_rows} rows of each domain: set it to {self.least_rows} "
                "or more."
            )
