"""Cached rankings, stored with the ledger under a digest of everything they depend on.

Ranking a ledger that has not changed gives what it gave, so its numbers are kept in a file below `rankings/` of the
store: figures, p-values and the greatest T of each family. The file's name is a digest of the evidence, of what was
asked, and of the code that ranks; its first line is the SHA-256 of the rest. Where the file is missing or damaged the
ranking is worked out anew, and written again. All of them can be deleted at any time, and nothing is lost where they
cannot be written.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

import vpharness.evaluation
from vpharness.evaluation import EVALUATION_VERSION, Judgement, Lack, all_figures, pooled
from vpharness.evaluation.figures import figures_from
from vpharness.results.families import Family
from vpharness.results.ledger import LedgerCandidate, Trial
from vpharness.results.ranking import Ranked, rank
from vpharness.results.store import Store

FOLDER: Final = "rankings"
MOST_KEPT: Final = 32
"""The rankings used last are kept, others deleted."""
MOST_BYTES: Final = 2**26
"""A ranking whose families take more is not kept."""

_ROOMS: Final = (Path(vpharness.evaluation.__file__).parent, Path(__file__).parent)


def ranked_before(
    store: Store, ledger: Sequence[LedgerCandidate], asked: Sequence[LedgerCandidate] | None = None
) -> list[Ranked]:
    """Return what `rank` gives, from a ranking of the same ledger where the store has one."""
    chosen = [each for each in (ledger if asked is None else asked) if each.choosing]
    path = store.root / FOLDER / _digest(ledger, chosen)
    known = _read(path, chosen)
    if known is not None:
        return known
    found = rank(ledger, asked)
    _write(path, chosen, found)
    return found


def _digest(ledger: Sequence[LedgerCandidate], chosen: Sequence[LedgerCandidate]) -> str:
    """Return the digest of everything that a ranking follows from."""
    text = _Texts()
    digest = hashlib.sha256(f"{_code_digest()} {EVALUATION_VERSION} {_figure_names()}\n".encode())
    for each in ledger:
        digest.update(f"{each.candidate_id}\n".encode())
        for trial in each.trials:
            digest.update(text.of_trial(trial))
    for each in chosen:
        digest.update(repr((each.candidate_id, [trial.dataset for trial in each.trials])).encode())
    return digest.hexdigest()


def _figure_names() -> list[str]:
    """Return the names of all figures that are registered."""
    return [name for each in all_figures() for name in each.names]


class _Texts:
    """What trials are, as text: the objects that trials share are written out once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, str]] = {}

    def of_trial(self, trial: Trial) -> bytes:
        """Return what a ranking looks at in a trial."""
        shared = [self._of(each, repr) for each in (trial.evaluation, trial.split, trial.parameters)]
        market = self._of(trial.market, lambda one: repr((one.instrument, sorted(one.contents), one.origin_ns)))
        own = (
            trial.dataset,
            trial.run_ids,
            trial.signal,
            trial.threshold_label,
            trial.judged_part,
            trial.first_bin_start_ns,
            trial.bins,
            trial.created_ns,
            trial.adaptive,
            trial.evidence and trial.evidence.digest,
        )
        return f"{own!r} {market} {shared}\n".encode()

    def _of(self, shared: Any, text: Callable[[Any], str]) -> str:
        known = self._known.get(id(shared))
        if known is None:
            # The object is kept, so that no other one comes to have its number.
            known = self._known[id(shared)] = shared, hashlib.sha256(text(shared).encode()).hexdigest()
        return known[1]


@cache
def _code_digest() -> str:
    """Return a digest of the code of evaluation and of results: other code may rank otherwise."""
    digest = hashlib.sha256()
    for path in sorted(path for room in _ROOMS for path in room.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


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
    head = {
        "families": [
            [owners[number], *_counts(family), [len(array) for array in _arrays(family)]]
            for number, family in families.items()
        ],
        "ranked": [
            [
                places[id(each.candidate)],
                numbers[id(each.family)],
                [getattr(each.judgement.figures, name) for name in _figure_names()],
                [each.judgement.t, each.judgement.p_value, each.p_adjusted, each.net_low_all, each.winner],
                [list(vars(lack).values()) for lack in each.judgement.lacks],
                each.left_out,
            ]
            for each in ranked
        ],
    }
    content = json.dumps(head, default=lambda number: number.item()).encode() + b"\n"
    content += b"".join(array.astype("<f8").tobytes() for array in arrays)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        kept = sorted(path.parent.iterdir(), key=lambda each: each.stat().st_mtime_ns)
        for old in kept[:-MOST_KEPT]:
            old.unlink(missing_ok=True)


def _arrays(family: Family) -> list[Any]:
    return [each for each in (family.greatest_excess, family.greatest_profit) if each is not None]


def _counts(family: Family) -> list[int]:
    return [family.n_evaluated, family.n_rankable, family.n_runs, family.oldest_ns, family.newest_ns]


def _read(path: Path, chosen: Sequence[LedgerCandidate]) -> list[Ranked] | None:
    """Return the ranking that a file holds of these candidates; None where there is none, or it is damaged."""
    try:
        checksum, _, content = path.read_bytes().partition(b"\n")
        path.touch()
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest().encode() != checksum:
        return None
    line, _, raw = content.partition(b"\n")
    head = json.loads(line)
    families = list(_families(head["families"], np.frombuffer(raw, "<f8"), chosen))
    return [_ranked(chosen[place], families[family], *rest) for place, family, *rest in head["ranked"]]


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
    figures: Sequence[Any],
    numbers: Sequence[Any],
    lacks: Sequence[Sequence[Any]],
    left_out: Sequence[str],
) -> Ranked:
    t, p_value, p_adjusted, net_low_all, winner = numbers
    known = [trial.evidence for trial in candidate.counted if trial.evidence is not None]
    judgement = Judgement(
        pooled(known),
        figures_from(dict(zip(_figure_names(), figures, strict=True))),
        t,
        p_value,
        tuple(Lack(*lack) for lack in lacks),
    )
    return Ranked(candidate, judgement, family, p_adjusted, net_low_all, winner, tuple(left_out))
