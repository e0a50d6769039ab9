"""Any page of the board, by its path and query: a pure function of the lake, but for what it remembers.

Only names that the lake lists are looked up, and nothing of a query becomes part of a path. Everything that is shown
goes through `markup`, which escapes it. Whatever is wrong is an answer that says so in a line.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.resources import files
from typing import Final

from vpharness.board.campaigns import campaign_page, campaigns_in, campaigns_page, running_campaigns
from vpharness.board.candidate import Surroundings, candidate_page
from vpharness.board.comparison import comparison
from vpharness.board.data_pages import dataset_page, datasets_page
from vpharness.board.leaderboard import leaderboard, running_strip
from vpharness.board.leaderboard_rows import KEYS, query_of
from vpharness.board.ledger_watch import LedgerWatch
from vpharness.board.pages import ICON, SCRIPT, STYLE_SHEET, Page, html_of, json_of
from vpharness.board.procedures import procedure_page, procedures_page
from vpharness.board.queries import NotFoundError, Query, QueryError, parsed
from vpharness.board.standing import stamp_of
from vpharness.campaigns.collection_members import labels_of_datasets, sessions_and_labels, sessions_of_datasets
from vpharness.commands.ledger_access import lattices_in, views_in
from vpharness.config.lake_of_command import lake_key
from vpharness.datasets.collection import collection_ids, find_collection
from vpharness.datasets.lake import Lake
from vpharness.errors import DatasetError, PromotionError, VpharnessError
from vpharness.promotion.pointer import PROMOTED, history, instruments
from vpharness.results.part_files import list_parts
from vpharness.results.report.markup import element
from vpharness.results.store import WALK_FORWARDS, store_in

HTML, JSON, CSS, JAVASCRIPT = (
    *("text/html; charset=utf-8", "application/json; charset=utf-8"),
    *("text/css; charset=utf-8", "text/javascript; charset=utf-8"),
)
HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
"""Headers of every answer: nothing comes from elsewhere, and forms lead back here alone."""

MOST_BYTES: Final = 4_000_000
"""The longest answer."""
_REMEMBERED_BYTES: Final = 20_000_000


@dataclass(frozen=True)
class PageAnswer:
    """An answer as HTTP has it."""

    status: int
    content_type: str
    body: bytes


@dataclass
class Board:
    """A lake with what is remembered of it: its ranking, and pages that take long to make.

    Attributes:
        lake: whose pages they are; nothing is fetched from elsewhere for them.
        watch: its ranking.
    """

    lake: Lake
    watch: LedgerWatch
    _pages: "OrderedDict[tuple[str, str], PageAnswer]" = field(default_factory=OrderedDict)

    @classmethod
    def of(cls, lake: Lake, patience_s: float | None = None) -> "Board":
        """Return the board of a lake; pages wait at most so long for a new ranking."""
        watch = LedgerWatch(lake) if patience_s is None else LedgerWatch(lake, patience_s)
        return cls(lake, watch)

    def remembered(self, key: str, make: Callable[[], PageAnswer]) -> PageAnswer:
        """Return an answer that follows from the ledger, with the procedures that were tried, and what is promoted.

        It is made once for each state of these.
        """
        versions = sorted(str(path) for path in self.lake.promoted.glob("*/v*"))
        folder = store_in(self.lake.root).root / WALK_FORWARDS
        tried = [path.name for path in list_parts(folder)] if folder.is_dir() else []
        stamp = hashlib.sha256("\n".join([stamp_of(self.lake), *versions, *tried]).encode()).hexdigest()
        known = self._pages.get((stamp, key))
        if known is not None:
            self._pages.move_to_end((stamp, key))
            return known
        # What was made of an older ranking says so, and is made again: also where the present one came meanwhile.
        was_current, made = self.watch.is_current, make()
        if made.status == HTTPStatus.OK and was_current and self.watch.is_current:
            self._pages[stamp, key] = made
        while sum(len(each.body) for each in self._pages.values()) > _REMEMBERED_BYTES:
            self._pages.popitem(last=False)
        return made


def answer(board: Board, path: str, query: str = "") -> PageAnswer:
    """Return what is asked for: `path` is that below the board, such as "candidate", `query` as in an address."""
    if path in _FILES:
        return PageAnswer(HTTPStatus.OK, _FILES[path][0], _FILES[path][1]())
    as_json = path.endswith(".json") or "format=json" in query.split("&")
    folders, name = path.count("/"), path.removesuffix(".json")
    name = "" if name == "leaderboard" else name
    try:
        values = parsed(query)
        Query(values, frozenset(values)).choice("format", ("html", "json"), "html")
        values.pop("format", None)
        if name not in _PAGES:
            known = ", ".join(sorted(filter(None, _PAGES)))
            raise NotFoundError(f"there is no page {path[:60]!r}; there are the leaderboard, {known}")
        if name in _REMEMBERED:
            key = f"{name} {as_json} {sorted(values.items())}"
            return board.remembered(key, lambda: _told(_PAGES[name](board, values), board, as_json=as_json))
        return _told(_PAGES[name](board, values), board, as_json=as_json)
    except NotFoundError as error:
        page = _problem(HTTPStatus.NOT_FOUND, "Not found", str(error))
    except QueryError as error:
        page = _problem(HTTPStatus.BAD_REQUEST, "Not understood", str(error))
    except VpharnessError as error:
        page = _problem(HTTPStatus.SERVICE_UNAVAILABLE, "Cannot be read", str(error))
    return _told(page, board, folders, as_json=as_json)


def _told(page: Page, board: Board, folders: int = 0, *, as_json: bool) -> PageAnswer:
    text = json_of(page) if as_json else html_of(page, str(board.lake.root.resolve()), folders)
    body = text.encode()
    if len(body) > MOST_BYTES:
        sentence = (
            f"the page has {len(body) / 1e6:.1f} MB; at most {MOST_BYTES / 1e6:g} MB are sent: ask for fewer rows"
        )
        return _told(_problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Too long", sentence), board, as_json=as_json)
    return PageAnswer(page.status, JSON if as_json else HTML, body)


def _problem(status: int, title: str, sentence: str) -> Page:
    return Page(title, [element("p", f"{sentence}.", class_="state")], {"error": sentence}, status)


def _leaderboard(board: Board, values: Mapping[str, str]) -> Page:
    asked = query_of(Query(values, KEYS))
    running = running_campaigns(campaigns_in(board.lake), time.time_ns())
    labels = labels_of_datasets(board.lake)
    return leaderboard(board.watch.seen(), asked, lattices_in(board.lake), labels, running_strip(running))


def _candidate(board: Board, values: Mapping[str, str]) -> Page:
    asked = Query(values, frozenset({"id"})).text("id")
    lake = board.lake
    around = Surroundings(
        views_in(lake, computes=False),
        *sessions_and_labels(lake),
        _collections(lake),
        lake_key(lake),
        _promoted_runs(lake),
    )
    return candidate_page(board.watch.seen(whole=True), asked, around)


def _collections(lake: Lake) -> dict[str, frozenset[str]]:
    found = {}
    for name in collection_ids(lake):
        try:
            found[name] = frozenset(find_collection(lake, name).dataset_ids)
        except DatasetError:
            continue  # the page of datasets says what is wrong with it
    return found


def _promoted_runs(lake: Lake) -> dict[str, list[tuple[str, str]]]:
    """Return the instruments and versions that each run was promoted as, by run."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name in instruments(lake):
        try:
            entries = history(lake, name)
        except PromotionError:
            continue  # the page of promotions says what is wrong with it
        for entry in entries:
            if entry.action == PROMOTED and entry.run_id is not None:
                found.setdefault(entry.run_id, []).append((name, entry.version))
    return found


