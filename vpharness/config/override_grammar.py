"""Overrides as Hydra's grammar reads them: values with any characters, paths, and texts."""

import json
import math
import re
import shlex
from pathlib import Path
from typing import Any, Final

PATH_KEYS: Final = ("path", "lake", "outputs", "parquet", "report", "record", "check")
"""Keys whose values are files or folders, and may hold any character."""
TEXT_KEYS: Final = ("force", "run_id", "version", "a", "b", "to", "topic", "lake_datasets")
"""Keys whose values are texts as they stand, such as an id of digits and an e, which Hydra would take for a number."""

_PLAIN: Final = re.compile(r"[\w./:~+,*?-]*", re.ASCII)
_LIST: Final = re.compile(r"\[[^\[\]]+\]")
_NUMBER: Final = re.compile(r"[\d._+-]+(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def override_value(value: Any) -> str:
    """Return a plain value as Hydra's grammar writes it: read back, it is that value again, whatever it holds."""
    if isinstance(value, str):
        from hydra.core.override_parser.types import Quote, QuotedString  # noqa: PLC0415  # slow to import

        return QuotedString(value, Quote.double).with_quotes()
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{override_value(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(override_value, value))}]"
    # Numbers, truth and nothing are as in JSON, but for infinities.
    return str(value) if isinstance(value, float) and not math.isfinite(value) else json.dumps(value)


def quoting_hint(key: str, value: str) -> str:
    """Return how a text with any characters is given to a key: the shell takes one pair of quotes away."""
    return f"write {shlex.quote(f'{key}={override_value(value)}')}"


def quoted(override: str) -> str:
    """Quote a path or a text for Hydra, whose grammar knows no spaces, parentheses or equals signs in a plain value.

    A comma separates the values of an axis, unless it belongs to the name of a file that is there, and brackets hold a
    list of files.
    """
    key, equals, value = override.partition("=")
    is_path = key.rpartition(".")[2] in PATH_KEYS or key.endswith("_path")
    if not equals or not (is_path or key in TEXT_KEYS) or value[:1] in {"'", '"', "$"}:
        return override
    if is_path and _LIST.fullmatch(value) and not is_there(value):
        if "'" in value or '"' in value:
            return override  # names that are quoted already are Hydra's to read
        return f"{key}={override_value([each.strip() for each in value[1:-1].split(',')])}"
    if is_path and _PLAIN.fullmatch(value) and not _NUMBER.fullmatch(value) and not ("," in value and is_there(value)):
        return override
    return f"{key}={override_value(value)}"


def is_there(name: str) -> bool:
    """Whether there is a file or folder of that name; a name that is too long for one, or cannot be one, is none."""
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False
