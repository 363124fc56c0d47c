"""docs/performance.md."""

from benchmarks import page
from benchmarks.__main__ import BENCHMARKS


def test_every_benchmark_has_a_section() -> None:
    assert list(page.SECTIONS) == list(BENCHMARKS)


def test_the_committed_page_is_the_one_that_its_files_make() -> None:
    assert page.PAGE.read_text() == page.page_text()
