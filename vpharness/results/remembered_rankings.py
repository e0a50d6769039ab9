"""Cached rankings, stored with the ledger under a digest of everything they depend on.

Ranking a ledger that has not changed gives what it gave, so its numbers are kept in a file below `rankings/` of the
store: figures, p-values and the greatest T of each family. The file's name is a digest of the evidence, of what was
asked, and of the code that ranks, as it was when it was loaded; its first line is the SHA-256 of the rest. A note
beside it, named after the parts of tables that were read, says which file it is without a look at all trials. Where the
file is missing or damaged the ranking is worked out anew, and written again. All of them can be deleted at any time,
and nothing is lost where they cannot be written. No folder but their own is ever made for them.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import numpy as np

import vpharness
from vpharness.evaluation import EVALUATION_VERSION, Evidence, Figures, Judgement, Lack, all_figures
from vpharness.evaluation.evidence import PooledLater
from vpharness.evaluation.figures import figures_from
from vpharness.results.families import Family
from vpharness.results.ledger import LedgerCandidate, StoredLedger, Trial, evidence_at, with_explored
from vpharness.results.ranking import Ranked, rank
from vpharness.results.store import Store
from vpharness.storage.collection_pause import without_collection

FOLDER: Final = "rankings"
MOST_KEPT: Final = 64
"""The rankings and notes used last are kept, others deleted."""
MOST_BYTES: Final = 2**26
"""A ranking whose file would take more is not kept."""
MOST_BYTES_IN_ALL: Final = 2**28
"""What all that are kept may take; those used last are kept."""

_NAME: Final = re.compile("[0-9a-f]{64}")
_PACKAGE: Final = Path(vpharness.__file__).parent
_ROOMS: Final = (_PACKAGE, *(_PACKAGE / room for room in ("evaluation", "results", "storage")))
"""Folders that hold this module and every one of the package that it imports, whether directly or not."""


def code_digest(rooms: Iterable[Path]) -> str:
    """Return a digest of the files of code in folders; empty where they cannot be read."""
    digest = hashlib.sha256()
    try:
        for path in sorted(path for room in rooms for path in room.glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    except OSError:
        return ""
    return digest.hexdigest()


_CODE: Final = code_digest(_ROOMS)
"""The digest of the code as it was loaded: whoever changes a file does not change what a process computes."""


def ranked_before(
    store: Store, ledger: Sequence[LedgerCandidate], asked: Sequence[LedgerCandidate] | None = None
) -> list[Ranked]:
    """Return what `rank` gives, from a ranking of the same ledger where the store has one.

    With figures that were registered beside those of `Figures`, whose code is not known here, it is worked out anew.
    """
    with without_collection():
        return _ranked_before(store, ledger, asked)


def _ranked_before(
    store: Store, ledger: Sequence[LedgerCandidate], asked: Sequence[LedgerCandidate] | None
) -> list[Ranked]:
    if not _CODE or not set(_figure_names()) <= {field.name for field in fields(Figures)}:
        return rank(ledger, asked)
    chosen = [each for each in (ledger if asked is None else asked) if each.chooses]
    note = _note_of(store, ledger, chosen)
    noted = _noted(note)
    known = None if noted is None else _read(noted, chosen)
    if known is not None:
        return known
    path = store.root / FOLDER / _digest(ledger, chosen)
    known = _read(path, chosen)
    found = rank(ledger, asked) if known is None else known
    # Where files were changed since they were loaded, part of them may have been loaded later.
    if found and store.root.is_dir() and code_digest(_ROOMS) == _CODE:
        if known is None:
            _write(path, chosen, found)
        if note is not None and path.exists():
            _keep(note, path.name.encode())
    return found


def _note_of(store: Store, ledger: Sequence[LedgerCandidate], chosen: Sequence[LedgerCandidate]) -> Path | None:
    """Return the file that may name the ranking of a ledger as it was read from a store; None for any other ledger.

    Its own name is a digest of the parts of tables that were read, which takes no look at what they hold. After parts
    were merged it is another one, and the ranking is found by what the ledger holds.
    """
    if not isinstance(ledger, StoredLedger) or ledger.parts_digest is None:
        return None
    whole = set(map(id, ledger))
    text = [_CODE, str(EVALUATION_VERSION), str(_figure_names()), ledger.parts_digest]
    text += [
        each.candidate_id if id(each) in whole else repr((each.candidate_id, [run.dataset for run in each.runs.runs]))
        for each in chosen
    ]
    return store.root / FOLDER / hashlib.sha256("\n".join(text).encode()).hexdigest()


def _noted(note: Path | None) -> Path | None:
    """Return the ranking that a file names; None where there is none."""
    content = None if note is None else _content(note)
    name = (content or b"").decode("ascii", "replace")
    return note.parent / name if note is not None and _NAME.fullmatch(name) else None


def _digest(ledger: Sequence[LedgerCandidate], chosen: Sequence[LedgerCandidate]) -> str:
    """Return the digest of everything that a ranking follows from."""
    shared = _SharedTexts()
    digest = hashlib.sha256(f"{_CODE} {EVALUATION_VERSION} {_figure_names()}\n".encode())
    for each in with_explored(ledger):
        digest.update("\n".join([each.candidate_id, *(_text_of(trial, shared) for trial in each.trials)]).encode())
    for each in chosen:
        digest.update(repr((each.candidate_id, [run.dataset for run in each.runs.runs])).encode())
    return digest.hexdigest()


def _text_of(trial: Trial, shared: "_SharedTexts") -> str:
    """Return what a ranking looks at in a trial; no name holds a line break or what parts them."""
    evidence = "" if trial.evidence is None else trial.evidence.digest
    run_ids = " ".join(trial.run_ids) if trial.other_run_ids else trial.run_id
    return (
        f"{trial.dataset_id}\0{trial.dataset_checksum}\0{run_ids}\0{trial.signal}\0{trial.threshold_label}\0"
        f"{trial.judged_part}\0{trial.first_bin_start_ns}\0{trial.bins}\0{trial.created_ns}\0{trial.adaptive}\0"
        f"{evidence}\0{shared.of(trial)}"
    )


def _figure_names() -> list[str]:
    """Return the names of all figures that are registered."""
    return [name for each in all_figures() for name in each.names]


class _SharedTexts:
    """Digests of what trials share: objects that many of them have in common are written out once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], tuple[tuple[Any, ...], str]] = {}

    def of(self, trial: Trial) -> str:
        """Return the digest of a trial's evaluation, split, parameters and market."""
        market = trial.market
        objects = trial.evaluation, trial.split, trial.parameters, market
        key = tuple(map(id, objects))
        known = self._known.get(key)
        if known is None:
            text = repr((*objects[:3], market.instrument, sorted(market.contents), market.origin_ns))
            # The objects are kept, so that no other ones come to have their numbers.
            known = self._known[key] = objects, hashlib.sha256(text.encode()).hexdigest()
        return known[1]


