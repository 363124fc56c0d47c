"""GradientNorms on real fits of a few steps."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn

from callbacks.critics.gradient_norms import GradientNorms, layer_gradient_norms
from lightning_modules import WGANGP
from tests.support.games import Spy, fit, logged, make


def test_logged_norms_are_those_of_the_gradients_the_update_was_made_from() -> None:
    spy = Spy()
    trainer = fit(make(WGANGP), spy, GradientNorms(3), steps=3)
    for network in ("critic", "generator"):
        layers = {k.rpartition(".")[0] for k in spy.seen if k.startswith(network)}
        assert layers
        squares = []
        for layer in layers:
            parts = [v for k, v in spy.seen.items() if k.rpartition(".")[0] == layer]
            norm = torch.cat([part.flatten() for part in parts]).norm()
            key = "grad_norm/" + layer.replace(".", "/", 1)
            assert trainer.callback_metrics[key] == pytest.approx(float(norm), rel=1e-5)
            squares.append(norm.square())
        total = torch.stack(squares).sum().sqrt()
        metric = trainer.callback_metrics[f"grad_norm/{network}/total"]
        assert metric == pytest.approx(float(total), rel=1e-5)


def test_norms_are_taken_before_the_gradient_is_clipped() -> None:
    model = make(WGANGP, critic_clip_norm=1e-6, generator_clip_norm=1e-6)
    trainer = fit(model, GradientNorms(2), steps=2)
    assert trainer.callback_metrics["grad_norm/critic/total"] > 1e-3


def test_nothing_is_measured_on_other_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def count(*arguments: Any) -> dict[str, Tensor]:
        calls.append(1)
        return layer_gradient_norms(*arguments)

    monkeypatch.setattr("callbacks.critics.gradient_norms.layer_gradient_norms", count)
    logger = CSVLogger(tmp_path)
    fit(make(WGANGP), GradientNorms(3), logger=logger, steps=7)
    assert set(logged(logger, "grad_norm/generator/total")) == {3, 6}
    assert len(calls) == 2 * (2 + 1)  # two critic updates and one of the generator


def test_weights_without_gradient_are_left_out() -> None:
    module = nn.ModuleDict({"critic": nn.Linear(1, 1), "generator": nn.Linear(1, 1)})
    optimizer = torch.optim.SGD(module["critic"].parameters())
    assert layer_gradient_norms(module, optimizer) == {}
