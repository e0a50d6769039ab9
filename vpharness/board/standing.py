"""The ranking that the board shows: every candidate as a row of a table, kept with the ledger's rankings.

Making a page of a leaderboard needs rows, not evidence: the table is read in a fraction of the time that the ledger
takes, so that a board that has just been started shows its first page at once. It belongs to one state of the store,
its `stamp`; a table of an earlier state is shown as that until the ranking of the present one is there.
"""

import dataclasses
import hashlib
import io
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from vpharness.campaigns.collection_members import sessions_and_labels
from vpharness.commands.ledger_access import readable_ledger
from vpharness.commands.text.ranking_lines import family_text
from vpharness.commands.text.varied_settings import RowSettings, row_settings
from vpharness.datasets.lake import Lake
from vpharness.errors import ResultsError
from vpharness.evaluation import Figures, all_figures
from vpharness.evaluation.figures import figures_from
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.ledger_reader import LEDGER_TABLES
from vpharness.results.part_files import list_parts
from vpharness.results.ranking import Ranked, duplicates
from vpharness.results.remembered_rankings import code_digest, keep_beside, kept_beside, ranked_before
from vpharness.results.report.candidates import dataset_ids_of
from vpharness.results.report.findings import Findings
from vpharness.results.report.verdict import verdict_sentences
from vpharness.results.store import AUDITS, Store, store_in

_TABLES: Final = (*LEDGER_TABLES, AUDITS)
"""The tables that what is shown of a ranking follows from."""

_PACKAGE: Final = Path(__file__).parents[1]
_WORDED_IN: Final = [
    _PACKAGE / room for room in ("board", "campaigns", "commands", "commands/text", "datasets", "results/report")
]
_NAME: Final = f"leaderboard 1 {code_digest(_WORDED_IN)}"
"""Under which the table is kept: another one with every change of the code that words it."""

_TEXT, _NUMBER, _WHOLE, _FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
_KINDS: Final = {
    **dict.fromkeys(("candidate_id", "audit", "lacks", "signal", "threshold", "code", "dataset_id", "settings"), _TEXT),
    **dict.fromkeys(("run_ids", "datasets", "campaigns", "left_out_datasets"), pa.list_(_TEXT)),
    **dict.fromkeys(("hold_s", "tp_ticks", "sl_ticks", "p_value", "t_statistic", "p_adjusted"), _NUMBER),
    **dict.fromkeys(("created_ns", "family", "family_size", "family_evaluated", "alike", "n_alike"), _WHOLE),
    **dict.fromkeys(("winner", "could_win", "adaptive"), _FLAG),
    "net_pnl_ticks_low_all": _NUMBER,
}
"""The columns of the table beside the figures, with what each holds."""

_FACTS: Final = b"vpharness"
_MOST_FAMILIES: Final = 50


@dataclass(frozen=True)
class Facts:
    """What is said of a ranking as a whole.

    Attributes:
        stamp: the state of the store that it is of.
        at_ns: when it was made, ns since the Unix epoch, UTC.
        seconds: how long reading and ranking took.
        candidates, runs: how many the ledger holds.
        newest_ns: when the newest run was stored; 0 where there is none.
        verdict: what the whole ledger comes to, in sentences; the first is the heading.
        families: what p-values are adjusted for, in words, by the number of the family in the table.
    """

    stamp: str
    at_ns: int
    seconds: float
    candidates: int
    runs: int
    newest_ns: int
    verdict: tuple[str, ...]
    families: tuple[str, ...]


@dataclass(frozen=True)
class Standing:
    """The ranking of one state of the ledger.

    Attributes:
        facts: what is said of it as a whole.
        table: a row for each candidate, the best first.
        ledger, ranked: what it was made of; None where it was read as it was kept.
    """

    facts: Facts
    table: pa.Table
    ledger: Sequence[LedgerCandidate] | None = None
    ranked: Sequence[Ranked] | None = None


def stamp_of(lake: Lake) -> str:
    """Return a digest of everything that a ranking follows from, as far as listing folders tells it apart.

    Parts of the store never change under a name. Which datasets there are counts too: rows of earlier versions are
    judged anew where their datasets are at hand.
    """
    store, digest = store_in(lake.root), hashlib.sha256()
    for table in _TABLES:
        folder = store.root / table
        names = [path.name for path in list_parts(folder)] if folder.is_dir() else []
        digest.update("\n".join([table, *names]).encode())
    for folder in (lake.published, lake.variants, lake.collections):
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        digest.update("\n".join([folder.name, *(name for name in names if not name.startswith("."))]).encode())
    return digest.hexdigest()


def new_standing(lake: Lake, stamp: str) -> Standing:
    """Return the ranking of the ledger as it is now, and keep its table. Raises ResultsError where it is damaged."""
    begun, store = time.monotonic(), store_in(lake.root)
    ledger = readable_ledger(store, lake)
    ranked = ranked_before(store, ledger)
    families, (sessions, labels) = _families(ranked), sessions_and_labels(lake)
    facts = Facts(
        stamp,
        time.time_ns(),
        time.monotonic() - begun,
        len(ledger),
        len({run_id for each in ledger for run_id in each.run_ids}),
        max((each.runs.newest_ns for each in ledger), default=0),
        tuple(verdict_sentences(Findings(ranked, (), _no_view, {}, sessions=labels))),
        tuple(families)[:_MOST_FAMILIES],
    )
    table = _table_of(ranked, families, sessions)
    _keep(store, facts, table)
    return Standing(facts, table, ledger, ranked)


