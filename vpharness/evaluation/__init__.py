"""Evaluation: outcomes, fires, statistics and chance."""
