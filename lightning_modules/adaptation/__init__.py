"""Domain adaptation: WDGRL and its baselines."""
