"""Candidates for the settings of domain adaptation."""

from collections.abc import Iterable
from dataclasses import dataclass

from experiments.tuning.search import Candidate


@dataclass(frozen=True)
class AdaptationCandidate(Candidate):
    """Options on top of configs/<method>/<config>.yaml, for some steps.

    Without ``tasks`` all of the table's are trained.
    """

    config: str = "amazon"
    steps: int = 2000
    tasks: tuple[str, ...] = ()


Candidates = dict[str, AdaptationCandidate]
_AVERAGED = ('--trainer.callbacks+={"class_path": "WeightEMA"}',)
_WARM = (
    '--trainer.callbacks+={"class_path": "WeightEMA", "init_args": {"warmup": true}}',
)
_DROPOUT = ("--model.extractor.init_args.dropout=0.5",)
_LOG = ("--data.normalise=log1p",)
_STRONG = ("--model.transfer_weight=1.0",)
_SHALLOW = ("--model.extractor.init_args.hidden=[100]",)
_RAMP = ("--model.ramp=sigmoid",)


def _wdgrl(config: str, steps: int, **options: tuple[str, ...]) -> Candidates:
    return {
        name.replace("_", "-"): AdaptationCandidate("wdgrl", words, config, steps)
        for name, words in options.items()
    }


_RING = ("books-dvd", "dvd-electronics", "electronics-kitchen", "kitchen-books")


def _weights(method: str, key: str, values: Iterable[float]) -> Candidates:
    return {
        f"{method}-{value:g}": AdaptationCandidate(
            method, (f"--model.{key}={value}",), tasks=_RING
        )
        for value in values
    }


CANDIDATES: dict[str, Candidates] = {
    "amazon": {
        **_wdgrl(
            "amazon_authors",
            2000,
            authors=(),
            averaged=_AVERAGED,
            averaged_dropout=(*_AVERAGED, *_DROPOUT),
            averaged_dropout_log=(*_AVERAGED, *_DROPOUT, *_LOG),
            averaged_ramp=(*_AVERAGED, *_RAMP),
            averaged_log_ramp=(*_AVERAGED, *_LOG, *_RAMP),
            averaged_dropout_log_ramp=(*_AVERAGED, *_DROPOUT, *_LOG, *_RAMP),
            warm_log_ramp=(*_WARM, *_LOG, *_RAMP),
        ),
        **_weights("mmd", "transfer_weight", (0.1, 0.5, 2.0)),
        **_weights("coral", "transfer_weight", (100, 1000, 10000)),
        **_weights("dann", "transfer_weight", (0.03, 0.1, 0.3)),
        **_weights("deepjdot", "label_weight", (0.01, 0.1, 1.0)),
    },
    "office-surf": _wdgrl(
        "office_surf_authors",
        1200,
        plain=(),
        strong=_STRONG,
        averaged=_AVERAGED,
        averaged_dropout=(*_AVERAGED, *_DROPOUT),
        averaged_dropout_strong=(*_AVERAGED, *_DROPOUT, *_STRONG),
        averaged_dropout_shallow=(*_AVERAGED, *_DROPOUT, *_SHALLOW),
    ),
}
