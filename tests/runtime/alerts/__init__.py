"""Tests of what happens when a claim of a served model changes."""
