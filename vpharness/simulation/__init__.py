"""Online simulation: a live session replayed bin by bin, timed, and compared with a run over all bins at once."""