def _write(path: Path, chosen: Sequence[LedgerCandidate], ranked: Sequence[Ranked]) -> None:
    """Keep a ranking, and delete those that were used longest ago; without room for it nothing is kept."""
    places = {id(each): place for place, each in enumerate(chosen)}
    families = {id(each.family): each.family for each in ranked}
    owners = {
        id(each.family): places[id(each.candidate)]
        for each in ranked
        if each.candidate.market_times == each.family.market_times
    }
    arrays = [array for family in families.values() for array in _arrays(family)]
    if owners.keys() != families.keys() or sum(array.nbytes for array in arrays) > MOST_BYTES:
        return
    numbers = {number: place for place, number in enumerate(families)}
    names = _figure_names()
    head = {
        "families": [
            [owners[number], *_counts(family), [len(array) for array in _arrays(family)]]
            for number, family in families.items()
        ],
        "ranked": [
            [
                places[id(each.candidate)],
                numbers[id(each.family)],
                [getattr(each.judgement.figures, name) for name in names],
                [each.judgement.t, each.judgement.p_value, each.p_adjusted, each.net_low_all, each.winner],
                [list(vars(lack).values()) for lack in each.judgement.lacks],
                each.left_out,
            ]
            for each in ranked
        ],
    }
    content = json.dumps(head, default=lambda number: number.item()).encode() + b"\n"
    content += b"".join(array.astype("<f8").tobytes() for array in arrays)
    _keep(path, content)


def keep_beside(store: Store, name: str, content: bytes) -> None:
    """Keep what follows from a ranking beside the kept rankings, under a name of its own, in place of what it had.

    Nothing is kept where it cannot be written, where there is no store yet, or where code was changed since it was
    loaded.
    """
    if store.root.is_dir() and _CODE and code_digest(_ROOMS) == _CODE:
        _keep(_path_beside(store, name), content)


