"""Plot of two domains' features in the plane, before, during and after training."""

from typing import Any, Literal, get_args

import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from callbacks.core.every_n_steps import EveryNSteps
from callbacks.core.requirements import require_domains, require_features
from callbacks.plotting.feature_plots import Labelled, feature_map
from callbacks.plotting.images import Pixels, log_picture
from callbacks.plotting.plots import subject
from callbacks.plotting.projections import neighbour_plane, principal_plane
from callbacks.runs.ema import averaged_weights
from lightning_modules.core.alternating import evaluating
from lightning_modules.core.validation import check_at_least, check_choice, check_seed
from lightning_modules.data_contracts.contracts import UnlabelledBatch, data_of
from lightning_modules.data_contracts.sparse_rows import Rows

Method = Literal["pca", "tsne", "both"]
CHUNK = 256  # rows that go through the network at once
FEWEST = 4  # rows that have neighbours to keep


class FeatureMap(EveryNSteps):
    """Plots the features of source and target rows in the plane.

    Two panels with the same coordinates, one coloured by class and one by domain: where
    adaptation works, the domains mix and the classes don't. The plot ``features`` is
    drawn before training, at the end of it, and in between if asked for.

    The rows are the first ``n`` of each domain in a random order that ``seed`` alone
    decides: of the source those held out for validation (of what it trains on, if none
    are), of the target those that accuracy is measured on, whose labels do nothing here
    but colour the points. Rows whose features are not finite are left out, and
    counted in the title.

    The features are those of the averaged weights if the run has a `WeightEMA`.
    Training is the same with and without it: the features are made in eval mode,
    without gradients, and no global random number is drawn.

    Args:
        every_n_steps: Encoder updates between two plots; None draws first and last.
        n: Rows of each domain.
        method: ``pca`` draws the plane in which the rows of both domains together vary
            most, a linear view whose distances mean something; ``tsne`` keeps
            neighbours together (a few seconds for 1,000 rows), and its distances
            between clusters mean nothing; ``both`` draws one below the other.
        seed: Seed of the choice of rows.

    Raises:
        ValueError: If a number is below 1, the module has no features, or the data is
            not two domains.

    References:
        van der Maaten and Hinton 2008, "Visualizing Data using t-SNE", JMLR 9.
    """

    def __init__(
        self,
        every_n_steps: int | None = None,
        n: int = 500,
        method: Method = "pca",
        seed: int = 0,
    ) -> None:
        super().__init__(every_n_steps)
        check_choice("method", method, get_args(Method))
        check_at_least(1, n=n)
        check_seed(seed=seed)
        self.n, self.method, self.seed = n, method, seed
        self._last_step = -1

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            require_domains(self, trainer)
            require_features(self, pl_module)
            self._last_step = -1

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the features that training starts from; a resumed run has them."""
        if trainer.global_step == 0:
            self._draw(trainer, pl_module)

    @override
    def on_step(self, trainer: Trainer, pl_module: LightningModule, batch: Any) -> None:
        self._draw(trainer, pl_module)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._draw(trainer, pl_module)

    def _draw(self, trainer: Trainer, pl_module: LightningModule) -> None:
        step = trainer.global_step
        if step == self._last_step or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        self._last_step = step
        if trainer.is_global_zero:
            title = f"{subject(trainer, pl_module)}, step {step}"
            plot = self.plot(trainer, pl_module, title)
            if plot is not None:
                log_picture(trainer, "features", plot, step, f"step {step}")

    def plot(
        self, trainer: Trainer, pl_module: LightningModule, title: str
    ) -> Pixels | None:
        """The features as they are now; None if fewer than 4 rows are finite."""
        data = require_domains(self, trainer)
        domains = data.domains
        source = domains.source_val if len(domains.source_val) else domains.source
        sides = (source, domains.target_test)
        generator = torch.Generator().manual_seed(self.seed)
        chosen = [
            side.part(torch.randperm(len(side), generator=generator)[: self.n])
            for side in sides
        ]
        with averaged_weights(trainer, pl_module):
            parts = [self._features(trainer, pl_module, side.x) for side in chosen]
        features = torch.cat(parts)
        classes = torch.cat([side.y for side in chosen])
        sizes = torch.tensor([len(side) for side in chosen])
        side_of_row = torch.tensor([0, 1]).repeat_interleave(sizes)
        finite = features.isfinite().all(dim=1)
        if finite.sum() < FEWEST:
            return None
        if not finite.all():
            title += f": {int((~finite).sum())} rows are not finite and left out"
        rows = Labelled(
            classes[finite], side_of_row[finite], data.class_names, data.domain_names
        )
        return feature_map(self._planes(features[finite]), rows, title)

    def _planes(self, features: Tensor) -> dict[str, Tensor]:
        points, share = principal_plane(features)
        planes = {f"PCA, {100 * share:.0f} % of the variance": points}
        if self.method == "pca":
            return planes
        neighbours = {"t-SNE": neighbour_plane(features, points)}
        return neighbours if self.method == "tsne" else planes | neighbours

    @torch.no_grad()
    def _features(
        self, trainer: Trainer, pl_module: LightningModule, x: Rows
    ) -> Tensor:
        """Features (n, d) of raw rows, float32, on the CPU."""
        features = []
        with evaluating(pl_module):
            for first in range(0, len(x), CHUNK):
                part = move_data_to_device(x[first : first + CHUNK], pl_module.device)
                # This puts pixels on the model's scale.
                batch = UnlabelledBatch(part)
                (part,) = data_of(trainer).on_after_batch_transfer(batch, 0)
                if isinstance(part, Tensor):
                    part = trainer.precision_plugin.convert_input(part)
                rows = require_features(self, pl_module).features(part)
                features.append(rows.float().cpu())
        return torch.cat(features)
