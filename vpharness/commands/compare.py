"""The command `compare`: the ledger's candidates, ranked, or their figures at each value of a parameter."""

import contextlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from omegaconf import DictConfig

from vpharness.campaigns.collection_members import collection_datasets, members_added_ns, sessions_of_datasets
from vpharness.commands.comparison_filters import (
    candidate_id_named,
    is_shown,
    require_known,
    require_known_campaign,
    require_known_hold,
    require_known_members,
)
from vpharness.commands.ledger_access import readable_ledger, views_in
from vpharness.commands.output_files import new_file, require_new
from vpharness.commands.text.dataset_facts import DatasetRemarks, print_doubts
from vpharness.commands.text.execution_tables import execution_row, print_executions
from vpharness.commands.text.information_tables import print_information
from vpharness.commands.text.rankings import print_ranking, rows_of
from vpharness.commands.text.sensitivity_tables import print_sensitivity, print_surface, sensitivity_row, surface_row
from vpharness.commands.text.stability_tables import SinceTable, print_since_chosen, print_stability, since_row
from vpharness.commands.text.terminal import minute_text
from vpharness.config.command_schemas import CompareCommand
from vpharness.config.lake_of_command import lake_key, lake_of
from vpharness.config.search_path import permitted_modules
from vpharness.config.typed_config import check, check_command, instance
from vpharness.datasets.find import Dataset, find_dataset
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError, DatasetError
from vpharness.evaluation.figure_registry import without_nan
from vpharness.results.candidate_stability import stability_of, stability_rows
from vpharness.results.execution import executions
from vpharness.results.holdout import open_holdouts, open_rankable
from vpharness.results.information_rows import Information, information_rows
from vpharness.results.ledger import LedgerCandidate, LedgerRun
from vpharness.results.ranking import (
    Ranked,
    alike,
    each_dataset_apart,
    net_order,
    restricted,
    unjudged,
    within_campaign,
)
from vpharness.results.reevaluation import ViewOf
from vpharness.results.remembered_rankings import ranked_before
from vpharness.results.report.findings import Findings
from vpharness.results.sensitivity import parameter_named, sensitivity, surface
from vpharness.results.since_chosen import ChosenCandidate, since_chosen
from vpharness.results.store import Store, store_in
from vpharness.storage.arrow import table_of_rows
from vpharness.storage.parquet import write_parquet
from vpharness.wording import counted


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison.

    Attributes:
        ledger: all candidates that there are.
        of_signal: those that are asked for, however few fires they have.
        ranked: those of them that have enough fires to be shown, in their order.
        view_of: from a dataset's id and checksum to its prices.
        answer: what was asked.
    """

    ledger: Sequence[LedgerCandidate]
    of_signal: Sequence[Ranked]
    ranked: Sequence[Ranked]
    view_of: ViewOf
    answer: "Answer"


@dataclass(frozen=True)
class Answer:
    """What was asked: rows for programs, how they are shown to people, and the candidates of a ranking."""

    rows: Sequence[dict[str, Any]]
    show: Callable[[], None]
    shown: Sequence[Ranked] = ()


def run_compare(config: DictConfig) -> None:
    """Rank all candidates, with p-values adjusted for everything that was ever tried."""
    asked = check_command(config, CompareCommand)
    choice = instance(config.dataset, "dataset")
    require_new(asked.parquet, "parquet")
    require_new(asked.report, "report")
    if asked.walk_forward:
        from vpharness.commands.walk_forward import run_walk_forward  # noqa: PLC0415  # which the ranking does without

        tracking = instance(config.tracking, "tracking")
        check(tracking=tracking)
        run_walk_forward(asked, choice, tracking)
        return
    found = compared(asked, choice.id, choice.collection)
    ledger, answer = found.ledger, found.answer
    if asked.report is not None:
        # Charts and signals take seconds to load, and a ranking needs neither.
        from vpharness.campaigns.candidate_information import is_learned  # noqa: PLC0415
        from vpharness.commands.compare_report import facts_of, write_report  # noqa: PLC0415

        facts = facts_of(asked, choice, found.ranked, ledger_text(ledger))
        judged_on = dict.fromkeys(name for each in found.ranked for name in each.candidate.dataset_ids)
        remarks = DatasetRemarks(lake_of(asked)).sentences(judged_on)
        sessions = sessions_of_datasets(lake_of(asked))
        findings = Findings(
            found.ranked,
            answer.shown,
            found.view_of,
            facts,
            remarks,
            sessions=sessions,
            information_of=informer(lake_of(asked)),
            is_learned=is_learned,
            store=store_in(lake_of(asked).root),
        )
        write_report(Path(asked.report), findings)
    if asked.parquet is not None:
        with new_file(Path(asked.parquet)) as aside:
            write_parquet(table_of_rows(answer.rows), aside)
    print_doubts(_datasets_of(found.ranked, lake_of(asked)))
    if asked.json:
        print(json.dumps(answer.rows, indent=1))
        return
    answer.show()
    if not found.ranked and asked.since is None and asked.stability is None:
        print(_nothing_shown(found.of_signal, asked.min_signals))
    print(f"{ledger_text(ledger)}; in a browser: python -m vpharness board{lake_key(lake_of(asked))}")
    if asked.report is not None:
        print(f"report: {asked.report}")


def _datasets_of(ranked: Sequence[Ranked], lake: Lake) -> Iterator[Dataset]:
    """Yield the datasets that candidates were judged on, as far as they are at hand."""
    for dataset_id in dict.fromkeys(name for each in ranked for name in each.candidate.dataset_ids):
        with contextlib.suppress(DatasetError):
            yield find_dataset(lake, dataset_id)


def compared(asked: CompareCommand, dataset_id: str | None, collection: str | None = None) -> Comparison:
    """Return what the ledger says to a question; opening test parts is counted.

    Args:
        asked: the question.
        dataset_id: the dataset that is asked about.
        collection: the collection whose datasets are, in place of one.
    """
    lake = lake_of(asked)
    if dataset_id is not None and collection is not None:
        raise ConfigError(
            f"dataset.id={dataset_id} and dataset.collection={collection} were both given; give one of them"
        )
    members = collection_datasets(lake, collection)
    store, view_of = store_in(lake.root), views_in(lake)
    ledger = readable_ledger(store, lake)
    require_known(dataset_id, asked.of_signal, ledger)
    require_known_hold(asked.max_hold_bins, ledger)
    require_known_members(collection, members, ledger)
    wanted = frozenset([dataset_id]) if members is None and dataset_id is not None else members
    meant = _meant(ledger, asked, wanted)
    if asked.since is not None:
        return _since_chosen(asked, lake, ledger, meant, collection, view_of)
    of_signal = _ranked(store, ledger, asked, meant)
    ranked = [each for each in of_signal if each.judgement.figures.n_signals >= asked.min_signals]
    if asked.stability is not None:
        answer = _stability(asked.stability, of_signal, view_of, sessions_of_datasets(lake))
    else:
        answer = _answer(ranked, ledger, asked, store, view_of)
    return Comparison(ledger, of_signal, ranked, view_of, answer)


def _meant(
    ledger: Sequence[LedgerCandidate], asked: CompareCommand, datasets: frozenset[str] | None
) -> list[LedgerCandidate]:
    """Return the candidates that are asked for, on the trials that are asked for alone."""
    require_known_campaign(asked.campaign, ledger)

    def is_meant(run: LedgerRun) -> bool:
        on_dataset = datasets is None or run.dataset_id in datasets
        return on_dataset and (asked.campaign is None or asked.campaign in run.campaigns)

    return restricted(ledger, is_meant)


def _ranked(
    store: Store, ledger: Sequence[LedgerCandidate], asked: CompareCommand, meant: Sequence[LedgerCandidate]
) -> list[Ranked]:
    """Rank the candidates on the trials that are asked for alone, within all that was ever tried; those to be shown."""
    if asked.by == "dataset":
        meant = each_dataset_apart(meant)
    ranked = ranked_before(store, ledger, meant)
    ranked = ranked if asked.campaign is None else within_campaign(ranked)
    shown = [each for each in ranked if is_shown(asked, each.candidate)]
    if asked.candidate is None:
        return shown
    name = candidate_id_named("candidate", asked.candidate, [each.candidate.candidate_id for each in shown])
    return [each for each in shown if each.candidate.candidate_id == name]


def _stability(name: str, ranked: Sequence[Ranked], view_of: ViewOf, sessions: Mapping[str, str]) -> Answer:
    """Return one of the candidates day by day."""
    found = stability_of(_one_of("stability", name, ranked).candidate, view_of)
    rows = [
        row | ({"session": sessions.get(row["name"])} if row["of"] == "day" else {}) for row in stability_rows(found)
    ]
    return Answer([without_nan(row) for row in rows], lambda: print_stability(found, sessions))


def _one_of(key: str, begins: str, ranked: Sequence[Ranked]) -> Ranked:
    """Return the candidate that a key names by its id, or by how that begins."""
    name = candidate_id_named(key, begins, [each.candidate.candidate_id for each in ranked])
    return next(each for each in ranked if each.candidate.candidate_id == name)


def _since_chosen(
    asked: CompareCommand,
    lake: Lake,
    ledger: Sequence[LedgerCandidate],
    meant: Sequence[LedgerCandidate],
    collection: str | None,
    view_of: ViewOf,
) -> Comparison:
    """Return what candidates did on the days that were added after each was chosen."""
    from vpharness.promotion.promotion_times import promotion_times  # noqa: PLC0415  # compilers, seconds to load

    store, added_ns = store_in(lake.root), members_added_ns(lake, collection)
    if not added_ns:
        raise ConfigError("since=chosen is about days that are added to a collection, and the lake has none")
    wanted = [each for each in meant if is_shown(asked, each)]
    if asked.candidate is not None:
        name = candidate_id_named("candidate", asked.candidate, [each.candidate_id for each in wanted])
        wanted = [each for each in wanted if each.candidate_id == name]
    chosen = since_chosen(wanted, ledger, added_ns, promotion_times(lake))
    order = {each.candidate.candidate_id: place for place, each in enumerate(ranked_before(store, ledger, meant))}
    # Those that no later day is known of are left out before the rows are counted.
    with_later = [each for each in chosen if each.later is not None]
    without = [each for each in chosen if each.later is None]
    ranked = sorted(ranked_before(store, ledger, [each.later for each in with_later if each.later]), key=net_order)
    place = {each.candidate.candidate_id: number for number, each in enumerate(ranked)}
    with_later.sort(
        key=lambda each: (
            place.get(each.candidate.candidate_id, len(place)),
            order.get(each.candidate.candidate_id, len(order)),
        )
    )
    shown = with_later[: asked.top]
    found = {each.candidate.candidate_id: each for each in ranked}
    if asked.show_test:
        found |= _opened_later(shown, found, ledger, store, view_of)
    rows = [since_row(each, found.get(each.candidate.candidate_id)) for each in shown]
    listed = [found[name] for each in shown if (name := each.candidate.candidate_id) in found]
    since = SinceTable(shown, found, without, len(with_later) - len(shown))
    answer = Answer(
        [without_nan(row) for row in rows], lambda: print_since_chosen(since, lake, shows_test=asked.show_test), listed
    )
    return Comparison(ledger, ranked, ranked, view_of, answer)


def _opened_later(
    shown: Sequence[ChosenCandidate],
    judged: Mapping[str, Ranked],
    ledger: Sequence[LedgerCandidate],
    store: Store,
    view_of: ViewOf,
) -> dict[str, Ranked]:
    """Open the later days that are kept for the test, and return the candidates with what came of it."""
    asked = []
    for each in shown:
        if each.later is not None and each.test_days:
            name = each.candidate.candidate_id
            asked.append(judged[name] if name in judged else unjudged(each.later))
    return {each.candidate.candidate_id: each for each in open_holdouts(asked, ledger, store, view_of)}


def _nothing_shown(candidates: Sequence[Ranked], min_signals: int) -> str:
    """Return why no candidate is shown, and what to do about it."""
    if not candidates:
        return "no candidates; python -m vpharness signal=perm_derivative makes some"
    most = max(each.judgement.figures.n_signals for each in candidates)
    return (
        f"none of {counted(len(candidates), 'candidate')} has min_signals={min_signals} fires judged at the mid; the "
        f"most that one has is {most:,}: give a lower min_signals"
    )


def _answer(
    ranked: list[Ranked], ledger: Sequence[LedgerCandidate], asked: CompareCommand, store: Store, view_of: ViewOf
) -> Answer:
    if asked.sensitivity is not None:
        parameter = parameter_named(asked.sensitivity, ranked)
        if "max_hold" not in parameter:
            _refuse_mixed_horizons(ranked, asked)
        at_values = sensitivity(ranked, parameter)
        return Answer([sensitivity_row(each) for each in at_values], lambda: print_sensitivity(at_values))
    if asked.execution is not None:
        found = executions(_one_of("execution", asked.execution, ranked).candidate, ledger, view_of, store)
        return Answer([execution_row(each) for each in found], lambda: print_executions(found))
    if asked.information is not None:
        scored = informer(lake_of(asked))(_one_of("information", asked.information, ranked).candidate)
        return Answer([without_nan(row) for row in information_rows(scored)], lambda: print_information(scored))
    if asked.surface or asked.report is not None:
        _refuse_mixed_horizons(ranked, asked)
    if asked.surface:
        at_barriers = surface(ranked)
        return Answer([surface_row(each) for each in at_barriers], lambda: print_surface(at_barriers))
    ordered = sorted(ranked, key=_tp_rate_order) if asked.sort == "tp_rate" else ranked
    return _tables(ordered, ledger, asked, lambda shown: open_rankable(shown, ledger, store, view_of))


def _tables(
    ranked: Sequence[Ranked],
    ledger: Sequence[LedgerCandidate],
    asked: CompareCommand,
    opened: Callable[[Sequence[Ranked]], list[Ranked]],
) -> Answer:
    """Rank candidates in one table; those that hold for different times in a table each, unless they are mixed."""
    apart: dict[float, list[Ranked]] = defaultdict(list)
    for each in ranked:
        apart[0.0 if asked.mixed_horizon else each.hold_s].append(each)
    # On a page, those that are alike share a row, as they do in the table.
    kinds = asked.report is not None and not asked.show_test
    listed = {
        horizon: [first for first, _ in alike(members)] if kinds else members for horizon, members in apart.items()
    }
    shown = [each for horizon in sorted(apart) for each in listed[horizon][: asked.top]]
    if asked.show_test:
        shown = opened(shown)

    def show() -> None:
        for number, horizon in enumerate(sorted(apart) or [0.0]):
            # Those that are alike share a row, so that more than are listed for programs find room.
            of_all = [each for each in shown if horizon in {each.hold_s, 0.0}]
            told = of_all if asked.show_test else apart[horizon]
            if len(apart) > 1:
                print(f"holding for up to {horizon:g} s")
            if told:
                print_ranking(told, lake=lake_of(asked), most=asked.top, explained=number == 0, ledger=ledger)
            print(end="\n" if len(apart) > 1 else "")

    return Answer(rows_of(shown, lake_of(asked)), show, shown)


def informer(lake: Lake) -> Callable[[LedgerCandidate], Information]:
    """Return how to find out how well a candidate's scores agree with later moves."""
    from vpharness.campaigns.candidate_information import information_of  # noqa: PLC0415  # signals, seconds to load

    modules = permitted_modules(lake.root, (), "signal_modules")
    return lambda candidate: information_of(candidate, lake, store_in(lake.root), modules)


