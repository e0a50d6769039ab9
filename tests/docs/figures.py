"""The pictures of the documentation: what each signal says of a made-up market, as small SVG files.

`python -m tests.docs.figures` draws them into `vpharness/docs/figures`. Each shows sixty seconds in which one thing
happens, the series that changes (grey), and the score of the shipped signal with its defaults (blue above 0, orange
below). Coordinates have one decimal, so that the files are the same wherever they are drawn.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.docs import FOLDER
from vpharness.signals import resolve, score

FOLDER_OF_FIGURES: Final = FOLDER / "figures"
CELL_MS: Final = 100
BEFORE: Final = 600
"""Bins of the same noise before the minute that is shown: windows are full when it begins."""
SHOWN: Final = 600
RADIUS: Final = 50
_WIDTH, _HEIGHT, _MARGIN, _LABEL = 560, 66, 8, 15
_EVERY: Final = 4
_GREY, _BLUE, _ORANGE, _INK = "#8a8a8a", "#0072B2", "#D55E00", "#555555"

Series = NDArray[np.float64]
Columns = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Scene:
    """What happens in a figure.

    Attributes:
        driver: what is drawn in grey, in words.
        series: [T] its values.
        columns: the cells that the signal is shown: [T, K] each.
    """

    driver: str
    series: Series
    columns: Columns


def hump(start_s: float, up_s: float, stop_s: float, down_s: float) -> Series:
    """Return [T] 0, rising to 1 from `start_s` for `up_s` seconds, falling from `stop_s` for `down_s` seconds."""
    t = (np.arange(BEFORE + SHOWN) - BEFORE) * CELL_MS / 1000
    return np.clip((t - start_s) / up_s, 0, 1) - np.clip((t - stop_s) / down_s, 0, 1)


def noise(name: str, level: float = 1.0) -> NDArray[np.float64]:
    """Return [T, K] cells around a level, drawn from a seed of the name's own: liquidity flows without a lean."""
    seed = int.from_bytes(name.encode()[:8], "little")
    drawn = np.random.default_rng(seed).normal(level, 0.1 * level, (BEFORE + SHOWN, 2 * RADIUS + 1))
    return np.maximum(drawn, 0.0)


def cells(low: int, high: int) -> NDArray[np.bool_]:
    """Return [K] which cells lie at k = low..high."""
    k = np.arange(-RADIUS, RADIUS + 1)
    return (k >= low) & (k <= high)


def leaning(columns: Columns, name: str, where: NDArray[np.bool_], size: Series) -> Columns:
    """Add `size` [T] to some cells of one column."""
    changed = columns[name] + np.where(where, size[:, None], 0.0)
    return {**columns, name: changed}


def _ads() -> Scene:
    more = hump(15, 6, 40, 6)
    columns = {name: noise(name) for name in ("v_add", "v_pull")}
    return Scene("adding at the bid, |k| ≤ 11", more, leaning(columns, "v_add", cells(-11, -1), more))


def _pfp() -> Scene:
    t = (np.arange(BEFORE + SHOWN) - BEFORE) * CELL_MS / 1000
    outer = np.where((t % 3 < 0.5) & (t > 15) & (t < 45), 6.0, 0.0)
    columns = {name: noise(name) for name in ("v_add", "v_fill", "v_pull")}
    columns = leaning(columns, "v_add", cells(-12, -5), outer)
    return Scene(
        "adding at the bid, far out; half a second later near the price",
        outer,
        leaning(columns, "v_add", cells(-3, -1), np.roll(outer, 5)),
    )


def _spg() -> Scene:
    more = hump(15, 6, 40, 6)
    ramp = np.clip(np.arange(-RADIUS, RADIUS + 1) / 16, 0, 1)
    columns = {name: noise(name) for name in ("pressure_variant", "vacuum_variant")}
    columns["pressure_variant"] = columns["pressure_variant"] + more[:, None] * ramp
    return Scene("pressure that grows with the distance above the price", more, columns)


def _erd() -> Scene:
    more = hump(20, 0.5, 26, 0.5) + hump(42, 0.5, 48, 0.5)
    k = np.arange(-RADIUS, RADIUS + 1)
    drawn = np.random.default_rng(5).uniform(0, 1, (BEFORE + SHOWN, 2 * RADIUS + 1))
    moving = drawn < 0.05 + 0.45 * more[:, None]
    sign = np.where((k < 0)[None, :], 1.0, -1.0) * np.where(np.arange(BEFORE + SHOWN) < BEFORE + 340, 1, -1)[:, None]
    state = np.where(moving, np.where(drawn * 1e4 % 1 < 0.75, sign, -sign), 0.0)
    return Scene(
        "cells that leave the neutral state: building below, then above",
        more,
        {"spectrum_state_code": state, "spectrum_score": 0.4 * state},
    )


def _jad() -> Scene:
    speed = hump(15, 8, 40, 8)
    acceleration = np.gradient(speed, CELL_MS / 1000)
    columns = {name: noise(name, 0.3) for name in ("j_add", "j_pull", "a_add", "a_pull")}
    columns = leaning(columns, "a_add", cells(-24, -1), acceleration)
    jerk = np.gradient(np.convolve(acceleration, np.ones(10) / 10, "same"), CELL_MS / 1000)
    return Scene(
        "adding at the bid gathers speed, then loses it", speed, leaning(columns, "j_add", cells(-24, -1), jerk)
    )


