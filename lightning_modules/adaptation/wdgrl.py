"""WDGRL (Shen, Qu, Zhang, Yu 2018, arXiv:1707.01217), eq. 41-45."""

from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from typing_extensions import override

from lightning_modules.adaptation.base import AdaptationModule, Features
from lightning_modules.core.alternating import evaluating, trainable
from lightning_modules.core.lightning_internals import (
    has_stochastic_layers,
    mixes_rows,
)
from lightning_modules.core.optimisation import Learner, OptimizerSpec, check_specs
from lightning_modules.core.penalty import GradientPenalty, check_penalised
from lightning_modules.core.validation import check_at_least
from lightning_modules.data_contracts.batches import domains_of
from lightning_modules.data_contracts.sparse_rows import join
from lightning_modules.functional import adversarial as F
from lightning_modules.functional.lipschitz import penalising, scores_and_slopes
from lightning_modules.optim.paper_defaults import AdaptationAdam


class WDGRL(AdaptationModule):
    r"""Features with a small Wasserstein distance between domains, by a critic.

    .. math:: \min_{\theta_g, \theta_c} \mathcal L_c + \lambda \max_{\theta_w}
              [\mathcal L_{wd} - \gamma \mathcal L_{grad}]

    Algorithm 1: on every batch ``n_critic`` updates of the critic, then one of
    extractor and classifier. The features of the batch are computed once for all of
    them; the penalty has no gradient for the extractor. Where the extractor has
    dropout, stochastic depth or BatchNorm, the critic is trained on features of its
    eval mode instead, from a second pass.

    Args:
        extractor: Maps samples (n, ...) to features (n, d).
        classifier: Maps features (n, d) to logits (n, n_classes).
        critic: Maps features (n, d) to scores (n,), without BatchNorm.
        n_classes: Number of classes.
        penalty_weight: Gamma of eq. 45.
        ends: Whether the slope is also penalised at the features themselves, as in the
            paper, and not only on the lines between them.
        n_critic: Critic updates on each batch.
        critic_optimizer: Makes the critic's optimizer.
        critic_scheduler: Makes its learning-rate schedule, stepped once per batch,
            or None.
        critic_clip_norm: Largest gradient norm of a critic update, or None.
        **options: Lambda (``transfer_weight``), its ramp and the rest of
            `AdaptationModule`.

    Raises:
        ValueError: If the critic has BatchNorm, or a setting is out of its range.

    Example:
        >>> from lightning_modules.networks import LinearClassifier, MLPExtractor
        >>> from lightning_modules.networks import MLPCritic
        >>> networks = MLPExtractor((2,), (20,)), LinearClassifier(20, 3)
        >>> WDGRL(*networks, MLPCritic((20,), (10,)), n_classes=3).n_critic
        5
    """

    weighs_rows = True

    def __init__(
        self,
        extractor: nn.Module,
        classifier: nn.Module,
        critic: nn.Module,
        n_classes: int,
        penalty_weight: float = 10.0,
        ends: bool = True,
        n_critic: int = 5,
        critic_optimizer: OptimizerCallable = lambda p: AdaptationAdam(p),
        critic_scheduler: LRSchedulerCallable | None = None,
        critic_clip_norm: float | None = None,
        **options: Any,
    ) -> None:
        check_at_least(1, n_critic=n_critic)
        check_penalised(critic)
        super().__init__(extractor, classifier, n_classes, **options)
        self.critic, self.n_critic, self.ends = critic, n_critic, ends
        self.penalty = GradientPenalty(penalty_weight)
        factories = critic_optimizer, critic_scheduler, critic_clip_norm
        self.critic_spec = OptimizerSpec("critic_", trainable(critic), *factories)
        check_specs([self.critic_spec])
        self._extractor_varies = mixes_rows(extractor) or has_stochastic_layers(
            extractor
        )
        self._fixed: Features
        self.save_hyperparameters()

    @property
    @override
    def discriminators(self) -> dict[str, nn.Module]:
        return {"critic": self.critic}

    @override
    def learners(self) -> list[Learner]:
        """The critic, then extractor and classifier against the frozen critic."""
        critic = Learner(
            "critic", self.critic_objective, [self.critic_spec], steps=self.n_critic
        )
        (adapted,) = super().learners()
        return [critic, adapted._replace(against=[self.critic])]

    @override
    def prepare(self, batch: Any) -> Features:
        """Features with their graph; those of the critic are kept beside them."""
        features = super().prepare(batch)
        source, labels, target, _ = features
        both = torch.cat([source, target])
        if self._extractor_varies:
            rows = domains_of(batch)
            with torch.no_grad(), evaluating(self.extractor):
                both = self.features(join(rows.source, rows.target))
        # half precision would lose the penalty
        both = both.detach().to(torch.promote_types(both.dtype, torch.float32))
        n = len(labels)
        self._fixed = Features(both[:n], labels, both[n:], features.weights)
        return features

    def critic_objective(self, _features: Features) -> Tensor:
        """Negated distance estimate plus penalty (eq. 42-43)."""
        source, target = self._fixed.source, self._fixed.target
        uniform = self.penalty.draw(source, self.noise)
        weights = self._fixed.weights
        gap, penalty = self.compiled(self._terms)(source, target, uniform, weights)
        loss = self.penalty.added_to(gap, penalty)
        if self.recording:
            self.record(critic_loss=loss, wasserstein=-gap, penalty=penalty)
        return loss

    def _terms(
        self, source: Tensor, target: Tensor, uniform: Tensor, weights: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Negated distance estimate and unweighted penalty, from one pass."""
        n = len(source)
        lines = self.penalty.points(source, target, uniform)
        with penalising(source.device):
            if self.ends:
                points = torch.cat([source, target, lines])
                scores, slopes = scores_and_slopes(
                    self.critic, points, create_graph=True
                )
            else:
                _, slopes = scores_and_slopes(self.critic, lines, create_graph=True)
                scores = self.critic(torch.cat([source, target]))
            gap = _negated_estimate(scores[:n], scores[n : 2 * n], weights)
            return gap, self.penalty.excess(slopes)

    @override
    def transfer_loss(self, features: Features) -> Tensor:
        """The critic's estimate of the distance (eq. 42), without the penalty."""
        scores = self.critic(torch.cat([features.source, features.target]))
        n = len(features.source)
        return -_negated_estimate(scores[:n], scores[n:], features.weights)


def _negated_estimate(source: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    """Negated eq. 42 of scores, those of the source with weights if there are some."""
    if weights is not None:
        source = source * weights
    return F.wasserstein_critic_loss(source, target)
