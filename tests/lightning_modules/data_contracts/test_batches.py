"""Batches of loaders of a user's own are understood, or refused in one sentence."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import CombinedLoader
from torch.utils.data import DataLoader, TensorDataset

from lightning_modules import (
    CML,
    GAN,
    MMD,
    WDGRL,
    WGANGP,
    Classifier,
    ConvCritic,
    ConvGenerator,
    LinearMap,
    MetricLearner,
    MLPGenerator,
)
from lightning_modules.data_contracts.batches import (
    check_classes,
    domains_of,
    interactions_of,
    labelled_of,
    numbers_of,
    rows_of,
    samples_of,
)
from tests.support.methods import build
from tests.support.trainers import QUIET_TRAINER

X, Y = torch.randn(8, 2), torch.arange(8) % 2
ODD: dict[str, Any] = {
    "dict of an image": {"image": X, "label": Y},
    "dict without labels": {"source": X, "target": X},
    "words": "words",
    "nothing": (),
    "list of words": ["a", "b"],
    "None": None,
}

pytestmark = pytest.mark.filterwarnings("ignore:You defined a `validation_step`")


READERS = [rows_of, samples_of, labelled_of, domains_of, interactions_of]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_another_batch_is_refused_in_one_sentence(
    read: Callable[[Any], Any], odd: Any
) -> None:
    with pytest.raises(ValueError, match=r"A batch of this method is .*, but is ") as e:
        read(odd)
    assert str(e.value).endswith("change the data loader.")


@pytest.mark.parametrize("target", [X, (X, Y), [X]])
def test_a_dict_of_two_domains_is_their_batch(target: Any) -> None:
    source, labels, rows = domains_of({"source": (X, Y), "target": target})
    assert source is X
    assert labels is Y
    assert rows is X
    assert domains_of((X, Y, X)).target is X


def fit(method: Any, loader: Any) -> Trainer:
    module, _ = build(method)
    trainer = Trainer(max_steps=2, limit_val_batches=0, **QUIET_TRAINER)
    trainer.fit(module, loader)
    return trainer


def test_loaders_of_two_domains_can_be_combined() -> None:
    source = DataLoader(TensorDataset(X, Y), batch_size=4)
    target = DataLoader(TensorDataset(X, Y), batch_size=4)
    loader = CombinedLoader({"source": source, "target": target})
    assert fit(WDGRL, loader).global_step == 2


@pytest.mark.parametrize(
    ("method", "says"),
    [
        (WGANGP, "A batch of this method is x or"),
        (WDGRL, r"A batch of this method is .source, labels, target"),
        (MetricLearner, r"A batch of this method is .x, y"),
        (Classifier, r"A batch of this method is .x, y"),
        (CML, "CML ranks items for users, but a loader has no users and items"),
    ],
)
def test_a_method_refuses_dicts_of_a_loader_in_one_sentence(
    method: Any, says: str
) -> None:
    rows: Any = [{"image": x, "label": y} for x, y in zip(X, Y, strict=True)]
    with pytest.raises(ValueError, match=says):
        fit(method, DataLoader(rows, batch_size=4))


# Types and labels ---------------------------------------------------------------------

IMAGES = torch.rand(16, 1, 8, 8)
POINTS, CLASSES = torch.rand(16, 2), torch.arange(16) % 2
TRAINED: dict[Any, Callable[[Any, Any], tuple[Any, ...]]] = {
    Classifier: lambda _, y: (IMAGES, y),
    WDGRL: lambda x, y: (x, y, x),
    MMD: lambda x, y: (x, y, x),
    GAN: lambda x, _: (x,),
    WGANGP: lambda x, _: (x,),
    MetricLearner: lambda x, y: (x, y),
}


def loader(*columns: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(*columns), batch_size=4)


def built(method: Any) -> Any:
    if method is MetricLearner:
        return MetricLearner(LinearMap((2,)))
    return build(method)[0]


def train(module: Any, batches: Any) -> int:
    trainer = Trainer(max_steps=2, limit_val_batches=0, **QUIET_TRAINER)
    trainer.fit(module, batches)
    return trainer.global_step


def validate(module: Any, batches: Any) -> None:
    loaders = [batches] * 2 if isinstance(module, MetricLearner) else batches
    Trainer(**QUIET_TRAINER).validate(module, loaders, verbose=False)


@pytest.mark.parametrize("method", [Classifier, WDGRL, MMD, MetricLearner])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.uint8, torch.bool])
def test_whole_numbers_of_any_type_are_labels(method: Any, dtype: torch.dtype) -> None:
    batches = loader(*TRAINED[method](POINTS, CLASSES.to(dtype)))
    assert train(built(method), batches) == 2


@pytest.mark.parametrize(
    ("y", "says"),
    [
        (
            CLASSES + 9,
            r"^A batch has the label \d+, but model\.n_classes is \d+, ",
        ),
        (CLASSES - 1, r"^A batch has the label -1, but model\.n_classes is (2|10), "),
        (CLASSES.float(), r"^The labels of a batch are float32 \(4,\), but model\.n"),
        (
            CLASSES[:, None],
            r"^A batch of this method is .*, but has labels of sha",
        ),
    ],
    ids=["beyond", "-1", "float", "column"],
)
@pytest.mark.parametrize("method", [Classifier, WDGRL, MMD])
def test_labels_that_are_no_classes_are_refused(method: Any, y: Any, says: str) -> None:
    module, batches = built(method), loader(*TRAINED[method](POINTS, y))
    with pytest.raises(ValueError, match=says):
        train(module, batches)
    if method is not Classifier and int(y.min()) < 0:
        return  # an unknown label of a test row
    with pytest.raises(ValueError, match=says):
        validate(module, loader(IMAGES if method is Classifier else POINTS, y))


@pytest.mark.parametrize("run", [train, validate])
def test_a_column_of_labels_is_no_metric_learners(run: Callable[..., Any]) -> None:
    module, batches = built(MetricLearner), loader(POINTS, CLASSES[:, None])
    with pytest.raises(ValueError, match=r"but has labels of shape \(4, 1\) for 4 sam"):
        run(module, batches)


def test_shares_of_classes_and_ignored_labels_are_those_of_cross_entropy() -> None:
    shares = torch.rand(16, 10).softmax(1)
    assert train(built(Classifier), loader(IMAGES, shares)) == 2
    ignored = torch.where(CLASSES == 1, -100, CLASSES)
    assert train(built(Classifier), loader(IMAGES, ignored)) == 2
    validate(built(WDGRL), loader(POINTS, torch.where(CLASSES == 1, -1, CLASSES)))


def test_values_on_a_device_are_looked_at_in_the_first_batch_only() -> None:
    labels = torch.zeros(4, dtype=torch.int64, device="meta")
    check_classes(labels, 2, look=False)
    with pytest.raises((RuntimeError, NotImplementedError)):
        check_classes(labels, 2, look=True)


TYPES = [torch.float64, torch.float16, torch.uint8, torch.int64]


@pytest.mark.parametrize("method", [GAN, WGANGP, WDGRL, MMD, MetricLearner])
@pytest.mark.parametrize("dtype", TYPES)
def test_samples_of_another_type_than_the_weights_are_refused(
    method: Any, dtype: torch.dtype
) -> None:
    batches = loader(*TRAINED[method](POINTS.to(dtype), CLASSES))
    says = rf"^The samples of a batch are {dtype}".replace("torch.", "")
    with pytest.raises(ValueError, match=rf"{says}.* in the data loader, images to \["):
        train(built(method), batches)
    if method in (GAN, WGANGP) and dtype.is_floating_point:
        return  # distances of numbers of two types are right
    with pytest.raises(ValueError, match=says):
        validate(built(method), loader(POINTS.to(dtype), CLASSES))


class Scaled(LinearMap):
    """A network that converts bytes itself."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.float() / 255)


