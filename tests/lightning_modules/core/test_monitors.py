from typing import Any

import pytest
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import (
    EarlyStopping,
    LambdaCallback,
    LearningRateMonitor,
)

from callbacks import Checkpoint, ModeCoverageMonitor
from lightning_modules import CML, WGANGP
from lightning_modules.core.monitors import refuse_monitors
from lightning_modules.recommendation.evaluation import RankingEvaluator
from tests.support.methods import build
from tests.support.shipped import METHODS, topic_of
from tests.support.trainers import QUIET_TRAINER


class OwnModule(WGANGP):
    """Of a user, who may log anything."""


class OwnEvaluator(RankingEvaluator):
    """Likewise."""


def refusal(module: Any, *callbacks: Callback) -> str:
    try:
        refuse_monitors(callbacks, module)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.filterwarnings("ignore:.*not have many workers", "ignore:.*in eval mode")
@pytest.mark.parametrize("method", METHODS, ids=lambda cls: cls.__name__)
def test_a_validation_measures_what_is_stated_and_nothing_else_can_be_monitored(
    method: Any,
) -> None:
    built: Any = build(method)
    module, data = built
    samples = [ModeCoverageMonitor(256)] * (topic_of(method) == "generative")
    trainer = Trainer(
        max_epochs=1, limit_train_batches=2, callbacks=[*samples], **QUIET_TRAINER
    )
    trainer.fit(module, data)
    stated = [part.metric_names() for part in (module.evaluator, *samples)]
    names = {f"val/{name}" for part in stated for name in part}
    logged = {n for n in trainer.callback_metrics if not n.startswith("train/")}
    assert logged == names
    assert module.monitor in names or topic_of(method) == "recommendation"
    for name in [*names, "epoch", "step", "train/loss"]:
        assert refusal(module, *samples, EarlyStopping(name)) == ""
    for name in names:
        wrong = Checkpoint(monitor=f"{name}_")
        assert refusal(module, *samples, wrong).endswith(f"monitor '{name}'.")


def test_a_name_that_may_be_a_users_is_not_refused() -> None:
    wrong = EarlyStopping("val/fidd")
    (module, _), (own, _) = build(WGANGP), build(WGANGP)
    own.__class__ = OwnModule
    assert "monitors 'val/fidd', which no validation measures: mon" in refusal(
        module, wrong
    )
    others = [LambdaCallback(), LearningRateMonitor(), type("Own", (Checkpoint,), {})()]
    for other in others:
        assert refusal(module, wrong, other) == ""
    assert refusal(module, EarlyStopping("val/fidd", strict=False)) == ""
    assert refusal(own, wrong) == ""
    ranker: Any = build(CML)[0]
    ranker.evaluator = OwnEvaluator(ks=(5,))
    assert refusal(ranker, wrong) == ""
    assert "add 9 to model.ks" in refusal(ranker, EarlyStopping("val/ndcg@9"))
