"""What looks wrong in a run's values, each with what it means and what to try."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean, median

from callbacks.report.run_files import Run, Series

LATE = 0.2
"""The share of the values, at the end, that a sign of the end is judged by."""


@dataclass(frozen=True)
class Sign:
    """Something that a reader should look at.

    Args:
        title: What was seen, with its figures.
        meaning: What it means and what to try, in one paragraph.
    """

    title: str
    meaning: str


def signs(run: Run) -> list[Sign]:
    """All that looks wrong, in the order of `CHECKS`."""
    return [sign for check in CHECKS for sign in check(run)]


def late(series: Series) -> float | None:
    """The mean of the last values, or None without any."""
    count = math.ceil(LATE * len(series))
    return fmean(value for _, value in series[-count:]) if count else None


def not_finite(run: Run) -> Iterator[Sign]:
    """NaN or infinite values."""
    odd = [name for name, values in run.series.items() if any(map(_is_odd, values))]
    if odd:
        yield Sign(
            f"Not all values are finite: {', '.join(sorted(odd))}",
            "A metric that is NaN or infinite can't be compared, and a loss that is "
            "ends the training. Look for the first step where it happens: a rate that "
            "is too high, 16-bit precision, or rows of the data that are not finite.",
        )


def _is_odd(point: tuple[int, float]) -> bool:
    return not math.isfinite(point[1])


def negative_estimate(run: Run) -> Iterator[Sign]:
    """A critic that prefers the generated samples."""
    value = late(run.finite("train/wasserstein"))
    if value is not None and value < 0:
        yield Sign(
            f"The critic's estimate is negative at the end ({value:.3g})",
            "The critic is behind the generator: raise n_critic or the critic's rate, "
            "or lower the generator's. It scores generated samples above real ones, "
            "where a critic that is 0 everywhere would already estimate 0 (the "
            "maximum of eq. 32 in docs/theory.md). The samples may be fine all the "
            "same.",
        )


def far_from_exact(run: Run) -> Iterator[Sign]:
    """An estimate per slope that is far from the exact distance."""
    estimate = late(run.finite("train/wasserstein_per_slope"))
    exact = late(run.finite("train/wasserstein_exact"))
    floor = late(run.finite("train/wasserstein_floor")) or 0.0
    if estimate is None or not exact or exact < 1.5 * floor:  # nothing left to see
        return
    if 0.5 <= estimate / exact <= 1.1:
        return
    share = estimate / exact
    yield Sign(
        f"The estimate per slope is {share:.2f} of the exact distance",
        (_BELOW if share < 1 else _ABOVE) + _floor_said(exact, floor),
    )


_BELOW = (
    "Look at the samples first: they may be fine all the same. The critic's loss says "
    "little about the distance, for the critic is weak or behind the generator: raise "
    "n_critic or the critic's rate or width, or lower the generator's rate. A critic "
    "that attains the distance is at 1.00."
)
_ABOVE = (
    "No critic can be above 1.00: the slope was measured where the critic is flatter "
    "than elsewhere. Compare critic_lipschitz, its largest slope."
)


def _floor_said(exact: float, floor: float) -> str:
    """What of the exact distance is due to the number of samples."""
    if floor:
        return (
            f" Of the exact distance ({exact:.3g}) two sets of data have {floor:.3g}, "
            "the floor, which a critic of all data does not see."
        )
    return (
        " No floor was measured, as the data has too few samples for two sets: between "
        "few points of high dimension the exact distance is large by itself, so that a "
        "share below 1.00 is normal."
    )


def saturated_clipping(run: Run) -> Iterator[Sign]:
    """A clipped critic whose weights nearly all stand at the bound."""
    share = late(run.finite("train/clip_saturation"))
    if share is not None and share > 0.8:
        yield Sign(
            f"{100 * share:.0f} % of the critic's weights are at the clipping bound",
            "Clipping drives weights to the two ends of their range, and a critic of "
            "such weights is little more than a sign pattern (Gulrajani et al. 2017, "
            "figure 1b). Raise model.clip, or use WGANGP, which bounds the slope "
            "itself.",
        )


def idle_penalty(run: Run) -> Iterator[Sign]:
    """A penalty that is 0 while the estimate is not."""
    penalty, slope = late(run.finite("train/penalty")), late(_slope(run))
    if penalty is not None and penalty < 1e-6 and slope is not None and slope < 0.5:
        yield Sign(
            f"The gradient penalty is near 0 ({penalty:.1e}) at a slope of {slope:.2f}",
            "A flat critic has learnt nothing yet: raise its rate, and see whether the "
            "inputs are in [-1, 1]. The penalty is 0 where the slope is 1 or, in the "
            "one-sided form, anywhere below it (eq. 36 in docs/theory.md).",
        )


def _slope(run: Run) -> Series:
    return run.finite("train/critic_slope")


def sure_discriminator(run: Run) -> Iterator[Sign]:
    """A discriminator that tells all samples apart, whose gradient is gone."""
    estimate = late(run.finite("train/js_estimate"))
    if estimate is not None and estimate > 0.97 * math.log(2):
        yield Sign(
            f"The discriminator is saturated: JS {estimate:.3f} of log 2 = 0.693",
            "Where the discriminator is sure, the gradient of the original generator "
            "loss vanishes, and that of the other one (-log D) gets unstable "
            "(Arjovsky and Bottou 2017). Train it less, or use a Wasserstein critic, "
            "whose gradient does not vanish.",
        )


def lost_modes(run: Run) -> Iterator[Sign]:
    """Fewer modes at the end than at some time before."""
    modes = run.finite("val/modes")
    most = max((value for _, value in modes), default=0)
    if modes and modes[-1][1] < most:
        yield Sign(
            f"{modes[-1][1]:.0f} modes at the end, {most:.0f} before",
            "The generator has dropped modes that it had: samples of the end are less "
            "diverse than those of an earlier checkpoint. Averaged weights "
            "(WeightEMA), lower rates or more critic updates help.",
        )


def other_shares(run: Run) -> Iterator[Sign]:
    """Classes that are predicted far more or less often in the target."""
    share = late(run.finite("val/share_distance"))
    if share is not None and share > 0.2:
        yield Sign(
            f"{100 * share:.0f} % of the target's rows are in other classes than the "
            "source's shares would put them",
            "If classes are as frequent in the target as in the source, these are "
            "mistakes: compare source_only. If they are not, matching the domains "
            "mixes classes up: set model.label_shift: true, or let `select` pick.",
        )


def exploding_gradient(run: Run) -> Iterator[Sign]:
    """A gradient norm that leaves its usual range."""
    for name in sorted(run.series):
        values = [value for _, value in run.finite(name)]
        if not name.startswith("grad_norm/") or not name.endswith("/total"):
            continue
        usual = median(values) if values else 0.0
        if usual > 0 and values[-1] > 100 * usual:
            yield Sign(
                f"{name} ends {values[-1] / usual:.0f} times above its median",
                "Gradients that grow by orders of magnitude come before a divergence. "
                "Lower the rate, or set gradient clipping for that network.",
            )


def past_the_best(run: Run) -> Iterator[Sign]:
    """Training that went on long after the best validation."""
    for best in run.record.get("best", []):
        values = run.finite(str(best.get("metric")))
        at = [step for step, value in values if value == best.get("value")]
        steps = [step for step, _ in values]
        if at and len(steps) >= 5 and at[0] <= steps[len(steps) // 2]:
            yield Sign(
                f"{best['metric']} was best at step {at[0]:,} of {steps[-1]:,}",
                "The second half of the training did not improve what chooses the "
                "checkpoint: it may overfit, or the rate is too high to settle. The "
                "best checkpoint is kept; a shorter run or a falling rate saves time.",
            )


CHECKS: tuple[Callable[[Run], Iterator[Sign]], ...] = (
    *(not_finite, negative_estimate, far_from_exact, saturated_clipping),
    *(idle_penalty, sure_discriminator, lost_modes, other_shares),
    *(exploding_gradient, past_the_best),
)
