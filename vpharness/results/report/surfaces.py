"""Take-profit against stop-loss: the best candidate of each pair, of all signals together and of each."""

from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element

from vpharness.results.ranking import Ranked
from vpharness.results.report.candidates import net_ends_text, short_id
from vpharness.results.report.charts import BAD_COLOUR, GOOD_COLOUR
from vpharness.results.report.findings import Findings, by_signal
from vpharness.results.report.markup import DASH, element, note, number, section, table
from vpharness.results.sensitivity import AtBarriers, surface

MOST_SIGNALS: Final = 6
_STRONGEST_TINT: Final = 0.45


def surfaces(findings: Findings) -> Element | None:
    """Return the surface of all candidates, and of each signal that was tried at several pairs."""
    signals = by_signal(findings.ranked)
    groups = {"all signals": findings.ranked, **signals} if len(signals) > 1 else signals
    found = {name: surface(members) for name, members in list(groups.items())[: MOST_SIGNALS + 1]}
    several = {name: pairs for name, pairs in found.items() if len(pairs) > 1}
    if not several:
        return None
    words = note(
        "For each pair of take-profit (rows) and stop-loss (columns), in ticks, the candidate that ranks first: "
        "net ticks per fire, its 95 % interval and its adjusted p-value. ★ beats chance; bold where the interval "
        "lies above 0. The tint only repeats sign and size."
    )
    means = [abs(at.best.judgement.figures.net_pnl_ticks) for pairs in several.values() for at in pairs if at.best]
    largest = max(means, default=0.0) or 1.0
    parts = [element("div", element("h3", name), _matrix(pairs, largest)) for name, pairs in several.items()]
    return section("surfaces", "Take-profit and stop-loss", words, element("div", *parts, class_="abreast"))


def _matrix(pairs: Sequence[AtBarriers], largest: float) -> Element:
    take_profits = sorted({at.tp_ticks for at in pairs})
    stop_losses = sorted({at.sl_ticks for at in pairs})
    best = {(at.tp_ticks, at.sl_ticks): at.best for at in pairs}
    rows = [
        [element("th", f"tp {tp:g}", scope="row"), *(_cell(best.get((tp, sl)), largest) for sl in stop_losses)]
        for tp in take_profits
    ]
    return table(["", *(f"sl {sl:g}" for sl in stop_losses)], rows, class_="surface")


def _cell(best: Ranked | None, largest: float) -> Element:
    if best is None:
        return element("td", DASH)
    f = best.judgement.figures
    mean = f"{number(f.net_pnl_ticks, '+.2f')}{' ★' if best.winner else ''}"
    tag = "strong" if f.net_pnl_ticks_low > 0 else "span"
    fine = element(
        "span", net_ends_text(f), element("br"), f"p adj. {best.p_adjusted:.3f}, {short_id(best)}", class_="fine"
    )
    return element(
        "td", element(tag, mean), element("br"), fine, style=f"background: {_tint(f.net_pnl_ticks / largest)}"
    )


def _tint(share: float) -> str:
    """Return white towards the colour of gain or of loss, for a share from -1 to 1."""
    colour = GOOD_COLOUR if share > 0 else BAD_COLOUR
    strength = _STRONGEST_TINT * min(abs(share), 1.0)
    mixed = (round(255 + strength * (int(colour[start : start + 2], 16) - 255)) for start in (1, 3, 5))
    return "#" + "".join(f"{value:02x}" for value in mixed)
