"""The tables of collaborative metric learning."""

from pathlib import Path

from experiments.results.spec import TRUE_DISTANCES, Column, Table, Variant

LEARNT = ("cml", "smooth_cml", "bpr", "warp")
SOLVED = ("wrmf", "implicit_bpr", "item_knn", "ease", "popularity")
FOLDERS = {
    "lastfm": "lastfm-lightgcnpp",
    "citeulike_t": "citeulike-t",
    "ml_100k": "ml-100k",
}
WITH_FEATURES = {
    "cml_f": Variant("cml", "_tags"),
    "cml_f_words": Variant("cml", "_tags_words"),
    "smooth_cml_f": Variant("smooth_cml", "_tags"),
}
ABLATION = {
    "cml": (),
    "no_rank_weight": ("--model.rank_weighted=false",),
    "no_ball": ("--model.ball=false",),
    "random_negative": ("--model.n_negatives=1",),
    "first_impostor": ("--model.negative=first",),
    "covariance": ("--model.covariance_weight=10",),
    "popular_negatives": ("--model.sampling=popularity",),
    "batch_negatives": ("--model.sampling=batch",),
}
CHOICE = (
    " Of each run the validation with the best {metric} is tested. All items are "
    "ranked but those that the user has in training{val}. Settings were chosen on "
    "validation users of seed 0."
)


def data_options(task: str, root: Path) -> list[str]:
    """Where the data set of a task lies."""
    return [f"--data.root={root / FOLDERS[task]}"] if task in FOLDERS else []


def _columns(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, name, "{:.4f}") for name in names)


RANKING_TABLES = {
    "cml-lastfm": Table(
        "Last.fm, split of LightGCN++",
        _columns(
            *("recall@10", "ndcg@10", "recall@20", "ndcg@20", "recall@40", "ndcg@40")
        ),
        5,
        (*LEARNT, *SOLVED),
        ("lastfm",),
        "`cml` is eq. 51-56; `smooth_cml` is not in the paper (docs/decisions/0011)."
        + CHOICE.format(metric="NDCG@20", val=", not in validation"),
        options=data_options,
    ),
    "cml-citeulike-t": Table(
        "CiteULike-t, correctly parsed",
        _columns("recall@50", "recall@100", "ndcg@100"),
        5,
        ("cml", "smooth_cml", *WITH_FEATURES, *LEARNT[2:], *SOLVED),
        ("citeulike_t",),
        "Users with at least 5 items; of each user's items 60 % are for training, 20 % "
        "for validation, the rest for test. `_f`: with tags as item features (eq. 54), "
        "`_f_words`: with tags and words."
        + CHOICE.format(metric="Recall@100", val=", not in validation"),
        options=data_options,
        variants=WITH_FEATURES,
    ),
    "cml-ml-100k": Table(
        "MovieLens-100K, 75/25",
        _columns("map_cut@10", "ndcg@10", "precision@10", "recall@10"),
        5,
        (*LEARNT, *SOLVED),
        ("ml_100k",),
        "Every rating counts as a pair; a quarter of each user's pairs is for test. "
        "`map_cut` divides by all of a user's test pairs, as the published rows do."
        + CHOICE.format(metric="NDCG@10", val=" or validation"),
        options=data_options,
    ),
    "cml-planted": Table(
        "Planted places",
        _columns("recall@10", "recall@20", "ndcg@20"),
        5,
        (TRUE_DISTANCES, *LEARNT, *SOLVED),
        ("planted",),
        "Users and items are placed in the unit disc, and users take what is near; "
        "`true_distances` ranks by the true places, which nothing can beat but by "
        "chance." + CHOICE.format(metric="Recall@20", val=" or validation"),
    ),
    "cml-ablation": Table(
        "What each part of CML brings",
        _columns("recall@10", "ndcg@10", "recall@20", "ndcg@20"),
        3,
        (*ABLATION, "features", "smooth"),
        ("lastfm", "ml_100k"),
        "`cml` as shipped, and with one thing changed. `features`: movie genres.",
        # Last.fm has no features, and its smooth hinge stands in its own table.
        other_seeds={"features--lastfm": 0, "smooth--lastfm": 0},
        options=data_options,
        variants={
            **{name: Variant("cml", "", words) for name, words in ABLATION.items()},
            "features": Variant("cml", "", ("--model.feature_weight=1",)),
            "smooth": Variant("smooth_cml"),
        },
    ),
}
