"""Datasets: what lies in the lake, what is odd about it, what it takes on disk, and what was run on it."""

import dataclasses
from collections import Counter
from collections.abc import Container, Mapping
from typing import Any, Final

import pyarrow.compute as pc

from vpharness.board.ledger_watch import Seen
from vpharness.board.pages import Page, link
from vpharness.board.queries import one_of
from vpharness.campaigns.collection_members import labels_of_datasets
from vpharness.commands.list_datasets import source_text
from vpharness.commands.text.dataset_facts import dataset_facts, size_text
from vpharness.commands.text.terminal import minute_text, span_text
from vpharness.config.lake_of_command import lake_key
from vpharness.datasets.collection import collection_ids, find_collection
from vpharness.datasets.disk_use import DiskUse, disk_use
from vpharness.datasets.find import Dataset, all_datasets
from vpharness.datasets.lake import Lake
from vpharness.datasets.sources import noted_source
from vpharness.errors import DatasetError
from vpharness.evaluation.figure_registry import json_values
from vpharness.results.report.markup import Content, element, note, section, table
from vpharness.results.session_names import with_session
from vpharness.wording import counted

_ROWS: Final = 100


def datasets_page(lake: Lake, seen: Seen, page: int = 1) -> Page:
    """Return the list of datasets and collections, with what all of them take on disk."""
    found = list(all_datasets(lake))
    good = [each for each in found if isinstance(each, Dataset)]
    problems = [str(each) for each in found if isinstance(each, DatasetError)]
    runs, uses = _candidates_on(seen), {each.path.name: disk_use(each) for each in good}
    good.sort(key=lambda each: (-each.manifest.first_bin_start_ns, each.manifest.dataset_id))
    shown = good[(page - 1) * _ROWS : page * _ROWS]
    stored, cached = sum(use.stored for use in uses.values()), sum(use.cached for use in uses.values())
    total = f"{counted(len(uses), 'dataset')}: {size_text(stored)} on disk, {size_text(cached)} in the cache"
    labels = labels_of_datasets(lake)
    rows: list[list[Content]] = [_row(each, uses[each.path.name], runs, labels) for each in shown]
    head: list[Content] = [
        "dataset",
        "instrument",
        "from (UTC)",
        "span",
        "bins",
        "ms",
        "valid book",
        "on disk",
        "cache",
    ]
    listing = (
        table([*head, "candidates", "notes"], rows, class_="words") if rows else element("p", "There is none yet.")
    )
    last = max(1, -(-len(good) // _ROWS))
    steps: list[Content] = [f"page {page} of {last}"]
    steps += [" ", link("previous", "datasets", page=page - 1)] if page > 1 else []
    steps += [" ", link("next", "datasets", page=page + 1)] if page < last else []
    pager = element("nav", *steps, aria_label="Pages of datasets", class_="pager") if last > 1 else None
    bad = (
        section("problems", "What cannot be read", element("ul", *(element("li", each) for each in problems)))
        if problems
        else None
    )
    values = {
        "stored_bytes": stored,
        "cached_bytes": cached,
        "datasets": [
            {
                **dataset_facts(each.manifest, each.path),
                "cache_bytes": uses[each.path.name].cached,
                "candidates": runs[each.manifest.dataset_id],
            }
            for each in shown
        ],
        "pages": last,
        "collections": [each["values"] for each in _collections(lake)],
        "problems": problems,
    }
    content = [element("p", f"{total}."), _collections_table(lake), listing, pager, bad, _freed(lake)]
    return Page("Datasets", content, json_values(values), place="datasets")


def _freed(lake: Lake) -> Content:
    words = element("code", f"python -m vpharness prune{lake_key(lake)}")
    return element("p", "What nothing refers to is shown, and deleted with yes=true, by ", words, ".", class_="note")


def _row(dataset: Dataset, use: DiskUse, runs: "Counter[str]", labels: Mapping[str, str]) -> list[Content]:
    m = dataset.manifest
    notes = len(dict.fromkeys((*m.doubts, *m.notes)))
    told = f"{'! ' if m.doubts else ''}{counted(notes, 'note')}" if notes else ""
    count = runs[m.dataset_id]
    return [
        element("th", link(with_session(m.dataset_id, labels), "datasets", id=m.dataset_id), scope="row"),
        m.instrument,
        minute_text(m.first_bin_start_ns).removesuffix(" UTC"),
        span_text(m.last_bin_end_ns - m.first_bin_start_ns),
        f"{m.bins:,}",
        str(m.cell_width_ms),
        f"{m.valid_bins / m.bins:.1%}",
        size_text(use.stored),
        size_text(use.cached),
        link(f"{count:,}", "", dataset=m.dataset_id, hold="all", kind="all") if count else "",
        told,
    ]


def _candidates_on(seen: Seen) -> "Counter[str]":
    """Return how many candidates were judged on each dataset, as far as the ranking is known."""
    if seen.standing is None or not seen.standing.table.num_rows:
        return Counter()
    counts = pc.value_counts(pc.list_flatten(seen.standing.table["datasets"])).to_pylist()
    return Counter({each["values"]: each["counts"] for each in counts})


def _collections(lake: Lake) -> list[dict[str, Any]]:
    """Return the newest version of each collection: cells of a row, and plain values; one that is damaged says so."""
    found: list[dict[str, Any]] = []
    for name in collection_ids(lake):
        try:
            each = find_collection(lake, name)
        except DatasetError as error:
            found.append(
                {"cells": [name, "", "", "", str(error)], "values": {"collection": name, "problem": str(error)}}
            )
            continue
        start, end = minute_text(each.members[0].start_ns), minute_text(each.members[-1].end_ns)
        cells = [each.id, str(each.version), f"{len(each.members):,}", each.root, f"{start} to {end}"]
        values = {
            "collection": each.id,
            "version": each.version,
            "sessions": len(each.members),
            "datasets": list(each.dataset_ids),
        }
        found.append({"cells": cells, "values": values})
    return found


def _collections_table(lake: Lake) -> Content:
    rows: list[list[Content]] = [
        [element("th", link(each["cells"][0], "datasets", id=each["cells"][0]), scope="row"), *each["cells"][1:]]
        for each in _collections(lake)
    ]
    if not rows:
        return None
    return section(
        "collections",
        "Collections",
        table(["collection", "version", "sessions", "instrument", "span"], rows, class_="words"),
    )


def collection_page(lake: Lake, seen: Seen, name: str, there: Container[str]) -> Page:
    """Return the days of a collection: the newest version of ID, or that of ID@3. Raises NotFoundError for no version.

    `there` are the ids of the datasets that the lake has, which have a page.

    Raises DatasetError where a file of it is damaged.
    """
    collection_id, _, number = name.partition("@")
    newest = find_collection(lake, collection_id)
    versions = {f"{collection_id}@{each}": None for each in range(1, newest.latest + 1)}
    own = find_collection(lake, one_of("version", name, versions)) if number else newest
    counts = _candidates_on(seen)
    rows: list[list[Content]] = [
        [
            element(
                "th",
                link(each.session, "datasets", id=each.dataset_id) if each.dataset_id in there else each.session,
                scope="row",
            ),
            each.instrument,
            minute_text(each.start_ns).removesuffix(" UTC"),
            span_text(each.end_ns - each.start_ns),
            link(f"{counts[each.dataset_id]:,}", "", dataset=each.dataset_id, hold="all", kind="all")
            if counts[each.dataset_id]
            else "",
            element("td", each.dataset_id, class_="fine"),
        ]
        for each in own.members
    ]
    span = f"{minute_text(own.members[0].start_ns)} to {minute_text(own.members[-1].end_ns)}"
    what = (
        f"Version {own.version} of {own.latest}: {counted(len(own.members), 'session')} of {own.root}, tick "
        f"{own.tick_size:g}, {span}."
    )
    head: list[Content] = ["session", "instrument", "from (UTC)", "span", "candidates", "dataset"]
    show = element("code", f"python -m vpharness show collection.id={own.name}{lake_key(lake)}")
    content: list[Content] = [
        element("p", what),
        table(head, rows, class_="words"),
        element("p", "Hours, gaps and holidays are told by ", show, ".", class_="note"),
    ]
    values = {
        "collection": own.id,
        "version": own.version,
        "latest": own.latest,
        "members": [dataclasses.asdict(each) | {"candidates": counts[each.dataset_id]} for each in own.members],
    }
    return Page(own.name, content, json_values(values), place="datasets")


def dataset_page(lake: Lake, seen: Seen, dataset_id: str | None) -> Page:
    """Return the page of one dataset, or of a collection. Raises NotFoundError where the lake has none of that id."""
    found = {each.manifest.dataset_id: each for each in all_datasets(lake) if isinstance(each, Dataset)}
    collections = collection_ids(lake)
    if dataset_id is not None and dataset_id not in found and dataset_id.partition("@")[0] in collections:
        return collection_page(lake, seen, dataset_id, found)
    own = found[one_of("dataset", dataset_id, [*found, *collections])]
    m, use, count = own.manifest, disk_use(own), _candidates_on(seen)[own.manifest.dataset_id]
    notes = list(dict.fromkeys((*m.doubts, *m.notes)))
    source = _source(lake, own)
    stored, columns = len(own.stored_columns), len(m.columns)
    facts = {
        "instrument": f"{m.instrument}, tick {m.tick_size:g}",
        "source": source,
        "span": f"{minute_text(m.first_bin_start_ns)} to {minute_text(m.last_bin_end_ns)}",
        "bins": f"{m.bins:,} of {m.cell_width_ms} ms, {m.valid_bins / m.bins:.1%} with a valid book",
        "cells": f"{m.cells} a bin, {columns} columns, {stored} of them stored",
        "on disk": f"{size_text(use.stored)}, and {size_text(use.cached)} in the cache",
        "events": ", ".join(f"{n:,} {name}" for name, n in m.events.items() if n),
        "not as they should be": ", ".join(f"{n:,} {name}" for name, n in m.problems.items() if n) or "none",
        "skipped": ", ".join(f"{n:,} {name}" for name, n in m.skipped.items() if n) or "none",
        "checksum": own.checksum[:16],
    }
    rows: list[list[Content]] = [[element("th", name, scope="row"), value] for name, value in facts.items() if value]
    remarks = element("ul", *(element("li", each) for each in notes)) if notes else element("p", "None.")
    runs = link(f"{counted(count, 'candidate')} judged on it", "", dataset=m.dataset_id, hold="all", kind="all")
    content: list[Content] = [
        element("p", runs if count else "Nothing has been judged on it yet."),
        table(["", ""], rows, class_="words"),
        section("notes", "Notes", remarks),
        note("Each file is checked against its checksum by python -m vpharness verify."),
    ]
    values = {**dataset_facts(m, own.path), "cache_bytes": use.cached, "candidates": count}
    title = with_session(m.dataset_id, labels_of_datasets(lake))
    return Page(title, content, json_values(values), place="datasets")


def _source(lake: Lake, dataset: Dataset) -> str:
    try:
        return source_text(noted_source(lake, dataset.manifest.content_id), dataset.manifest.source)
    except DatasetError:
        return ""
