"""Tests of fitted signals: models, labels, fits, weights and what runs make of them."""
