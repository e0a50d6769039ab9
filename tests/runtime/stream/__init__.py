"""Tests of what clients of the stream are sent."""