def test_a_network_may_convert_samples_itself() -> None:
    pixels = loader((POINTS * 255).byte(), CLASSES)
    assert train(MetricLearner(Scaled((2,)), loss="triplet"), pixels) == 2


def test_an_error_about_something_else_stays_what_it_is() -> None:
    module = MetricLearner(LinearMap((3,)))
    with pytest.raises(RuntimeError, match="shape"):
        train(module, loader(POINTS, CLASSES))


def test_bytes_of_one_domain_beside_numbers_of_the_other_are_refused() -> None:
    batches = loader(POINTS, CLASSES, (POINTS * 255).byte())
    with pytest.raises(ValueError, match=r"source .* float32, .* the target uint8"):
        train(built(MMD), batches)


# Modules ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [WGANGP, WDGRL, MMD, MetricLearner, Classifier])
@pytest.mark.parametrize("dtype", ["half", "double"])
def test_a_model_of_another_type_than_the_data_is_refused(
    method: Any, dtype: str
) -> None:
    module, data = build(method)
    getattr(module, dtype)()
    with pytest.raises(ValueError, match=r"^The samples .* float32, .* call \.float"):
        train(module, data)
    module.float()
    assert train(module, data) == 2


def test_a_model_and_batches_of_float64_train() -> None:
    assert train(build(WGANGP)[0].double(), loader(POINTS.double())) == 2


