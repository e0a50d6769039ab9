"""Signals: the time operators, and one file a signal."""
