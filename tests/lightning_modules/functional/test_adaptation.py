"""Distances between domains against closed forms, and against other ways to compute."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import rbf_kernel
from torch import Tensor

from lightning_modules.functional.adaptation import (
    class_confusion,
    coral_distance,
    joint_transport_cost,
    reverse_gradient,
    squared_mmd,
)
from lightning_modules.functional.transport import pot

ot = pot()
sizes = st.integers(2, 7)


def domains(seed: int, n: int, m: int, d: int = 3) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    source = torch.randn(n, d, generator=g, dtype=torch.float64)
    return source, 1 + 2 * torch.randn(m, d, generator=g, dtype=torch.float64)


@given(st.integers(0, 99), sizes, sizes, st.booleans())
def test_mmd_is_that_of_scikit_learns_kernels(
    seed: int, n: int, m: int, unbiased: bool
) -> None:
    x, y = domains(seed, n, m)
    expected = 0.0
    for width in (0.5, 3.0):
        kernel = rbf_kernel(torch.cat([x, y]).numpy(), gamma=1 / (2 * width))
        xx, yy, xy = kernel[:n, :n], kernel[n:, n:], kernel[:n, n:]
        if unbiased:
            xx = xx[~np.eye(n, dtype=bool)]
            yy = yy[~np.eye(m, dtype=bool)]
        expected += xx.mean() + yy.mean() - 2 * xy.mean()
    found = squared_mmd(x, y, (0.5, 3.0), unbiased=unbiased)
    assert float(found) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("unbiased", [True, False])
def test_the_mean_of_unbiased_estimates_of_equal_laws_is_zero(unbiased: bool) -> None:
    g = torch.Generator().manual_seed(0)
    draws = torch.randn(4000, 2, 4, 1, generator=g, dtype=torch.float64)
    mean = torch.stack([squared_mmd(x, y, (1.0,), unbiased=unbiased) for x, y in draws])
    error = mean.std() / len(draws) ** 0.5
    assert (mean.mean().abs() < 3 * error) == unbiased


def test_narrow_kernels_tell_near_rows_apart_far_from_zero() -> None:
    x = torch.full((40, 8), 100.0)
    near = x.clone()
    near[:, 0] += 1e-3  # squared distance 1e-6, lost in products of rows
    expected = 2 - 2 * float(np.exp(-((near - x)[0, 0].item() ** 2) / 2e-6))
    assert float(squared_mmd(x, near, (1e-6,))) == pytest.approx(expected, rel=1e-4)


@given(st.integers(0, 99), sizes, sizes)
def test_coral_is_the_distance_of_numpys_covariances(seed: int, n: int, m: int) -> None:
    x, y = domains(seed, n, m)
    apart = np.cov(x.numpy().T) - np.cov(y.numpy().T)
    expected = (apart**2).sum() / (4 * 3**2)
    assert float(coral_distance(x, y)) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_coral_does_not_see_a_shift() -> None:
    x, _ = domains(0, 6, 6)
    assert float(coral_distance(x, x + 5)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("loss", [squared_mmd, coral_distance])
def test_gradients_are_those_of_finite_differences(loss: object) -> None:
    x, y = domains(1, 4, 5)
    assert torch.autograd.gradcheck(loss, (x.requires_grad_(), y.requires_grad_()))  # type: ignore[arg-type]


def test_reversal_leaves_values_and_turns_gradients_round() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = reverse_gradient(x, 0.25)
    assert torch.equal(y, x)
    torch.autograd.backward((y * torch.tensor([1.0, 3.0])).sum())
    assert x.grad is not None
    assert x.grad.tolist() == [-0.25, -0.75]


def jdot(x: Tensor, labels: Tensor, y: Tensor, logits: Tensor) -> Tensor:
    return joint_transport_cost(
        x, labels, y, logits, feature_weight=0.3, label_weight=0.7
    )


@given(st.integers(0, 99), sizes, sizes)
def test_joint_cost_is_pots_on_the_written_out_matrix(
    seed: int, n: int, m: int
) -> None:
    x, y = domains(seed, n, m)
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (n,), generator=g)
    logits = torch.randn(m, 4, generator=g, dtype=torch.float64)
    cost = np.empty((n, m))
    for i in range(n):
        for j in range(m):
            p = np.exp(logits[j].numpy())
            p /= p.sum()
            apart = ((x[i] - y[j]).numpy() ** 2).sum()
            cost[i, j] = 0.3 * apart - 0.7 * np.log(p[labels[i]])
    expected = ot.emd2(np.full(n, 1 / n), np.full(m, 1 / m), cost)
    assert float(jdot(x, labels, y, logits)) == pytest.approx(expected, rel=1e-9)


@given(
    seed=st.integers(0, 99),
    m=st.integers(1, 9),
    k=st.integers(2, 5),
    t=st.floats(0.5, 5),
)
def test_class_confusion_is_that_of_loops(seed: int, m: int, k: int, t: float) -> None:
    g = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(m, k, generator=g, dtype=torch.float64)
    p = (logits / t).softmax(1).numpy()
    weights = np.array([1 + np.exp(sum(x * np.log(x) for x in row)) for row in p])
    weights *= m / weights.sum()
    c = np.array(
        [[sum(weights * p[:, i] * p[:, j]) for j in range(k)] for i in range(k)]
    )
    c /= c.sum(1, keepdims=True)
    expected = sum(c[i, j] for i in range(k) for j in range(k) if i != j) / k
    assert float(class_confusion(logits, t)) == pytest.approx(expected, rel=1e-9)


def test_class_confusion_is_0_where_rows_are_sure_and_most_where_none_is() -> None:
    sure, unsure = 1e3 * torch.eye(4), torch.zeros(5, 4)
    assert float(class_confusion(sure)) == pytest.approx(0, abs=1e-6)
    assert float(class_confusion(unsure)) == pytest.approx(0.75)
    halves = torch.tensor([[9.0, 9, -99, -99], [-99, -99, 9, 9]])
    assert float(class_confusion(halves)) == pytest.approx(0.5, abs=1e-5)


def test_the_gradient_of_the_joint_cost_is_that_of_the_value() -> None:
    x, y = domains(2, 4, 4)
    labels, logits = torch.tensor([0, 1, 1, 0]), torch.randn(4, 2).double()
    inputs = (x.requires_grad_(), y.requires_grad_(), logits.requires_grad_())
    assert torch.autograd.gradcheck(lambda a, b, c: jdot(a, labels, b, c), inputs)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: squared_mmd(x, x, (0.0,)), "widths must be positive"),
        (lambda x: squared_mmd(x[:1], x, unbiased=True), "needs at least two rows"),
        (lambda x: coral_distance(x[:1], x), "needs at least two rows"),
    ],
)
def test_what_has_no_value_is_refused(call: object, says: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=says):
        call(torch.zeros(3, 2))


def test_covariances_of_half_precision_features_do_not_overflow() -> None:
    x = 30 * torch.randn(64, 500, generator=torch.Generator().manual_seed(0))
    exact = float(coral_distance(x, 2 * x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float(coral_distance(x, 2 * x)) == exact
    half = x.half()
    assert float(coral_distance(half, 2 * half)) == pytest.approx(exact, rel=1e-2)


@pytest.mark.parametrize("apart", [1e-2, 1e-4])
def test_coral_of_near_domains_in_float32_is_that_in_float64(apart: float) -> None:
    g = torch.Generator().manual_seed(0)
    source = torch.randn(64, 10, generator=g)
    target = source + apart * torch.randn(64, 10, generator=g)
    precise = coral_distance(source.double(), target.double())
    rounded = coral_distance(source, target)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded.double(), precise, rtol=1e-5, atol=0)
