"""Datasets: immutable folders of bins and grid in the lake, built, published, found, read and verified."""