@pytest.mark.parametrize("method", [WGANGP, WDGRL, MMD, MetricLearner, Classifier])
def test_a_frozen_model_is_refused(method: Any) -> None:
    module, data = build(method)
    module.freeze()
    with pytest.raises(ValueError, match=r"^No weight of \w+ requires gradients: call"):
        train(module, data)
    module.unfreeze()
    assert train(module, data) == 2


def test_a_part_of_a_learner_may_be_frozen() -> None:
    module, data = build(WDGRL)
    module.extractor.requires_grad_(False)
    assert train(module, data) == 2


# Range --------------------------------------------------------------------------------


def image_gan(generator: Any = None) -> WGANGP:
    shape = (1, 8, 8)
    return WGANGP(generator or ConvGenerator(8, shape), ConvCritic(shape), n_critic=1)


@pytest.mark.parametrize("scale", [255.0, 1.2, -2.0])
def test_images_outside_of_a_tanhs_range_are_told_once(scale: float) -> None:
    with pytest.warns(UserWarning, match=r"images of .* in \[-1, 1\]: ") as told:
        train(image_gan(), loader(scale * IMAGES))
    assert len([one for one in told if "[-1, 1]" in str(one.message)]) == 1


def test_images_in_range_and_generators_without_one_are_not_told_of() -> None:
    assert train(image_gan(), loader(2 * IMAGES - 1)) == 2
    assert train(image_gan(MLPGenerator(8, (1, 8, 8))), loader(255 * IMAGES)) == 2


# Prediction ---------------------------------------------------------------------------


def predicted(module: Any, batches: Any) -> list[Any]:
    return list(Trainer(**QUIET_TRAINER).predict(module, batches))  # type: ignore[arg-type]


def test_sample_numbers_may_lie_in_a_list() -> None:
    numbers = torch.arange(4)
    for batch in (numbers, [numbers], numbers[:, None], [0, 1, 2, 3], (0, 1, 2, 3)):
        assert numbers_of(batch, "numbers") == [0, 1, 2, 3]
    assert numbers_of([7], "numbers") == [7]
    assert len(predicted(build(WGANGP)[0], loader(numbers))[0]) == 4


@pytest.mark.parametrize("odd", [POINTS, POINTS[:, 0], POINTS.long(), *ODD.values()])
def test_latents_are_no_sample_numbers(odd: Any) -> None:
    with pytest.raises(ValueError, match=r"^A batch of this .* sample numbers"):
        numbers_of(odd, "sample numbers")


def test_what_is_predicted_has_numbers_and_samples() -> None:
    module = built(WDGRL)
    assert len(predicted(module, loader(CLASSES, POINTS))) == 4
    for batches in (loader(POINTS, CLASSES), loader(POINTS), DataLoader(POINTS)):  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"^A batch of this method is \(num"):
            predicted(module, batches)


def test_points_are_predicted_of_samples_alone_too() -> None:
    module = built(MetricLearner)
    alone = predicted(module, DataLoader(POINTS, batch_size=4))  # type: ignore[arg-type]
    first = predicted(module, loader(POINTS, CLASSES))
    assert torch.equal(torch.cat(alone), torch.cat(first))
    with pytest.raises(
        ValueError, match=r"^A batch .*, but is \(int64 \(4\), float32 "
    ):
        predicted(module, loader(CLASSES, POINTS))
