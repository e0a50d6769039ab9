"""Errors of Hydra and OmegaConf, said on one line."""

import dataclasses


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
    text = text.partition("Config search path:")[0]
    kept = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(line for line in kept if not line.startswith(("full_key:", "object_type=", "reference_type=")))
