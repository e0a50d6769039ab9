"""A candidate's page: how it stands, its equity, days and hours, neighbours, ways of entering, and what promotes it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from vpharness.board.ledger_watch import Seen
from vpharness.board.pages import Page, being_ranked, command, disclosure, link, state_note
from vpharness.board.queries import one_of
from vpharness.commands.text.ranking_lines import family_text
from vpharness.commands.text.rankings import row_of
from vpharness.commands.text.terminal import minute_text
from vpharness.errors import VpharnessError
from vpharness.evaluation import Figures, all_figures
from vpharness.evaluation.figure_registry import SHARE, json_values
from vpharness.evaluation.significance import SIGNIFICANCE_LEVEL
from vpharness.results.execution import stored_ways
from vpharness.results.ledger import AUDIT_PASSED, Trial
from vpharness.results.neighbours import neighbours_of
from vpharness.results.ranking import Ranked
from vpharness.results.reevaluation import ViewOf
from vpharness.results.report.candidates import Scale, dataset_ids_of, name_of, net_text
from vpharness.results.report.day_charts import stability_section
from vpharness.results.report.equity import equity_section
from vpharness.results.report.findings import Findings
from vpharness.results.report.markup import Content, element, note, number, section, table, true_minus
from vpharness.results.report.neighbour_panels import neighbours
from vpharness.results.report.null_histogram import null_maximum
from vpharness.results.report.ranking_tables import by_dataset
from vpharness.results.sensitivity import settings_of, value_text
from vpharness.results.session_names import with_session
from vpharness.wording import counted

_MOST_RUNS = 12


@dataclass(frozen=True)
class Surroundings:
    """What a candidate's page needs beside the ranking.

    Attributes:
        view_of: from a dataset's id and checksum to its prices.
        sessions: the names of datasets' sessions, by id.
        labels: their instruments and sessions, by id.
        collections: for each collection of the lake, the ids of its datasets.
        lake_key: ` lake=PATH` as it is put into commands, or nothing for the default.
        promoted: the instruments and versions that a run was promoted as, by run.
    """

    view_of: ViewOf
    sessions: Mapping[str, str]
    labels: Mapping[str, str]
    collections: Mapping[str, frozenset[str]]
    lake_key: str
    promoted: Mapping[str, Sequence[tuple[str, str]]]


def ranked_named(seen: Seen, candidate_id: str | None) -> Ranked:
    """Return the candidate of an id, or of a beginning that no other has. Raises NotFoundError where there is none."""
    assert seen.standing is not None and seen.standing.ranked is not None  # noqa: S101, PT018  # the caller has looked
    by_id = {each.candidate.candidate_id: each for each in seen.standing.ranked}
    if candidate_id and candidate_id not in by_id:
        begun = [name for name in by_id if name.startswith(candidate_id)]
        candidate_id = begun[0] if len(begun) == 1 else candidate_id
    return by_id[one_of("candidate", candidate_id, by_id)]


def candidate_page(seen: Seen, candidate_id: str | None, around: Surroundings) -> Page:
    """Return the page of one candidate. Raises NotFoundError where the ledger has none of that id."""
    if seen.standing is None or seen.standing.ranked is None:
        return being_ranked(seen, "Candidate", "")
    own = ranked_named(seen, candidate_id)
    ranked = seen.standing.ranked
    findings = Findings([own], [own], around.view_of, {}, sessions=around.sessions)
    place = next(place for place, each in enumerate(ranked, 1) if each is own)
    content: list[Content] = [
        state_note(seen),
        _standing(own, place, len(ranked)),
        _served(own, around),
        _figures(own),
        _compare_form(own),
        *(_or_reason(title, make) for title, make in _drawn(own, ranked, findings)),
        _ways(own, stored_ways(own, ranked), around.lake_key),
        _chance(findings),
        _configuration(own, around.labels),
        _promotion(own, around),
    ]
    values = json_values({**row_of(own), "place": place, "of": len(ranked)})
    values["family"] = family_text(own.family)
    return Page(f"{name_of(own)} ({own.candidate.candidate_id[:6]})", content, values, place="")


def _drawn(own: Ranked, ranked: Sequence[Ranked], findings: Findings) -> list[tuple[str, Callable[[], Element | None]]]:
    whole = Findings([own], [own], findings.view_of, {}, sessions=findings.sessions)
    if own.p_adjusted is None:
        # What cannot be ranked is drawn all the same: the page says above what it lacks.
        whole = _AsDrawn([own], [own], findings.view_of, {}, sessions=findings.sessions)
    return [
        ("Fires over the price", lambda: equity_section(whole)),
        ("Day by day", lambda: stability_section(findings, [own] if own.candidate.counted else [])),
        ("Each dataset apart", lambda: by_dataset(whole)),
        ("Neighbours", lambda: neighbours(own, neighbours_of(own, ranked))),
    ]


@dataclass(frozen=True)
class _AsDrawn(Findings):
    """Findings whose candidates are drawn whether they have enough data to be ranked or not."""

    @property
    def rankable(self) -> list[Ranked]:
        """All of them."""
        return list(self.ranked)


def _or_reason(title: str, make: Callable[[], Element | None]) -> Element | None:
    """Return a section, or in its place why it cannot be made: results outlive their datasets."""
    try:
        return make()
    except VpharnessError as error:
        return section(title.lower().replace(" ", "-"), title, element("p", f"Not drawn: {error}.", class_="state"))


def _standing(own: Ranked, place: int, count: int) -> Element:
    """Return in words how a candidate stands in the whole search."""
    f = own.judgement.figures
    net = f"{net_text(f)} ticks per fire after costs, over {f.n_net:,} fires in {counted(f.n_net_blocks, 'block')}"
    where = f"Place {place:,} of {count:,} in the whole ranking; on {', '.join(dataset_ids_of(own)[:4])}"
    more = len(dataset_ids_of(own)) - 4
    where += f" and {more} more datasets." if more > 0 else "."
    if own.p_adjusted is None:
        heading, kind = f"Not ranked: {'; '.join(own.lacks)}", "lost"
        sentences = [f"{net}; p {own.judgement.p_value:.3f} by itself.", where]
    else:
        low = number(own.net_low_all, "+.2f")
        p = f"p {own.judgement.p_value:.3f} by itself, p adj. {own.p_adjusted:.3f}; lower end for all {low} ticks."
        heading, kind = ("A winner", "won") if own.winner else (_why_not(own), "lost")
        sentences = [f"{net}.", p, f"{family_text(own.family)}.", where]
    if own.candidate.audit != AUDIT_PASSED:
        found = f": {own.candidate.audit_found}" if own.candidate.audit_found else ""
        sentences.append(f"Audit of look-ahead: {own.candidate.audit}{found}.")
    if own.left_out:
        sentences.append(f"It also ran on {', '.join(own.left_out[:4])}, which is left out here, so it wins nothing.")
    if own.candidate.overlapping:
        sentences.append("It ran on the same market time more than once: the longest run counts.")
    words = [element("p", each) for each in sentences]
    return element("div", element("p", heading, class_="answer"), *words, class_=f"verdict {kind}")


def _why_not(own: Ranked) -> str:
    if not own.could_win:
        return "No winner: no result could win on so few blocks in a search of this size"
    reasons = []
    if own.p_adjusted is not None and own.p_adjusted > SIGNIFICANCE_LEVEL:
        reasons.append("does not beat chance in this search")
    if not own.net_low_all > 0:
        reasons.append("its profit does not hold for all that was tried")
    if own.left_out:
        reasons.append("a part of its evidence is left out")
    return f"No winner: {' and '.join(reasons)}"


def _served(own: Ranked, around: Surroundings) -> Element | None:
    versions = [each for run_id in own.candidate.run_ids for each in around.promoted.get(run_id, ())]
    if not versions:
        return None
    links: list[Content] = []
    for instrument, version in versions:
        links += [" ", link(f"{instrument} {version}", "promoted", instrument=instrument, version=version)]
    return element("p", "A candidate of its run was promoted as", *links, ".", class_="state")


def _figures(own: Ranked) -> Element:
    """Return every figure with its interval and what it means."""
    f = own.judgement.figures
    rows = figure_rows([f])
    return section("figures", "Figures", disclosure("Every figure, with what it is", table(["", "value", ""], rows)))


def figure_rows(several: Sequence[Figures]) -> list[list[Content]]:
    """Return a row for each figure of some candidates: its name, a value for each of them, and what it is."""
    rows: list[list[Content]] = []
    for figure in all_figures():
        if not any(figure.is_shown(vars(f)) for f in several):
            continue
        label = figure.heading or figure.label or figure.name.replace("_", " ")
        shown = figure if figure.form else dataclasses.replace(figure, form=".4g")
        texts = [true_minus(shown.text(vars(f))) for f in several]
        unit = "%" if figure.unit == SHARE else figure.unit
        meaning = element("td", f"{figure.meaning} ({unit})" if unit else figure.meaning, class_="words fine")
        rows.append([element("th", label, scope="row"), *texts, meaning])
    return rows


def _compare_form(own: Ranked) -> Element:
    field = element("input", name="b", type="text", autocomplete="off", maxlength="64", required="required")
    hidden = element("input", name="a", type="hidden", value=own.candidate.candidate_id)
    label = element("label", element("span", "Compare with candidate"), field)
    return element(
        "form",
        hidden,
        label,
        element("button", "Compare", type="submit"),
        method="get",
        action="compare",
        class_="filters",
    )


def _ways(own: Ranked, ways: Sequence[Ranked], key: str) -> Element:
    """Return the runs of the same fires that enter otherwise: as a taker, and as a maker by latency and wait."""
    evaluation = own.candidate.first.evaluation
    is_maker = evaluation.in_queue
    entry = (
        f"Entries rest at the best price, arrive {evaluation.latency_ms:g} ms after the decision and are withdrawn "
        f"after {evaluation.max_wait_bins} bins; exits pay the spread."
        if is_maker
        else "Entries and exits are at the touch: both pay the spread."
    )
    explore = command(f"python -m vpharness compare{key} execution={own.candidate.candidate_id}")
    more = note("Other latencies and waits are explored, and counted with all that was tried, by")
    if len(ways) < 2:
        return section("execution", "Execution", element("p", entry), more, explore)
    figures = [each.judgement.figures for each in ways]
    scale = Scale.over(figures)
    rows: list[list[Content]] = []
    for each, f in zip(ways, figures, strict=True):
        e = each.candidate.first.evaluation
        way = f"maker, {e.latency_ms:g} ms, {e.max_wait_bins} bins" if e.in_queue else "taker"
        name = (
            element("strong", way, " (this one)")
            if each is own
            else link(way, "candidate", id=each.candidate.candidate_id)
        )
        adjusted = "" if each.p_adjusted is None else f"{each.p_adjusted:.3f}"
        mark = element("td", scale.mark(f), class_="mark")
        rows.append([element("th", name, scope="row"), f"{f.n_net:,}", net_text(f), mark, adjusted])
    head: list[Content] = ["entry", "fires", "net per fire, ticks [95 %]", "interval", "p adj."]
    return section("execution", "Execution", element("p", entry), table(head, rows, class_="ranking"), more, explore)


def _chance(findings: Findings) -> Element | None:
    return null_maximum(findings) if findings.rankable else None


def _configuration(own: Ranked, labels: Mapping[str, str]) -> Element:
    """Return the settings that candidates can differ in, and the runs with their datasets."""
    first = own.candidate.first
    settings: list[list[Content]] = [
        [element("th", name, scope="row"), value_text(value)]
        for name, value in settings_of(first).items()
        if value is not None
    ]
    split = {name: value for name, value in vars(first.split).items() if value not in (None, [])}
    settings += [[element("th", f"split.{name}", scope="row"), value_text(value)] for name, value in split.items()]
    settings.append([element("th", "code of the signal", scope="row"), first.signal_digest[:16]])
    runs = _runs_table(own.candidate.trials, labels)
    campaigns = sorted({name for trial in own.candidate.trials for name in trial.campaigns})
    links: list[Content] = ["Campaigns:"]
    for name in campaigns:
        links += [" ", link(name, "campaign", name=name)]
    return section(
        "configuration",
        "Configuration",
        element("p", *links) if campaigns else None,
        runs,
        disclosure("All settings", table(["setting", "value"], settings, class_="words")),
    )


def _runs_table(trials: Sequence[Trial], labels: Mapping[str, str]) -> Element:
    rows: list[list[Content]] = [
        [
            element("th", link(with_session(trial.dataset_id, labels), "datasets", id=trial.dataset_id), scope="row"),
            trial.judged_part,
            trial.run_id,
            minute_text(trial.created_ns),
            f"{len(trial.fires):,}",
        ]
        for trial in trials
    ]
    head: list[Content] = ["dataset", "judged on", "run", "stored", "fires"]
    shown = table(head, rows[:_MOST_RUNS], class_="words")
    if len(rows) <= _MOST_RUNS:
        return shown
    return element(
        "div", shown, disclosure(f"{len(rows) - _MOST_RUNS} more runs", table(head, rows[_MOST_RUNS:], class_="words"))
    )


def _promotion(own: Ranked, around: Surroundings) -> Element:
    """Return the command that promotes a candidate, and what it asks."""
    candidate_id, runs = own.candidate.candidate_id, own.candidate.choosing
    lines = []
    if len({trial.run_id for trial in runs}) == 1:
        lines = [f"run_id={candidate_id}"]
    else:
        mine = {trial.dataset_id for trial in runs}
        pools = [name for name, ids in around.collections.items() if mine <= ids]
        lines += [f"run_id={candidate_id} dataset.collection={name}" for name in sorted(pools)[:2]]
        if not pools:
            threshold = own.candidate.first.threshold_label
            lines += [f"run_id={trial.run_id} threshold={threshold}" for trial in runs[:3]]
    words = (
        "It is served once every gate passes: the audit, a live session that gives what the run gave, its evidence "
        "here, and the test part, which is opened by it and counted for good."
    )
    if not own.winner:
        words += ' This one is no winner: without force="REASON", which is recorded, it will be refused.'
    told = "\n".join(f"python -m vpharness promote{around.lake_key} {line}" for line in lines)
    return section("promote", "Promote it", element("p", words), command(told))
