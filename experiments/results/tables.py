"""The tables of docs/results.md, by name."""

from experiments.results.adaptation_tables import ADAPTATION_TABLES
from experiments.results.recommendation_tables import RANKING_TABLES
from experiments.results.spec import METHODS, REAL, Column, Table, Variant

_MODES = (
    Column("modes", "modes", "{:.1f}"),
    Column("high_quality", "high quality, %", "{:.1f}", 100.0),
    Column("reverse_kl", "reverse KL", "{:.4f}"),
)
_POINTS_NOTE = (
    "2,500 samples; high quality: within 3 standard deviations of the nearest mode; a "
    "mode counts once one such sample is near it; reverse KL of those samples' modes "
    "against the uniform law, in nats. None of these sees whether a mode is as wide as "
    "the data's: for that a run's record has exact W1 to test points, `wasserstein`. "
    "`real_data` is a perfect sampler. The published "
    "rows train other networks for longer and on another device; ± in them is the "
    "standard error over 10 runs."
)
TABLES = {
    "ring8": Table(
        "Ring of 8 Gaussians", _MODES, 5, (*METHODS, REAL), note=_POINTS_NOTE
    ),
    "grid25": Table(
        "Grid of 25 Gaussians",
        _MODES,
        5,
        (*METHODS, "wgan_gp_lazy", REAL),
        note=_POINTS_NOTE + " `wgan_gp_lazy` takes the penalty on every fourth critic "
        "update, four times as heavy (docs/performance.md).",
        other_seeds={"wgan_gp_lazy": 3},
        variants={"wgan_gp_lazy": Variant("wgan_gp", "", ("--model.penalty_every=4",))},
    ),
    "mnist": Table(
        "MNIST",
        (
            Column("fid", "FID"),
            Column("min_class_share", "rarest class, %", "{:.1f}", 100.0),
            Column("max_class_share", "commonest class, %", "{:.1f}", 100.0),
        ),
        3,
        (*METHODS, REAL),
        note="10,000 samples against the 10,000 test images, in the 64 features of the "
        "project's own classifier (docs/results/features/mnist.safetensors): FIDs are "
        "on that scale, not on Inception's, so the published rows are context only. "
        "`real_data` is a random sample of 10,000 training images, chosen by the seed.",
    ),
    "demo": Table(
        "`make demo`: half of scikit-learn's digits",
        (
            Column("w1_start", "W1 at start"),
            Column("w1_end", "W1 at end", "{:.3f}"),
            Column("w1_halves", "W1 of the halves", "{:.3f}"),
            Column("w1_ratio", "ratio", "{:.3f}"),
            Column("two_sample_accuracy", "1-NN accuracy", "{:.3f}"),
            Column("distinct_neighbours", "distinct neighbours", "{:.0f}"),
            Column("min_class_share", "rarest class, %", "{:.1f}", 100.0),
            Column("max_class_share", "commonest class, %", "{:.1f}", 100.0),
        ),
        3,
        ("wgan_gp",),
        ("digits",),
        note="Exact Wasserstein-1 distance between 898 samples and the 898 held-out "
        "digits, pixels in [-1, 1]; the halves' own distance is what a perfect sampler "
        "reaches. Leave-one-out 1-NN accuracy: 0.5 is ideal. Distinct neighbours: how "
        "many of the training digits are nearest to some sample.",
    ),
    **ADAPTATION_TABLES,
    **RANKING_TABLES,
}
