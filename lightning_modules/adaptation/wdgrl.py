"""WDGRL (Shen, Qu, Zhang, Yu 2018, arXiv:1707.01217), eq. 41-45."""

from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from lightning_modules.adaptation.base import AdaptationModule, Features
from lightning_modules.core.alternating import evaluating
from lightning_modules.core.validation import check_nonnegative
from lightning_modules.data_contracts.sparse_rows import join
from lightning_modules.functional import adversarial as F
from lightning_modules.functional.lipschitz import (
    interpolate,
    penalising,
    scores_and_slopes,
)
from lightning_modules.optim.paper_defaults import AdaptationAdam


class WDGRL(AdaptationModule):
    r"""Features on which a critic finds little Wasserstein distance between domains.

    .. math:: \min_{\theta_g, \theta_c} \mathcal L_c + \lambda \max_{\theta_w}
              [\mathcal L_{wd} - \gamma \mathcal L_{grad}]

    Algorithm 1: on every batch the critic makes ``n_critic`` steps, then extractor and
    classifier one. The features of the batch are computed once for all of them; the
    penalty never reaches the extractor. Where the extractor has dropout, stochastic
    depth or BatchNorm, the critic sees the features of its eval mode instead, from a
    pass of their own.

    Args:
        extractor: Maps samples (n, ...) to features (n, d).
        classifier: Maps features (n, d) to logits (n, n_classes).
        critic: Maps features (n, d) to scores (n,), without BatchNorm.
        n_classes: Number of classes.
        penalty_weight: Gamma of eq. 45.
        ends: Whether the penalty is also taken at the features themselves, as the paper
            has it, and not only on the lines between them.
        n_critic: Critic steps on each batch.
        critic_optimizer: Makes the critic's optimizer.
        critic_scheduler: Makes its learning-rate schedule, stepped once per player
            update, or None.
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
        if n_critic < 1:
            raise ValueError(f"n_critic must be at least 1, got {n_critic}.")
        check_nonnegative(penalty_weight=penalty_weight)
        if any(isinstance(module, _BatchNorm) for module in critic.modules()):
            raise ValueError(
                "critic has BatchNorm, which mixes the rows of a batch, while the "
                "gradient penalty needs the slope at each row alone: use norm 'layer' "
                "or 'none'."
            )
        super().__init__(
            extractor,
            classifier,
            n_classes,
            critic_steps=n_critic,
            critic_optimizer=critic_optimizer,
            critic_scheduler=critic_scheduler,
            critic_clip_norm=critic_clip_norm,
            **options,
        )
        self.critic = critic
        self.n_critic = n_critic
        self.penalty_weight = penalty_weight
        self.ends = ends
        self._extractor_varies = any(
            isinstance(m, _BatchNorm | _DropoutNd)
            or type(m).__name__ in ("StochasticDepth", "DropPath")
            for m in extractor.modules()
        )
        self._fixed: Features
        self.save_hyperparameters()

    def prepare(self, batch: Any) -> Features:
        """Features with their graph, and those that the critic's steps see."""
        features = super().prepare(batch)
        source, labels, target = features
        both = torch.cat([source, target])
        if self._extractor_varies:
            with torch.no_grad(), evaluating(self.extractor):
                both = self.features(join(batch[0], batch[-1]))
        # half precision would lose the penalty
        both = both.detach().to(torch.promote_types(both.dtype, torch.float32))
        self._fixed = Features(both[: len(labels)], labels, both[len(labels) :])
        return features

    def critic_objective(self, batch: Features) -> Tensor:  # noqa: ARG002
        """Negated distance plus penalty (eq. 42-43)."""
        source, _, target = self._fixed
        epsilon = self.noise.uniform(len(source))
        gap, penalty = self.compiled(self._terms)(source, target, epsilon)
        loss = gap + self.penalty_weight * penalty
        if self.recording:
            self.record(critic_loss=loss, wasserstein=-gap, penalty=penalty)
        return loss

    def _terms(
        self, source: Tensor, target: Tensor, epsilon: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Negated distance, and the penalty without its weight, from one pass."""
        n = len(source)
        lines = interpolate(source, target, epsilon)
        with penalising(source.device):
            if self.ends:
                points = torch.cat([source, target, lines])
                scores, slopes = scores_and_slopes(
                    self.critic, points, create_graph=True
                )
            else:
                _, slopes = scores_and_slopes(self.critic, lines, create_graph=True)
                scores = self.critic(torch.cat([source, target]))
            gap = F.wasserstein_critic_loss(scores[:n], scores[n : 2 * n])
            return gap, (slopes - 1).square().mean()

    def transfer_loss(self, features: Features) -> Tensor:
        """The critic's estimate of the distance (eq. 42), without the penalty."""
        scores = self.critic(torch.cat([features.source, features.target]))
        n = len(features.source)
        return -F.wasserstein_critic_loss(scores[:n], scores[n:])
