"""How much a user loses who is folded in, against one who was trained on.

    python -m experiments.fold_in [NAME ...] [--seeds 0]

A fifth of the users is left out of training, folded in from their training items, and
recall@20 on their test items is compared with that of a model that was trained on them
too, with the same settings and seed. Writes docs/results/fold_in.csv; what it has is
not run again.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from typing_extensions import override

from datamodules.recommendation.base import InteractionData, SplitPairs
from experiments import records
from experiments.item_features import recall
from experiments.jobs import command_parser
from experiments.provenance import data_root, require_root
from experiments.trainers import quiet_trainer
from lightning_modules.data_contracts.user_items import UserItems
from wasserstein_critics.cli.config_files import read_config
from wasserstein_critics.recommend import built
from wasserstein_critics.shipped import FOLDER

SHARE = 0.2
K = 20
METHODS = (
    *("wrmf", "ease", "item_knn", "popularity", "cml", "smooth_cml", "bpr", "warp"),
    "implicit_bpr",
)
DATA = ("planted", "ml_100k")


class WithoutUsers(InteractionData):
    """The same data without the training and validation pairs of some users.

    Args:
        data: Other data, which was read.
        absent: Whose pairs are left out, bool (n_users,).
    """

    def __init__(self, data: InteractionData, absent: Tensor) -> None:
        super().__init__(batch_size=data.batch_size, mask_val=True)
        self.whole, self.absent = data, absent

    @override
    def read(self) -> SplitPairs:
        train, val = (self._rest(self.whole.interactions(s)) for s in ("train", "val"))
        test = self.whole.interactions("test")
        return SplitPairs(train, val, test, self.whole.catalogue)

    def _rest(self, pairs: UserItems) -> UserItems:
        return pairs.part(~self.absent[pairs.users])


def measured(name: str, seed: int) -> dict[str, Any]:
    """A row of the table: both recalls of a config's method on its data."""
    config = read_config(FOLDER / f"{name}.yaml")
    arguments = config["data"].setdefault("init_args", {})
    if "root" in arguments:
        arguments["root"] = str(data_root() / "ml-100k")
    data: InteractionData = built("data", config["data"])
    data.setup("fit")
    generator = torch.Generator().manual_seed(seed)
    absent = torch.rand(data.n_users, generator=generator) < SHARE
    tested = absent & (data.interactions("test").counts > 0)
    users = (tested & (data.interactions("train").counts > 0)).nonzero().flatten()
    seen = data.interactions("seen")
    model = trained(config, data, seed)
    with torch.no_grad():
        top, _ = model.evaluator.rank(users, K, seen, model.evaluator.hidden("test"))
    model = trained(config, WithoutUsers(data, absent), seed)
    started = time.monotonic()
    with torch.no_grad():
        folded, _ = model.evaluator.rank_for(
            of(data.interactions("train"), users),
            K,
            model.evaluator.hidden("test"),
            of(seen, users),
        )
    seconds = time.monotonic() - started
    relevant = data.interactions("test")
    before, after = (recall(ranked, users, relevant) for ranked in (top, folded))
    return {
        "config": name,
        "seed": seed,
        "users": len(users),
        "trained on": before,
        "folded in": after,
        "kept": f"{100 * after / before:.1f} %",
        "ms a user": 1000 * seconds / len(users),
    }


def trained(config: dict[str, Any], data: InteractionData, seed: int) -> Any:
    """The config's method after its epochs on these data."""
    pl.seed_everything(seed, verbose=False)
    model = built("model", config["model"])
    kept = {"max_epochs", "limit_train_batches"} & config["trainer"].keys()
    quiet_trainer(**{name: config["trainer"][name] for name in kept}).fit(model, data)
    return model


def of(pairs: UserItems, users: Tensor) -> UserItems:
    """The pairs of some users, who are numbered from 0."""
    own = pairs.of(users)
    return UserItems.from_pairs(own.rows, own.items, len(users), pairs.n_items)


def run(names: Sequence[str], seeds: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Rows that the file lacks; it is written after each."""
    wanted = ((name, seed) for seed in seeds for name in names)
    path = records.RESULTS / "fold_in.csv"
    return records.measured_rows(path, ("config", "seed"), wanted, measured)


def main() -> None:
    """Measure what is missing."""
    parser = command_parser("experiments.fold_in", __doc__)
    names = [
        f"{method}/{data}"
        for data in DATA
        for method in METHODS
        if (FOLDER / method / f"{data}.yaml").is_file()
    ]
    parser.add_argument("name", nargs="*", default=names, help="configs; default: all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    options = parser.parse_args()
    torch.set_num_threads(1)
    for row in run(options.name, options.seeds):
        print(*(f"{key} {value}" for key, value in row.items()), sep=", ", flush=True)


if __name__ == "__main__":
    require_root()
    main()
