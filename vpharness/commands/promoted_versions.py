"""The commands that show what is served: `promote history`, `promote show` and `promote diff`."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.table import Table

from vpharness.campaigns.collection_members import labels_of_datasets
from vpharness.commands.claims_tracking import track_claims
from vpharness.commands.forward_days import forward_days
from vpharness.commands.text.terminal import console, minute_text, print_table
from vpharness.config.lake_of_command import lake_of
from vpharness.config.promotion_schemas import PromoteDiffCommand, PromoteHistoryCommand, PromoteShowCommand
from vpharness.config.search_path import permitted_modules
from vpharness.config.typed_config import check, check_command, instance
from vpharness.datasets.collection import collection_ids
from vpharness.datasets.lake import Lake
from vpharness.errors import PromotionError
from vpharness.evaluation import TEST, shown_figures
from vpharness.evaluation.evaluation_parameters import QUEUE, TOUCH
from vpharness.evaluation.figure_registry import PROMISED
from vpharness.events.times import time_text
from vpharness.modules import PermittedModules
from vpharness.promotion.bundle import Bundle, read_bundle
from vpharness.promotion.bundle_replay import source_problem
from vpharness.promotion.forward_record import LaterDays
from vpharness.promotion.pointer import PROMOTED, HistoryEntry, bundle_path, current, history, instruments
from vpharness.promotion.promoted_record import PromotedRecord
from vpharness.promotion.verdicts import last_verdicts
from vpharness.results.session_names import with_session

_UNITS = {"share": " %", "ticks": " ticks", "ms": " ms"}
_NOT_COMPARED = ("version", "created_ns", "projection", "evidence")


def the_instrument(lake: Lake, given: str | None) -> str:
    """Return the named instrument, or the only one; a PromotionError lists them where there is a choice."""
    known = instruments(lake)
    if given in known:
        return str(given)
    if not known:
        raise PromotionError(f"nothing has been promoted in the lake {lake.root} yet (python -m vpharness promote)")
    if given is None and len(known) == 1:
        return known[0]
    asked = "several have been promoted for" if given is None else f"instrument is {given}"
    raise PromotionError(f"{asked}; there are {', '.join(known)}: choose with instrument=")


def run_history(config: DictConfig) -> None:
    """Print every promotion and rollback, with its reason."""
    asked = check_command(config, PromoteHistoryCommand)
    tracking = instance(config.tracking, "tracking")
    check(tracking=tracking)
    lake = lake_of(asked)
    known = [the_instrument(lake, asked.instrument)] if asked.instrument else instruments(lake)
    entries = {name: history(lake, name) for name in known}
    if tracking.kind != "none":
        for name, each in entries.items():
            track_claims(lake, name, each, tracking, Path(asked.outputs))
    if asked.json:
        print(json.dumps({name: _entries_values(lake, name, each) for name, each in entries.items()}, indent=1))
        return
    if not known:
        print(f"nothing has been promoted in the lake {asked.lake} yet")
    for name, each in entries.items():
        print(f"{name} serves {each[-1].version}")
        columns = {
            "": [str(entry.number) for entry in each],
            "at": [minute_text(entry.at_ns) for entry in each],
            "what": [entry.action for entry in each],
            "version": [entry.version for entry in each],
            "before": [entry.before or "" for entry in each],
            "run": [entry.run_id or "" for entry in each],
            "since promoted": _forward_texts(lake, name, each),
            "live": _live_texts(lake, name, each),
            "reason": [entry.reason or "" for entry in each],
            "forced": [entry.forced or "" for entry in each],
            "UNSAFE": [", ".join(entry.unsafe) for entry in each],
        }
        kept = {heading: cells for heading, cells in columns.items() if any(cells)}
        print_table(kept, texts=("what", "since promoted", "live", "reason", "forced", "UNSAFE"), key="version")


def _entries_values(lake: Lake, instrument: str, entries: Sequence[HistoryEntry]) -> list[dict[str, Any]]:
    """Return entries as JSON values, with the last claim of a server about the version of each."""
    last = last_verdicts(lake, instrument)
    return [
        {
            **dataclasses.asdict(entry),
            "live": dataclasses.asdict(last[entry.version]) if entry.version in last else None,
        }
        for entry in entries
    ]


def _live_texts(lake: Lake, instrument: str, entries: Sequence[HistoryEntry]) -> list[str]:
    """Return for each entry that promoted a version the last claim of a server about it; empty for the others."""
    last = last_verdicts(lake, instrument)
    return [last[entry.version].text if entry.action == PROMOTED and entry.version in last else "" for entry in entries]


def _forward_texts(lake: Lake, instrument: str, entries: Sequence[HistoryEntry]) -> list[str]:
    """Return for each entry that promoted a version what that did on later days; empty for the others."""
    if not collection_ids(lake):
        return [""] * len(entries)
    promoted = [entry for entry in entries if entry.action == PROMOTED]
    records = [read_bundle(bundle_path(lake, instrument, entry.version)).record for entry in promoted]
    found = zip(promoted, forward_days(lake, records), strict=True)
    texts = {entry.number: "" if later is None else later.text for entry, later in found}
    return [texts.get(entry.number, "") for entry in entries]


def run_promote_show(config: DictConfig) -> None:
    """Print what a version serves, and the evidence behind it."""
    asked = check_command(config, PromoteShowCommand)
    lake = lake_of(asked)
    instrument = the_instrument(lake, asked.instrument)
    path = bundle_path(lake, instrument, asked.version or _served(lake, instrument))
    bundle = read_bundle(path)
    record = bundle.record
    serves = _serves(bundle, permitted_modules(lake.root, asked.signal_modules, "signal_modules"))
    (later,) = forward_days(lake, [record], opens=asked.show_test)
    if asked.json:
        facts = {**record.values(), "bundle": str(path), "serves": serves}
        print(json.dumps({**facts, "later_days": None if later is None else later.values()}, indent=1))
        return
    _print_record(record, path, serves, later, labels_of_datasets(lake))


def run_diff(config: DictConfig) -> None:
    """Print the differences between two promoted versions."""
    asked = check_command(config, PromoteDiffCommand)
    lake = lake_of(asked)
    instrument = the_instrument(lake, asked.instrument)
    names = [str(asked.a), asked.b or _served(lake, instrument)]
    first, second = (dict(_flat(_compared(read_bundle(bundle_path(lake, instrument, name)).record))) for name in names)
    rows = [
        {"key": key, names[0]: first.get(key), names[1]: second.get(key)}
        for key in {**first, **second}
        if first.get(key) != second.get(key)
    ]
    if asked.json:
        print(json.dumps(rows, indent=1))
        return
    if not rows:
        print(f"{names[0]} and {names[1]} of {instrument} serve the same")
        return
    table = Table("key", *dict.fromkeys(names), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(_text, row.values()))
    console().print(table)


def _serves(bundle: Bundle, modules: PermittedModules) -> str:
    """Return which of the two a bundle serves here, the signal's source or the program that it holds, and why."""
    problem = source_problem(bundle.record, modules)
    if problem is None:
        return "the signal's source"
    if bundle.program is None:
        return f"nothing: {problem}, and the bundle holds no program"
    return f"the program in the bundle: {problem}"


