"""Callbacks of generative methods: samples and their quality."""
