"""The objectives against the formulas of the note, and their limits."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lightning_modules.functional import adversarial as F

logits = st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=6).map(torch.tensor)


@given(logits, logits)
def test_discriminator_loss_is_equation_1(real: Tensor, fake: Tensor) -> None:
    d_real, d_fake = real.double().sigmoid(), fake.double().sigmoid()
    expected = -d_real.log().mean() - (1 - d_fake).log().mean()
    torch.testing.assert_close(
        F.discriminator_loss(real.double(), fake.double()), expected
    )


@given(logits)
def test_generator_losses_are_equations_2_and_3(fake: Tensor) -> None:
    d = fake.double().sigmoid()
    torch.testing.assert_close(
        F.saturating_generator_loss(fake.double()), (1 - d).log().mean()
    )
    torch.testing.assert_close(
        F.non_saturating_generator_loss(fake.double()), -d.log().mean()
    )


@given(logits, logits)
def test_wasserstein_losses_are_equations_34_and_35(real: Tensor, fake: Tensor) -> None:
    torch.testing.assert_close(
        F.wasserstein_critic_loss(real, fake), fake.mean() - real.mean()
    )
    torch.testing.assert_close(F.wasserstein_generator_loss(fake), -fake.mean())


@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_gan_losses_and_gradients_are_finite_for_extreme_logits(logit: float) -> None:
    x = torch.full((3,), logit, requires_grad=True)
    total = (
        F.discriminator_loss(x, x)
        + F.saturating_generator_loss(x)
        + F.non_saturating_generator_loss(x)
    )
    total.backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert torch.isfinite(total)
    assert torch.isfinite(x.grad).all()


def test_only_the_saturating_loss_has_no_gradient_where_the_discriminator_is_sure() -> (
    None
):
    slopes = []
    for loss in (F.saturating_generator_loss, F.non_saturating_generator_loss):
        fake = torch.full((4,), -50.0, requires_grad=True)
        (slope,) = torch.autograd.grad(loss(fake), fake)
        slopes.append(slope.abs().sum().item())
    assert slopes[0] < 1e-12
    assert slopes[1] == pytest.approx(1.0)


def test_js_estimate_of_the_best_discriminator_is_the_divergence() -> None:
    p, q = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.1, 0.3, 0.6])
    best = (p / q).log()  # eq. 6 as a logit
    loss = -(p * best.sigmoid().log()).sum() - (q * (-best).sigmoid().log()).sum()
    mixture = (p + q) / 2
    js = ((p * (p / mixture).log()).sum() + (q * (q / mixture).log()).sum()) / 2
    torch.testing.assert_close(F.jensen_shannon_estimate(loss), js)
    assert F.jensen_shannon_estimate(torch.tensor(0.0)) == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    "loss",
    [
        lambda column: F.discriminator_loss(column, torch.zeros(3)),
        lambda column: F.discriminator_loss(torch.zeros(3), column),
        lambda column: F.wasserstein_critic_loss(column, torch.zeros(3)),
        lambda column: F.wasserstein_critic_loss(torch.zeros(3), column),
        F.wasserstein_generator_loss,
        F.saturating_generator_loss,
        F.non_saturating_generator_loss,
    ],
)
def test_a_column_of_scores_is_refused(loss: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(ValueError, match=r"vector \(n,\)"):
        loss(torch.zeros(3, 1))