def _served(lake: Lake, instrument: str) -> str:
    entry = current(lake, instrument)
    if entry is None:
        raise PromotionError(f"nothing has been promoted for {instrument}")
    return entry.version


def _compared(record: PromotedRecord) -> dict[str, Any]:
    """Return the values of a record that `promote diff` compares: its configuration and its promised figures."""
    values = {name: value for name, value in record.values().items() if name not in _NOT_COMPARED}
    return values | {"promised": _promised(record)}


def _promised(record: PromotedRecord) -> dict[str, Any]:
    promised = record.evidence.get("promised", {})
    names = [name for figure in shown_figures(PROMISED) for name in figure.names]
    # What an earlier version promoted promises the figures that it knew.
    return {part: {name: found.get(name) for name in names} for part, found in promised.items() if found}


def _part_text(record: PromotedRecord, part: str) -> str:
    """Return what a part is called: of a procedure, its record out of sample stands where a candidate has its test."""
    return "out of sample" if part == TEST and record.evidence.get("walk_forward") else part


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)


def _print_record(
    record: PromotedRecord, path: Path, serves: str, later: LaterDays | None, labels: Mapping[str, str]
) -> None:
    evidence, on = record.evidence, with_session(record.dataset_id or "none", labels)
    rows = {
        "bundle": str(path),
        "promoted": f"{time_text(record.created_ns)[:19]} UTC, run {record.run_id} on dataset {on}",
        "signal": f"{record.signal_target} at {record.threshold_label}, code {str(record.signal_digest)[:12]}",
        "serves": serves,
        "parameters": ", ".join(f"{name} {_text(value)}" for name, value in record.parameters.items()),
        "weights": "" if record.fit is None else _fit_text(record.fit),
        "cells": f"{record.lattice['cell_width_ms']} ms, radius {record.lattice['radius']}, tick {record.tick_size:g}",
        "execution": _execution(record),
        **{f"promised, {_part_text(record, part)}": _figures_text(found) for part, found in _promised(record).items()},
        "pooled over": _pooled_text(evidence.get("pooled")),
        "since promoted": "" if later is None else later.text,
        "packages": ", ".join(f"{name} {version}" for name, version in record.packages.items()),
        "forced": record.forced or "",
        "UNSAFE": f"{' and '.join(record.unsafe)} failed: served scores may differ from the tested ones"
        if record.unsafe
        else "",
    }
    print(f"{record.instrument} {record.version}")
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, text in rows.items():
        if text:
            table.add_row(f"  {name}", text)
    console().print(table)
    gates = Table("gate", "", "wanted", "found", box=None, pad_edge=False)
    for gate in evidence.get("gates", ()):
        verdict = "passed" if gate["passed"] else "UNSAFE" if gate.get("unsafe") else "FORCED"
        gates.add_row(gate["name"], verdict, gate["wanted"], gate["found"])
    console().print(gates)
    if record.projection is not None and evidence.get("projection"):
        _print_projection(record, evidence["projection"])


