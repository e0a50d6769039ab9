"""Errors of Hydra and OmegaConf, said on one line."""

import dataclasses
import re
from typing import Final

from vpharness.tasks.words import quoting_hint

_AMBIGUOUS: Final = re.compile(r"Ambiguous value for argument '(?P<key>[^=]*)=(?P<value>.*?)'\n1\. To use", re.DOTALL)


def one_line(error: BaseException) -> str:
    """Return an error's message on one line; for an unknown key, with the keys that are known."""
    text = str(error)
    cause: BaseException | None = error
    while cause is not None:
        schema = getattr(cause, "object_type", None)
        if dataclasses.is_dataclass(schema) and isinstance(schema, type):
            known = [field.name for field in dataclasses.fields(schema) if not field.name.startswith("_")]
            if str(getattr(cause, "key", "")) not in known:
                text = (
                    f"{getattr(cause, 'full_key', None) or getattr(cause, 'key', '')} is not a key here; the keys are "
                )
                return text + ", ".join(sorted(set(known) - {"defaults"}))
            text = f"{getattr(cause, 'full_key', '')}: {getattr(cause, 'msg', None) or cause}"
        cause = cause.__cause__
    if (ambiguous := _AMBIGUOUS.match(text)) is not None:
        key, value = ambiguous["key"], ambiguous["value"]
        return (
            f"{key} is {value}, which has commas: for a list, write {key}=[{value}]; for one text, "
            f"{quoting_hint(key, value)}; for a run of each value, put -m before it"
        )
    text = text.partition("Config search path:")[0]
    kept = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(line for line in kept if not line.startswith(("full_key:", "object_type=", "reference_type=")))
