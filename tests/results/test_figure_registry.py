"""A figure is added in one place: what is registered is stored, shown, tracked and counted live."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.evaluation.paths import hostile_dataset, hostile_score
from tests.evaluation.test_walks import directions_of, quotes_of
from tests.results.ledgers import candidate, view_of
from vpharness.campaigns.mlflow_runs import tracked_run
from vpharness.campaigns.saving import candidate_rows
from vpharness.commands.text.rankings import print_ranking, row_of
from vpharness.evaluation import (
    EvaluationParameters,
    Figure,
    Figures,
    LiveStatistics,
    SplitParameters,
    all_figures,
    evaluate,
    figures_of,
    find_fires,
    shown_figures,
)
from vpharness.evaluation.blocks import COUNTS, TICKS
from vpharness.evaluation.figure_registry import LIVE, PLACES, SHARE, TABLE, Mean
from vpharness.evaluation.figures import HEADLINE, registered
from vpharness.evaluation.fire_sums import FIRE_SUMS
from vpharness.evaluation.page_figures import MODULE, typescript
from vpharness.results.ranking import Ranked, rank
from vpharness.results.report.findings import Findings
from vpharness.results.report.report_page import report_html
from vpharness.results.store import CANDIDATES, Store, TableRows, append, read
from vpharness.results.store_reference import PAGE, store_reference
from vpharness.results.table_schemas import candidate_schema
from vpharness.signals import SignalParameters

NEW = Figure(
    "net_stop_rate",
    SHARE,
    "stop-loss touched first, of the fires judged net",
    mean=Mean("net_sl", "n_net"),
    heading="SL net %",
    label="Net stop rate",
    form=".1f",
    shown=PLACES,
    order=41,
)


@pytest.fixture
def new() -> Iterator[Figure]:
    """One more figure."""
    with registered(NEW) as figure:
        yield figure


@pytest.fixture
def ranked(new: Figure) -> list[Ranked]:
    """Two candidates with it."""
    return rank([candidate("guess", 1), candidate("knows", 9, knows=True)])


def stops_of(ranked: Ranked) -> float:
    """Return the new figure of a candidate as its evidence has it."""
    blocks = ranked.judgement.evidence.blocks
    return float(blocks.count("net_sl").sum() / blocks.count("n_net").sum())


def test_it_is_computed_with_an_interval_between_zero_and_one(new: Figure, ranked: list[Ranked]) -> None:
    """Beside the others, which are what they are without it."""
    for each in ranked:
        values = asdict(each.judgement.figures)
        assert values["net_stop_rate"] == pytest.approx(stops_of(each))
        assert 0 <= values["net_stop_rate_low"] < values["net_stop_rate"] < values["net_stop_rate_high"] <= 1
        assert isinstance(each.judgement.figures, Figures)


def test_it_is_a_column_of_the_store(tmp_path: Path, ranked: list[Ranked]) -> None:
    """And rows that were written before it have nothing there."""
    judgement = ranked[0].judgement
    store, outcome = Store(tmp_path), outcome_of(judgement)
    (row,) = candidate_rows(outcome)
    with_it = candidate_schema()
    old = {name: value for name, value in row.items() if not name.startswith("net_stop")}
    before = [name for name in with_it.names if not name.startswith("net_stop")]
    append(store, TableRows(CANDIDATES, [old], with_it.empty_table().select(before).schema))
    append(store, TableRows(CANDIDATES, [row], with_it))
    first, second = read(store, CANDIDATES)
    assert first["net_stop_rate"] is None
    assert second["net_stop_rate"] == pytest.approx(stops_of(ranked[0]))
    assert "| `net_stop_rate_low` | float |" in store_reference()


def outcome_of(judgement: Any) -> Any:
    """Return a finished run with one candidate, as far as its row goes."""
    spec = SimpleNamespace(
        run_id="run",
        signal=SimpleNamespace(name="guess"),
        dataset=SimpleNamespace(manifest=SimpleNamespace(dataset_id="north"), checksum="1", path="north"),
        identity={"code": {"signal_digest": "1"}},
        parameters=SignalParameters(thresholds=[0.1]),
        resolved=EvaluationParameters().resolve(100),
        split=SplitParameters(),
    )
    one = SimpleNamespace(
        candidate_id="guess", label="0.1", evaluation=SimpleNamespace(threshold=0.1), judgement=judgement
    )
    return SimpleNamespace(spec=spec, candidates=[one])


def test_it_is_in_the_table_in_json_and_in_the_report(ranked: list[Ranked], capsys: pytest.CaptureFixture[str]) -> None:
    """Under its heading, with its interval, in its format."""
    values = asdict(ranked[0].judgement.figures)
    text = "{:.1f} [{:.1f}, {:.1f}]".format(*(100 * values[name] for name in NEW.names))
    row = row_of(ranked[0])
    assert [row[name] for name in NEW.names] == [values[name] for name in NEW.names]
    print_ranking(ranked)
    printed = capsys.readouterr().out
    assert "SL net % [95 %]" in printed
    assert text in printed
    page = report_html(Findings(ranked, ranked, view_of, {}), "title")
    assert "SL net % [95 %]" in page
    assert text in page


def test_it_is_tracked_in_mlflow(tmp_path: Path, ranked: list[Ranked]) -> None:
    """As a curve over the thresholds, with the ends of its interval."""
    outcome = outcome_of(ranked[0].judgement)
    job: Any = SimpleNamespace(config={"signal": {}, "eval": {}, "split": {}})
    tracked = tracked_run(outcome.spec, job, candidate_rows(outcome), tmp_path, "")
    metrics = {name: value for name, value, _ in tracked.metrics}
    assert metrics["net_stop_rate"] == pytest.approx(stops_of(ranked[0]))
    assert metrics.keys() >= {"net_stop_rate_low", "net_stop_rate_high", "tp_rate", "sl_rate_low", "timeout_rate_high"}


def test_it_is_counted_live_as_a_run_counts_it(new: Figure) -> None:
    """Bin by bin, to what the figures of all bins are."""
    n_bins, evaluation = 400, EvaluationParameters(tp_ticks=2, sl_ticks=1, max_hold_bins=20, warmup_bins=0).resolve(100)
    dataset = hostile_dataset(8, n_bins, 0.0)
    score = np.where(dataset.book_valid, hostile_score(8, n_bins), np.nan)
    whole = SplitParameters(kind="none")
    (found,) = evaluate(dataset, score, [0.5], evaluation, whole)
    figures: Any = figures_of(found.parts["all"].evidence, 2, 1)
    (fires,) = find_fires(score, [0.5], warmup_bins=0, cooldown_bins=evaluation.cooldown_bins)
    statistics = LiveStatistics.for_model(evaluation, dataset.tick_size, figures.block_s)
    for quote, direction in zip(quotes_of(dataset), directions_of(fires, n_bins), strict=True):
        statistics, _ = statistics.advance(quote, direction)
    facts = statistics.facts()
    assert figures.n_net == facts["n_net"] > 5
    for name in NEW.names:
        assert facts[name] == pytest.approx(getattr(figures, name)), name
    assert '{ label: "Net stop rate", unit: "share", names: ["net_stop_rate"' in typescript()


def test_the_page_knows_the_figures_that_are_registered() -> None:
    """Its module is what `python -m vpharness.evaluation.page_figures` writes."""
    assert (Path(__file__).resolve().parents[2] / MODULE).read_text(encoding="utf-8") == typescript()


def test_break_even_stands_beside_the_shares_of_all_three_ends() -> None:
    """Take-profit, break-even, stop-loss and timeout, in the table and in the report."""
    for place in ("table", "report"):
        names = [each.name for each in shown_figures(place) if each is not HEADLINE]
        assert names[:4] == ["tp_rate", "break_even_tp_share", "sl_rate", "timeout_rate"]


def test_a_name_that_is_taken_is_refused(new: Figure) -> None:
    """A figure would hide another one's column."""
    with (
        pytest.raises(ValueError, match="there is a figure net_stop_rate_high already"),
        registered(Figure("net_stop_rate_high", "share", "again", compute=lambda *_: 0.0)),
    ):
        pass
    assert NEW in all_figures()


