"""How fast the library is: `python -m benchmarks`, or `make bench`."""