def _no_view(dataset_id: str, _checksum: str) -> Any:
    raise ResultsError(f"dataset {dataset_id} is not read for a ranking")


def kept_standing(lake: Lake) -> Standing | None:
    """Return the ranking that was kept last, of whatever state of the store; None where there is none."""
    content = kept_beside(store_in(lake.root), _NAME)
    if content is None:
        return None
    table = pq.read_table(io.BytesIO(content))
    values = json.loads((table.schema.metadata or {})[_FACTS])
    values |= {name: tuple(values[name]) for name in ("verdict", "families")}
    return Standing(Facts(**values), table)


def _keep(store: Store, facts: Facts, table: pa.Table) -> None:
    written = io.BytesIO()
    marked = table.replace_schema_metadata({_FACTS: json.dumps(dataclasses.asdict(facts))})
    pq.write_table(marked, written, compression="zstd")
    keep_beside(store, _NAME, written.getvalue())


def _families(ranked: Sequence[Ranked]) -> dict[str, int]:
    """Return what the p-values of candidates are adjusted for, in words, with a number each, in the ranking's order."""
    texts: dict[int, str] = {}
    numbers: dict[str, int] = {}
    for each in ranked:
        if each.p_adjusted is not None and id(each.family) not in texts:
            numbers.setdefault(texts.setdefault(id(each.family), family_text(each.family)), len(numbers))
    return numbers


def _table_of(ranked: Sequence[Ranked], families: Mapping[str, int], sessions: Mapping[str, str]) -> pa.Table:
    words: dict[int, str] = {}
    numbers = [
        families[words.get(id(each.family)) or words.setdefault(id(each.family), family_text(each.family))]
        if each.p_adjusted is not None
        else None
        for each in ranked
    ]
    alike = {id(each): (place, len(members)) for place, members in enumerate(duplicates(ranked)) for each in members}
    texts = _SettingsTexts(sessions)
    columns: dict[str, list[Any]] = {
        "candidate_id": [each.candidate.candidate_id for each in ranked],
        "run_ids": [list(each.candidate.run_ids) for each in ranked],
        "datasets": [dataset_ids_of(each) for each in ranked],
        "campaigns": [sorted(each.candidate.runs.campaigns) for each in ranked],
        "created_ns": [each.candidate.runs.newest_ns for each in ranked],
        "hold_s": [each.hold_s for each in ranked],
        "tp_ticks": [each.candidate.first.evaluation.tp_ticks for each in ranked],
        "sl_ticks": [each.candidate.first.evaluation.sl_ticks for each in ranked],
        "p_value": [each.judgement.p_value for each in ranked],
        "t_statistic": [each.judgement.t for each in ranked],
        "p_adjusted": [each.p_adjusted for each in ranked],
        "net_pnl_ticks_low_all": [None if math.isnan(each.net_low_all) else each.net_low_all for each in ranked],
        "winner": [each.winner for each in ranked],
        "could_win": [each.could_win for each in ranked],
        "adaptive": [each.candidate.adaptive for each in ranked],
        "audit": [each.candidate.audit for each in ranked],
        "lacks": ["; ".join(each.lacks) for each in ranked],
        "left_out_datasets": [list(each.left_out) for each in ranked],
        "family": numbers,
        "family_size": [each.family.n_rankable for each in ranked],
        "family_evaluated": [each.family.n_evaluated for each in ranked],
        "alike": [alike[id(each)][0] for each in ranked],
        "n_alike": [alike[id(each)][1] for each in ranked],
    }
    first = [each.candidate.first for each in ranked]
    columns |= {
        "signal": [trial.signal for trial in first],
        "threshold": [trial.threshold_label for trial in first],
        "code": [trial.signal_digest for trial in first],
        "dataset_id": [trial.dataset_id for trial in first],
        "settings": [texts.of(each) for each in ranked],
    }
    arrays = {name: pa.array(values, _KINDS[name]) for name, values in columns.items()}
    arrays["settings"] = arrays["settings"].dictionary_encode()
    for figure in all_figures():
        for name in figure.names:
            values = [getattr(each.judgement.figures, name) for each in ranked]
            arrays[name] = pa.array(values, pa.int64() if figure.is_whole else pa.float64())
    return pa.table(arrays)


class _SettingsTexts:
    """Settings of candidates as JSON; those of runs that share all of them are written out once."""

    def __init__(self, sessions: Mapping[str, str]) -> None:
        self._sessions = sessions
        self._known: dict[tuple[Any, ...], tuple[Any, str]] = {}

    def of(self, ranked: Ranked) -> str:
        """Return the settings of a candidate, by full name."""
        first = ranked.candidate.first
        objects = first.parameters, first.evaluation, first.split
        key = (first.signal, *map(id, objects), *(trial.dataset_id for trial in ranked.candidate.trials))
        known = self._known.get(key)
        if known is None:
            text = json.dumps(row_settings(ranked, self._sessions).values)
            # The objects are kept, so that no other ones come to have their numbers.
            known = self._known[key] = objects, text
        return known[1]


def _figure_names() -> list[str]:
    return [name for each in all_figures() for name in each.names]


def figures_in(row: Mapping[str, Any]) -> Figures:
    """Return the figures of a row of the table."""
    values = {name: row[name] for name in _figure_names()}
    return figures_from({name: math.nan if value is None else value for name, value in values.items()})


def settings_in(row: Mapping[str, Any]) -> RowSettings:
    """Return the settings of a row of the table."""
    values = json.loads(row["settings"])
    return RowSettings(row["signal"], row["threshold"], row["code"], row["dataset_id"], values)
