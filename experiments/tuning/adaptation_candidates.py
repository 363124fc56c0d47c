"""Settings that `experiments.tuning.adaptation` chooses from without target labels."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """A setting: options on top of configs/<method>/<config>.yaml, for some steps.

    Without ``tasks`` it is tried on all of the table's.
    """

    config: str
    options: tuple[str, ...] = ()
    method: str = "wdgrl"
    steps: int = 2000
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """The candidates for a table."""

    table: str
    candidates: Mapping[str, Candidate]

    @property
    def methods(self) -> tuple[str, ...]:
        """Those that have candidates."""
        return tuple(dict.fromkeys(c.method for c in self.candidates.values()))

    def of(self, method: str) -> list[str]:
        """Names of a method's candidates."""
        return [name for name, c in self.candidates.items() if c.method == method]


_AVERAGED = ('--trainer.callbacks+={"class_path": "WeightEMA"}',)
_WARM = (
    '--trainer.callbacks+={"class_path": "WeightEMA", "init_args": {"warmup": true}}',
)
_DROPOUT = ("--model.extractor.init_args.dropout=0.5",)
_LOG = ("--data.normalise=log1p",)
_STRONG = ("--model.transfer_weight=1.0",)
_SHALLOW = ("--model.extractor.init_args.hidden=[100]",)
_RAMP = ("--model.ramp=sigmoid",)


def _wdgrl(config: str, steps: int, **options: tuple[str, ...]) -> dict[str, Candidate]:
    return {
        name.replace("_", "-"): Candidate(config, words, steps=steps)
        for name, words in options.items()
    }


_RING = ("books-dvd", "dvd-electronics", "electronics-kitchen", "kitchen-books")


def _weights(method: str, key: str, values: Iterable[float]) -> dict[str, Candidate]:
    return {
        f"{method}-{value:g}": Candidate(
            "amazon", (f"--model.{key}={value}",), method, tasks=_RING
        )
        for value in values
    }


CHOICES = {
    "amazon": Choice(
        "wdgrl-amazon",
        {
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
    ),
    "office-surf": Choice(
        "wdgrl-office-surf",
        _wdgrl(
            "office_surf_authors",
            1200,
            plain=(),
            strong=_STRONG,
            averaged=_AVERAGED,
            averaged_dropout=(*_AVERAGED, *_DROPOUT),
            averaged_dropout_strong=(*_AVERAGED, *_DROPOUT, *_STRONG),
            averaged_dropout_shallow=(*_AVERAGED, *_DROPOUT, *_SHALLOW),
        ),
    ),
}
