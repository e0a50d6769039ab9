"""Tables for people: words above, what differs in each row, whole where they are piped, and within a terminal."""

import os
from dataclasses import replace
from typing import Any

import pytest

from tests.promotion.samples import judgement
from tests.results.ledgers import candidate
from vpharness.commands.text import terminal
from vpharness.commands.text.ranking_lines import audits, ranking_verdict, searches, shortages, term_lines
from vpharness.commands.text.rankings import print_ranking
from vpharness.commands.text.stability_tables import SinceTable, print_since_chosen
from vpharness.commands.text.terminal import print_table, span_text
from vpharness.commands.text.varied_settings import differences
from vpharness.evaluation import Lack
from vpharness.evaluation.figure_registry import REPORT, TABLE
from vpharness.evaluation.figures import all_figures, shown_figures
from vpharness.results.ledger import AUDIT_FAILED, AUDIT_UNDECIDED, LedgerCandidate
from vpharness.results.ranking import Ranked, rank
from vpharness.results.since_chosen import ChosenCandidate

COLUMNS = {
    "signal": ["ads", "jad"],
    "net per fire, ticks [95 %]": ["+1.00 [+0.50, +1.50]", "-1.00 [-1.50, -0.50]"],
    "fires per hour": ["850", "12"],
    "id": ["0123456789abcdef", "fedcba9876543210"],
}


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what was printed, line by line, without the room at their ends."""
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_headings_are_words_above_their_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """In up to three lines, as narrow as the cells below them; a row is a line."""
    print_table(COLUMNS, texts=("signal",), key="id")
    assert lines_of(capsys) == [
        "                              fires",
        "         net per fire, ticks    per",
        "signal                [95 %]   hour                id",
        "ads     +1.00 [+0.50, +1.50]    850  0123456789abcdef",
        "jad     -1.00 [-1.50, -0.50]     12  fedcba9876543210",
    ]


def test_what_does_not_fit_a_terminal_follows_below(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is longer than the terminal, nothing is cut, and each of the tables names its rows."""
    whole = {**COLUMNS, **{f"column {number}": ["1,234", "5,678"] for number in range(9)}}
    monkeypatch.setattr(terminal, "terminal_width", lambda: 60)
    print_table(whole, texts=("signal",), key="id")
    lines = lines_of(capsys)
    assert max(map(len, lines)) <= 60
    tables = "\n".join(lines).split("\n\n")
    assert len(tables) == 3
    assert all("0123456789abcdef" in table and "fedcba9876543210" in table for table in tables)
    assert sum(line.count("1,234") for line in lines) == 9


def test_a_pipe_has_no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says of a terminal's."""
    monkeypatch.setitem(os.environ, "COLUMNS", "40")
    assert terminal.terminal_width() == terminal.UNLIMITED


def rows(*candidates: Any) -> list[list[Ranked]]:
    """Return a row for each candidate, in the order of ids."""
    return [[each] for each in sorted(rank(candidates), key=lambda each: each.candidate.candidate_id)]


def test_a_row_says_in_what_it_differs_and_a_line_what_all_have() -> None:
    """Of a signal's parameters, the evaluation and the datasets; thresholds have a column of their own."""
    found = differences(
        rows(
            candidate("a", 1, parameters={"window": 50}, threshold="0.1"),
            candidate("b", 2, parameters={"window": 80}, tp_ticks=8, threshold="0.2"),
        ),
        lambda _: {},
    )
    assert found.varied == ("tp_ticks=6 window=50", "tp_ticks=8 window=80")
    assert found.common.startswith("dataset=north sl_ticks=3 ")
    assert "split=none" in found.common
    assert "threshold" not in found.common


def in_queue(at_touch: LedgerCandidate, **latency: Any) -> LedgerCandidate:
    """Return a candidate as if its orders had rested."""
    (own,) = at_touch.trials
    rules = replace(own.evaluation, fill="queue", max_wait_bins=10, **latency)
    return replace(at_touch, trials=(replace(own, evaluation=rules),))


def test_latencies_from_a_file_are_no_constant() -> None:
    """The file stands in words with its longest latency, beside constants and alone."""
    file = in_queue(candidate("a", 1), latency_ms=86.2875, latency_digest="0123456789abcdef")
    constant = in_queue(candidate("b", 2), latency_ms=100.0)
    assert "latency file 01234567 (longest 86 ms)" in differences(rows(file), lambda _: {}).common
    assert "latency_" not in differences(rows(file), lambda _: {}).common
    assert differences(rows(file, constant), lambda _: {}).varied == (
        "latency file 01234567 (longest 86 ms)",
        "latency_ms=100",
    )


