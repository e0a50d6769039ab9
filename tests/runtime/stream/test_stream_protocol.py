"""The reference of the stream protocol documents exactly the fields that the server sends, with types and examples."""

import asyncio
import dataclasses
import functools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

import vpharness
from runtime.engine.models import served_model
from runtime.stream.query import QUERY_KEYS
from runtime.stream.status import status
from tests.runtime.market import ScriptedFeed, minute, steps_of
from tests.runtime.records import promote, record_of
from tests.runtime.serving import server
from tests.runtime.stream.test_stream import is_shadowed
from tests.runtime.web.test_auth import ask
from vpharness.evaluation import ResolvedEvaluation
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.live import ScoredBin
from vpharness.live.frames import encode_grid
from vpharness.promotion.serving import PromotedRecord

REFERENCE: Final = Path(vpharness.__file__).parent / "docs" / "reference" / "stream-protocol.md"
STEPS: Final = steps_of(minute())[:400]
SAME_AS: Final = {
    "runtime_config.challengers[]": "runtime_config.model",
    "runtime_config.shadow": "runtime_config.model",
    "grid_update.shadow.outcomes[]": "grid_update.outcomes[]",
    "grid_update.shadow.orders[]": "grid_update.orders[]",
    "grid_history.updates[]": "grid_update",
    "shadow_history.updates[].outcomes[]": "grid_update.outcomes[]",
    "shadow_history.updates[].orders[]": "grid_update.orders[]",
    "status.statistics.shadow": "status.statistics.champion",
    "status.statistics.challengers[]": "status.statistics.champion",
    "status.statistics.champion.projection": "status.statistics.projection",
    "/v1/promotion.record.evaluation": "runtime_config.evaluation",
}
"""Objects whose fields the reference describes elsewhere."""

FREE: Final = {"runtime_config.promised"}
"""Objects whose fields depend on the version that wrote them."""

CHECKS: Final[dict[str, Callable[[Any], bool]]] = {
    "text": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "time": lambda value: isinstance(value, str) and re.fullmatch(r"\d{1,19}", value) is not None,
    "object": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, list),
}


@dataclasses.dataclass(frozen=True)
class Field:
    """A row of a table of fields."""

    kind: str
    is_optional: bool

    def allows(self, value: Any) -> bool:
        """Whether a value is of the type that is documented."""
        return is_of(self.kind, value)


def is_of(kind: str, value: Any) -> bool:
    """Whether a value is of a type such as `list of number?` or `object by name`."""
    if kind.startswith("list of "):
        return isinstance(value, list) and all(is_of(kind.removeprefix("list of "), each) for each in value)
    if value is None:
        return kind.endswith("?")
    return CHECKS[kind.removesuffix("?").partition(" by ")[0]](value)


