"""Tests of engines: the order of works, what workers do, and the settings."""
