"""A procedure is promoted: what walk-forward has in force is served, on the procedure's out-of-sample record."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.commands.test_cli import in_process
from tests.promotion.market import LIMITS, MARKET, OWN, SHORT
from tests.promotion.samples import verdicts
from tests.results.walk_forward_ledgers import candidate, day_evidence, noise
from vpharness.config.promotion_schemas import PromoteCommand
from vpharness.datasets.lake import Lake
from vpharness.errors import PromotionError
from vpharness.parameters import problems
from vpharness.promotion.gate import judged_by_defaults
from vpharness.promotion.gate_parameters import PromotionParameters
from vpharness.promotion.procedure import (
    procedure_evidence,
    procedure_gates,
    promised_of,
    select_from_procedure,
)
from vpharness.promotion.serving import promoted, read_bundle
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.store import Store
from vpharness.results.walk_forward.judged import WalkForward, walk_forward
from vpharness.results.walk_forward.tried import Procedure

GATES = ("walk-forward data", "walk-forward chance", "walk-forward net")


def walked(folder: Path, candidates: list[LedgerCandidate]) -> WalkForward:
    """Return a procedure over some days."""
    return walk_forward(Procedure("many", 4, 1), candidates, candidates, Store(folder))


def leading(days: int, fires: int = 40) -> list[LedgerCandidate]:
    """Return a candidate that leads, and some that do not."""
    rng = np.random.default_rng(1)
    return [
        candidate("lead", [day_evidence(day, rng, 2.0, fires=fires) for day in range(days)]),
        *noise(2, 4, days),
    ]


def test_the_record_out_of_sample_stands_in_the_place_of_training_and_test(tmp_path: Path) -> None:
    """Where it wins, every gate passes, and what is promised is what it earned out of sample."""
    found = walked(tmp_path, leading(16))
    assert verdicts(procedure_gates(found, PromotionParameters())) == dict.fromkeys(GATES, True)
    promised, evidence = promised_of(found), procedure_evidence(found)
    assert promised is not None
    assert found.judgement is not None
    assert promised["n_net"] == found.judgement.figures.n_net == 12 * 40
    assert promised["net_pnl_ticks_low"] == found.judgement.figures.net_pnl_ticks_low > 0
    assert evidence["p_adjusted"] == found.p_adjusted
    assert found.winner
    assert evidence["walk_forward"]["campaign"] == "many"
    assert evidence["walk_forward"]["chosen_candidate_ids"][-1] == "lead"
    json.dumps([promised, evidence], allow_nan=False)


def test_noise_and_too_little_data_fail_by_what_they_lack(tmp_path: Path) -> None:
    """Noise has data and no profit; a procedure that never chose has nothing."""
    lost = walked(tmp_path / "noise", noise(3, 6, 16, cost=0.5))
    assert verdicts(procedure_gates(lost, PromotionParameters())) == dict(zip(GATES, (True, False, False), strict=True))
    rng = np.random.default_rng(4)
    few = [candidate("few", [day_evidence(day, rng, fires=2) for day in range(8)])]
    empty = walked(tmp_path / "few", few)
    gates = procedure_gates(empty, PromotionParameters())
    assert verdicts(gates) == dict.fromkeys(GATES, False)
    assert gates[0].found == "nothing was ever chosen"
    assert promised_of(empty) is None
    with pytest.raises(PromotionError, match=r"nothing is rankable on the last segments \(day004 to day007\)"):
        select_from_procedure(Store(tmp_path), few, empty)


def test_a_looser_limit_is_overridden_with_a_reason_as_for_a_run(tmp_path: Path) -> None:
    """What passes a looser limit alone has failed, and says which limit it was."""
    lost = walked(tmp_path, noise(3, 6, 16, cost=0.5))
    limits = dataclasses.replace(PromotionParameters(), max_p_adjusted=1.0)
    gates = judged_by_defaults(lambda those: procedure_gates(lost, those), limits)
    assert verdicts(gates)["walk-forward chance"] is False
    assert "it passes only with max_p_adjusted=1" in gates[1].found


@pytest.mark.parametrize(
    ("keys", "wrong"),
    [
        ({}, "run_id must be given"),
        ({"walk_forward": "a", "run_id": "b"}, "walk_forward was given with run_id"),
        ({"walk_forward": "a", "threshold": "0.1"}, "walk_forward was given with run_id or threshold"),
    ],
)
def test_a_run_or_a_procedure_is_promoted(keys: dict[str, Any], wrong: str) -> None:
    """Not both, and not neither."""
    (found,) = problems(PromoteCommand(**keys))
    assert wrong in found
    assert problems(PromoteCommand(walk_forward="a")) == []


@pytest.mark.slow
def test_a_procedure_over_spans_of_a_market_is_served(tmp_path: Path) -> None:
    """Through the command line: the choice in force is served, the test part stays closed."""
    group = tmp_path / "my_conf" / "signal"
    group.mkdir(parents=True)
    (group / "recent_flow.yaml").write_text("_target_: tests.promotion.recent_flow.recent_flow\n", encoding="utf-8")
    # Stops as near as these are met often enough for every window to be ranked.
    rules = [*(word for word in SHORT if not word.startswith("eval.sl_ticks")), "eval.sl_ticks=2"]
    market = [MARKET[0], "source.minutes=24", *rules, "split.train_share=0.85", "campaign=flow", "tracking=none"]
    ran = in_process(tmp_path, *OWN[:2], "-m", OWN[2], *market)
    assert ran.returncode == 0, ran.stderr
    words = ["walk_forward=flow", "segments=4", "train=2", *LIMITS, "tracking=none", "json=true"]
    said = in_process(tmp_path, "promote", *words, 'force="a drill"')
    assert said.returncode == 0, said.stderr
    facts = json.loads(said.stdout)
    names = [gate["name"] for gate in facts["gates"]]
    assert set(GATES) <= set(names)
    assert not {"rankable", "train chance", "train net", "test"} & set(names)
    path = promoted(Lake(tmp_path / "lake"), "SYN")
    assert path is not None
    record = read_bundle(path).record
    told = record.evidence["walk_forward"]
    assert record.candidate_id == told["in_force_candidate_id"] == facts["candidate_id"]
    assert record.evidence["promised"]["test"]["n_net"] == told["n_net"] > 0
    assert "promised, out of sample" in in_process(tmp_path, "promote", "show").stdout
    assert record.evidence["test_openings"] == 0
