"""Who is meant by the beginning of an id: a run, or a candidate as compare shows it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.campaigns.days import add_days
from tests.results.ledgers import trial
from vpharness.commands.promotion_pool import pool_of
from vpharness.config.command_schemas import DatasetChoice
from vpharness.datasets.collection import add_members
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError, PromotionError
from vpharness.evaluation import TEST, TRAIN, Market, SplitParameters
from vpharness.promotion.selection import select_candidate
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.ranking import rank
from vpharness.results.store import CANDIDATES, META, Store, TableRows, append
from vpharness.results.table_schemas import DONE, META_SCHEMA, candidate_schema

VIEWS = {"market": "north", "other": "south", "kept": "south"}
RUNS = {"aa10": ("market", TRAIN), "aa20": ("other", TRAIN), "bb30": ("kept", TEST)}
CANDIDATE_IDS = {"c1": ("0.1", 0.1), "c2": ("q90", 0.37), "bb99": ("0.2", 0.2)}
IN_RUNS = {"aa10": ("c1", "c2"), "aa20": ("c1",), "bb30": ("c1",)}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three runs; one candidate ran in all of them."""
    found = Store(tmp_path)
    metas = [
        {"run_id": run_id, "status": DONE, "signal_target": "m.s", "dataset_id": dataset_id, "judged_part": part}
        | {"dataset_checksum": "sum", "identity": json.dumps({"run": run_id})}
        for run_id, (dataset_id, part) in RUNS.items()
    ]
    rows = [
        {"run_id": run_id, "candidate_id": name}
        | dict(zip(("threshold_label", "threshold"), CANDIDATE_IDS[name], strict=True))
        for run_id, names in IN_RUNS.items()
        for name in names
    ]
    append(found, TableRows(CANDIDATES, rows, candidate_schema()), TableRows(META, metas, META_SCHEMA))
    return found


def made(name: str, *, knows: bool) -> LedgerCandidate:
    """Return a candidate with its trials, in those of the runs that it was in: each is of its own instrument."""
    trials = []
    for run_id in (run_id for run_id, names in IN_RUNS.items() if name in names):
        dataset_id, part = RUNS[run_id]
        own = trial(VIEWS[dataset_id], name, len(run_id), knows=knows, threshold=CANDIDATE_IDS[name][0])
        trials.append(
            replace(
                own,
                run_id=run_id,
                dataset_id=dataset_id,
                dataset_checksum="sum",
                judged_part=part,
                split=SplitParameters(kind="dataset", test_datasets=["kept"]),
                evidence=None if part == TEST else own.evidence,
                market=Market(dataset_id),
            )
        )
    return LedgerCandidate(name, tuple(trials))


@pytest.fixture(scope="module")
def ledger() -> list[LedgerCandidate]:
    """Of the candidates of the first run the second is the better one; another one is in no run of the store."""
    return [made("c2", knows=True), made("c1", knows=False), replace(made("c1", knows=False), candidate_id="bb99")]


@pytest.mark.parametrize(
    ("name", "threshold", "run_id", "candidate_id", "number"),
    [
        ("aa1", None, "aa10", "c2", 0.37),  # of a run the one that ranks first
        ("aa10", "0.1", "aa10", "c1", 0.1),
        ("aa10", "0.10", "aa10", "c1", 0.1),  # by its number
        ("aa10", "q90", "aa10", "c2", 0.37),  # by what the run calls it
        ("aa2", None, "aa20", "c1", 0.1),  # the trial on this run's dataset
        ("c2", None, "aa10", "c2", 0.37),  # by its own id
    ],
)
def test_a_beginning_is_enough(
    store: Store,
    ledger: list[LedgerCandidate],
    name: str,
    threshold: str | None,
    run_id: str,
    candidate_id: str,
    number: float,
) -> None:
    """Of a run or of a candidate; the threshold chooses among those of the run."""
    found = select_candidate(store, ledger, name, threshold)
    assert (found.run_id, found.trial.candidate_id, found.threshold) == (run_id, candidate_id, number)
    assert (found.trial.dataset_id, found.identity) == (RUNS[run_id][0], {"run": run_id})


