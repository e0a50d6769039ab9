"""Tests of the board: its pages, the ranking that they show, and how it is served."""
