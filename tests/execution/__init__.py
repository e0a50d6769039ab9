"""Execution of resting orders."""
