"""The configuration and status messages of a stream, and whether it is ready to be relied on."""

import asyncio
import base64
import time
from collections.abc import Sequence
from typing import Any

from runtime.engine.feed_health import RECENT_SECONDS
from runtime.engine.models import CHAMPION, ServedModel, live_model_on
from runtime.feeds.feed import FeedFacts
from runtime.stream.live_stream import LiveStream, ServedConfiguration
from runtime.stream.stream_messages import PROTOCOL, model_facts, projection_facts
from vpharness.evaluation.figure_registry import json_values
from vpharness.live.frames import encode_json, encode_schema


def runtime_config(
    stream: LiveStream,
    told: ServedConfiguration,
    fields: Sequence[str],
    shadow: ServedModel | None = None,
    resumed: str | None = None,
    *,
    resets: bool = False,
) -> dict[str, Any]:
    """Return the `runtime_config` message for a client of some fields.

    Args:
        stream: the stream.
        told: the configuration.
        fields: the grid columns of its binary frames.
        shadow: the client's shadow model.
        resumed: the answer to `from_seq`: "whole", "gap", "other_stream"; None where it was not given.
        resets: whether the bins that the client has do not continue.
    """
    champion, facts, ring = told.champion, stream.facts, stream.ring
    scorer = champion.live.scorer
    return {
        "type": "runtime_config",
        "protocol": PROTOCOL,
        "stream": stream.stream_id,
        "reason": told.reason,
        "reset": resets,
        "instrument": facts.instrument,
        "tick_size": facts.tick_size,
        "size_unit": facts.size_unit,
        "cell_width_ms": scorer.cell_width_ms,
        "radius": scorer.radius,
        "columns": list(stream.columns),
        "fields": list(fields),
        "schema": base64.b64encode(encode_schema(fields)).decode() if fields else None,
        "model": model_facts(champion),
        "evaluation": champion.record.evaluation,
        "projection": projection_facts(champion),
        "promised": champion.record.evidence.get("promised"),
        "challengers": [model_facts(model) for model in told.challengers],
        "shadow": None if shadow is None else model_facts(shadow),
        "feed": {**_name(stream), "kind": facts.kind, "speed": facts.speed, "live": facts.live},
        "buffer": {"bins": ring.capacity, "first_seq": ring.first_seq, "next_seq": ring.next_seq},
        "resumed": resumed,
        "server_time_ns": str(time.time_ns()),
    }


def reasons_not_ready(stream: LiveStream) -> list[str]:
    """Return every reason why the stream cannot be relied on now: none where it can."""
    health, now = stream.health, time.monotonic()
    found = []
    champion = stream.statistics.get(CHAMPION)
    to_go = live_model_on(stream.champion, stream.facts).bins_to_ready if champion is None else champion["bins_to_go"]
    if to_go is None:
        found.append("the model never forgets where its feed began, and will never be ready")
    elif to_go:
        found.append(f"the model is warming up, for {to_go} bins")
    if health.state != "live":
        found.append(f"the feed is {health.state}" + (f": {health.problem}" if health.problem else ""))
    silent_s = None if health.last_bin_at is None else now - health.last_bin_at
    if silent_s is not None and silent_s > _longest_silence_s(stream):
        found.append(f"no bin has come for {silent_s:.0f} s")
    found += stream.troubles
    if health.recent_misses:
        found.append(f"{len(health.recent_misses)} deadlines were missed in the last {RECENT_SECONDS:g} s")
    return found


def replay_facts(facts: FeedFacts) -> dict[str, Any] | None:
    """Return the speed of a replay, as a multiple of the market's own, for a message; None for a live feed."""
    return None if facts.live else {"speed": facts.speed}


def _longest_silence_s(stream: LiveStream) -> float:
    """Return how long no bin may come, seconds: of a slow replay, at least as long as it takes to two of them."""
    speed = stream.facts.speed
    if stream.facts.live or speed is None:
        return stream.settings.stale_s
    return max(stream.settings.stale_s, 2 * stream.champion.live.scorer.cell_width_ms / 1000 / speed)


def status(stream: LiveStream) -> dict[str, Any]:
    """Return the `status` message, which clients are sent once a second."""
    health, reasons = stream.health, reasons_not_ready(stream)
    lag_ms = None
    if stream.facts.live and health.last_bin_end_ns is not None:
        lag_ms = (time.time_ns() - health.last_bin_end_ns) / 1e6
    champion = stream.statistics.get(CHAMPION)
    return {
        "type": "status",
        "server_time_ns": str(time.time_ns()),
        "feed": {
            **_name(stream),
            "state": health.state,
            "problem": health.problem,
            "lag_ms": lag_ms,
            "last_event_ns": None if health.last_event_ns is None else str(health.last_event_ns),
            "late_events": health.late_events,
            "recording": None if stream.recording is None else stream.recording() or "on",
            "replay": replay_facts(stream.facts),
        },
        "bins": health.bins,
        "bins_per_second": round(len(health.recent_bins) / RECENT_SECONDS, 2),
        "deadline_misses": health.deadline_misses,
        "deadline_misses_recent": len(health.recent_misses),
        "replay_late_bins": health.late_bins,
        "clients": len(stream.clients),
        "ready": not reasons,
        "reasons": reasons,
        "refusals": stream.refusals,
        "unsafe": list(stream.champion.record.unsafe),
        "coming": None if stream.coming is None else dict(zip(("version", "bins_to_go"), stream.coming, strict=True)),
        "statistics": {
            "champion": champion,
            "challengers": [stream.statistics.get(name) for name in stream.challengers],
            "projection": None if champion is None else champion.get("projection"),
        },
    }


async def broadcast_status(stream: LiveStream) -> None:
    """Send every client the status, and cut off those that take nothing, once a second until cancelled."""
    while True:
        now = time.monotonic()
        stream.health.forget(now)
        stream.shadow_statuses = {
            name: encode_json(json_values(stream.statistics[name]))
            for name in stream.shadow_models
            if name in stream.statistics
        }
        stream.set_status(encode_json(json_values(status(stream))))
        for reader in list(stream.clients):
            reader.cut_off_if_stuck(now)
        await asyncio.sleep(1.0)


def _name(stream: LiveStream) -> dict[str, str]:
    """Return the field with the name of the stream's feed; none where a server has one feed."""
    return {"name": stream.name} if stream.name else {}
