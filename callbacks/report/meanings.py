"""What the names of logged values mean, and which direction is better.

The one table of them: reports explain by it, W&B's summaries follow it, and the site
has it as a page.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

Better = Literal["higher", "lower", ""]


@dataclass(frozen=True)
class Meaning:
    """What a logged value is.

    Args:
        text: A phrase without a full stop at its end.
        better: The direction that is better, or nothing where there is none.
    """

    text: str
    better: Better = ""

    def __str__(self) -> str:
        return f"{self.text}; {self.better} is better" if self.better else self.text


_CLASSES = "mean over the classes of the accuracy in each"
MEANINGS: Mapping[str, Meaning] = {
    "train/loss": Meaning("the loss that is minimised", "lower"),
    "train/critic_loss": Meaning(
        "minus the estimate, plus the penalty if there is one"
    ),
    "train/generator_loss": Meaning(
        "minus the mean score of generated samples; scores have no fixed zero, so the "
        "value says nothing"
    ),
    "train/wasserstein": Meaning(
        "the critic's estimate on the training batch: a multiple of the distance, by "
        "the critic's own slope, and not on the scale of val/wasserstein"
    ),
    "train/wasserstein_raw": Meaning(
        "the critic's estimate on the samples of wasserstein_exact, times its slope"
    ),
    "train/wasserstein_per_slope": Meaning(
        "the critic's estimate divided by its mean slope, in units of the data, beside "
        "wasserstein_exact"
    ),
    "train/wasserstein_exact": Meaning(
        "exact distance (W1) between some hundred samples of each side", "lower"
    ),
    "train/wasserstein_floor": Meaning(
        "exact distance between as many samples of the data and others of the data: "
        "what a perfect generator would have"
    ),
    "train/wasserstein_ratio": Meaning(
        "wasserstein_raw by wasserstein_exact: 1 for a critic of slope 1 that attains "
        "the distance"
    ),
    "train/critic_slope": Meaning(
        "mean gradient norm of the critic between paired samples; a gradient penalty "
        "brings it to 1"
    ),
    "train/critic_lipschitz": Meaning(
        "largest slope of the critic that was found there; the ratio is never above it"
    ),
    "train/penalty": Meaning("the gradient penalty before its weight; 0 at slope 1"),
    "train/clip_saturation": Meaning(
        "share of the critic's weights at the clipping bound", "lower"
    ),
    "train/js_estimate": Meaning(
        "the discriminator's estimate of the Jensen-Shannon divergence; log 2 = 0.693 "
        "where it is sure of every sample"
    ),
    "train/classification_loss": Meaning(
        "cross entropy on the source's labels", "lower"
    ),
    "train/transfer_weight": Meaning("weight of the adaptation term in the loss"),
    "train/mmd": Meaning(
        "squared kernel distance (MMD) between features of the domains"
    ),
    "train/explained": Meaning(
        "what item features tell of users' choices, on items that did not train them: "
        "0 nothing, 1 all"
    ),
    "train/class_confusion": Meaning(
        "how often the classifier wavers between two classes on target rows", "lower"
    ),
    "train/disparity": Meaning(
        "loss of the adversary that agrees with the classifier on source rows and "
        "contradicts it on target rows"
    ),
    "train/coral": Meaning("distance between covariances of the domains' features"),
    "train/domain_loss": Meaning(
        "cross entropy of telling the domains apart; log 2 = 0.693 where it can't"
    ),
    "train/transport_cost": Meaning("cost of the plan between source and target rows"),
    "train/pull": Meaning("loss of neighbours of the same class that are far", "lower"),
    "train/push": Meaning("loss of rows of other classes that are near", "lower"),
    "train/impostors": Meaning(
        "share of pairs with a sampled item that is ranked too near", "lower"
    ),
    "train/covariance": Meaning("penalty on correlated dimensions of the vectors"),
    "train/feature_loss": Meaning("distance of items to what their features say"),
    "grad_norm/*": Meaning("gradient norm of a layer, or of a whole network (total)"),
    "*/wasserstein": Meaning(
        "exact distance (W1) between generated samples and held-out data, in units of "
        "the data; as many data against data is above 0, too",
        "lower",
    ),
    "*/sliced_wasserstein": Meaning(
        "mean W1 of random projections, generated samples against held-out data, in "
        "units of the data; compare runs on the same data with it",
        "lower",
    ),
    "*/fid": Meaning("Frechet distance in the features of a network", "lower"),
    "*/kid": Meaning("kernel distance in the features of a network", "lower"),
    "*/inception_score": Meaning("how sure and diverse the classes are", "higher"),
    "*/min_class_share": Meaning("share of the rarest class among samples", "higher"),
    "*/max_class_share": Meaning("share of the most frequent class among samples"),
    "*/modes": Meaning("modes of the data that samples reach", "higher"),
    "*/high_quality": Meaning(
        "share of samples within 3 deviations of a mode", "higher"
    ),
    "*/reverse_kl": Meaning("how unevenly samples are spread among modes", "lower"),
    "*/accuracy": Meaning("share of rows whose class is right", "higher"),
    "*/loss": Meaning("the loss on rows that are not trained on", "lower"),
    "*/knn_accuracy": Meaning(
        "accuracy of nearest neighbours in the learned distance", "higher"
    ),
    "*/input_knn_accuracy": Meaning(
        "accuracy of nearest neighbours in the input, to compare knn_accuracy with"
    ),
    "*/source_accuracy": Meaning("accuracy on held-out source rows", "higher"),
    "*/source_class_accuracy": Meaning(f"on the source, {_CLASSES}", "higher"),
    "*/target_accuracy": Meaning("accuracy on target rows with labels", "higher"),
    "*/target_class_accuracy": Meaning(f"on the target, {_CLASSES}", "higher"),
    "*/target_accuracy_last": Meaning("accuracy on the target now", "higher"),
    "*/target_accuracy_selected": Meaning(
        "accuracy on the target at the validation that the score without labels chose",
        "higher",
    ),
    "*/target_accuracy_oracle": Meaning(
        "best accuracy on the target of any validation, which nobody knows without "
        "labels",
        "higher",
    ),
    "*/target_im": Meaning(
        "information maximisation, without labels: sure of each row, not always the "
        "same class",
        "higher",
    ),
    "*/target_entropy": Meaning("mean entropy of the target's predictions", "lower"),
    "*/target_snd": Meaning(
        "soft neighbourhood density, without labels: neighbours agree", "higher"
    ),
    "*/target_bnm": Meaning(
        "nuclear norm of the target's predictions, without labels: sure and diverse",
        "higher",
    ),
    "*/share_distance": Meaning(
        "how far the classes' shares in the target, as predicted, are from the source's"
    ),
    "*/feature_wasserstein": Meaning(
        "exact W1 between features of source and target; alike is not yet right"
    ),
    "*/proxy_a_distance": Meaning(
        "how well a linear classifier tells the domains' features apart, 0 to 2"
    ),
    "*/recall@*": Meaning("share of a user's hidden items in the top k", "higher"),
    "*/precision@*": Meaning("share of the top k that is a hidden item", "higher"),
    "*/hit_rate@*": Meaning("share of users with a hidden item in the top k", "higher"),
    "*/ndcg@*": Meaning("hidden items in the top k, early places count more", "higher"),
    "*/map@*": Meaning(
        "average precision of the top k, 1 where it is full of hidden items", "higher"
    ),
    "*/map_cut@*": Meaning(
        "average precision of the top k by all hidden items, as trec_eval has it",
        "higher",
    ),
    "*/mrr@*": Meaning("mean of 1 by the place of the first hidden item", "higher"),
    "*/coverage@*": Meaning("share of all items that is in somebody's top k", "higher"),
    "*/popularity@*": Meaning(
        "how popular the items in the top k are, 1 for those of the training pairs"
    ),
    "*/novelty@*": Meaning(
        "bits of an item in the top k: how rare it is in the training pairs"
    ),
}
"""By patterns of names, of which the longest that fits counts."""


def meaning_of(name: str) -> Meaning | None:
    """What a logged value means, or None where that is not known.

    >>> str(meaning_of("val/recall@20"))
    "share of a user's hidden items in the top k; higher is better"
    """
    fitting = [pattern for pattern in MEANINGS if fnmatchcase(name, pattern)]
    return MEANINGS[max(fitting, key=len)] if fitting else None


def better_of(name: str) -> Better:
    """The direction in which a value is better, as far as that is known."""
    meaning = meaning_of(name)
    return meaning.better if meaning else ""


def meanings_as_markdown() -> Iterator[str]:
    """The table's lines, for a page."""
    yield from ("| value | what it is | better |", "|---|---|---|")
    for pattern, meaning in MEANINGS.items():
        yield f"| `{pattern}` | {meaning.text} | {meaning.better} |"
