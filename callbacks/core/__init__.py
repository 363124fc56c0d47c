"""Bases and checks that callbacks share."""
