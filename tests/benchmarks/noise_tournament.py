"""The noise tournament: who is crowned among scores that know nothing, and whether one that does is found among them.

A campaign is 100 autoregressive scores with 8 thresholds each, on 20 hours of a martingale. It is judged twice: on the
martingale as it is, and with its moves leaning on one of the scores, all else being the same. How far they lean was
found by `search`, on other campaigns, as the least at which the right candidate passes by itself; the ranking among the
800 had no say in it.

python -m tests.benchmarks.noise_tournament search
python -m tests.benchmarks.noise_tournament RESULT.json [CAMPAIGNS [FIRST]]
"""

import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.benchmarks.noise_campaign import RULES, Rules, campaign_of, label, right_p_value
from vpharness.evaluation.significance import SIGNIFICANCE_LEVEL

CAMPAIGNS: Final = range(100)
FAR_ABOVE: Final = 1.5
"""A TP rate this many times its break-even is far above it."""

EDGE: Final = 0.09
"""How far moves lean on the leading score: what `search` found, as tests/benchmarks/RESULTS.md records."""

SEARCH_STEP: Final = 0.01
SEARCH_P_VALUE: Final = 0.001
SEARCH_PASSES: Final = 95
SEARCH_CAMPAIGNS: Final = range(1000, 1100)
"""None of them is a campaign of the tournament."""


def search_edge(rules: Rules = RULES) -> Iterator[tuple[float, int]]:
    """Yield each edge that is tried, and in how many campaigns of the search the right candidate passes by itself.

    They go up in steps of SEARCH_STEP, and the last one is the first that reaches SEARCH_PASSES.
    """
    passes, step = 0, 0
    while passes < SEARCH_PASSES:
        step += 1
        passes = sum(
            right_p_value(campaign, step * SEARCH_STEP, rules) <= SEARCH_P_VALUE for campaign in SEARCH_CAMPAIGNS
        )
        yield step * SEARCH_STEP, passes


def tournament(campaigns: Sequence[int], edge: float = EDGE, rules: Rules = RULES) -> Iterator[dict[str, Any]]:
    """Carry out campaigns one after the other, with the seconds that each took."""
    for number in campaigns:
        wall, processor = time.perf_counter(), time.process_time()
        figures = campaign_of(number, edge, rules)
        taken = {"seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
        yield figures | taken


def record(
    path: Path, campaigns: Sequence[int] = CAMPAIGNS, edge: float = EDGE, rules: Rules = RULES
) -> dict[str, Any]:
    """Carry out a tournament and return its summary; the file holds it too, with every campaign, after each of them."""
    done: list[dict[str, Any]] = []
    found: dict[str, Any] = {}
    for figures in tournament(campaigns, edge, rules):
        done.append(figures)
        found = summary(done, rules)
        text = json.dumps(
            {"edge": edge, "rules": dataclasses.asdict(rules), "summary": found, "campaigns": done}, indent=1
        )
        path.write_text(text + "\n", encoding="utf-8")
        print(f"{len(done)} of {len(campaigns)} campaigns, {figures['seconds']:.0f} s for the last", file=sys.stderr)
    return found


def summary(campaigns: Sequence[dict[str, Any]], rules: Rules = RULES) -> dict[str, Any]:
    """Return what a tournament comes to: numbers of campaigns, and medians over them."""
    noise, led = [each["noise"] for each in campaigns], [each["edge"] for each in campaigns]
    right = label(rules.leading_score, rules.leading_threshold)
    return {
        "campaigns": len(campaigns),
        "rankable": float(np.median([each["rankable"] for each in noise])),
        "tp_rate_of_all_fires": float(np.median([each["tp_rate_of_all_fires"] for each in noise])),
        "by_tp_rate": _tp_rate_summary([each["crowned_by_tp_rate"] for each in noise]),
        "by_tp_rate_of_100": _tp_rate_summary([each["crowned_by_tp_rate_of_100"] for each in noise]),
        "noise_with_p_value_at_most_0.05": sum(each["least_p_value"] <= SIGNIFICANCE_LEVEL for each in noise),
        "noise_with_p_adjusted_at_most_0.05": sum(each["least_p_adjusted"] <= SIGNIFICANCE_LEVEL for each in noise),
        "noise_with_a_winner": sum(bool(each["winners"]) for each in noise),
        "right_alone_at_most_0.001": sum(each["right_p_value"] <= SEARCH_P_VALUE for each in led),
        "right_p_adjusted_at_most_0.05": sum((each["right_p_adjusted"] or 1.0) <= SIGNIFICANCE_LEVEL for each in led),
        "right_wins": sum(right in each["winners"] for each in led),
        "right_is_crowned": sum(each["right_is_crowned"] for each in led),
        "false_winner_beside_an_edge": sum(bool(each["false_winners"]) for each in led),
        "seconds": sum(each["seconds"] for each in campaigns),
        "processor_seconds": sum(each["processor_seconds"] for each in campaigns),
    }


def _tp_rate_summary(crowned: Sequence[dict[str, Any]]) -> dict[str, Any]:
    rates = [each["tp_rate"] for each in crowned]
    tested = [each for each in crowned if each["test_signals"]]
    test_signals = sum(each["test_signals"] for each in tested)
    return {
        "median_signals": float(np.median([each["n_signals"] for each in crowned])),
        "median_tp_rate": float(np.median(rates)),
        "least_tp_rate": min(rates),
        "far_above_break_even": sum(each["tp_rate"] >= FAR_ABOVE * each["break_even"] for each in crowned),
        "above_break_even": sum(each["tp_rate"] > each["break_even"] for each in crowned),
        "test_signals": test_signals,
        "test_tp_rate": sum(each["test_signals"] * each["test_tp_rate"] for each in tested) / max(test_signals, 1),
    }


def main(words: Sequence[str]) -> None:
    """Search the edge, or carry out a tournament and print what it comes to."""
    if words[:1] == ["search"]:
        for edge, passes in search_edge():
            print(f"edge {edge:.2f}: the right candidate passes in {passes} of {len(SEARCH_CAMPAIGNS)}", flush=True)
        return
    first = int(words[2]) if len(words) > 2 else 0
    campaigns = range(first, first + int(words[1])) if len(words) > 1 else CAMPAIGNS
    print(json.dumps(record(Path(words[0]), campaigns), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
