"""Promotion of a procedure: what walk-forward has in force is served, on the procedure's out-of-sample record.

The candidate that is served was chosen on the newest segments alone, and has no record of its own that chose nothing.
What speaks for it is what the procedure earned, step by step, where its choices had no say. So the procedure takes the
place of the training part and of the test part in the gates and in what is promised of live figures.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from vpharness.errors import PromotionError
from vpharness.evaluation import Judgement
from vpharness.promotion.gate import Gate
from vpharness.promotion.gate_parameters import PromotionParameters
from vpharness.promotion.gates import train_gates
from vpharness.promotion.selection import SelectedCandidate, select_candidate
from vpharness.results.holdout import net_low_text
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.store import Store
from vpharness.results.walk_forward.judged import WalkForward
from vpharness.results.walk_forward.summary import values_of


def select_from_procedure(store: Store, ledger: Sequence[LedgerCandidate], found: WalkForward) -> SelectedCandidate:
    """Return the candidate that a procedure has in force behind its newest segment, on the newest of its datasets.

    Raises PromotionError where nothing could be ranked at the last step.
    """
    step = found.last
    if step.candidate is None:
        raise PromotionError(
            f"nothing is rankable on the last segments ({step.in_sample[0].name} to {step.in_sample[-1].name}): the "
            "procedure has chosen nothing to serve; give a larger train (python -m vpharness compare walk_forward=true "
            "says what candidates lack)"
        )
    newest = max(step.candidate.counted, key=lambda trial: (trial.judged_time.stop_ns, trial.dataset))
    selected = select_candidate(store, ledger, newest.run_id, newest.threshold_label)
    return dataclasses.replace(selected, procedure=found)


def chance_gates(candidate: SelectedCandidate, limits: PromotionParameters) -> list[Gate]:
    """There was enough data to judge what is promoted, and it beat chance and costs.

    What is judged is the candidate in training, or the procedure that chose it.
    """
    if candidate.procedure is None:
        return train_gates(candidate.ranked, limits)
    return procedure_gates(candidate.procedure, limits)


def procedure_gates(found: WalkForward, limits: PromotionParameters) -> list[Gate]:
    """Out of sample the procedure had enough fires, and beat chance and costs."""
    judgement, adjusted, low = found.judgement, found.p_adjusted, found.net_low_all
    least, fires = limits.min_test_net_ticks, limits.min_test_fires
    n_net = 0 if judgement is None else judgement.figures.n_net
    if judgement is None:
        enough, earned = "nothing was ever chosen", "no net fires"
    else:
        enough = "; ".join(map(str, judgement.lacks)) or f"{n_net} net fires over {len(found.judged_steps)} steps"
        earned = net_low_text(judgement.figures, low)
    if found.left_out:
        enough += (
            f"; what was chosen was judged on {', '.join(found.left_out)} of the instrument too, which is left out"
        )
    family = found.family
    why = "an adaptive search has looked at all of its segments" if found.n_adaptive else "not rankable"
    told = (
        f"no p adjusted: {why}"
        if adjusted is None
        else f"{adjusted:.3f} over {family.n_rankable} rankable of {family.n_evaluated} procedures"
    )
    return [
        Gate(
            "walk-forward data",
            judgement is not None and not judgement.lacks and not found.left_out,
            "enough fires out of sample, nothing left out",
            enough,
        ),
        Gate(
            "walk-forward chance",
            adjusted is not None and adjusted <= limits.max_p_adjusted,
            f"p adjusted over all procedures at most {limits.max_p_adjusted:g}",
            told,
        ),
        Gate(
            "walk-forward net",
            bool(low > least) and n_net >= fires,
            f"lower end of the net mean out of sample, for all procedures at once, above {least:g} ticks over at least "
            f"{fires} fires",
            earned,
        ),
    ]


def procedure_evidence(found: WalkForward) -> dict[str, Any]:
    """Return the evidence of a procedure as JSON values, which stand in the place of a candidate's own."""
    family = found.family
    chosen = [None if step.candidate is None else step.candidate.candidate_id for step in found.steps]
    return {
        "p_adjusted": found.p_adjusted,
        "net_low_all": found.net_low_all if math.isfinite(found.net_low_all) else None,
        "family": {"rankable": family.n_rankable, "evaluated": family.n_evaluated},
        "walk_forward": {**values_of(found), "chosen_candidate_ids": chosen},
    }


def promised_of(found: WalkForward) -> dict[str, Any] | None:
    """Return the procedure's out-of-sample figures as JSON values: what live figures are compared with."""
    if found.judgement is None:
        return None
    return promised_figures(found.judgement)


def promised_figures(judgement: Judgement) -> dict[str, Any]:
    """Return figures with their p-value as JSON values, None for one that is not finite."""
    figures = {**dataclasses.asdict(judgement.figures), "p_value": judgement.p_value}
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}
