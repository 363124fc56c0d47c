"""The benchmarks of a CUDA device."""

import pytest
import torch

from benchmarks import accelerator, generative


def test_without_a_device_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert accelerator.accelerator(2) == [{"state": "not run: no CUDA device"}]


def test_the_script_for_a_device_runs_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    modes = {"eager": accelerator.MODES["eager"]}
    monkeypatch.setattr(accelerator, "MODES", modes)
    (row,) = accelerator.wgan_gp_rows("cpu", generative.PAIRS["digits"], steps=2)
    assert row["variant"] == "eager"
    assert float(row["real images a second"].replace(",", "")) > 0
    assert 0 < float(row["share of the matrix rate"].rstrip("%")) < 100
