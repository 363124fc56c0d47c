"""`compile: true`: the same losses, and no run lost where the compiler fails."""

import copy
import functools
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor, nn
from torch._dynamo.backends.common import aot_autograd
from torch._functorch._aot_autograd.utils import make_boxed_func
from torch._functorch.partitioners import min_cut_rematerialization_partition
from torch._inductor.decomposition import decompositions

from datamodules import Digits, ShiftedBlobs
from lightning_modules import (
    GAN,
    WDGRL,
    WGAN,
    WGANGP,
    ConvCritic,
    ConvGenerator,
    LinearClassifier,
    MLPCritic,
    MLPExtractor,
    MLPGenerator,
)
from lightning_modules.core.compiled import Compiled
from lightning_modules.core.module import AlternatingModule
from lightning_modules.functional import lipschitz
from tests.support.shapes import without_checks_of_shapes
from tests.support.trainers import QUIET_TRAINER

pytestmark = pytest.mark.compiles
DIGITS = (1, 8, 8)


def points(
    method: Callable[..., AlternatingModule], **options: Any
) -> AlternatingModule:
    return method(MLPGenerator(4, DIGITS, (16,)), MLPCritic(DIGITS, (16,)), **options)


def pictures(**options: Any) -> AlternatingModule:
    networks = ConvGenerator(4, DIGITS, width=4), ConvCritic(DIGITS, width=4)
    return WGANGP(*networks, **options)


def domains(**options: Any) -> AlternatingModule:
    networks = MLPExtractor((2,), (8,)), LinearClassifier(8, 2), MLPCritic((8,), (8,))
    return WDGRL(*networks, n_classes=2, **options)


MODULES: dict[str, Callable[..., AlternatingModule]] = {
    "gan": functools.partial(points, GAN),
    "wgan": functools.partial(points, WGAN),
    "wgan_gp": functools.partial(points, WGANGP),
    "wgan_gp, lazy": functools.partial(points, WGANGP, penalty_every=2),
    "wgan_gp, one-sided, leaky": functools.partial(pictures, one_sided=True),
    "wdgrl": domains,
    "wdgrl, lines only": functools.partial(domains, ends=False),
}


