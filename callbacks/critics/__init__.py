"""Callbacks that watch a critic: its estimate, weights and gradients."""
