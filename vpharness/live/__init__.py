"""The live session: events in, scored bins out, one bin at a time, and those bins as frames of a stream."""

from vpharness.live.session import LONGEST_GAP_NS, LiveModel, LiveSession, ScoredBin, scores_of

__all__ = ["LONGEST_GAP_NS", "LiveModel", "LiveSession", "ScoredBin", "scores_of"]
