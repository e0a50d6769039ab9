"""Tests of switching models while they are served."""