def sections() -> dict[str, str]:
    """Return the text below each heading that is a name in code, up to the next heading."""
    parts = re.split(r"^#{2,4} (.+)$", REFERENCE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {title.strip("`"): text for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def rows(text: str, head: str) -> list[list[str]]:
    """Return the cells of the rows of the table with this head."""
    begin = text.index(f"| {head} |")
    lines = text[begin:].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@functools.cache
def documented() -> dict[str, dict[str, Field]]:
    """Return the fields of every message, endpoint and object in them, by its path."""
    found = {}
    for title, text in sections().items():
        if "| field | type | unit | meaning |" in text:
            table = rows(text, "field | type | unit | meaning")
            assert all(meaning for _, _, _, meaning in table), title
            found[title] = {
                name.strip("`"): Field(kind.removesuffix(", optional"), kind.endswith(", optional"))
                for name, kind, _, _ in table
            }
    return found


def objects(path: str, value: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a message, and every object in it that has fields of its own, each with the path it is documented at."""
    yield path, value
    for name, item in value.items():
        below, kind = f"{path}.{name}", documented()[path][name].kind if name in documented()[path] else ""
        if " by " in kind or below in FREE:
            continue
        if isinstance(item, dict):
            yield from objects(SAME_AS.get(below, below), item)
        for each in item if isinstance(item, list) else ():
            if isinstance(each, dict):
                yield from objects(SAME_AS.get(f"{below}[]", f"{below}[]"), each)


def require_documented(path: str, message: dict[str, Any]) -> set[str]:
    """Require that all fields of a message are documented, with their types; return the paths of objects seen."""
    seen = set()
    for place, found in objects(path, message):
        fields = documented()[place]
        assert set(found) - set(fields) == set(), f"{place} has fields that are not documented"
        missing = {name for name, field in fields.items() if name not in found and not field.is_optional}
        assert missing == set(), f"{place} has no such fields"
        for name, value in found.items():
            assert fields[name].allows(value), f"{place}.{name} is documented as {fields[name].kind}, and is {value!r}"
        seen.add(place)
    return seen


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Return what a server with a promoted champion, a challenger and a shadow model sends, by type and by path."""
    return asyncio.run(_messages(tmp_path_factory.mktemp("served")))


async def _messages(folder: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    record, feed = record_of(), ScriptedFeed()
    feed.put(*STEPS[:250])
    async with server(folder, feed, record, challengers=[served_model(resting_record(), "twin")]) as running:
        promote(running.lake, record_of(), "v0001")
        await running.wait_until(lambda: running.stream.champion.record.version == "v0001")
        await running.wait_until(lambda: running.stream.ring.next_seq > 200)
        async with running.client("fields=&history=20&threshold=0.2") as client:
            await running.wait_until(lambda: is_shadowed(running, feed))
            feed.put(*STEPS[250:])
            while not _is_all(found):
                message = await client.message()
                found.setdefault(message["type"], []).append(message)
                feed.nudge()
        async with running.client("unknown=1") as client:
            found["error"] = [await client.message()]
        running.stream.coming = ("v0002", 40)
        found["status"].append(json.loads(json.dumps(status(running.stream))))
        for path in ("/v1/feeds", "/v1/promotion", "/healthz", "/readyz"):
            found[path] = [json.loads((await ask(running, path)).body)]
        found["/metrics"] = [{"text": (await ask(running, "/metrics")).body}]
    return found


def resting_record() -> PromotedRecord:
    """Return a record whose entries rest in the queue."""
    evaluation = {**record_of().evaluation, "fill": "queue", "latency_ms": 100.0, "max_wait_bins": 20}
    return record_of(evaluation=evaluation)


def _is_all(found: dict[str, list[dict[str, Any]]]) -> bool:
    """Whether every kind of message has come, and in one of them every kind of object."""
    updates = found.get("grid_update", ())
    return (
        {"runtime_config", "grid_history", "shadow_history", "status"} <= set(found)
        and any(each["outcomes"] for each in updates)
        and any(order["state"] == "filled" for each in updates for order in each["orders"])
        and any(each.get("shadow", {}).get("outcomes") for each in updates)
        and any(each["statistics"]["champion"] for each in found["status"])
        and any("shadow" in each["statistics"] for each in found["status"])
    )


def test_every_field_that_is_sent_is_documented_and_no_other(messages: dict[str, list[dict[str, Any]]]) -> None:
    """Of every message and answer, and of every object in them, with its type."""
    seen = set()
    for kind, each in messages.items():
        if kind != "/metrics":
            for message in each:
                seen |= require_documented(kind, message)
    assert seen == set(documented())
    fields = {field.name for field in dataclasses.fields(ResolvedEvaluation)}
    assert fields == set(documented()["runtime_config.evaluation"])


def test_every_message_and_answer_has_an_example_that_holds() -> None:
    """With the fields and types that are documented."""
    shown = set()
    for title, text in sections().items():
        for example in re.findall(r"```json\n(.*?)```", text, re.DOTALL):
            message = json.loads(example)
            kind = message.get("type") or next(
                path for path in ("/v1/feeds", "/v1/promotion", "/healthz", "/readyz") if title.startswith(path)
            )
            require_documented(kind, message)
            shown.add(kind)
    assert shown == {path for path in documented() if "." not in path}


def test_the_query_s_keys_are_documented() -> None:
    """Each of them, and that of a parameter."""
    table = rows(sections()["Opening the stream"], "key | value | meaning")
    assert {key.strip("`") for key, _, _ in table} == {*QUERY_KEYS, "signal.NAME"}


def test_the_metrics_are_documented(messages: dict[str, list[dict[str, Any]]]) -> None:
    """Each with its type and labels."""
    text = messages["/metrics"][0]["text"]
    sent = {}
    for name, labels in re.findall(r"^(vpharness_\w+)(?:\{(.*)\})? ", text, re.MULTILINE):
        kind = "counter" if name.endswith("_total") else "gauge"
        sent[name] = kind, frozenset(re.findall(r"(\w+)=", labels))
    table = rows(sections()["/metrics"], "metric | type | labels | meaning")
    assert sent == {
        name.strip("`"): (kind, frozenset(labels.replace("`", "").split(", ")) - {""})
        for name, kind, labels, _ in table
    }


@pytest.mark.parametrize("bins", [1, 3])
@pytest.mark.parametrize("fields", [tuple(GRID_COLUMNS), ("v_add", "spectrum_state_code", "last_event_id")])
def test_the_bytes_of_a_frame_are_where_the_reference_says(fields: tuple[str, ...], bins: int) -> None:
    """A client without Arrow finds every column by the lengths alone."""
    rng, cells = np.random.default_rng(0), 41
    scored = [
        ScoredBin(
            np.zeros(1, [("bin_seq", np.int64)]),
            {name: rng.integers(-2, 3, cells).astype(kind) for name, kind in GRID_COLUMNS.items()},
            0.0,
            (),
        )
        for _ in range(bins)
    ]
    frame = encode_grid(scored, fields)
    assert frame[:4] == b"\xff\xff\xff\xff"
    length = int.from_bytes(frame[4:8], "little")
    assert length % 8 == 0
    at = 8 + length
    for name in fields:
        size = bins * cells * GRID_COLUMNS[name].itemsize
        column = np.frombuffer(frame[at : at + size], GRID_COLUMNS[name].newbyteorder("<"))
        assert column.tolist() == np.concatenate([each.grid[name] for each in scored]).tolist()
        assert frame[at + size : at + size + -size % 8] == bytes(-size % 8)
        at += size + -size % 8
    assert at == len(frame)
    if bins == 1 and len(fields) == 3:
        assert (len(frame), frame[:8].hex(" ")) == (944, "ff ff ff ff e8 00 00 00")


def test_the_columns_widths_are_documented() -> None:
    """Each column with the number of its bytes and its type."""
    table = rows(sections()["Binary frames"], "columns | width | type")
    listed = {name.strip("`"): (int(width), kind) for names, width, kind in table for name in names.split(", ")}
    assert listed == {name: (kind.itemsize, str(kind)) for name, kind in GRID_COLUMNS.items()}
