"""Tests of the server's arguments and parameters."""
