"""Each sign is seen where it is, and not where all is well."""

import math
from pathlib import Path
from typing import Any

import pytest

from callbacks.report.run_files import Run, Series
from callbacks.report.signs import CHECKS, late, signs


def over(*values: float) -> Series:
    return [(10 * i, value) for i, value in enumerate(values, 1)]


def run_with(series: dict[str, Series], **record: Any) -> Run:
    return Run(Path("run"), record, {}, series)


WELL = {
    "train/wasserstein": over(5, 3, 1, 0.5, 0.4),
    "train/wasserstein_per_slope": over(5, 3, 1, 0.9, 0.9),
    "train/wasserstein_exact": over(5, 3, 1, 1, 1),
    "train/wasserstein_floor": over(0.1, 0.1, 0.1, 0.1, 0.1),
    "train/clip_saturation": over(0.1, 0.2, 0.3, 0.3, 0.3),
    "train/penalty": over(0.3, 0.1, 1e-2, 1e-2, 1e-2),
    "train/critic_slope": over(0.3, 0.8, 0.9, 1, 1),
    "train/js_estimate": over(0.6, 0.5, 0.5, 0.4, 0.4),
    "val/modes": over(3, 5, 7, 8, 8),
    "val/share_distance": over(0.5, 0.3, 0.1, 0.1, 0.1),
    "grad_norm/critic/total": over(1, 2, 1, 2, 1),
    "val/sliced_wasserstein": over(5, 4, 3, 2, 1),
}
BEST = [{"metric": "val/sliced_wasserstein", "value": 1.0, "path": "best.ckpt"}]
SEEN: list[tuple[str, dict[str, Series], str]] = [
    ("not_finite", {"val/fid": over(1, math.nan)}, "val/fid"),
    ("negative", {"train/wasserstein": over(5, 3, 1, 0, -0.3)}, "-0.3"),
    ("far", {"train/wasserstein_per_slope": over(5, 3, 1, 1, 0.1)}, "0.10 of"),
    ("above", {"train/wasserstein_per_slope": over(5, 3, 1, 1, 2)}, "2.00 of"),
    ("clipped", {"train/clip_saturation": over(0, 0, 0, 1, 0.97)}, "97 %"),
    (
        "idle",
        {"train/penalty": over(0, 0, 0), "train/critic_slope": over(0, 0, 0)},
        "slope of 0.00",
    ),
    ("sure", {"train/js_estimate": over(0.6, 0.69, 0.69, 0.69, 0.69)}, "0.690"),
    ("modes", {"val/modes": over(3, 8, 7)}, "7 modes at the end, 8 before"),
    ("shares", {"val/share_distance": over(0.1, 0.1, 0.1, 0.1, 0.31)}, "31 % of"),
    ("explodes", {"grad_norm/critic/total": over(1, 2, 1, 1, 900)}, "900 times"),
    ("past", {"val/sliced_wasserstein": over(5, 1, 3, 3, 3)}, "step 20 of 50"),
]


def test_where_all_is_well_there_is_no_sign() -> None:
    assert signs(run_with(WELL, best=BEST)) == []
    assert signs(run_with({})) == []


@pytest.mark.parametrize(
    ("series", "named"), [s[1:] for s in SEEN], ids=[s[0] for s in SEEN]
)
def test_each_sign_is_seen_alone_and_named_with_its_figure(
    series: dict[str, Series], named: str
) -> None:
    (sign,) = signs(run_with({**WELL, **series}, best=BEST))
    assert named in sign.title
    assert 80 < len(sign.meaning) < 600


def test_an_estimate_far_below_has_a_remedy_and_says_what_the_floor_is() -> None:
    far = {"train/wasserstein_per_slope": over(5, 3, 1, 1, 0.1)}
    (sign,) = signs(run_with({**WELL, **far}))
    assert "raise n_critic" in sign.meaning
    assert "two sets of data have 0.1, the floor" in sign.meaning
    series = {k: v for k, v in WELL.items() if k != "train/wasserstein_floor"}
    (sign,) = signs(run_with({**series, **far}))
    assert "No floor was measured" in sign.meaning


def test_a_sign_begins_with_what_to_try_where_equations_follow() -> None:
    (sign,) = signs(run_with({**WELL, "train/wasserstein": over(5, 3, 1, 0, -0.3)}))
    assert sign.meaning.index("raise n_critic") < sign.meaning.index("eq. 32")


def test_every_check_has_a_case() -> None:
    assert len(CHECKS) == len(SEEN) - 1  # two of one


def test_an_exact_distance_at_its_floor_accuses_no_critic() -> None:
    series = {
        "train/wasserstein_per_slope": over(0, 0, 0),
        "train/wasserstein_floor": over(0.9, 0.9, 0.9),
    }
    assert signs(run_with({**WELL, **series})) == []


def test_the_end_is_the_last_fifth() -> None:
    assert late(over(*range(10))) == 8.5
    assert late(over(7)) == 7
    assert late([]) is None
