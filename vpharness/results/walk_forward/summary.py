"""A procedure's settings and figures as plain values, for programs, the tracking store and the promoted record."""

from typing import Any

from vpharness.evaluation.figure_registry import without_nan
from vpharness.results.walk_forward.judged import WalkForward


def values_of(found: WalkForward) -> dict[str, Any]:
    """Return a procedure's settings and figures, flat; missing numbers are None."""
    own, judgement, over, last = found.procedure, found.judgement, found.overfitting, found.last
    f = None if judgement is None else judgement.figures
    fixed = found.best_fixed
    opened = next((step.opening for step in reversed(found.steps) if step.opening is not None), None)
    values = {
        "procedure_id": own.id,
        "campaign": own.campaign,
        "collection": own.collection,
        "dataset_id": own.dataset_id,
        "signal": own.signal,
        "train": own.train,
        "step": own.step,
        "segments": own.segments,
        "n_segments": len(found.segments),
        "n_kept_for_test": found.n_kept,
        "n_candidates": found.n_candidates,
        "n_adaptive": found.n_adaptive,
        "n_others": found.n_others,
        "n_steps": sum(not step.is_open for step in found.steps),
        "n_steps_chosen": sum(step.candidate is not None and not step.is_open for step in found.steps),
        "n_steps_with_fires": len(found.judged_steps),
        "share_above_zero": found.share_above_zero,
        "in_sample_net_pnl_ticks": found.in_sample_net,
        "n_net": 0 if f is None else f.n_net,
        "n_net_blocks": 0 if f is None else f.n_net_blocks,
        "net_pnl_ticks": None if f is None else f.net_pnl_ticks,
        "net_pnl_ticks_low": None if f is None else f.net_pnl_ticks_low,
        "net_pnl_ticks_high": None if f is None else f.net_pnl_ticks_high,
        "net_win_rate": None if f is None else f.net_win_rate,
        "t_statistic": None if judgement is None else judgement.t,
        "p_value": None if judgement is None else judgement.p_value,
        "p_adjusted": found.p_adjusted,
        "net_pnl_ticks_low_all": found.net_low_all,
        "procedures": found.family.n_evaluated,
        "procedures_rankable": found.family.n_rankable,
        "procedure_tries": found.family.n_runs,
        "winner": found.winner,
        "left_out_datasets": ", ".join(found.left_out),
        "lacks": "" if judgement is None else "; ".join(map(str, judgement.lacks)),
        "equity_ticks": float(found.fires.equity[-1]) if len(found.fires.equity) else 0.0,
        "drawdown_ticks": found.fires.drawdown_ticks,
        "n_fires_dropped": found.n_fires_dropped,
        "pbo": None if over is None or over.undefined else over.probability,
        "pbo_groups": None if over is None else over.n_groups,
        "pbo_halves": None if over is None else over.n_halves,
        "pbo_halves_judged": None if over is None else len(over.logits),
        "pbo_candidates": None if over is None else over.n_candidates,
        "pbo_loss_share": None if over is None or over.undefined else over.loss_share,
        "best_fixed_candidate_id": None if fixed is None else fixed.candidate.candidate_id,
        "best_fixed_net_pnl_ticks": None if fixed is None else fixed.chosen.net.mean,
        "best_fixed_net_pnl_ticks_low": None if fixed is None else fixed.chosen.net.low,
        "in_force_candidate_id": None if last.candidate is None else last.candidate.candidate_id,
        "test_opening_number": None if opened is None else opened.number,
        "test_holds": None if opened is None else opened.holds,
    }
    return without_nan(values)
