"""Supervised methods: metric learning and classification."""