def _tp_rate_order(ranked: Ranked) -> tuple[float, str]:
    return -ranked.judgement.figures.tp_rate, ranked.candidate.candidate_id


def _refuse_mixed_horizons(ranked: Sequence[Ranked], asked: CompareCommand) -> None:
    if len({each.hold_s for each in ranked}) < 2 or asked.mixed_horizon:
        return
    holds = sorted({(each.hold_s, each.candidate.first.evaluation.max_hold_bins) for each in ranked})
    shown = ", ".join(f"{seconds:g} s (eval.max_hold_bins={bins})" for seconds, bins in holds)
    ways = " or ".join(f"{key}=" for key, values_of in _CHOOSING.items() if _leaves_one_horizon(ranked, values_of))
    raise ConfigError(
        f"the runs hold for up to {shown}: different holding times do not rank together; "
        f"{f'choose with {ways}, or ' if ways else ''}set mixed_horizon=true"
    )


_CHOOSING: Final[Mapping[str, Callable[[LedgerCandidate], Iterable[str]]]] = {
    "signal": lambda candidate: [candidate.first.signal],
    "dataset.id": lambda candidate: candidate.dataset_ids,
    "max_hold_bins": lambda candidate: [str(candidate.first.evaluation.max_hold_bins)],
    "campaign": lambda candidate: candidate.runs.campaigns,
}
"""What candidates can be chosen by, by key."""


def _leaves_one_horizon(ranked: Sequence[Ranked], values_of: Callable[[LedgerCandidate], Iterable[str]]) -> bool:
    """Whether all candidates of one of these values hold for the same time."""
    horizons: dict[str, set[float]] = defaultdict(set)
    for each in ranked:
        for value in values_of(each.candidate):
            horizons[value].add(each.hold_s)
    return any(len(found) == 1 for found in horizons.values())


def ledger_text(ledger: Sequence[LedgerCandidate]) -> str:
    """Return how much the whole ledger holds, and when its newest run was."""
    if not ledger:
        return "the ledger is empty"
    runs = len(set[str]().union(*(each.run_ids for each in ledger)))
    newest = minute_text(max(each.runs.newest_ns for each in ledger))
    explored = sum(len(each.explored) for each in ledger)
    ways = f", and {counted(explored, 'way')} of entering that were looked at and not run" if explored else ""
    return f"the ledger holds {len(ledger):,} candidates of {runs:,} runs, the newest of {newest}{ways}"
