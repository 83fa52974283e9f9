"""Checks of section A."""
