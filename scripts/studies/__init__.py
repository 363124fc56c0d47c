"""The note's experiments: each file is one study, `scripts/figures.py` runs them."""
