"""Tests of who may connect and what can be asked over HTTP."""