@pytest.mark.parametrize(
    ("name", "threshold", "message"),
    [
        ("aa", None, "run_id is 'aa', which matches 2 ids: aa10, aa20"),
        ("bb", None, "run_id is 'bb', which matches 2 ids: bb30, bb99"),
        ("", None, "run_id is '', which matches 6 ids: aa10, aa20, bb30, c2, c1; "),
        ("zz", None, "run_id is 'zz', which is neither a run nor a candidate"),
        ("aa10", "0.2", "threshold is 0.2; run aa10 has the thresholds 0.1, q90"),
        ("c2", "0.1", "threshold is 0.1; run aa10 has the thresholds 0.1, q90"),
        (
            "c1",
            None,
            "c1 ran 2 times: aa10 on market of market, aa20 on other of other; name the run on the instrument that is",
        ),
        ("c1", None, "or pool the runs over a collection that holds these datasets, with dataset.collection="),
        ("bb3", None, "run bb30 is on dataset kept, which is kept for the test"),
    ],
)
def test_what_is_not_one_candidate_is_refused(
    store: Store, ledger: list[LedgerCandidate], name: str, threshold: str | None, message: str
) -> None:
    """With what it could mean; a run on a dataset that is kept for the test has chosen nothing."""
    with pytest.raises(PromotionError, match=message):
        select_candidate(store, ledger, name, threshold)


def test_a_run_whose_dataset_is_gone_says_so(store: Store) -> None:
    """Its candidates are not in the ranking any more."""
    with pytest.raises(PromotionError, match="run aa10 cannot be judged: its dataset market has changed"):
        select_candidate(store, [LedgerCandidate("bb99", ())], "aa10", None)


def test_what_a_candidate_came_to_on_another_instrument_is_no_evidence(
    store: Store, ledger: list[LedgerCandidate]
) -> None:
    """One that loses on the instrument of its run, and wins on a simulated one, is judged where it loses."""
    loses, wins = ledger[1].trials[0], replace(made("c2", knows=True).trials[0], candidate_id="c1", run_id="aa20")
    mixed = LedgerCandidate("c1", (loses, replace(wins, dataset_id="other", market=Market("simulated, seed 0"))))
    (alone,) = rank([LedgerCandidate("c1", (loses,))])
    assert rank([mixed])[0].judgement.figures.net_pnl_ticks > alone.judgement.figures.net_pnl_ticks
    found = select_candidate(store, [mixed], "aa10", "0.1")
    assert found.ranked.judgement.figures == alone.judgement.figures
    assert found.ranked.candidate.trials == (loses,)
    assert not found.ranked.winner


def test_the_collection_that_holds_all_runs_of_a_candidate_is_taken(tmp_path: Path) -> None:
    """Whatever version each run was on and however it was split; two collections, or none, are told with the key."""
    lake = Lake(tmp_path)
    add_days(tmp_path, 1, 1, minutes=1)
    whole = add_days(tmp_path, 2, 2, minutes=1)
    alone = trial("north", "c1", 1)
    on_days = [replace(alone, dataset_id=f"day{day}", run_id=f"r{day}") for day in (1, 2)]
    ledger = [LedgerCandidate("c1", tuple(on_days))]
    found = pool_of(lake, DatasetChoice(), "c1", ledger)
    assert found is not None
    assert (found.collection, whole.name, sorted(found.dataset_ids)) == ("days@2", "days@2", ["day1", "day2"])
    assert pool_of(lake, DatasetChoice(), "r1", ledger) is None
    assert pool_of(lake, DatasetChoice(), "c1", [LedgerCandidate("c1", (*on_days, alone))]) is None
    assert pool_of(lake, DatasetChoice(), "c1", [LedgerCandidate("c1", (on_days[0],))]) is None
    third = add_days(tmp_path, 3, 3, minutes=1).dataset_ids
    add_members(lake, "others", [(find_dataset(lake, name), name) for name in third[:2]])
    with pytest.raises(
        ConfigError, match=r"are in several collections, days@3, others@1; choose one with dataset.collection="
    ):
        pool_of(lake, DatasetChoice(), "c1", ledger)