@pytest.fixture
def captured(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Graphs as the compiler sees them, without its minutes of making code."""
    made: list[Any] = []
    real = torch.compile

    def compile(function: Any, **options: Any) -> Any:
        made.append(function)
        return real(function, backend="aot_eager", **options)

    monkeypatch.setattr(torch, "compile", compile)
    without_checks_of_shapes(monkeypatch)
    torch.compiler.reset()
    return made


def losses(make: Callable[..., AlternatingModule], compile: bool) -> list[Tensor]:
    """What a few steps record."""
    seed_everything(0, verbose=False)
    model, seen = make(compile=compile), list[Tensor]()

    def keep(**values: Tensor) -> None:
        seen.extend(v.detach().clone() for v in values.values())

    model.record = keep  # type: ignore[method-assign]
    adapts = isinstance(model, WDGRL)
    data = ShiftedBlobs(batch_size=16) if adapts else Digits(batch_size=16)
    trainer = Trainer(
        **QUIET_TRAINER,
        max_steps=3,
        max_epochs=-1,
        log_every_n_steps=1,
        limit_val_batches=0,
    )
    trainer.fit(model, data)
    return seen


@pytest.mark.parametrize("name", MODULES)
def test_losses_are_those_of_the_plain_module(name: str, captured: list[Any]) -> None:
    plain = losses(MODULES[name], compile=False)
    assert not captured
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        compiled = losses(MODULES[name], compile=True)
    assert len(captured) >= 1  # something was compiled, all of it in one graph
    torch.testing.assert_close(compiled, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh"])
def test_the_penalty_and_its_gradient_are_compiled_as_one(
    activation: Any, captured: list[Any]
) -> None:
    torch.manual_seed(0)
    critic = MLPCritic((6,), (16, 16), activation)
    x, y, epsilon = torch.randn(32, 6), torch.randn(32, 6) + 1, torch.rand(32)

    def objective(x: Tensor, y: Tensor, epsilon: Tensor) -> Tensor:
        return lipschitz.gradient_penalty(critic, x, y, epsilon)

    found = []
    for run in (objective, Compiled(objective)):
        loss = run(x, y, epsilon)
        grads = torch.autograd.grad(
            loss, list(critic.parameters()), allow_unused=True, materialize_grads=True
        )
        found.append([loss.detach(), *grads])
    assert captured
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_the_compiled_penalty_carries_no_zeros(
    activation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_checks_of_shapes(monkeypatch)
    torch.compiler.reset()
    products = []

    def count(graph: torch.fx.GraphModule, _: Any) -> Any:
        called = [str(node.target) for node in graph.graph.nodes]
        products.append(
            sum(name.startswith(("aten.mm", "aten.addmm")) for name in called)
        )
        return make_boxed_func(graph.forward)

    compiled = torch.compile(
        lipschitz.gradient_penalty, backend=aot_autograd(fw_compiler=count)
    )
    x, y, epsilon = torch.randn(8, 6), torch.randn(8, 6), torch.rand(8)
    critic = MLPCritic((6,), (16, 16), activation)
    torch.autograd.backward(compiled(critic, x, y, epsilon))
    # There: three layers for scores, three for slopes. Back: three matrices, and the
    # two slopes between them. Zeros would take three products more.
    assert products == [3 + 3, 3 + 2]


@pytest.mark.parametrize(("activation", "otherwise"), [("relu", 0), ("leaky_relu", 2)])
def test_no_truth_values_are_kept_for_the_backward_pass(
    activation: Any, otherwise: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Storing them makes a layer take eight times as long on a CPU."""
    kept: list[int] = []

    def forward(graph: torch.fx.GraphModule, _: Any) -> Any:
        out: Any = graph.graph.output_node().args[0]
        kept.append(sum(one.meta["val"].dtype == torch.bool for one in out))
        return make_boxed_func(graph.forward)

    def back(graph: torch.fx.GraphModule, _: Any) -> Any:
        return make_boxed_func(graph.forward)

    backend = aot_autograd(
        fw_compiler=forward,
        bw_compiler=back,
        decompositions=decompositions,
        partition_fn=min_cut_rematerialization_partition,
    )
    compile = functools.partial(torch.compile, backend=backend)
    monkeypatch.setattr(torch, "compile", compile)
    without_checks_of_shapes(monkeypatch)
    torch.compiler.reset()
    critic = MLPCritic((6,), (16, 16), activation)
    x, y, epsilon = torch.randn(8, 6), torch.randn(8, 6), torch.rand(8)
    model = WGANGP(MLPGenerator(2, (6,), (16,)), critic)
    compile(critic)(x)
    Compiled(critic)(x)
    Compiled(model._scores_and_penalty)(x, y, epsilon)
    assert kept == [otherwise, 0, 0]


@pytest.mark.slow
def test_the_real_compiler_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    without_checks_of_shapes(monkeypatch)
    torch.compiler.reset()
    plain = losses(MODULES["wgan_gp"], compile=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        compiled = losses(MODULES["wgan_gp"], compile=True)
    torch.testing.assert_close(compiled, plain, rtol=1e-4, atol=1e-5)


def broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("no compiler was found\nmore that nobody reads")


def test_a_failing_compiler_costs_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda *_, **__: broken)
    plain = losses(MODULES["wgan"], compile=False)
    with pytest.warns(UserWarning, match="could not be compiled") as warned:
        assert losses(MODULES["wgan"], compile=True) == plain
    (once,) = {str(w.message) for w in warned if "no compiler" in str(w.message)}
    assert once.endswith("runs eagerly: no compiler was found")


def test_a_backward_pass_that_cannot_be_compiled_fails_before_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forward(graph: torch.fx.GraphModule, _: Any) -> Any:
        return make_boxed_func(graph.forward)

    without_checks_of_shapes(monkeypatch)
    backend = aot_autograd(fw_compiler=forward, bw_compiler=broken)
    compile = functools.partial(torch.compile, backend=backend)
    monkeypatch.setattr(torch, "compile", compile)
    torch.compiler.reset()
    x = torch.ones(3, requires_grad=True)
    with pytest.warns(UserWarning, match="runs eagerly: .*no compiler"):
        y = Compiled(torch.sin)(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(slope, x.detach().cos())


def test_what_can_be_compiled_in_parts_only_runs_as_it_is_written(
    captured: list[Any],
) -> None:
    def parts(x: Tensor) -> Tensor:
        torch._dynamo.graph_break()
        return x + 1

    with pytest.warns(UserWarning, match="could not be compiled"):
        assert Compiled(parts)(torch.zeros(2)).tolist() == [1, 1]
    assert len(captured) == 1


def test_a_mistake_of_the_function_is_raised_as_ever(captured: list[Any]) -> None:
    def refuses(x: Tensor) -> Tensor:
        if len(x) != 2:
            raise ValueError("x must have 2 rows.")
        return x + 1

    run = Compiled(refuses)
    with (
        warnings.catch_warnings(action="error"),
        pytest.raises(ValueError, match="2 rows"),
    ):
        run(torch.zeros(3))
    assert run(torch.zeros(2)).tolist() == [1, 1]
    assert len(captured) == 1


def test_copies_compile_anew(captured: list[Any]) -> None:
    layer = Compiled(nn.Linear(2, 2))
    layer(torch.zeros(1, 2))
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        other(torch.zeros(1, 2))
    assert len(captured) == 3


def test_each_is_compiled_for_its_own_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: torch gives up a piece of code after eight shapes."""
    without_checks_of_shapes(monkeypatch)
    torch.compiler.reset()
    widths: list[Any] = []

    def note(graph: torch.fx.GraphModule, given: Any) -> Any:
        assert all(isinstance(x, Tensor) for x in given)  # no symbols of sizes
        widths.append(next(x.shape[0] for x in given if isinstance(x, Tensor)))
        return graph.forward

    compile = functools.partial(torch.compile, backend=note)
    monkeypatch.setattr(torch, "compile", compile)
    for n in range(1, 13):
        Compiled(torch.sin)(torch.zeros(n))
    assert widths == list(range(1, 13))
    assert {type(n) for n in widths} == {int}
