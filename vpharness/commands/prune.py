"""The command `prune`: delete what nothing refers to, after showing what it is and how much."""

import dataclasses
import json
import shlex
import sys
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from omegaconf import DictConfig

from vpharness.commands.text.dataset_facts import size_text
from vpharness.commands.text.terminal import print_table
from vpharness.config.dataset_schemas import PruneCommand
from vpharness.config.typed_config import check_command
from vpharness.datasets.lake import Lake, no_collection_is_built
from vpharness.datasets.pruning import WEIGHTS, Kept, Prunable, delete, prunable
from vpharness.promotion.bundle import read_bundle
from vpharness.promotion.pointer import versions
from vpharness.results.store import AUDITS, CANDIDATES, META, VIEWS, Store, read, store_in
from vpharness.wording import counted


def run_prune(config: DictConfig) -> None:
    """Show what nothing refers to, and delete it where that is confirmed."""
    asked = check_command(config, PruneCommand)
    lake = Lake(Path(asked.lake))
    with no_collection_is_built(lake):
        reasons = referred_to(lake, with_runs=asked.with_runs)
        older_than_s = asked.older_than_hours * 3600
        pruning = prunable(lake, reasons, older_than_s, partial(_weights, lake, older_than_s))
        found, kept = pruning.found, [*pruning.kept, *_kept_weights(lake, pruning.found)]
        young = 0
        if not found and older_than_s:
            young = len(prunable(lake, reasons, 0.0, partial(_weights, lake, 0.0)).found)
        deleted = [each for each in found if delete(each)] if asked.yes else []
    size = sum(each.size for each in found)
    if asked.json:
        rows = [{**vars(each), "path": str(each.path)} for each in found]
        left = [{**vars(each), "path": str(each.path)} for each in kept]
        print(json.dumps({"prunable": rows, "bytes": size, "deleted": len(deleted), "kept": left}, indent=1))
        return
    if not found:
        print(f"nothing to prune in {lake.root}{_young_text(young, asked.older_than_hours)}")
        _print_kept(kept)
        return
    _print(found, lake)
    total = f"{counted(len(found), 'thing')}, {size_text(size)}"
    if asked.yes:
        print(f"deleted {total}")
    else:
        print(f"{total}; nothing has been deleted")
    _print_kept(kept)
    if not asked.yes:
        print(f"vpharness: {_confirmed(asked)} deletes what is listed", file=sys.stderr)


def _print_kept(kept: Sequence[Kept]) -> None:
    """Print how much is kept, by kind and reason."""
    for (kind, reason), count in Counter((each.kind, each.reason) for each in kept).most_common():
        what = f"weights of {counted(count, 'fit')}" if kind == WEIGHTS else counted(count, kind)
        print(f"kept: {what}: {reason}")


def _young_text(count: int, hours: float) -> str:
    """Return how much would be listed if it were older, and which key asks for it."""
    if not count:
        return ""
    are = "is" if count == 1 else "are"
    return (
        f"; {counted(count, 'thing')} {are} younger than {hours:g} hour{'' if hours == 1 else 's'} (older_than_hours=)"
    )


def _confirmed(asked: PruneCommand) -> str:
    """Return the command that deletes what another one lists: with its keys, as far as they are not the defaults."""
    words = []
    for field in dataclasses.fields(asked):
        value = getattr(asked, field.name)
        if value != field.default and field.name not in {"yes", "json"}:
            words.append(f"{field.name}={str(value).lower() if isinstance(value, bool) else value}")
    return shlex.join(["prune", *words, "yes=true"])


def _weights(lake: Lake, older_than_s: float, checksums: Container[str]) -> Iterable[tuple[Path, str]]:
    """Return the weights of learned signals that belong to none of the datasets that are there, and why."""
    if not lake.models.is_dir():
        return ()
    from vpharness.learning.weights_store import unreferenced_weights  # noqa: PLC0415  # imports JAX

    return unreferenced_weights(lake.models, checksums, older_than_s)


def _kept_weights(lake: Lake, found: Iterable[Prunable]) -> Iterator[Kept]:
    """Yield the weights of learned signals that are not among what can be deleted."""
    if not lake.models.is_dir():
        return
    from vpharness.learning.weights_store import CARD_FILE  # noqa: PLC0415  # imports JAX

    useless = {each.path for each in found}
    for folder in sorted(path.parent for path in lake.models.glob(f"*/{CARD_FILE}")):
        if folder not in useless:
            yield Kept(WEIGHTS, folder, "their dataset is there, or a fit is under way")


def _print(found: list[Prunable], lake: Lake) -> None:
    table = {
        "kind": [each.kind for each in found],
        "size": [size_text(each.size) for each in found],
        "what": [_short(each.path, lake) for each in found],
        "why": [each.reason for each in found],
    }
    print_table(table, texts=("kind", "what", "why"))


def _short(path: Path, lake: Lake) -> str:
    return str(path.relative_to(lake.root)) if path.is_relative_to(lake.root) else str(path)


def referred_to(lake: Lake, *, with_runs: bool) -> dict[str, str]:
    """Return what refers to datasets, of results and promoted versions, by the datasets' checksums.

    Args:
        lake: where they lie.
        with_runs: whether a run of the ledger alone is no reason to keep its dataset; the opening of a test part is.

    Raises PromotionError where a promoted version cannot be read, and ResultsError where the ledger cannot be: then
    nobody knows what they refer to.
    """
    store = store_in(lake.root)
    by_runs = dict.fromkeys(() if with_runs else _run(store), "runs or audits are of it (with_runs=true)")
    opened = dict.fromkeys(_opened(store), "a test part was opened on it")
    promoted = dict.fromkeys(_promoted(lake, store), "a promoted version came from it, or has evidence pooled over it")
    return by_runs | opened | promoted


def _promoted(lake: Lake, store: Store) -> Iterator[str]:
    """Yield the checksums of the datasets that promoted versions came from, those of earlier versions too.

    Where the evidence is pooled these are all datasets that it is pooled over, as the ledger knows them.
    """
    pooled = set[str]()
    for folder in sorted(path for path in lake.promoted.glob("*") if path.is_dir() and not path.name.startswith(".")):
        for version in versions(folder):
            record = read_bundle(folder / version).record
            if record.dataset_checksum is not None:
                yield record.dataset_checksum
            over = record.evidence.get("pooled") or {}
            pooled.update(over.get("train", ()), over.get("test", ()))
    if pooled:
        for row in read(store, META, ["dataset_id", "dataset_checksum"]):
            if row["dataset_id"] in pooled and row["dataset_checksum"]:
                yield row["dataset_checksum"]


def _opened(store: Store) -> Iterator[str]:
    """Yield the checksums of the datasets of candidates whose test parts were opened."""
    opened = {row["candidate_id"] for row in read(store, VIEWS, ["candidate_id"])}
    runs = {
        row["run_id"] for row in read(store, CANDIDATES, ["candidate_id", "run_id"]) if row["candidate_id"] in opened
    }
    for row in read(store, META, ["run_id", "dataset_checksum"]):
        if row["run_id"] in runs and row["dataset_checksum"]:
            yield row["dataset_checksum"]


def _run(store: Store) -> Iterator[str]:
    """Yield the checksums of the datasets that runs and audits are of."""
    for table in (META, AUDITS):
        yield from (
            row["dataset_checksum"] for row in read(store, table, ["dataset_checksum"]) if row["dataset_checksum"]
        )
