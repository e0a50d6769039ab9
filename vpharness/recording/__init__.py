"""Recording exchanges' messages as they arrive, into files that the sources of `vpharness.events` read."""
