"""The live session: events in, scored bins out, one bin at a time, and those bins as frames of a stream."""

from vpharness.live.followed_orders import FollowedOrders
from vpharness.live.live_model import LiveModel, ScoredBin, scores_of
from vpharness.live.live_session import LONGEST_GAP_NS, LiveSession

__all__ = ["LONGEST_GAP_NS", "FollowedOrders", "LiveModel", "LiveSession", "ScoredBin", "scores_of"]