def kept_beside(store: Store, name: str) -> bytes | None:
    """Return what `keep_beside` kept under a name; None where there is nothing, it is damaged, or of other code."""
    return _content(_path_beside(store, name)) if _CODE else None


def _path_beside(store: Store, name: str) -> Path:
    return store.root / FOLDER / hashlib.sha256(f"{_CODE} {EVALUATION_VERSION} {name}".encode()).hexdigest()


def _keep(path: Path, content: bytes) -> None:
    """Write a file with its checksum, unless it is too large, or cannot be written."""
    whole = hashlib.sha256(content).hexdigest().encode() + b"\n" + content
    if len(whole) > MOST_BYTES:
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(whole)
        _prune(path)


def _content(path: Path) -> bytes | None:
    """Return what a file holds behind its checksum; None where there is none, or it is damaged."""
    try:
        checksum, _, content = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    with contextlib.suppress(OSError):  # one that may not be written to is used all the same
        path.touch()
    return content if hashlib.sha256(content).hexdigest().encode() == checksum else None


def _prune(newest: Path) -> None:
    """Delete the rankings that were used longest ago, beyond the newest one and as many others as may be kept."""
    used: list[tuple[bool, int, int, Path]] = []
    for path in newest.parent.iterdir():
        with contextlib.suppress(FileNotFoundError):  # others prune too
            if _NAME.fullmatch(path.name):
                found = path.stat()
                used.append((path == newest, found.st_mtime_ns, found.st_size, path))
    taken = 0
    for count, (is_newest, _, size, path) in enumerate(sorted(used, reverse=True)):
        taken += size
        if not is_newest and (count >= MOST_KEPT or taken > MOST_BYTES_IN_ALL):
            path.unlink(missing_ok=True)


def _arrays(family: Family) -> list[Any]:
    return [each for each in (family.greatest_excess, family.greatest_profit) if each is not None]


def _counts(family: Family) -> list[int]:
    return [family.n_evaluated, family.n_rankable, family.n_runs, family.oldest_ns, family.newest_ns]


def _read(path: Path, chosen: Sequence[LedgerCandidate]) -> list[Ranked] | None:
    """Return the ranking that a file holds of these candidates; None where there is none, or it is damaged."""
    content = _content(path)
    if content is None:
        return None
    line, _, raw = content.partition(b"\n")
    head = json.loads(line)
    families = list(_families(head["families"], np.frombuffer(raw, "<f8"), chosen))
    names = _figure_names()
    return [
        _ranked(chosen[place], families[family], dict(zip(names, figures, strict=True)), *rest)
        for place, family, figures, *rest in head["ranked"]
    ]


def _families(
    rows: Sequence[Sequence[Any]], values: "np.ndarray[Any, Any]", chosen: Sequence[LedgerCandidate]
) -> Iterator[Family]:
    start = 0
    for owner, n_evaluated, n_rankable, n_runs, oldest_ns, newest_ns, lengths in rows:
        arrays = []
        for length in lengths:
            arrays.append(values[start : start + length])
            start += length
        excess, profit = arrays or (None, None)
        yield Family(chosen[owner].market_times, n_evaluated, n_rankable, n_runs, oldest_ns, newest_ns, excess, profit)


def _ranked(
    candidate: LedgerCandidate,
    family: Family,
    figures: Mapping[str, Any],
    numbers: Sequence[Any],
    lacks: Sequence[Sequence[Any]],
    left_out: Sequence[str],
) -> Ranked:
    t, p_value, p_adjusted, net_low_all, winner = numbers
    judgement = Judgement(
        _evidence_of(candidate),
        figures_from(figures),
        t,
        p_value,
        tuple(Lack(*lack) for lack in lacks),
    )
    return Ranked(candidate, judgement, family, p_adjusted, net_low_all, winner, tuple(left_out))


def _evidence_of(candidate: LedgerCandidate) -> Evidence:
    """Return a candidate's evidence, pooled where it is first looked at: most are only listed."""
    if len(candidate.trials) == 1 and (alone := evidence_at(candidate.trials, 0)) is not None:
        return alone
    return PooledLater(lambda: _counted_evidence(candidate))


def _counted_evidence(candidate: LedgerCandidate) -> list[Evidence]:
    found = [evidence_at(candidate.trials, place) for place in candidate.runs.counted]
    return [each for each in found if each is not None]
