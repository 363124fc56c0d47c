"""FID, KID, Inception score and class shares, at every validation and test."""

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from callbacks.generative.sampling import SampleMetrics, shares, stage_of
from lightning_modules.core.recipe import recipe_of
from lightning_modules.core.validation import check_at_least, check_seed
from lightning_modules.data_contracts.batches import samples_of
from lightning_modules.data_contracts.contracts import (
    DrawsSamples,
    SampleShape,
    data_of,
)
from lightning_modules.metrics import (
    ClassShares,
    FrozenFeatures,
    Inception,
    feature_scores,
)


class FeatureMetrics(SampleMetrics):
    """Compares samples with validation or test images in the features of a network.

    Logs, under ``val/`` and ``test/``:

    * ``fid``: Fréchet distance of Gaussians fitted to the features (lower is better;
      it shrinks with ``n_samples``, so compare only equal numbers);
    * ``kid``: squared maximum mean discrepancy, unbiased in the number of samples;
    * ``inception_score``: of the network's logits, between 1 and the number of classes;
    * ``min_class_share``, ``max_class_share``: smallest and largest share of a class
      among the samples, by the classifier.

    With ``inception`` the first three are on the scale of published figures. With a
    classifier of this project they are on that classifier's own scale: good for
    comparing methods with each other, not with papers.

    The real side is what the evaluation loop runs over; its features are computed once
    per fit. Samples come from fixed seeds, and no global random state is used up, so
    training is the same with and without it. The networks live here and in no
    checkpoint.

    Args:
        classifier: Safetensors file of a trained ``ConvClassifier``, or None.
        inception: Whether FID, KID and Inception score use Inception.
        n_samples: Samples at a test, over all processes.
        n_val_samples: Samples at a validation; None takes ``n_samples``.
        kid_subset_size: Features in each of KID's subsets; fewer where there are fewer.
        kid_subsets: Random subsets that KID is averaged over.
        inception_weights: File of Inception's weights; None downloads them.
        seed: Key of the latents and of the random subsets.

    Raises:
        ValueError: If neither network is given, a number is out of range, the
            classifier takes other images, or the module draws no samples.
        FileNotFoundError: If there is no file ``classifier``.
    """

    def __init__(
        self,
        classifier: str | None = None,
        inception: bool = False,
        n_samples: int = 10_000,
        n_val_samples: int | None = None,
        kid_subset_size: int = 1000,
        kid_subsets: int = 20,
        inception_weights: str | None = None,
        seed: int = 0,
    ) -> None:
        if classifier is None and not inception:
            raise ValueError(
                "FeatureMetrics needs a network: set classifier to a file trained with "
                "configs/classifier/mnist.yaml, or inception to true."
            )
        self.n_samples = {"val": n_val_samples or n_samples, "test": n_samples}
        for name, n in self.n_samples.items():
            if n < 10:
                raise ValueError(f"FeatureMetrics needs 10 samples at {name}, got {n}.")
        self.classifier, self.inception = classifier, inception
        self.inception_weights = inception_weights
        check_at_least(1, kid_subset_size=kid_subset_size, kid_subsets=kid_subsets)
        check_seed(seed=seed)
        self.kid_subset_size, self.kid_subsets = kid_subset_size, kid_subsets
        self.seed = seed
        self._extractors: dict[str, FrozenFeatures] = {}
        self._real: dict[str, Tensor] = {}
        self._collected: list[Tensor] = []

    @override
    def prepare(self, trainer: Trainer) -> None:
        """Load the networks now: a missing file should not come out hours later."""
        self._real = {}
        if self._extractors:
            return
        if self.classifier is not None:
            self._extractors["classifier"] = FrozenFeatures.from_file(self.classifier)
            self._check_shape(trainer)
        if self.inception:
            network = Inception(self.inception_weights)
            self._extractors["inception"] = FrozenFeatures(network)

    def _check_shape(self, trainer: Trainer) -> None:
        data = data_of(trainer)
        shape = data.shape if isinstance(data, SampleShape) else None
        recipe = recipe_of(self._extractors["classifier"].network) or {"init_args": {}}
        trained = recipe["init_args"].get("shape")
        if shape and trained and tuple(trained) != tuple(shape):
            raise ValueError(
                f"The classifier in '{self.classifier}' was trained on images of shape "
                f"{tuple(trained)}, but the data has {tuple(shape)}: set classifier of "
                "FeatureMetrics to one trained on this data."
            )

    @property
    def extractor(self) -> FrozenFeatures:
        """The network behind FID, KID and Inception score."""
        return self._extractors["inception" if self.inception else "classifier"]

    # One evaluation -----------------------------------------------------------------

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._collected = []
        for extractor in self._extractors.values():
            extractor.to(pl_module.device)

    on_test_start = on_validation_start

    @override
    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any,
        batch_idx: int, dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Compute the real images' features, the first time."""
        # A sanity check sees only the first batches.
        if stage_of(trainer) not in self._real and not trainer.sanity_checking:
            self._collected.append(self.extractor(samples_of(batch)))

    on_test_batch_end = on_validation_batch_end

    @override
    def metric_names(self) -> tuple[str, ...]:
        by_class = ("min_class_share", "max_class_share") if self.classifier else ()
        return ("fid", "kid", "inception_score", *by_class)

    @override
    def metrics(
        self, trainer: Trainer, module: DrawsSamples, stage: str
    ) -> dict[str, Tensor]:
        """The distances between real and generated features, and the class shares."""
        if stage not in self._real:
            self._real[stage] = torch.cat(self._collected)
        outputs, classes = [], []
        for images in shares(trainer, module, self.n_samples[stage], self.seed):
            outputs.append(self.extractor.features_and_logits(images))
            if self.inception and self.classifier:
                classifier = self._extractors["classifier"]
                classes.append(classifier.features_and_logits(images)[1])
        features, logits = (torch.cat(parts) for parts in zip(*outputs, strict=True))
        values = feature_scores(
            self._real[stage].to(module.device),
            features,
            logits,
            self.kid_subset_size,
            self.kid_subsets,
            self.seed,
        )
        if self.classifier:
            values |= class_share_range(torch.cat(classes) if classes else logits)
        return values


def class_share_range(logits: Tensor) -> dict[str, Tensor]:
    """``min_class_share`` and ``max_class_share`` of samples over all processes."""
    metric = ClassShares(logits.shape[1]).to(logits.device)
    metric.update(logits)
    class_shares = metric.compute()
    return {
        "min_class_share": class_shares.min(),
        "max_class_share": class_shares.max(),
    }
