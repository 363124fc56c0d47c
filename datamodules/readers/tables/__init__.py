"""Readers of interaction and item tables."""
