"""The messages of the stream: the one place where their fields are named.

Times are decimal strings of ns since the Unix epoch, since a JSON number holds 53 bits; prices are in price units.
"""

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from runtime.lane import LaneBin, Reading
from runtime.models import CHAMPION, ServedModel
from vpharness.live.frames import bin_fields, encode_json

PROTOCOL: Final = 1
"""Raised when a client of before can no longer read the stream."""

SHADOW_PREFIX: Final = "shadow:"
"""Models of clients have names that no challenger has; only those who asked for them are told of them."""

_BAND_DIGITS: Final = 4
"""Ten-thousandths of a tick are beyond what a projection can mean."""


def bin_body(each: LaneBin, tick_price: int, late_s: float) -> str:
    """Return what everybody is told of a bin: the fields of a JSON object, without its braces.

    `sent_ns` is the server's time when it was written, `late_ms` how long that was after the bin could be closed: so
    whoever reads it can tell how long it was on its way.
    """
    champion = each.readings[CHAMPION]
    others = [reading for name, reading in each.readings.items() if _is_challenger(name)]
    body = {
        "seq": each.seq,
        "version": each.version,
        **bin_fields(each.scored, tick_price),
        "ready": champion.ready,
        "fire": champion.fire,
        "projection": None if champion.bands is None else _rounded(champion.bands.tolist()),
        "challengers": [_said(reading) for reading in others],
        "outcomes": [
            outcome
            for name, reading in each.readings.items()
            if name == CHAMPION or _is_challenger(name)
            for outcome in _outcomes(name, reading)
        ],
        "trades": each.trades,
        "late_ms": round(1000 * late_s, 3),
        "sent_ns": str(time.time_ns()),
    }
    return encode_json(body)[1:-1]


def shadow_bodies(each: LaneBin) -> dict[str, str]:
    """Return what those are told of a bin who asked for a model of their own, by its name, as JSON."""
    return {
        name: encode_json({**_said(reading), "outcomes": list(_outcomes("shadow", reading))})
        for name, reading in each.readings.items()
        if name.startswith(SHADOW_PREFIX)
    }


def grid_update(body: str, missed: int, shadow: str | None) -> str:
    """Return the message of one bin for one client, who missed some bins right before it."""
    own = "" if shadow is None else f'"shadow":{shadow},'
    return f'{{"type":"grid_update","missed":{missed},{own}{body}}}'


def grid_history(updates: Iterable[str]) -> str:
    """Return the message of several bins, each as `grid_update` has it."""
    return f'{{"type":"grid_history","updates":[{",".join(updates)}]}}'


def error(message: str) -> str:
    """Return the message that tells a client why the stream ends."""
    return encode_json({"type": "error", "message": message})


def model_facts(model: ServedModel) -> dict[str, Any]:
    """Return what clients are told of a model."""
    record = model.record
    return {
        "name": model.name,
        "version": record.version,
        "signal": model.live.scorer.signal.name,
        "signal_target": record.signal_target,
        "parameters": record.parameters,
        "threshold": record.threshold,
        "warmup_bins": model.live.warmup_bins,
        "memory_bins": model.live.memory.bins,
        "cooldown_bins": model.live.cooldown_bins,
        "run_id": record.run_id,
        "promoted_at_ns": str(record.created_ns),
        "forced": record.forced,
        "unsafe": list(record.unsafe),
    }


def projection_facts(model: ServedModel) -> dict[str, Any] | None:
    """Return which horizons and quantiles the rows and columns of a projection are."""
    projection = model.record.projection
    if projection is None:
        return None
    return {"horizons_bins": list(projection.horizons_bins), "quantiles": list(projection.quantiles)}


def without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as JSON has them: what is no number is null, in lists too."""
    return {name: _plain(value) for name, value in values.items()}


def number(value: float) -> float | None:
    """Return a number, or None for what JSON has no number for."""
    return value if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_nan(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return number(value) if isinstance(value, float) else value


def _said(reading: Reading) -> dict[str, Any]:
    return {"score": number(reading.score), "fire": reading.fire, "ready": reading.ready}


def _is_challenger(name: str) -> bool:
    return name != CHAMPION and not name.startswith(SHADOW_PREFIX)


def _outcomes(name: str, reading: Reading) -> Iterable[dict[str, Any]]:
    for outcome in reading.outcomes:
        yield {"model": name, **without_nan(outcome.facts())}


def _rounded(rows: list[list[float]]) -> list[list[float]]:
    return [[round(quantile, _BAND_DIGITS) for quantile in row] for row in rows]
