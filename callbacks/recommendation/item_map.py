"""Plot of items in the plane, coloured by feature or popularity."""

from typing import Any, Literal, get_args

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from matplotlib.figure import Figure
from torch import Tensor
from typing_extensions import override

from callbacks.core.requirements import require_interactions, require_points
from callbacks.plotting.feature_plots import COLOURS, look, short_names
from callbacks.plotting.images import Pixels, log_picture
from callbacks.plotting.plots import (
    hide_scales,
    legend_below,
    new_figure,
    rasterise,
    subject,
)
from callbacks.plotting.projections import neighbour_plane, principal_plane
from lightning_modules.core.validation import check_at_least, check_choice, check_seed

Method = Literal["pca", "tsne"]
FEWEST = 4  # items that have neighbours to keep


class ItemMap(Callback):
    """Plots the items' points in the plane when training ends: the plot ``items``.

    Items are coloured by the commonest features that they have (an item with several
    of them by its rarest, so that what is special shows), or, where the data has no
    features, by their number of interactions.

    Args:
        n: Items that are drawn, chosen by ``seed`` from those with interactions.
        method: ``pca``, the plane in which the points vary most, or ``tsne``, which
            keeps neighbours together.
        n_colours: Features that get a colour, at most 10.
        seed: Seed of the choice.

    Raises:
        ValueError: If an argument is out of its range, the data is not users and items,
            or the model has no points.
    """

    def __init__(
        self, n: int = 2000, method: Method = "pca", n_colours: int = 8, seed: int = 0
    ) -> None:
        check_choice("method", method, get_args(Method))
        check_at_least(1, n=n)
        check_seed(seed=seed)
        if not 1 <= n_colours <= len(COLOURS):
            raise ValueError(f"n_colours must be from 1 to 10, got {n_colours}.")
        self.n, self.method = n, method
        self.n_colours, self.seed = n_colours, seed

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        require_interactions(self, trainer)
        require_points(self, pl_module)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw; all ranks look the points up, in case that tables are sharded."""
        points = require_points(self, pl_module).points()["items"].cpu()
        data, step = require_interactions(self, trainer), trainer.global_step
        if trainer.is_global_zero and len(points) >= FEWEST:
            title = f"{subject(trainer, pl_module)}: items, step {step}"
            plot = self.plot(points, data, title)
            log_picture(trainer, "items", plot, step, f"step {step}")

    def plot(self, points: Tensor, data: Any, title: str) -> Pixels:
        """The items' points (n_items, d) in the plane."""
        train = data.interactions("train").items.cpu()
        counts = torch.bincount(train, minlength=len(points))
        items = counts.nonzero().flatten()
        generator = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(items), generator=generator)
        chosen = items[order[: self.n]].sort().values
        plane, share = principal_plane(points[chosen])
        name = f"{title}: plane with {100 * share:.0f} % of the variance"
        if self.method == "tsne":
            plane, name = neighbour_plane(points[chosen], plane), f"{title}: t-SNE"
        figure, axes = new_figure(name, (8.5, 7.0))
        hide_scales(axes)
        x, y = plane.float().T.numpy()
        catalogue = data.catalogue
        if catalogue.features is None:
            _by_count(figure, axes, x, y, counts[chosen].numpy())
        else:
            labels, names = commonest(catalogue, chosen, self.n_colours)
            _by_feature(axes, x, y, labels.numpy(), names)
        return rasterise(figure)


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
    names = catalogue.feature_names
    return labels, [str(names[c]) if names else f"feature {c}" for c in top.tolist()]


def _by_feature(axes: Any, x: Any, y: Any, labels: Any, names: list[str]) -> None:
    for label, name in enumerate(["others", *short_names(names)], start=-1):
        own = labels == label
        if own.any():
            colour, marker = look(label)
            shown = f"\u2009{name} ({int(own.sum())})"  # "_a" alone would be hidden
            options = {"c": colour, "marker": marker, "alpha": 0.8, "lw": 0}
            axes.scatter(x[own], y[own], s=18, label=shown, **options)
    legend_below(axes, 3, markerscale=2)


def _by_count(figure: Figure, axes: Any, x: Any, y: Any, counts: Any) -> None:
    rising = counts.argsort()  # popular items lie on top
    dots = axes.scatter(
        x[rising], y[rising], s=12, c=counts[rising], norm="log", cmap="viridis", lw=0
    )
    figure.colorbar(dots, ax=axes, label="training pairs of the item", shrink=0.7)