def _compare(board: Board, values: Mapping[str, str]) -> Page:
    asked = Query(values, frozenset({"a", "b"}))
    views = views_in(board.lake, computes=False)
    labels = labels_of_datasets(board.lake)
    return comparison(board.watch.seen(whole=True), asked.text("a"), asked.text("b"), views, labels)


def _campaigns(board: Board, values: Mapping[str, str]) -> Page:
    Query(values, frozenset())
    return campaigns_page(board.lake)


def _campaign(board: Board, values: Mapping[str, str]) -> Page:
    return campaign_page(board.lake, Query(values, frozenset({"name"})).text("name"))


def _procedures(board: Board, values: Mapping[str, str]) -> Page:
    Query(values, frozenset())
    return procedures_page(board.lake)


def _procedure(board: Board, values: Mapping[str, str]) -> Page:
    asked = Query(values, frozenset({"id"})).text("id")
    return procedure_page(board.lake, board.watch.seen(whole=True), asked, sessions_of_datasets(board.lake))


def _datasets(board: Board, values: Mapping[str, str]) -> Page:
    asked = Query(values, frozenset({"id", "page"}))
    seen = board.watch.seen()
    if asked.text("id") is not None:
        return dataset_page(board.lake, seen, asked.text("id"))
    return datasets_page(board.lake, seen, asked.whole("page", 1, 1, 10**6))


def _promoted(board: Board, values: Mapping[str, str]) -> Page:
    from vpharness.board.promoted import promoted_page, version_page  # noqa: PLC0415  # compilers, seconds to load

    asked = Query(values, frozenset({"instrument", "version"}))
    instrument, version = asked.text("instrument"), asked.text("version")
    seen = board.watch.seen(whole=True)
    if version is None:
        return promoted_page(board.lake, seen, instrument)
    if instrument is None:
        raise QueryError("version is given without instrument; give both")
    return version_page(board.lake, seen, instrument, version)


_PAGES: Final[Mapping[str, Callable[[Board, Mapping[str, str]], Page]]] = {
    "": _leaderboard,
    "candidate": _candidate,
    "compare": _compare,
    "campaigns": _campaigns,
    "campaign": _campaign,
    "walk-forward": _procedures,
    "procedure": _procedure,
    "datasets": _datasets,
    "promoted": _promoted,
}
_REMEMBERED: Final = frozenset({"candidate", "compare", "procedure"})
"""Pages with pictures, which take a second or two, and follow from the ledger and its datasets."""


def _style() -> bytes:
    report = files("vpharness.results.report").joinpath("page.css").read_bytes()
    return report + files(__package__).joinpath(STYLE_SHEET).read_bytes()


def _icon() -> bytes:
    return files(__package__).joinpath(ICON).read_bytes()


def _script() -> bytes:
    return files(__package__).joinpath(SCRIPT).read_bytes()


_FILES: Final[Mapping[str, tuple[str, Callable[[], bytes]]]] = {
    STYLE_SHEET: (CSS, _style),
    SCRIPT: (JAVASCRIPT, _script),
    ICON: ("image/svg+xml", _icon),
}
"""Files that pages ask for, by their path, with what gives them."""
