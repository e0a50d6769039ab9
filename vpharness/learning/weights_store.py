"""The files of fitted weights: `models/<digest>/`, read-only, each named after its content.

A folder holds `weights.safetensors`, the arrays, and `card.json`, what they were fitted on and with what. Its name is
the SHA-256 of both, and is checked whenever they are read. `models/schedules/<key>.json` lists the fits of a whole run:
the key is the hash of all that they follow from, so that runs that differ in nothing of it share them.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.datasets.lake import new_folder
from vpharness.errors import DatasetError
from vpharness.signals import Weights
from vpharness.storage.checksums import text_sha256
from vpharness.storage.durable import replace_file

WEIGHTS_FILE: Final = "weights.safetensors"
CARD_FILE: Final = "card.json"
SCHEDULES: Final = "schedules"

Card = Mapping[str, Any]


def weights_digest(weights: bytes, card: bytes) -> str:
    """Return the name of weights and their card: the SHA-256 of the two, each behind its length."""
    digest = hashlib.sha256()
    for part in (weights, card):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def weights_bytes(weights: Weights) -> bytes:
    """Return weights as a file of safetensors, the same bytes for the same arrays."""
    from safetensors.numpy import save  # noqa: PLC0415  # of the extra `learn`

    return bytes(save({name: np.ascontiguousarray(weights[name]) for name in sorted(weights)}))


def weights_name(weights: Weights, card: Card) -> str:
    """Return the digest that weights and their card are kept under."""
    return weights_digest(weights_bytes(weights), _json(card))


def keep_weights(models: Path, weights: Weights, card: Card) -> str:
    """Write weights with their card, unless they are there already, and return their digest.

    Raises DatasetError where nothing can be written.
    """
    data, text = weights_bytes(weights), _json(card)
    digest = weights_digest(data, text)
    target = models / digest
    if target.exists():
        with contextlib.suppress(OSError):  # a lake that is only read
            os.utime(target)  # as if it were new: whoever prunes is to see that it is needed now
        return digest
    try:
        with new_folder(target, "model") as folder:
            (folder / WEIGHTS_FILE).write_bytes(data)
            (folder / CARD_FILE).write_bytes(text)
    except DatasetError:
        if not target.exists():  # another process may have written the same
            raise
    return digest


def read_weights(models: Path, digest: str) -> tuple[dict[str, NDArray[Any]], Card]:
    """Return weights and their card. Raises DatasetError where they are absent or not what their name says."""
    from safetensors.numpy import load  # noqa: PLC0415  # of the extra `learn`

    folder = models / digest
    try:
        data, text = (folder / WEIGHTS_FILE).read_bytes(), (folder / CARD_FILE).read_bytes()
    except OSError as error:
        raise DatasetError(f"the weights in {folder} cannot be read: {error.strerror}; {_ADVICE}") from error
    if (found := weights_digest(data, text)) != digest:
        raise DatasetError(
            f"the weights in {folder} are damaged: {WEIGHTS_FILE} and {CARD_FILE} have the SHA-256 {found[:12]}…, not "
            f"that of their folder; {_ADVICE}"
        )
    return load(data), json.loads(text)


def keep_schedule(models: Path, key: str, digests: Sequence[str]) -> None:
    """Write which weights the fits of a run are, in the order of time. Raises OSError where that cannot be done."""
    path = _schedule_path(models, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(list(digests), indent=1)
    replace_file(path, json.dumps({"fits": list(digests), "sha256": text_sha256(text)}))


def read_schedule(models: Path, key: str) -> list[str] | None:
    """Return the digests of the fits of a run; None where they are not there yet.

    Raises DatasetError where the list is damaged.
    """
    path = _schedule_path(models, key)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        text = json.dumps(found["fits"], indent=1)
        if text_sha256(text) == found["sha256"]:
            return [str(each) for each in found["fits"]]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"the list of fits {path} cannot be read: {error}; {_ADVICE}") from error
    raise DatasetError(f"the list of fits {path} is damaged; {_ADVICE}")


def unreferenced_weights(
    models: Path, checksums: Container[str], older_than_s: float = 0.0
) -> Iterator[tuple[Path, str]]:
    """Yield the weights and lists of fits that no run can read again, and why.

    A list is for a dataset: where that is gone, so is every run that would look for it. Weights are for the lists that
    name them. What was written within `older_than_s` is kept, and with it all other weights of the same dataset: a run
    writes its list last, and may have begun long before.

    Args:
        models: the folder of weights.
        checksums: those of the datasets that are there.
        older_than_s: seconds.
    """
    kept = set[str]()
    for path in sorted((models / SCHEDULES).glob("*.json")):
        try:
            fits = read_schedule(models, path.stem) or []
            is_of_dataset = all(_dataset_checksum(models / name) in checksums for name in fits)
        except DatasetError:
            fits, is_of_dataset = [], False
        if is_of_dataset or _is_young(path, older_than_s):
            kept.update(fits)
        else:
            yield path, "a list of fits that is damaged, or whose dataset or weights are gone"
    unlisted = sorted(path for path in models.glob("*") if path.is_dir() and path.name not in {SCHEDULES, *kept})
    under_way = {_dataset_checksum(folder) for folder in unlisted if _is_young(folder, older_than_s)}
    for folder in unlisted:
        if not _is_young(folder, older_than_s) and _dataset_checksum(folder) not in under_way:
            yield folder, "no list of fits of a dataset that is there names it"


def _dataset_checksum(folder: Path) -> str | None:
    """Return the checksum of the dataset that weights were fitted to; None where their card cannot be read."""
    try:
        return str(json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))["dataset"]["checksum"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_young(path: Path, older_than_s: float) -> bool:
    return time.time() - path.stat().st_mtime < older_than_s


def _schedule_path(models: Path, key: str) -> Path:
    return models / SCHEDULES / f"{key}.json"


def _json(card: Card) -> bytes:
    return (json.dumps(card, indent=1, sort_keys=True) + "\n").encode()


_ADVICE: Final = "delete the folder models of the lake, and the weights are fitted again"
