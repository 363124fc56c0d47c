"""Callbacks of recommendation: top items, maps, exported tables."""
