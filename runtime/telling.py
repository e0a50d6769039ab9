"""What clients and monitors are told of a hub: its configuration, its condition, and whether it is ready."""

import asyncio
import base64
import time
from collections.abc import Sequence
from typing import Any

from runtime.condition import RECENT_SECONDS
from runtime.hub import Configuration, Hub
from runtime.messages import PROTOCOL, model_facts, projection_facts, without_nan
from runtime.models import CHAMPION, ServedModel, live_on
from vpharness.live.frames import encode_json, encode_schema


def runtime_config(
    hub: Hub,
    told: Configuration,
    fields: Sequence[str],
    shadow: ServedModel | None = None,
    resumed: str | None = None,
    *,
    resets: bool = False,
) -> dict[str, Any]:
    """Return a configuration as a reader of some fields is told it.

    Args:
        hub: the stream.
        told: the configuration.
        fields: the grid columns of its binary frames.
        shadow: the model that it asked for.
        resumed: whether its bins go on where it was: "whole", "gap", "other_stream"; None where it did not ask.
        resets: whether the bins that it has seen do not go on.
    """
    champion, facts, ring = told.champion, hub.facts, hub.ring
    scorer = champion.live.scorer
    return {
        "type": "runtime_config",
        "protocol": PROTOCOL,
        "stream": hub.stream_id,
        "reason": told.reason,
        "reset": resets,
        "instrument": facts.instrument,
        "tick_size": facts.tick_size,
        "size_unit": facts.size_unit,
        "cell_width_ms": scorer.cell_width_ms,
        "radius": scorer.radius,
        "columns": list(hub.columns),
        "fields": list(fields),
        "schema": base64.b64encode(encode_schema(fields)).decode() if fields else None,
        "model": model_facts(champion),
        "evaluation": champion.record.evaluation,
        "projection": projection_facts(champion),
        "promised": champion.record.evidence.get("promised"),
        "challengers": [model_facts(model) for model in told.challengers],
        "shadow": None if shadow is None else model_facts(shadow),
        "feed": {"kind": facts.kind, "speed": facts.speed, "live": facts.live},
        "buffer": {"bins": ring.capacity, "first_seq": ring.first_seq, "next_seq": ring.next_seq},
        "resumed": resumed,
        "server_time_ns": str(time.time_ns()),
    }


def reasons_not_ready(hub: Hub) -> list[str]:
    """Say everything that keeps the stream from being relied on: nothing where it can be."""
    condition, now = hub.condition, time.monotonic()
    found = []
    champion = hub.statistics.get(CHAMPION)
    to_go = live_on(hub.champion, hub.facts).bins_to_ready if champion is None else champion["bins_to_go"]
    if to_go is None:
        found.append("the model never forgets where its feed began, and will never be ready")
    elif to_go:
        found.append(f"the model is warming up, for {to_go} bins")
    if condition.state != "live":
        found.append(f"the feed is {condition.state}" + (f": {condition.problem}" if condition.problem else ""))
    silent_s = None if condition.last_bin_at is None else now - condition.last_bin_at
    if silent_s is not None and silent_s > hub.settings.stale_s:
        found.append(f"no bin has come for {silent_s:.0f} s")
    found += hub.troubles
    if condition.recent_misses:
        found.append(f"{len(condition.recent_misses)} deadlines were missed in the last {RECENT_SECONDS:g} s")
    return found


def status(hub: Hub) -> dict[str, Any]:
    """Return how things stand, as it is told once a second."""
    condition, reasons = hub.condition, reasons_not_ready(hub)
    lag_ms = None
    if hub.facts.live and condition.last_bin_end_ns is not None:
        lag_ms = (time.time_ns() - condition.last_bin_end_ns) / 1e6
    champion = hub.statistics.get(CHAMPION)
    return {
        "type": "status",
        "server_time_ns": str(time.time_ns()),
        "feed": {
            "state": condition.state,
            "problem": condition.problem,
            "lag_ms": lag_ms,
            "last_event_ns": None if condition.last_event_ns is None else str(condition.last_event_ns),
            "late_events": condition.late_events,
            "recording": None if hub.recording is None else hub.recording() or "on",
        },
        "bins": condition.bins,
        "bins_per_second": round(len(condition.recent_bins) / RECENT_SECONDS, 2),
        "deadline_misses": condition.deadline_misses,
        "deadline_misses_recent": len(condition.recent_misses),
        "replay_late_bins": condition.late_bins,
        "clients": len(hub.clients),
        "ready": not reasons,
        "reasons": reasons,
        "refusals": hub.refusals,
        "unsafe": list(hub.champion.record.unsafe),
        "coming": None if hub.coming is None else dict(zip(("version", "bins_to_go"), hub.coming, strict=True)),
        "statistics": {
            "champion": champion,
            "challengers": [hub.statistics.get(name) for name in hub.challengers],
            "projection": None if champion is None else champion.get("projection"),
        },
    }


async def look_after(hub: Hub) -> None:
    """Have all readers told how things stand, and those that take nothing cut off, once a second until cancelled."""
    while True:
        now = time.monotonic()
        hub.condition.forget(now)
        hub.tell(encode_json(without_nan(status(hub))))
        for reader in list(hub.clients):
            reader.cut_off_if_stuck(now)
        await asyncio.sleep(1.0)