def _fit_text(fit: Mapping[str, Any]) -> str:
    """Return what the weights of a learned signal are, in words."""
    card = fit["card"]
    told, packages = card["fit"], ", ".join(f"{name} {version}" for name, version in card["packages"].items())
    at, dataset, loss = time_text(told["time_ns"])[:19], card["dataset"]["name"], _text(told["training_loss"])
    return (
        f"{card['model']}, fitted at {at} UTC on {told['training_bins']:,} bins of dataset {dataset}, training loss "
        f"{loss}, with {packages}; {fit['weights'][:12]}"
    )


def _pooled_text(pooled: Mapping[str, Any] | None) -> str:
    """Return over which datasets of a collection the evidence is pooled, in words."""
    if pooled is None:
        return ""
    train, test = (list(pooled[part]) for part in ("train", "test"))
    kept = f", {len(test)} kept for the test ({test[0]} to {test[-1]})" if test else ""
    return f"collection {pooled['collection']}: {len(train)} datasets trained on ({train[0]} to {train[-1]}){kept}"


def _execution(record: PromotedRecord) -> str:
    """Return in words how fires are entered."""
    evaluation = record.evaluation
    if evaluation.get("fill", TOUCH) != QUEUE:
        return "entered at the touch"
    return (
        f"entered with resting orders, latency {evaluation.get('latency_ms', 0):g} ms, withdrawn after "
        f"{evaluation.get('max_wait_bins', 0)} bins"
    )


def _figures_text(found: Mapping[str, Any]) -> str:
    known = [each for each in shown_figures(PROMISED) if found[each.name] is not None]
    return ", ".join(f"{each.label} {each.text(found, PROMISED)}{_UNITS.get(each.unit, '')}" for each in known)


def _print_projection(record: PromotedRecord, covered: Mapping[str, Any]) -> None:
    assert record.projection is not None  # noqa: S101  # the caller has looked
    columns = {"projection, bins ahead": [str(bins) for bins in record.projection.horizons_bins]}
    for name in (f"coverage_{percent}" for percent in record.projection.intervals()):
        columns[f"covers {name.removeprefix('coverage_')} %"] = [
            "" if share is None else f"{share:.1%}" for share in covered[name]
        ]
    print_table(columns)
