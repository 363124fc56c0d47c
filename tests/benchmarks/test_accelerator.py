"""The benchmarks of a CUDA device."""

from benchmarks import accelerator, generative


def test_one_method_is_timed_on_the_cpu() -> None:
    (row,) = accelerator.wgan_gp_rows("cpu", generative.PAIRS["digits"], steps=2)
    assert row["variant"] == "eager"
    assert row["beside eager"] == "1.00"
    assert float(row["real images a second"].replace(",", "")) > 0
    assert 0 < float(row["share of the matrix rate"].rstrip("%")) < 100
