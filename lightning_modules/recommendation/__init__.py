"""Recommendation: CML and its baselines."""