@pytest.mark.parametrize(
    ("mean", "unknown"), [(Mean("excess", "n_net"), "excess"), (Mean("net_pnl", "n_nett"), "n_nett")]
)
def test_a_live_mean_of_sums_that_are_not_counted_live_is_refused(mean: Mean, unknown: str) -> None:
    """When it is described, naming what there is; elsewhere it may stand."""
    with pytest.raises(ValueError, match=f"figure edge is shown live, and '{unknown}' is not summed there.*mid_pnl"):
        Figure("edge", "ticks", "against the market", mean=mean, shown=(TABLE, LIVE))
    assert Figure("edge", "ticks", "against the market", mean=mean, shown=(TABLE,)).mean == mean


def test_sums_over_fires_are_those_that_the_store_keeps() -> None:
    """Each has one definition; what compares with the market has it beside them."""
    assert {*FIRE_SUMS, "excess"} == {*COUNTS, *TICKS}


def test_intervals_of_shares_stay_between_nought_and_one(ranked: list[Ranked]) -> None:
    """Of every share that is shown, however few fires there are."""
    few = rank([candidate("few", 3, every=2000)])
    for each in [*ranked, *few]:
        values = asdict(each.judgement.figures)
        for figure in all_figures():
            if figure.unit == SHARE and figure.mean is not None:
                ends = [values[name] for name in figure.names[1:]]
                assert all(np.isnan(end) or 0 <= end <= 1 for end in ends), figure.name


def test_the_reference_of_the_store_is_what_its_columns_say() -> None:
    """The page on disk is what `python -m vpharness.results.store_reference` writes."""
    assert PAGE.read_text(encoding="utf-8") == store_reference()
