"""The features of two domains in the plane, before, while and after they adapt."""

from typing import Any, Literal, cast

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities import move_data_to_device
from torch import Tensor

from callbacks.adaptation.domain_data import domain_data
from callbacks.core.scalars import at_least_one, due
from callbacks.plotting.feature_plots import Labelled, feature_map
from callbacks.plotting.images import Picture, log_picture
from callbacks.plotting.projections import neighbour_plane, principal_plane
from callbacks.runs.ema import averaged_weights
from lightning_modules.core.alternating import evaluating
from lightning_modules.data_contracts.sparse_rows import Rows

Method = Literal["pca", "tsne", "both"]
CHUNK = 256  # rows that go through the network at once
FEWEST = 4  # rows that have neighbours to keep


class FeatureMap(pl.Callback):
    """Draws the features of source and target rows in the plane.

    Two panels with the same coordinates, one coloured by class and one by domain: where
    adaptation works, the domains mix and the classes don't. A picture ``features`` is
    drawn before training, at the end of it, and in between if asked for.

    The rows are the first ``n`` of each domain in a random order that ``seed`` alone
    decides: of the source those held out for validation (of what it trains on, if none
    are), of the target those that accuracy is measured on, whose labels do nothing here
    but colour the picture. Rows whose features are not finite are left out, and
    counted in the title.

    The features are those of the averaged weights if the run has a `WeightEMA`.
    Training is the same with and without it: the features are made in eval mode,
    without gradients, and no global random number is drawn.

    Args:
        every_n_steps: Player updates between two pictures; None draws first and last.
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
        if every_n_steps is not None:
            at_least_one("every_n_steps", every_n_steps)
        if method not in ("pca", "tsne", "both"):
            raise ValueError(f"method must be pca, tsne or both, got '{method}'.")
        self.every_n_steps = every_n_steps
        self.n = at_least_one("n", n)
        self.method, self.seed = method, seed
        self._last_step = -1

    def setup(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        stage: str,
    ) -> None:
        """Refuse a run that has nothing to draw."""
        if stage != "fit":
            return
        domain_data(self, trainer)
        if not hasattr(pl_module, "features"):
            raise ValueError(
                f"FeatureMap draws features, and {type(pl_module).__name__} has none: "
                "take it out of trainer.callbacks."
            )
        self._last_step = -1

    def on_train_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        """Draw the features that training starts from; a resumed run has them."""
        if trainer.global_step == 0:
            self._draw(trainer, pl_module)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Draw when a player update that is due has just been made."""
        if self.every_n_steps and due(trainer, pl_module, self.every_n_steps):
            self._draw(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the finished features."""
        self._draw(trainer, pl_module)

    def _draw(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        step = trainer.global_step
        if step == self._last_step or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        self._last_step = step
        if trainer.is_global_zero:
            picture = self.picture(trainer, pl_module, f"step {step}")
            if picture is not None:
                log_picture(trainer, "features", picture, step, f"step {step}")

    def picture(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, title: str
    ) -> Picture | None:
        """The features as they are now; None if fewer than 4 rows are finite."""
        data = domain_data(self, trainer)
        found = data.domains
        source = found.source_val if len(found.source_val) else found.source
        sides = (source, found.target_test)
        generator = torch.Generator().manual_seed(self.seed)
        chosen = [
            side.part(torch.randperm(len(side), generator=generator)[: self.n])
            for side in sides
        ]
        with averaged_weights(trainer, pl_module):
            features = torch.cat([_features(trainer, pl_module, c.x) for c in chosen])
        classes = torch.cat([side.y for side in chosen])
        domains = torch.tensor([0, 1]).repeat_interleave(
            torch.tensor([len(side) for side in chosen])
        )
        finite = features.isfinite().all(dim=1)
        if finite.sum() < FEWEST:
            return None
        if not finite.all():
            title += f": {int((~finite).sum())} rows are not finite and left out"
        rows = Labelled(
            classes[finite], domains[finite], data.class_names, data.domain_names
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
def _features(trainer: pl.Trainer, module: pl.LightningModule, x: Rows) -> Tensor:
    """Features (n, d) of raw rows, float32, on the CPU."""
    found = []
    with evaluating(module):
        for first in range(0, len(x), CHUNK):
            part = move_data_to_device(x[first : first + CHUNK], module.device)
            # What turns pixels into the model's scale.
            (part,) = trainer.datamodule.on_after_batch_transfer((part,), 0)  # type: ignore[attr-defined]
            if isinstance(part, Tensor):
                part = trainer.precision_plugin.convert_input(part)
            found.append(cast(Any, module).features(part).float().cpu())
    return torch.cat(found)
