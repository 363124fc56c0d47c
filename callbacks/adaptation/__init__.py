"""Callbacks of domain adaptation: feature maps, confusion, labels."""
