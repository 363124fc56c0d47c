"""What item features give, and what meaningless ones cost, on validation users.

    python -m experiments.item_features [NAME ...] [--epochs N] [--seeds 0]

Each config is trained with its features, with the rows of its features shuffled, with
a random tenth of its columns, and without features; ``@time`` divides its data by time.
Writes docs/results/item_features.csv; what it has is not run again. No test pair is
looked at.

recall: of validation items, among all items (`all`) and among those with a training
pair (`warm`). warm recall: of validation items with a training pair only, in both
lists. new share: cold-start items, in % of the first places and of validation pairs.
new recall: of validation items without a training pair, among these alone; `neighbours`
by the best of three numbers of neighbours in the same features, `chance` in any order,
which is that of popularity, too: none has a training pair.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from datamodules.recommendation.base import InteractionData
from experiments import records
from experiments.feature_neighbours import feature_cosines, neighbour_scores
from experiments.jobs import at_least, command_parser
from experiments.provenance import data_root, require_root
from experiments.trainers import quiet_trainer
from lightning_modules.data_contracts.sparse_rows import Rows, SparseRows
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.metrics.ranking import RankingMetrics
from wasserstein_critics.cli.config_files import read_config
from wasserstein_critics.recommend import built
from wasserstein_critics.shipped import FOLDER

FOLDERS = {"citeulike_t": "citeulike-t", "ml_100k": "ml-100k"}
KINDS = ("none", "true", "shuffled", "tenth")
NAMES = (
    "smooth_cml/citeulike_t_tags",
    "smooth_cml/ml_100k",
    "smooth_cml/ml_100k@time",
    "cml/citeulike_t_tags",
)
NEIGHBOURS = (20, 50, 200)
TENTH = 0.1
WEIGHT = 1.0
BATCH = 256  # users ranked at a time


def changed(features: Rows, kind: str) -> Rows:
    """Features (n, width) of another meaning."""
    draw = torch.Generator().manual_seed(0)
    if kind == "shuffled":
        return features[torch.randperm(len(features), generator=draw)]
    if kind == "tenth":
        kept = torch.rand(features.shape[1], generator=draw) < TENTH
        if isinstance(features, Tensor):
            return features * kept
        values = features.values * kept[features.columns]
        return SparseRows(features.starts, features.columns, values, features.width)
    return features


def shipped(name: str) -> dict[str, Any]:
    """The experiment of a name."""
    return read_config(FOLDER / f"{name.partition('@')[0]}.yaml")


def measured(name: str, kind: str, epochs: int, seed: int) -> dict[str, Any]:
    """A row of the table."""
    experiment, _, split = name.partition("@")
    task = experiment.partition("/")[2]
    config = shipped(name)
    folder = FOLDERS[task.removesuffix("_tags")]
    given, arguments = config["data"]["init_args"], config["model"]["init_args"]
    given["root"] = str(data_root() / folder)
    given |= {"split": split} if split else {}
    arguments["feature_weight"] = 0.0 if kind == "none" else WEIGHT
    data: InteractionData = built("data", config["data"])
    data.setup("fit")
    if kind != "none":
        assert data.catalogue.features is not None
        features = changed(data.catalogue.features, kind)
        data.catalogue = replace(data.catalogue, features=features)
        data.load = lambda: None  # type: ignore[method-assign]
    pl.seed_everything(seed, verbose=False)
    model = built("model", config["model"])
    quiet_trainer(max_epochs=epochs).fit(model, data)
    model.eval()
    row = {"config": name, "features": kind, "epochs": epochs, "seed": seed}
    return row | shares(model, data, max(arguments["ks"]))


@torch.no_grad()
def shares(model: Any, data: InteractionData, k: int) -> dict[str, Any]:
    """Recall at k, and where the cold-start items are."""
    evaluator, val = model.evaluator, data.interactions("val")
    evaluator.attach(data)
    users = (val.counts > 0).nonzero().flatten()
    new = ~evaluator.seen_items
    known = ~new[val.items]
    warm = val.part(known)
    lists = {
        among: ranked(model, users, k, data.interactions("train"), hidden)
        for among, hidden in (("all", None), ("warm", new))
    }
    both = users[warm.counts[users] > 0]
    places = torch.isin(users, both)
    row: dict[str, Any] = {"k": k}
    for among, top in lists.items():
        row[f"recall, {among}"] = recall(top, users, val)
        row[f"warm recall, {among}"] = recall(top[places], both, warm)
    row["new share of places"] = 100 * float(new[lists["all"][:, :20]].float().mean())
    row["new share of pairs"] = 100 * float((~known).float().mean())
    explained = float(model.prior.explained()) if model.feature_weight else 0.0
    return row | new_recall(model, data, k, new) | {"explained": explained}


def new_recall(
    model: Any, data: InteractionData, k: int, new: Tensor
) -> dict[str, float]:
    """Recall at k among cold-start items, bool (n_items,); nothing without any pair."""
    train, val = (data.interactions(split) for split in ("train", "val"))
    cold = new[val.items]
    if not cold.any():
        return {}
    relevant = val.part(cold)
    users = relevant.counts.nonzero().flatten()
    top = ranked(model, users, k, train, ~new)
    found = {"new recall": recall(top, users, relevant)}
    if model.feature_weight:
        features, items = data.catalogue.features, new.nonzero().flatten()
        assert features is not None
        cosines, most = feature_cosines(features, new), min(k, len(items))
        scores = (neighbour_scores(cosines, train, users, new, n) for n in NEIGHBOURS)
        tops = (items[each.topk(most).indices] for each in scores)
        found["new recall, neighbours"] = max(
            recall(top, users, relevant) for top in tops
        )
    return found | {"new recall, chance": min(1.0, k / int(new.sum()))}


def ranked(
    model: Any, users: Tensor, k: int, seen: UserItems, hidden: Tensor | None
) -> Tensor:
    """The k best items (n, k) of all users."""
    parts = torch.split(users, BATCH)
    return torch.cat([model.evaluator.rank(u, k, seen, hidden)[0] for u in parts])


def recall(top: Tensor, users: Tensor, relevant: UserItems) -> float:
    """Mean recall of ranked items (n, k)."""
    metric = RankingMetrics([top.shape[1]], ["recall"])
    metric.update(top, users, relevant)
    return float(metric.compute()[f"recall@{top.shape[1]}"])


def run(
    names: Sequence[str], epochs: int | None, seeds: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Rows that the file lacks; it is written after each."""
    lengths = {n: epochs or shipped(n)["trainer"]["max_epochs"] for n in names}
    wanted = ((n, kind, lengths[n], s) for s in seeds for n in names for kind in KINDS)
    keys = ("config", "features", "epochs", "seed")
    path = records.RESULTS / "item_features.csv"
    return records.measured_rows(path, keys, wanted, measured)


def main() -> None:
    """Measure what is missing."""
    parser = command_parser("experiments.item_features", __doc__)
    parser.add_argument("name", nargs="*", default=NAMES, help="configs; default: all")
    text = "default: those of each config"
    parser.add_argument("--epochs", type=at_least(1), help=text)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    options = parser.parse_args()
    torch.set_num_threads(1)
    for row in run(options.name, options.epochs, options.seeds):
        print(*(f"{key} {value}" for key, value in row.items()), sep=", ", flush=True)


if __name__ == "__main__":
    require_root()
    main()
