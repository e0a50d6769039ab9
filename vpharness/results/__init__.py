"""Results: the store of runs, candidates and fires, and what can be read off it."""
