"""Fixtures of the experiments' tests."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments import records


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty docs and runs in the place of the repository's."""
    docs = tmp_path / "docs"
    (docs / "results").mkdir(parents=True)
    (docs / "results" / "published.yaml").write_text("{}")
    monkeypatch.setattr(records, "RESULTS", docs / "results")
    monkeypatch.setattr(records, "RUNS", tmp_path / "runs")
    return docs


@pytest.fixture
def _signals() -> Iterator[None]:
    """Handlers of signals as they were."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    # A shell without job control starts `make test &` with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
