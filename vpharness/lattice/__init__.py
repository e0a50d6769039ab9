"""The lattice: events in, finished bins out, as one resumable function."""
