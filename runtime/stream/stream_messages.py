"""The messages of the stream: the one place where their fields are named.

Times are decimal strings of ns since the Unix epoch, since a JSON number holds 53 bits; prices are in price units.
"""

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from runtime.engine.models import CHAMPION, SHADOW_PREFIX, ServedModel
from runtime.engine.pipeline import ModelOutput, PipelineBin
from vpharness.evaluation.figure_registry import json_values
from vpharness.live.frames import bin_fields, encode_json

PROTOCOL: Final = 1
"""Version of the protocol; raised when older clients could no longer read the stream."""

_BAND_DIGITS: Final = 4
"""Ten-thousandths of a tick are beyond what a projection can mean."""


def bin_body(each: PipelineBin, tick_price: int, late_s: float) -> str:
    """Return the fields of a bin's message that all clients are sent: a JSON object without its braces.

    `sent_ns` is the server's time when it was written, `late_ms` how long that was after the bin could be closed: so
    whoever reads it can tell how long it was on its way.
    """
    champion = each.outputs[CHAMPION]
    others = [output for name, output in each.outputs.items() if _is_challenger(name)]
    body = {
        "seq": each.seq,
        "version": each.version,
        **bin_fields(each.scored, tick_price),
        "ready": champion.ready,
        "fire": champion.fire,
        "projection": None if champion.bands is None else _rounded(champion.bands.tolist()),
        "challengers": [_said(output) for output in others],
        "outcomes": [
            outcome
            for name, output in each.outputs.items()
            if name == CHAMPION or _is_challenger(name)
            for outcome in _outcomes(name, output)
        ],
        "orders": [
            change
            for name, output in each.outputs.items()
            if name == CHAMPION or _is_challenger(name)
            for change in _orders(name, output)
        ],
        "trades": each.trades,
        "late_ms": round(1000 * late_s, 3),
        "sent_ns": str(time.time_ns()),
    }
    return encode_json(body)[1:-1]


def shadow_bodies(each: PipelineBin) -> dict[str, str]:
    """Return the field `shadow` of a bin's message as JSON, by name of the shadow model."""
    return {name: shadow_body(output) for name, output in each.outputs.items() if name.startswith(SHADOW_PREFIX)}


def shadow_body(output: ModelOutput) -> str:
    """Return the field `shadow` of a bin's message as JSON."""
    return encode_json(
        {
            **_said(output),
            "outcomes": list(_outcomes("shadow", output)),
            "orders": list(_orders("shadow", output)),
        }
    )


def grid_update(body: str, missed: int, shadow: str | None) -> str:
    """Return the message of one bin for one client, who missed some bins right before it."""
    own = "" if shadow is None else f'"shadow":{shadow},'
    return f'{{"type":"grid_update","missed":{missed},{own}{body}}}'


def grid_history(updates: Iterable[str]) -> str:
    """Return the message of several bins, each as `grid_update` has it."""
    return f'{{"type":"grid_history","updates":[{",".join(updates)}]}}'


def shadow_history(bodies: Iterable[tuple[int, str]]) -> str:
    """Return the message of what a shadow model says of bins that were sent without it, by their places."""
    updates = ",".join(f'{{"seq":{seq},{body[1:]}' for seq, body in bodies)
    return f'{{"type":"shadow_history","updates":[{updates}]}}'


def status_with_shadow(status: str, shadow: str | None) -> str:
    """Return a status message with the figures of a client's own shadow model as `statistics.shadow`.

    The statistics are the last field of the message.
    """
    return status if shadow is None else f'{status[:-2]},"shadow":{shadow}}}}}'


def error(message: str) -> str:
    """Return the message that says why the stream ends."""
    return encode_json({"type": "error", "message": message})


def model_facts(model: ServedModel) -> dict[str, Any]:
    """Return the fields that describe a model."""
    record = model.record
    return {
        "name": model.name,
        "version": record.version,
        "signal": model.live.scorer.name,
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
        "fit": None if record.fit is None else fit_facts(record.fit),
    }


def fit_facts(fit: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message fields about the weights of a learned signal, from the promoted record."""
    card = fit["card"]
    told = card["fit"]
    return {
        "model": card["model"],
        "weights": fit["weights"],
        "fitted_at_ns": str(told["time_ns"]),
        "dataset": card["dataset"]["name"],
        "training_bins": told["training_bins"],
        "training_loss": told["training_loss"],
        "packages": card["packages"],
    }


def projection_facts(model: ServedModel) -> dict[str, Any] | None:
    """Return the horizons and quantiles that the rows and columns of a projection stand for; None without one."""
    projection = model.record.projection
    if projection is None:
        return None
    return {"horizons_bins": list(projection.horizons_bins), "quantiles": list(projection.quantiles)}


def finite_or_none(value: float) -> float | None:
    """Return a number, or None for NaN and infinity, which JSON cannot express."""
    return value if math.isfinite(value) else None


def _said(output: ModelOutput) -> dict[str, Any]:
    return {"score": finite_or_none(output.score), "fire": output.fire, "ready": output.ready}


def _is_challenger(name: str) -> bool:
    return name != CHAMPION and not name.startswith(SHADOW_PREFIX)


def _outcomes(name: str, output: ModelOutput) -> Iterable[dict[str, Any]]:
    for outcome in output.outcomes:
        yield {"model": name, **json_values(outcome.facts())}


def _orders(name: str, output: ModelOutput) -> Iterable[dict[str, Any]]:
    for change in output.orders:
        yield {"model": name, **change.facts()}


def _rounded(rows: list[list[float]]) -> list[list[float]]:
    return [[round(quantile, _BAND_DIGITS) for quantile in row] for row in rows]
