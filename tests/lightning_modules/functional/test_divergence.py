"""The identities of the note's first part, eq. 4-14, on random laws."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr
from torch import Tensor
from torch.distributions import Normal

from lightning_modules.functional.adversarial import (
    discriminator_loss,
    jensen_shannon_estimate,
)
from lightning_modules.functional.closed_forms import wasserstein_1d
from lightning_modules.functional.distance import jensen_shannon
from lightning_modules.functional.divergence import (
    discriminator_objective,
    js_divergence,
    kl_divergence,
    kl_from_logits,
    optimal_discriminator,
)

laws = given(k=st.integers(2, 30), seed=st.integers(0, 2**31))
quick = settings(max_examples=50)
LOG2 = math.log(2)


def law(k: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(k, generator=generator, dtype=torch.float64)).softmax(0)


@laws
@quick
def test_no_discriminator_beats_the_optimum(k: int, seed: int) -> None:
    real, fake, other = law(k, seed), law(k, seed + 1), law(k, seed + 2)
    best = optimal_discriminator(real, fake)
    value = discriminator_objective(real, fake, best)
    assert value <= discriminator_objective(real, fake, other)
    nearby = (best + 1e-3 * (law(k, seed + 3) - 1 / k)).clamp(1e-9, 1 - 1e-9)
    assert value <= discriminator_objective(real, fake, nearby)


@laws
@quick
def test_the_derivative_of_eq_4_vanishes_at_the_optimum(k: int, seed: int) -> None:
    real, fake = law(k, seed), law(k, seed + 1)
    scores = optimal_discriminator(real, fake).requires_grad_(True)
    discriminator_objective(real, fake, scores).backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    by_hand = -real / scores + fake / (1 - scores)  # eq. 5
    torch.testing.assert_close(scores.grad, by_hand.detach(), atol=1e-12, rtol=1e-6)
    assert scores.grad.abs().max() < 1e-9


@laws
@quick
def test_the_minimax_loss_is_twice_js_minus_2_log_2(k: int, seed: int) -> None:
    real, fake = law(k, seed), law(k, seed + 1)
    best = optimal_discriminator(real, fake)
    eq7 = (real * best.log()).sum() + (fake * (1 - best).log()).sum()
    middle = (real + fake) / 2
    eq8 = (real * (real / middle).log()).sum() + (fake * (fake / middle).log()).sum()
    torch.testing.assert_close(eq7, eq8 - 2 * LOG2)
    torch.testing.assert_close(eq7, 2 * js_divergence(real, fake) - 2 * LOG2)  # 11
    loss = discriminator_objective(real, fake, best)
    torch.testing.assert_close(-eq7, loss)
    torch.testing.assert_close(
        jensen_shannon_estimate(loss), js_divergence(real, fake), check_dtype=False
    )


@laws
@quick
def test_kl_is_the_mean_logit_of_the_optimum(k: int, seed: int) -> None:
    real, fake = law(k, seed), law(k, seed + 1)
    best = optimal_discriminator(real, fake)
    eq12 = (fake * ((1 - best) / best).log()).sum()
    torch.testing.assert_close(eq12, kl_divergence(fake, real))


@laws
@quick
def test_the_second_loss_is_kl_minus_twice_js_up_to_terms_of_the_data(
    k: int, seed: int
) -> None:
    real, fake = law(k, seed), law(k, seed + 1)
    best = optimal_discriminator(real, fake)
    second_loss = -(fake * best.log()).sum()
    rest = 2 * LOG2 + (real * best.log()).sum()  # no generator in it if D is held
    eq13 = kl_divergence(fake, real) - 2 * js_divergence(real, fake) + rest
    torch.testing.assert_close(second_loss, eq13)


@laws
@quick
def test_with_d_held_eq_14_has_the_gradient_of_the_second_loss(
    k: int, seed: int
) -> None:
    """The gradient of E_g[-log D*], D* held, is that of KL(P_g, P_r) - 2 JS.

    An identity of gradients at the current generator (Arjovsky and Bottou 2017, theorem
    2.5), not of values.
    """
    real, logits = law(k, seed), law(k, seed + 1).log().requires_grad_(True)
    fake = logits.softmax(0)
    best = optimal_discriminator(real, fake).detach()
    second_loss = -(fake * best.log()).sum()
    eq14 = kl_divergence(fake, real) - 2 * js_divergence(real, fake)
    (ours,) = torch.autograd.grad(second_loss, logits, retain_graph=True)
    (theirs,) = torch.autograd.grad(eq14, logits)
    torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=1e-6)


def test_divergences_of_nearly_equal_laws_are_not_negative_in_float32() -> None:
    g = torch.Generator().manual_seed(0)
    p = torch.randn(300, 9, generator=g).softmax(-1)
    q = (p.log() + 1e-4 * torch.randn(300, 9, generator=g)).softmax(-1)
    assert float(kl_divergence(p, q).min()) >= 0
    assert float(js_divergence(p, q).min()) >= 0


def test_the_library_s_discriminator_gives_the_kl_of_eq_12_with_its_sign_turned() -> (
    None
):
    real, fake = law(9, 0), law(9, 1)
    logits = torch.logit(optimal_discriminator(real, fake))
    rows = torch.multinomial(
        fake, 200_000, replacement=True, generator=torch.Generator().manual_seed(0)
    )
    found = kl_from_logits(-logits[rows])
    assert float(found) == pytest.approx(float(kl_divergence(fake, real)), rel=0.02)


@laws
@quick
def test_divergences_agree_with_scipy(k: int, seed: int) -> None:
    p, q = law(k, seed), law(k, seed + 1)
    p[0] = 0.0
    p = p / p.sum()
    expected = float(rel_entr(p.numpy(), q.numpy()).sum())
    assert float(kl_divergence(p, q)) == pytest.approx(expected)
    torch.testing.assert_close(js_divergence(p, q), jensen_shannon(p, q) ** 2)
    assert 0 <= float(js_divergence(p, q)) <= LOG2


def test_kl_is_infinite_where_only_one_law_puts_mass() -> None:
    p, q = torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])
    assert kl_divergence(p, q) == math.inf
    assert kl_divergence(q, p) == pytest.approx(LOG2)  # and so it is not symmetric


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_js_of_disjoint_laws_stands_still_while_w1_moves(steps: int) -> None:
    places = torch.arange(20.0)
    real, fake, nearer = torch.zeros(20), torch.zeros(20), torch.zeros(20)
    real[:2], fake[5 + steps : 7 + steps], nearer[4 + steps : 6 + steps] = 0.5, 0.5, 0.5
    assert js_divergence(real, fake) == pytest.approx(LOG2)
    assert js_divergence(real, nearer) == pytest.approx(LOG2)  # no slope to follow
    assert wasserstein_1d(places, places, real, fake) == pytest.approx(5 + steps)
    assert wasserstein_1d(places, places, real, nearer) == pytest.approx(4 + steps)


def test_js_of_disjoint_laws_has_no_gradient_and_w1_has() -> None:
    """Two laws on [0, 1] and [t, t + 1] with t = 3, on a fine grid."""
    t = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    grid = torch.linspace(-1, 6, 7001, dtype=torch.float64)

    def bump(x: Tensor) -> Tensor:  # smooth, zero outside [0, 1]
        inside = (x > 0) & (x < 1)
        safe = torch.where(inside, x, torch.full_like(x, 0.5))
        return torch.where(
            inside, (-1 / (safe * (1 - safe))).exp(), torch.zeros_like(x)
        )

    real, fake = bump(grid), bump(grid - t)
    real, fake = real / real.sum(), fake / fake.sum()
    best = optimal_discriminator(real, fake).clamp(1e-15, 1 - 1e-15)
    js = LOG2 - discriminator_objective(real, fake, best) / 2
    (slope,) = torch.autograd.grad(js, t)
    assert float(js.detach()) == pytest.approx(LOG2)
    assert float(slope) == pytest.approx(0.0, abs=1e-12)
    # The same two laws: the bump's quantiles are its points, so moving it moves them.
    w1 = wasserstein_1d(grid, grid + t, real.detach(), real.detach())
    on_the_grid = wasserstein_1d(grid, grid, real.detach(), fake.detach())
    (slope,) = torch.autograd.grad(w1, t)
    assert float(w1.detach()) == pytest.approx(float(on_the_grid), rel=1e-6)
    assert float(on_the_grid) == pytest.approx(3.0)
    assert float(slope) == pytest.approx(1.0)


def test_samples_through_the_optimal_logits_give_the_divergences() -> None:
    p, q = Normal(0.0, 1.0), Normal(1.0, 1.0)
    torch.manual_seed(0)
    x, y = p.sample((400_000,)), q.sample((400_000,))  # type: ignore[no-untyped-call]

    def logits(z: Tensor) -> Tensor:
        return p.log_prob(z) - q.log_prob(z)  # type: ignore[no-untyped-call, no-any-return]

    assert float(kl_from_logits(logits(x))) == pytest.approx(0.5, abs=5e-3)
    grid = torch.linspace(-12, 13, 100_001, dtype=torch.float64)
    on_p, on_q = p.log_prob(grid).exp(), q.log_prob(grid).exp()  # type: ignore[no-untyped-call]
    exact = js_divergence(on_p / on_p.sum(), on_q / on_q.sum())
    found = jensen_shannon_estimate(discriminator_loss(logits(x), logits(y)))
    assert float(found) == pytest.approx(float(exact), abs=2e-3)


def test_a_point_that_neither_law_knows_is_undecided() -> None:
    nothing = torch.zeros(2)
    assert optimal_discriminator(nothing, nothing).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("apart", [1e-2, 1e-3, 1e-4])
def test_divergences_of_near_laws_in_float32_are_those_in_float64(apart: float) -> None:
    g = torch.Generator().manual_seed(0)
    p = torch.softmax(torch.randn(50, generator=g), 0)
    q = p * (1 + apart * torch.randn(50, generator=g))
    q = q / q.sum()
    for divergence in (js_divergence, kl_divergence):
        rounded, precise = divergence(p, q), divergence(p.double(), q.double())
        assert rounded.dtype == torch.float32
        torch.testing.assert_close(rounded.double(), precise, rtol=1e-6, atol=0)
