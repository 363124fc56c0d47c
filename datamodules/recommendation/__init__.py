"""Data modules of users and items."""
