"""Items in the plane, coloured by what they are."""

from typing import Any, Literal

import lightning.pytorch as pl
import torch
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.core.scalars import at_least_one
from callbacks.plotting.feature_plots import COLOURS, short_names
from callbacks.plotting.images import Picture, log_picture
from callbacks.plotting.plots import GREY, _rasterise
from callbacks.plotting.projections import neighbour_plane, principal_plane
from callbacks.recommendation.item_data import item_data
from lightning_modules.recommendation.pairwise import PairRanker

FEWEST = 4


class ItemMap(pl.Callback):
    """Draws the items' points in the plane when training ends: the picture ``items``.

    Items are coloured by the commonest features that they have (an item with several
    of them by its rarest, so that what is special shows), or, where the data has no
    features, by how often they were taken.

    Args:
        n: Items that are drawn, chosen by ``seed`` from those that somebody took.
        method: ``pca``, the plane in which the points vary most, or ``tsne``, which
            keeps neighbours together.
        n_colours: Features that get a colour, at most 10.
        seed: Seed of the choice.

    Raises:
        ValueError: If an argument is out of its range, the data is not users and items,
            or the model has no points.
    """

    def __init__(
        self,
        n: int = 2000,
        method: Literal["pca", "tsne"] = "pca",
        n_colours: int = 8,
        seed: int = 0,
    ) -> None:
        if method not in ("pca", "tsne"):
            raise ValueError(f"method must be pca or tsne, got '{method}'.")
        if not 1 <= n_colours <= len(COLOURS):
            raise ValueError(f"n_colours must be from 1 to 10, got {n_colours}.")
        self.n, self.method = at_least_one("n", n), method
        self.n_colours, self.seed = n_colours, seed

    def setup(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        stage: str,  # noqa: ARG002
    ) -> None:
        """Refuse a run that has nothing to draw."""
        item_data(self, trainer)
        if not isinstance(pl_module, PairRanker):
            raise ValueError(
                f"ItemMap draws points of items, and {type(pl_module).__name__} has "
                "none: take it out of trainer.callbacks."
            )

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw; all ranks look the points up, in case that tables are spread."""
        assert isinstance(pl_module, PairRanker)
        points = pl_module.points()["items"].cpu()
        data, step = item_data(self, trainer), trainer.global_step
        if trainer.is_global_zero and len(points) >= FEWEST:
            picture = self.picture(points, data, f"items, step {step}")
            log_picture(trainer, "items", picture, step, f"step {step}")

    def picture(self, points: Tensor, data: Any, title: str) -> Picture:
        """The items' points (n_items, d) as they are now."""
        counts = torch.bincount(
            data.interactions("train").items.cpu(), minlength=len(points)
        )
        known = counts.nonzero().flatten()
        order = torch.randperm(
            len(known), generator=torch.Generator().manual_seed(self.seed)
        )
        chosen = known[order[: self.n]].sort().values
        plane, share = principal_plane(points[chosen])
        name = f"{title}: plane with {100 * share:.0f} % of the variance"
        if self.method == "tsne":
            plane, name = neighbour_plane(points[chosen], plane), f"{title}: t-SNE"
        figure = Figure(figsize=(8.5, 7.0), dpi=100, layout="constrained")
        axes = figure.subplots()
        axes.set_title(name, parse_math=False)
        axes.set_aspect("equal", adjustable="datalim")
        axes.set_xticks([])
        axes.set_yticks([])
        x, y = plane.float().T.numpy()
        catalogue = data.catalogue
        if catalogue.features is None:
            _by_count(figure, axes, x, y, counts[chosen].numpy())
        else:
            labels, names = commonest(catalogue, chosen, self.n_colours)
            _by_feature(axes, x, y, labels.numpy(), names)
        return _rasterise(figure)


def commonest(catalogue: Any, items: Tensor, n: int) -> tuple[Tensor, list[str]]:
    """Which of the n commonest features items int64 (m,) have.

    Returns:
        Labels (m,), of several features the rarest, -1 for none of them; and names.
    """
    rows = catalogue.features[items]
    dense = rows if isinstance(rows, Tensor) else rows.to_dense()
    having = dense != 0
    counts = having.sum(0)
    top = counts.argsort(descending=True, stable=True)[:n]
    top = top[counts[top] > 0]
    labels = torch.full((len(items),), -1)
    for label, column in enumerate(top.tolist()):  # rarer ones come later, and stay
        labels[having[:, column]] = label
    known = catalogue.feature_names
    return labels, [str(known[c]) if known else f"feature {c}" for c in top.tolist()]


def _by_feature(axes: Any, x: Any, y: Any, labels: Any, names: list[str]) -> None:
    for label, name in enumerate(["others", *short_names(names)], start=-1):
        own = labels == label
        if own.any():
            colour = GREY if label < 0 else COLOURS[label]
            shown = f"\u2009{name} ({int(own.sum())})"  # "_a" alone would be hidden
            axes.scatter(x[own], y[own], s=12, c=colour, alpha=0.7, lw=0, label=shown)
    legend = axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.01),
        ncols=3,
        frameon=False,
        markerscale=2,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _by_count(figure: Figure, axes: Any, x: Any, y: Any, counts: Any) -> None:
    rising = counts.argsort()  # what was taken most lies on top
    drawn = axes.scatter(
        x[rising], y[rising], s=12, c=counts[rising], norm="log", cmap="viridis", lw=0
    )
    figure.colorbar(drawn, ax=axes, label="training pairs of the item", shrink=0.7)
