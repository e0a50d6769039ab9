"""Tests of the engine: bins, scores and what models are ready for."""