def _iirc() -> Scene:
    more = 0.4 * hump(15, 10, 40, 10)
    columns = {name: noise(name) for name in ("v_add", "v_pull", "v_fill")}
    return Scene("adding at the bid against what is lost there", more, leaning(columns, "v_add", cells(-16, -1), more))


def _msd() -> Scene:
    more = hump(15, 3, 40, 3)
    columns = {"vacuum_variant": noise("vacuum_variant")}
    return Scene("vacuum above the price", more, leaning(columns, "vacuum_variant", cells(1, 10), more))


def _svac() -> Scene:
    more = 0.3 * hump(12, 2, 22, 2) + 3.0 * hump(38, 2, 48, 2)
    columns = {"vacuum_variant": noise("vacuum_variant")}
    return Scene(
        "vacuum above: a little, later ten times as much", more, leaning(columns, "vacuum_variant", cells(1, 10), more)
    )


def _perm_derivative() -> Scene:
    rng = np.random.default_rng(3)
    rising = hump(15, 1, 35, 1)
    moves = (rng.uniform(size=BEFORE + SHOWN) < 0.1) * rng.choice([-1, 1], BEFORE + SHOWN)
    climbing = (rng.uniform(size=BEFORE + SHOWN) < 0.5 * rising).astype(int)
    step = np.where(climbing > 0, 1, moves)
    k = np.arange(-RADIUS, RADIUS + 1)
    bull, bear = np.where(k > 0, 2, np.where(k < 0, 1, 0)), np.where(k > 0, -1, np.where(k < 0, -2, 0))
    state = np.where((step > 0)[:, None], bull, np.where((step < 0)[:, None], bear, 0))
    return Scene(
        "best prices, which climb for twenty seconds",
        np.cumsum(step).astype(float),
        {"perm_state5_code": state.astype(float)},
    )


def _ads_pfp_svac() -> Scene:
    more = hump(15, 6, 40, 6)
    columns = {name: noise(name) for name in ("v_add", "v_fill", "v_pull", "vacuum_variant")}
    columns = leaning(columns, "v_add", cells(-11, -1), more)
    return Scene("adding at the bid, and vacuum above", more, leaning(columns, "vacuum_variant", cells(1, 10), more))


SCENES: Final[dict[str, Callable[[], Scene]]] = {
    "ads": _ads,
    "ads_pfp_svac": _ads_pfp_svac,
    "erd": _erd,
    "iirc": _iirc,
    "jad": _jad,
    "msd": _msd,
    "perm_derivative": _perm_derivative,
    "pfp": _pfp,
    "spg": _spg,
    "svac": _svac,
}


def picture(name: str) -> str:
    """Return the figure of a signal as SVG."""
    scene = SCENES[name]()
    signal = resolve(f"vpharness.signals.{name}.{name}")
    scores = score(signal, None, {each: scene.columns[each] for each in signal.columns}, cell_width_ms=CELL_MS)
    height = 2 * (_HEIGHT + _LABEL) + 3 * _MARGIN
    lines = [
        _opening(name, scene.driver, height),
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        *_panel(scene.series[BEFORE:], scene.driver, _MARGIN, [(_GREY, 0)], around_0=False),
        *_panel(
            np.asarray(scores)[BEFORE:],
            f"score of {name}, sixty seconds",
            2 * _MARGIN + _LABEL + _HEIGHT,
            [(_BLUE, 1), (_ORANGE, -1)],
            around_0=True,
        ),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _opening(name: str, driver: str, height: int) -> str:
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    told = f'role="img" aria-label="{name}: {driver}, and the score"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11" {told}>'


def _panel(values: Series, label: str, top: int, colours: list[tuple[str, int]], *, around_0: bool) -> Iterator[str]:
    """Yield one line over time: with a sign beside a colour, only where the values have it."""
    shown = values[::_EVERY]
    low, high = float(np.min(shown)), float(np.max(shown))
    if around_0:
        low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
    x = _MARGIN + np.arange(len(shown)) * (_WIDTH - 2 * _MARGIN) / (len(shown) - 1)
    y = top + _LABEL + _HEIGHT * (high - shown) / ((high - low) or 1.0)
    yield f'<text x="{_MARGIN}" y="{top + 10}" fill="{_INK}">{label}</text>'
    if around_0:
        middle = top + _LABEL + _HEIGHT / 2
        yield f'<path d="M{_MARGIN} {middle:.1f}H{_WIDTH - _MARGIN}" stroke="#cccccc" stroke-width="0.7"/>'
    for colour, sign in colours:
        heights = y if not sign else np.where(sign * shown > 0, y, top + _LABEL + _HEIGHT / 2)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, heights, strict=True))
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>'


def main() -> None:
    """Draw all figures."""
    FOLDER_OF_FIGURES.mkdir(exist_ok=True)
    for name in SCENES:
        (FOLDER_OF_FIGURES / f"{name}.svg").write_text(picture(name), encoding="utf-8")


if __name__ == "__main__":
    main()
