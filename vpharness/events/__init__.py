"""Events: the canonical market-by-order event, one reader for each kind of file, and a simulated market."""
