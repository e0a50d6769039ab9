"""Online simulation: what is served, replayed bin by bin, timed, and held against the run over all bins at once."""
