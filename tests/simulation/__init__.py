"""Tests of online simulation."""
