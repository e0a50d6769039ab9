"""Events: the canonical market-by-order event, one reader a source, and the simulator."""
