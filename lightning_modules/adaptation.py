"""A classifier that learns from one domain and is used on another."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, cast, get_args

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.optimizer import ParamsT

from lightning_modules.adaptation_scores import DomainScores, Selection
from lightning_modules.base import CriticModule, evaluating, trainable
from lightning_modules.optimizers import AdaptationAdam
from lightning_modules.sparse import Rows, join

Ramp = Literal["constant", "sigmoid"]
SOURCE, TARGET, UNLABELLED = range(3)
"""Numbers of the validation loaders."""


class Features(NamedTuple):
    """A batch after the extractor: features (n, d) with their graph, labels (n,)."""

    source: Tensor
    labels: Tensor
    target: Tensor


class AdaptationModule(CriticModule):
    r"""Extractor and classifier that learn from labelled source and bare target rows.

    .. math:: \min_{\theta_g, \theta_c} \mathcal L_c + \lambda_t \, T(h^s, h^t)

    A method is its transfer term T (`transfer_loss`), and for WDGRL the critic that
    estimates it. Everything else is shared, so that a table compares losses: the
    features of a batch come from one pass over both domains; one optimizer serves
    extractor and classifier. A batch is ``(source_x, source_y, target_x)``.

    Every validation logs the accuracy on the target (which needs its labels), scores
    that don't need them, and three summaries of the run so far: the accuracy now
    (``last``), that of the validation which the score ``selection`` prefers
    (``selected``), and the best one, which only somebody with labels could have picked
    (``oracle``).

    Args:
        extractor: Maps samples (n, ...) to features (n, d).
        classifier: Maps features (n, d) to logits (n, n_classes).
        n_classes: Number of classes.
        transfer_weight: Lambda of eq. 45.
        ramp: ``sigmoid`` raises lambda from 0 as
            :math:`\lambda_t = \lambda (2 / (1 + e^{-10 p}) - 1)` with p the share of
            ``trainer.max_steps`` that is done (arXiv:1505.07818); ``constant`` doesn't.
        weight_decay: L2 penalty :math:`\frac{c}{2} \lVert w \rVert^2` on the weights
            that extractor's and classifier's optimizer steps, not on biases and norms.
        selection: Score that picks a validation without target labels.
        optimizer: Makes the optimizer of extractor and classifier.
        scheduler: Makes its learning-rate schedule, or None.
        clip_norm: Largest gradient norm of their update, or None.
        **critic_options: The critic's part, see `CriticModule`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    monitor: ClassVar[str] = "val/target_im"
    mode: ClassVar[str] = "max"
    player_name: ClassVar[str] = "adapted"
    sides: ClassVar[tuple[str, str]] = ("source", "target")
    uses_target: ClassVar[bool] = True

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
            critic_steps=critic_steps,
            player_every=1,
            critic_optimizer=critic_optimizer,
            player_optimizer=optimizer,
            player_scheduler=scheduler,
            player_clip_norm=clip_norm,
            **critic_options,
        )
        for key, value in (
            ("transfer_weight", transfer_weight),
            ("weight_decay", weight_decay),
        ):
            if value < 0:
                raise ValueError(f"{key} must not be negative, got {value}.")
        for key, word, known in (
            ("ramp", ramp, get_args(Ramp)),
            ("selection", selection, get_args(Selection)),
        ):
            if word not in known:
                raise ValueError(
                    f"{key} must be one of {', '.join(known)}, got '{word}'."
                )
        if n_classes < 2:
            raise ValueError(f"n_classes must be at least 2, got {n_classes}.")
        self.n_classes = n_classes
        self.transfer_weight, self.ramp = transfer_weight, ramp
        self.weight_decay = weight_decay
        self.adapted = nn.ModuleDict({"extractor": extractor, "classifier": classifier})
        self.scores = DomainScores(n_classes, selection)

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

    def features(self, x: Rows) -> Tensor:
        """Features (n, d) of samples (n, ...)."""
        return cast(Tensor, self.extractor(x))

    def forward(self, x: Rows) -> Tensor:
        """Logits (n, n_classes) of samples (n, ...)."""
        return cast(Tensor, self.classifier(self.features(x)))

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

    def strength(self) -> float:
        """Lambda at this step."""
        if self.ramp == "constant":
            return self.transfer_weight
        done = self.global_step / self.trainer.max_steps
        return self.transfer_weight * (2 / (1 + math.exp(-10 * done)) - 1)

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
        if self.starts_anew:
            self.scores.summary = {}
        data = getattr(self.trainer, "datamodule", None)
        if data is not None:
            self.check_data(data)
        if self.ramp != "constant" and self.trainer.max_steps < 1:
            raise ValueError(
                f"model.ramp '{self.ramp}' rises until trainer.max_steps: set that."
            )

    @torch.no_grad()
    def check_data(self, data: Any) -> None:
        """Refuse data that is not two domains, or that the networks don't fit.

        Raises:
            ValueError: Naming what does not fit.
        """
        if not hasattr(data, "domain_names"):
            raise ValueError(
                f"{type(self).__name__} adapts a source to a target, and "
                f"{type(data).__name__} is a single data set: set data to one of two "
                "domains, such as DigitsShift."
            )
        if not hasattr(data, "num_classes"):
            return  # not read yet
        if data.num_classes != self.n_classes:
            raise ValueError(
                f"model.n_classes is {self.n_classes}, but the data has "
                f"{data.num_classes} classes: set it to {data.num_classes}."
            )
        with evaluating(self.adapted):
            try:
                logits = self(torch.zeros(2, *data.shape, device=self.device))
            except RuntimeError as error:
                raise ValueError(
                    f"The networks don't take samples of shape {list(data.shape)}: "
                    "make the shapes of model.extractor and model.classifier fit "
                    f"({error})."
                ) from None
        if logits.shape != (2, self.n_classes):
            raise ValueError(
                f"The classifier gives logits of shape {list(logits.shape[1:])} for "
                f"{self.n_classes} classes: set its n_classes to {self.n_classes}."
            )
        self._check_judges(data.shape)

    def _check_judges(self, shape: Sequence[int]) -> None:
        with evaluating(self):
            features = self.features(torch.zeros(2, *shape, device=self.device))
            for key, judge in self.judges.items():
                try:
                    scores = judge(features)
                except RuntimeError as error:
                    raise ValueError(
                        f"The {key} doesn't take features of shape "
                        f"{list(features.shape[1:])}: make the shape of model.{key} "
                        f"fit ({error})."
                    ) from None
                if scores.shape != (2,):
                    raise ValueError(
                        f"The {key} gives scores of shape {list(scores.shape)} for two "
                        "rows instead of [2]: let it end in one number for each."
                    )

    # Evaluation ---------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        """Forget what an earlier evaluation left, however it ended."""
        self.scores.reset()

    def on_test_epoch_start(self) -> None:
        """Like `on_validation_epoch_start`."""
        self.scores.reset()

    def validation_step(
        self,
        batch: Any,
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int = 0,
    ) -> Tensor:
        """Count hits and collect scores; returns the logits."""
        logits: Tensor = self(batch[0])
        labels = None if dataloader_idx == UNLABELLED else batch[1]
        self.scores.update(dataloader_idx, logits, labels)
        return logits

    def test_step(
        self,
        batch: Any,
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int = 0,
    ) -> Tensor:
        """Like `validation_step`, with the distance between the domains' features."""
        features = self.features(batch[0])
        logits = cast(Tensor, self.classifier(features))
        labels = None if dataloader_idx == UNLABELLED else batch[1]
        self.scores.update(dataloader_idx, logits, labels)
        self.scores.update_distances(dataloader_idx, features)
        return logits

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Probabilities (n, n_classes) of rows ``(numbers, x)``."""
        probabilities: Tensor = self(batch[1]).softmax(1)
        return probabilities

    def on_validation_epoch_end(self) -> None:
        """Log accuracies and scores, and the summaries of the run so far."""
        found = self.scores.compute()
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            found |= self.scores.remember(found)
        self._report("val", found)

    def on_test_epoch_end(self) -> None:
        """Log accuracies, scores and distances."""
        self._report("test", self.scores.compute() | self.scores.distances())

    def _report(self, stage: str, found: Mapping[str, Tensor | float]) -> None:
        self.log_evaluation({f"{stage}/{key}": value for key, value in found.items()})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the summaries."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["selection"] = dict(self.scores.summary)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the summaries."""
        super().on_load_checkpoint(checkpoint)
        self.scores.summary = dict(checkpoint.get("selection", {}))
