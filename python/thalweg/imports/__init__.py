"""Trained models of other libraries as runs."""
