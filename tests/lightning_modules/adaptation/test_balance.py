"""The transfer weight that is found during training."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lightning_modules.adaptation.balance import MEMORY, GradientBalance
from lightning_modules.adaptation.base import AdaptationModule, Features
from tests.support.domains import Pair, fit, module
from tests.support.methods import recorded

BALANCED = ["wdgrl", "mmd", "coral", "deepjdot", "mcc"]


def features() -> Features:
    g = torch.Generator().manual_seed(2)
    source, target = torch.randn(2, 8, 6, generator=g).requires_grad_()
    return Features(source, torch.arange(8) % 2, target)


def norm(loss: Tensor, h: Features) -> Tensor:
    found: Sequence[Tensor] = torch.autograd.grad(
        loss,
        [h.source, h.target],
        retain_graph=True,
        allow_unused=True,
        materialize_grads=True,
    )
    size: Tensor = torch.linalg.vector_norm(torch.cat([*found]))
    return size


@pytest.mark.parametrize("name", BALANCED)
def test_both_terms_move_the_features_alike(name: str) -> None:
    model = module(name, transfer_weight="auto", transfer_share=0.7)
    h = features()
    classes = cross_entropy(model.classifier(h.source), h.labels)
    transfer = model.transfer_loss(h)
    assert transfer is not None
    weight = 0.7 * norm(classes, h) / norm(transfer, h)
    torch.testing.assert_close(model.objective(h), classes + weight * transfer)
    assert recorded(model, model.objective, h)["transfer_weight"] == weight


@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_neither_the_unit_of_the_term_nor_that_of_features_matters(unit: float) -> None:
    def pull(in_unit: float, of_term: float) -> Tensor:
        """Size of the term's gradient beside that of the classes."""
        h = (in_unit * torch.ones(3)).requires_grad_()
        loss, term = (h / in_unit).square().sum(), of_term * (h / in_unit).sum()
        weight = GradientBalance(0.3)(loss, term, [h])
        of_loss, of_term_ = (
            torch.linalg.vector_norm(torch.autograd.grad(x, h, retain_graph=True)[0])
            for x in (loss, term)
        )
        found: Tensor = weight * of_term_ / of_loss
        return found

    for found in (pull(1, unit), pull(unit, 1), pull(unit, unit)):
        torch.testing.assert_close(found, torch.tensor(0.3))


def test_norms_are_running_means_that_begin_with_the_first() -> None:
    balance, h = GradientBalance(1.0), torch.ones(1, requires_grad=True)
    slopes = [3.0, 1.0, 2.0]
    for slope in slopes:
        weight = balance(slope * h.sum(), h.sum(), [h])
    expected = slopes[0]
    for slope in slopes[1:]:
        expected = MEMORY * expected + (1 - MEMORY) * slope
    assert float(weight) == pytest.approx(expected)


def test_a_term_without_a_gradient_does_no_harm() -> None:
    h = torch.ones(2, requires_grad=True)
    weight = GradientBalance(1.0)(h.sum(), 0 * h.sum(), [h])
    assert (weight * 0 * h.sum()).isfinite()


def test_a_reversed_gradient_has_a_number_for_its_weight() -> None:
    with pytest.raises(ValueError, match=r"'auto' is not for DANN.*set a number"):
        module("dann", transfer_weight="auto")


def test_it_goes_on_where_a_checkpoint_ended() -> None:
    model: AdaptationModule = module("mmd", transfer_weight="auto")
    fit(model, Pair(), steps=3)
    again = module("mmd", transfer_weight="auto")
    again.load_state_dict(model.state_dict())
    assert again.balance is not None
    assert model.balance is not None
    assert torch.equal(again.balance.norms, model.balance.norms)
    assert again.balance.norms.all()