def test_candidates_of_an_adaptive_search_are_listed_by_their_lower_end(capsys: pytest.CaptureFixture[str]) -> None:
    """With their ids, the keys that vary, and how one of them is opened."""
    chosen = [
        candidate("aaaa", 1, parameters={"window": 50}),
        candidate("bbbb", 2, knows=True, parameters={"window": 80}),
        candidate("cccc", 3, parameters={"window": 90}),
    ]
    ranked = rank([replace(c, trials=tuple(replace(each, adaptive=True) for each in c.trials)) for c in chosen])
    print_ranking(ranked[::-1])
    lines = lines_of(capsys)
    (start,) = [number for number, line in enumerate(lines) if "candidate=ID show_test=true" in line]
    listed = [line.split() for line in lines[start + 1 : start + 4]]
    lows = {each.candidate.candidate_id: each.judgement.figures.net_pnl_ticks_low for each in ranked}
    assert [words[0] for words in listed] == sorted(lows, key=lambda name: -lows[name])
    assert listed[0][0] == "bbbb"
    assert "window=80:" in listed[0]


def test_datasets_with_their_lattices_are_told_apart() -> None:
    """A candidate on other features is another one, though everything else is the same."""
    lattices = {"north": {"radius": 50}, "south": {"radius": 20}}
    found = differences(
        rows(candidate("a", 1), candidate("b", 2, markets=("south",))), lambda dataset_id: lattices[dataset_id]
    )
    assert found.varied == ("dataset=north lattice.radius=50", "dataset=south lattice.radius=20")


def test_parameters_of_other_signals_do_not_differ() -> None:
    """Each is compared among the rows of its own signal."""
    found = differences(
        rows(candidate("a", 1, signal="one"), candidate("b", 2, signal="two", parameters={"breadth": 3})), lambda _: {}
    )
    assert found.varied == ("", "")
    assert "breadth" not in found.common


def test_rows_that_nothing_else_tells_apart_show_their_code() -> None:
    """The digest of the signal's program."""
    first, second = candidate("a", 1), candidate("b", 2)
    changed = replace(second, trials=tuple(replace(each, signal_digest="0123456789") for each in second.trials))
    assert differences(rows(first, changed), lambda _: {}).varied == ("code=", "code=01234567")


def test_those_that_share_a_row_show_all_their_values() -> None:
    """Up to four; of more, how many there are."""
    (few,) = differences([[row[0] for row in rows(*several(3))]], lambda _: {}).varied
    (many,) = differences([[row[0] for row in rows(*several(6))]], lambda _: {}).varied
    assert few == "window=1|2|3"
    assert many == "window=(6 values)"


def several(count: int) -> list[Any]:
    """Return candidates of so many windows."""
    return [candidate(f"c{number}", number, parameters={"window": number}) for number in range(1, count + 1)]


def test_a_ranking_explains_its_terms_and_has_whole_ids(capsys: pytest.CaptureFixture[str]) -> None:
    """At most four lines, the last of which says where there is more."""
    ranked = rank([candidate("0123456789abcdef", 1, knows=True), candidate("fedcba9876543210", 2)])
    print_ranking(ranked)
    lines = lines_of(capsys)
    assert "0123456789abcdef" in "\n".join(lines)
    assert "fedcba9876543210" in "\n".join(lines)
    told = [line for line in lines if line.startswith(("θ:", "lower end for all:", "p:", "break-even %:"))]
    assert len(told) == 4
    assert told[-1].endswith("(python -m vpharness docs glossary)")
    assert term_lines(["signal", "θ"]) == ["θ: the score at which a signal fires (python -m vpharness docs glossary)"]
    assert term_lines(["signal"]) == []


def test_the_verdict_says_what_a_winner_meets_and_what_others_with_a_small_p_lack() -> None:
    """One wins; another has a small adjusted p-value, and a profit that does not hold for the whole search."""
    winner, other = rank([candidate("0123456789abcdef", 1, knows=True), candidate("fedcba9876543210", 2)])
    assert winner.winner
    alike = replace(other, p_adjusted=0.05, net_low_all=-0.2)
    rule = "p adj. at most 0.05 and lower end for all above 0"
    lines = list(ranking_verdict([winner, alike]))
    assert lines[0].startswith(f"1 beat chance and costs (*: {rule}); net is after ")
    assert lines[1] == (
        "1 more has p adj. at most 0.05, and no lower end for all above 0: its directions beat chance, its profit is "
        "not certain after so many tries"
    )
    assert next(ranking_verdict([alike])).startswith(f"nothing here beats chance and costs ({rule}); ")
    assert next(ranking_verdict([replace(alike, p_adjusted=0.051)])).startswith("nothing here beats chance; ")


def test_a_ranking_of_resting_orders_is_narrow_and_says_what_each_share_is_of() -> None:
    """Three figures of orders stand in it; why orders were filled and other markouts are left to the report."""
    of_orders = [each for each in all_figures() if each.of_orders]
    shown = [each.title(TABLE) for each in shown_figures(TABLE) if each in of_orders]
    assert shown == ["filled % of orders", "wait, ms", "markout 1 s, ticks"]
    in_report = {each.title(REPORT) for each in shown_figures(REPORT) if each in of_orders}
    assert {"through % of fills", "behind % of fills", "crossed % of fills", "markout 10 s, ticks [95 %]"} <= in_report
    *_, orders, shares = term_lines(["θ", *shown])
    assert orders.startswith("filled % of orders: resting orders that were filled; ")
    assert shares.startswith(
        "take-profit, stop-loss and timeout %: of all fires, at the mid, their orders filled or not"
    )
    assert not any("of all fires" in line for line in term_lines(["θ", "take-profit % [95 %]"]))


