"""Parameter sensitivities and surfaces of barriers, as tables for people and as rows for programs."""

from collections.abc import Sequence
from typing import Any, Final

from vpharness.commands.text.rankings import net_interval_text
from vpharness.commands.text.terminal import console, print_table
from vpharness.results.ranking import Ranked
from vpharness.results.sensitivity import AtBarriers, AtValue, short_name, value_text

_TAKE_PROFIT: Final = "tp \\ sl"


def print_sensitivity(found: Sequence[AtValue]) -> None:
    """Print the figures of candidates at each value of a parameter."""
    out = console()
    heading = short_name(found[0].parameter)
    columns = {
        heading: [value_text(each.value) for each in found],
        "candidates": [str(each.n_candidates) for each in found],
        "rankable": [str(each.n_rankable) for each in found],
        "median net": [_number(each.median_net_pnl_ticks, "+.2f") for each in found],
        "best net [95 %]": [_net(each.best) for each in found],
        "median p": [_number(each.median_p_value, ".3f") for each in found],
        "interval above 0": [_number(each.share_low_above_0, ".0%") for each in found],
        "best": [each.best.candidate.candidate_id if each.best else "" for each in found],
        **_holds([each.best for each in found]),
    }
    print_table(columns, texts=(heading,), key=heading)
    out.print(
        "net in ticks per fire, over the rankable candidates, those with enough data; best: the one that ranks first"
    )
    out.print("interval above 0: the share of them whose own 95 % interval does (python -m vpharness docs glossary)")


def print_surface(found: Sequence[AtBarriers]) -> None:
    """Print the best candidate of each pair of barriers: a matrix of net means, then a row for each pair."""
    out = console()
    at = {(each.tp_ticks, each.sl_ticks): each.best for each in found}
    take_profits = sorted({tp for tp, _ in at})
    stop_losses = sorted({sl for _, sl in at})
    matrix = {_TAKE_PROFIT: [f"{tp:g}" for tp in take_profits]}
    for sl in stop_losses:
        matrix[f"{sl:g}"] = [_net_mean(at.get((tp, sl))) for tp in take_profits]
    print_table(matrix, key=_TAKE_PROFIT)
    out.print()
    columns = {
        "take-profit": [f"{each.tp_ticks:g}" for each in found],
        "stop-loss": [f"{each.sl_ticks:g}" for each in found],
        "best net [95 %]": [_net(each.best) for each in found],
        "p adj.": [_number(each.best.p_adjusted if each.best else None, ".3f") for each in found],
        "candidates": [str(each.n_candidates) for each in found],
        "rankable": [str(each.n_rankable) for each in found],
        "signal": [each.best.candidate.first.signal if each.best else "" for each in found],
        "θ": [each.best.candidate.first.threshold_label if each.best else "" for each in found],
        "id": [each.best.candidate.candidate_id if each.best else "" for each in found],
        **_holds([each.best for each in found]),
    }
    print_table(columns, texts=("signal",), key="id")
    out.print(
        "net in ticks per fire, of the candidate that ranks first at each pair of distances in ticks; * beats chance"
    )
    out.print(
        "θ: the score at which it fires; p adj.: how often the best of everything tried on this market time does as "
        "well by random directions (python -m vpharness docs glossary)"
    )


def _holds(best: Sequence[Ranked | None]) -> dict[str, list[str]]:
    """Return a column with how long candidates hold at most, where they differ in it."""
    if len({each.hold_s for each in best if each}) < 2:
        return {}
    return {"hold": [f"{each.hold_s:g} s" if each else "" for each in best]}


def sensitivity_row(at: AtValue) -> dict[str, Any]:
    """Return one value of a parameter as a flat row; missing numbers are None."""
    return {
        "parameter": at.parameter,
        "value": at.value,
        "candidates": at.n_candidates,
        "rankable": at.n_rankable,
        "median_net_pnl_ticks": at.median_net_pnl_ticks,
        **_best_row(at.best),
        "median_p_value": at.median_p_value,
        "share_low_above_0": at.share_low_above_0,
    }


def surface_row(at: AtBarriers) -> dict[str, Any]:
    """Return one pair of barriers as a flat row; missing numbers are None."""
    return {
        "tp_ticks": at.tp_ticks,
        "sl_ticks": at.sl_ticks,
        "candidates": at.n_candidates,
        "rankable": at.n_rankable,
        **_best_row(at.best),
    }


def _best_row(best: Ranked | None) -> dict[str, Any]:
    figures = best.judgement.figures if best else None
    return {
        "best_candidate_id": best.candidate.candidate_id if best else None,
        "best_signal": best.candidate.first.signal if best else None,
        "best_threshold": best.candidate.first.threshold_label if best else None,
        "best_hold_s": best.hold_s if best else None,
        "best_net_pnl_ticks": figures.net_pnl_ticks if figures else None,
        "best_net_pnl_ticks_low": figures.net_pnl_ticks_low if figures else None,
        "best_net_pnl_ticks_high": figures.net_pnl_ticks_high if figures else None,
        "best_p_adjusted": best.p_adjusted if best else None,
        "best_winner": best.winner if best else None,
    }


def _net(best: Ranked | None) -> str:
    return net_interval_text(best.judgement.figures) if best else ""


def _net_mean(best: Ranked | None) -> str:
    return f"{best.judgement.figures.net_pnl_ticks:+.2f}{'*' if best.winner else ''}" if best else "-"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