def test_other_datasets_of_the_same_market_time_are_named_beside_the_count() -> None:
    """Whoever looks at one dataset sees which others' candidates the p-value is adjusted for."""
    shown, hidden, apart = candidate("a", 1), candidate("b", 2), candidate("c", 3, ("south",))
    copy = replace(hidden, trials=tuple(replace(each, dataset_id="copy of north") for each in hidden.trials))
    ledger = [shown, copy, apart]
    ranked = [each for each in rank(ledger) if each.candidate is shown]
    (told,) = searches(ranked, ledger)
    assert told.endswith("; those on copy of north count too, since it is the same market time")
    assert "count too" not in next(iter(searches(ranked, [shown, apart])))


def test_an_audit_that_was_not_passed_is_told_with_its_reason() -> None:
    """What is merely not decided yet is told apart from what was found."""
    found = ((AUDIT_FAILED, "it looks ahead"), (AUDIT_UNDECIDED, "not decided: 187 bins are too few"))
    ranked = []
    for number, (outcome, reason) in enumerate(found):
        one = candidate(f"c{number}", number)
        trials = tuple(replace(each, audit=outcome, audit_found=reason) for each in one.trials)
        ranked += rank([replace(one, trials=trials)])
    assert list(audits(ranked)) == [
        "audit not passed by 1 candidate: it looks ahead; cannot be promoted as it is",
        "audit not passed yet by 1 candidate: not decided: 187 bins are too few; cannot be promoted as it is",
    ]


@pytest.mark.parametrize(
    ("span_ns", "text"), [(2_700_000_000, "2.7 seconds"), (150 * 10**9, "2.5 minutes"), (1800 * 10**9, "0.50 hours")]
)
def test_a_span_is_told_in_a_unit_that_shows_it(span_ns: int, text: str) -> None:
    """Seconds of data are not 0.00 hours."""
    assert span_text(span_ns) == text


def test_a_unit_in_a_heading_is_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside another heading its parts would be read as part of that."""
    print_table({"net ticks [95 %]": ["1"], "lower end for all": ["2"]})
    assert "[95 %]" in capsys.readouterr().out


def test_what_is_lacking_is_counted_by_reason() -> None:
    """One line, whatever the number of candidates; the nearest stands for those of a reason."""
    (sample,) = rank([candidate("a", 1)])
    fires, near = Lack("net fires", 3, 30), Lack("net fires", 28, 30)
    blocks = Lack("blocks", 6, 8, " of 256 s", ": about 15 minutes more")
    poor = [replace(sample, judgement=judgement(*lacks)) for lacks in ((fires,), (near,), (blocks,))]
    (said,) = shortages([sample, *poor])
    assert said == (
        "too little data: 3 candidates: 2 have fewer than 30 net fires, the nearest has 28 net fires, 30 needed; "
        "one has 6 blocks of 256 s, 8 needed: about 15 minutes more"
    )
    assert list(shortages([sample])) == []


def test_days_after_the_choice_are_in_the_order_of_their_lower_end(capsys: pytest.CaptureFixture[str]) -> None:
    """With what varies; those that no later day is known of are counted with the reason."""
    one, two = candidate("aaaa", 1, parameters={"window": 50}), candidate("bbbb", 2, parameters={"window": 80})
    ranked = {each.candidate.candidate_id: each for each in rank([one, two])}
    shown = [ChosenCandidate(each, 0, by_promotion=False, later=each, days_added=1) for each in (one, two)]
    at_ns = 1_704_205_800 * 10**9
    young = candidate("cccc", 3)
    without = [
        ChosenCandidate(young, at_ns, by_promotion=True, later=None, days_added=0),
        ChosenCandidate(young, 5, by_promotion=False, later=None, days_added=0),
        ChosenCandidate(young, 5, by_promotion=False, later=None, days_added=2),
    ]
    print_since_chosen(SinceTable(shown, ranked, without, 3), shows_test=False)
    lines = lines_of(capsys)
    assert "varied" in " ".join(lines[:4])
    assert any("window=50" in line and "aaaa" in line for line in lines)
    assert (
        "in the order of the lower end of the net interval, the highest first; 3 more have later days (top=)" in lines
    )
    assert "left out: 1 candidate chosen by promotion at 2024-01-02 14:30 UTC, no later day yet" in lines
    assert "left out: 1 candidate chosen by the first run, no later day yet" in lines
    assert any(line.startswith("left out: 1 candidate without a run on a later day") for line in lines)
