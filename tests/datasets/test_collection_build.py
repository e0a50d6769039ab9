"""Files of days become collections: one dataset for each session, added once, and the others in spite of failures."""

import dataclasses
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.datasets.session_files import MINUTE_NS, WIDE, minutes, utc, write_day
from vpharness.datasets.collection import add_members, datasets_of, find_collection
from vpharness.datasets.collection_build import CollectionBuilt, CollectionProgress, CollectionRequest, build_collection
from vpharness.datasets.collection_watch import Watched, watch_collection
from vpharness.datasets.dataset_build import build
from vpharness.datasets.file_spans import span_of_file
from vpharness.datasets.find import Dataset, open_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.read import load
from vpharness.datasets.sessions import SessionParameters
from vpharness.engines.calls import Allotment, Follower, Work
from vpharness.errors import ConfigError, SourceError
from vpharness.events.dbn import DbnSource
from vpharness.events.event_source import Source
from vpharness.events.file_parts import files_in
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.lattice_parameters import LatticeParameters

FILE = SessionParameters()
MORNING = SessionParameters("09:30", "12:00", "America/New_York", ["mon", "tue", "wed", "thu", "fri"], "XNYS")
NIGHT = SessionParameters("17:00", "16:00", "America/Chicago", ["mon", "tue", "wed", "thu", "fri"])
DAYS = ("2024-03-07", "2024-03-08", "2024-03-11", "2024-03-12")
"""Two days of winter time in New York, and two of summer time."""


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file for each of DAYS, from 13:00 to 17:30 UTC."""
    folder = tmp_path_factory.mktemp("days")
    for place, day in enumerate(DAYS):
        write_day(folder / f"{day}.dbn", minutes(f"{day} 13:00", f"{day} 17:30"), level=100 + place)
    return folder


def request(
    path: Path | str, session: SessionParameters = MORNING, name: str = "ES", **others: object
) -> CollectionRequest:
    """Return a request to build files of DBN with bins of a minute."""
    return CollectionRequest(name, DbnSource(str(path), 0.25), WIDE, session, **others)  # type: ignore[arg-type]


def quiet(progress: CollectionProgress) -> None:
    """Report nothing."""


def built(lake: Lake, asked: CollectionRequest) -> CollectionBuilt:
    """Build without a word."""
    return build_collection(lake, asked, quiet)


@pytest.fixture(scope="module")
def mornings(days: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, CollectionBuilt]:
    """A lake with the collection of the mornings of the days."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    return lake, built(lake, request(days))


@pytest.fixture
def lake(mornings: tuple[Lake, CollectionBuilt], tmp_path: Path) -> Lake:
    """A copy of that lake."""
    shutil.copytree(mornings[0].root, tmp_path / "lake")
    return Lake(tmp_path / "lake")


def test_each_session_is_a_dataset_from_its_open_to_its_close(mornings: tuple[Lake, CollectionBuilt]) -> None:
    """Local times, whatever the clocks say; compact, and named after its date."""
    lake, done = mornings
    assert (done.added, done.existing, done.incomplete, done.failed) == (DAYS, (), (), ())
    collection = find_collection(lake, "ES")
    assert (collection.name, collection.root) == ("ES@1", "ES")
    spans = {m.session: (m.start_ns, m.end_ns) for m in collection.members}
    assert spans["2024-03-08"] == (utc("2024-03-08 14:30"), utc("2024-03-08 17:00"))
    assert spans["2024-03-11"] == (utc("2024-03-11 13:30"), utc("2024-03-11 16:00"))
    for dataset in datasets_of(lake, collection):
        assert (dataset.manifest.bins, dataset.manifest.valid_bins) == (150, 150)
        assert dataset.stored_columns == ()


def test_what_lies_before_the_open_warms_the_book_and_is_kept(
    mornings: tuple[Lake, CollectionBuilt], days: Path
) -> None:
    """The dataset is the one that `build` makes with start and end, of that day's file alone."""
    lake, _ = mornings
    member = find_collection(lake, "ES").members[1]
    source = DbnSource(str(days / "2024-03-08.dbn"), 0.25)
    found = build(lake, source, WIDE, start_ns=utc("2024-03-08 14:30"), end_ns=utc("2024-03-08 17:00"))
    assert (found.existed, found.manifest.dataset_id) == (True, member.dataset_id)
    events = sum(found.manifest.events.values())
    assert events == 2 + 2 * len(minutes("2024-03-08 13:00", "2024-03-08 16:59"))
    first_bid = load(open_dataset(found.path)).bins["best_bid_price_int"][0]
    assert first_bid == 101 * 250_000_000


def test_what_is_there_is_found_by_its_content_and_nothing_new_is_no_version(
    lake: Lake, days: Path, tmp_path: Path
) -> None:
    """The same files under other names are the same sessions."""
    for place, path in enumerate(sorted(days.iterdir())):
        shutil.copy(path, tmp_path / f"{9 - place}.dbn")
    for folder in (days, tmp_path):
        done = built(lake, request(folder))
        assert (done.added, done.existing, done.failed) == ((), DAYS, ())
    assert find_collection(lake, "ES").latest == 1


def test_a_day_that_comes_later_is_a_version_and_the_earlier_one_stays(lake: Lake, days: Path, tmp_path: Path) -> None:
    """A day before the first one takes its place by its time."""
    for path in days.iterdir():
        shutil.copy(path, tmp_path)
    for day in ("2024-03-13", "2024-03-06"):
        write_day(tmp_path / f"{day}.dbn", minutes(f"{day} 13:00", f"{day} 17:30"))
    done = built(lake, request(tmp_path))
    assert set(done.added) == {"2024-03-06", "2024-03-13"}
    assert [m.session for m in find_collection(lake, "ES").members] == ["2024-03-06", *DAYS, "2024-03-13"]
    assert [m.session for m in find_collection(lake, "ES@1").members] == list(DAYS)


def test_a_file_is_a_session_by_default(days: Path, tmp_path: Path) -> None:
    """From its first event to its last, and named after the file; it is what `build` makes of that file."""
    lake = Lake(tmp_path)
    done = built(lake, request(days, FILE))
    assert done.added == tuple(f"{day}.dbn" for day in DAYS)
    single = build(lake, DbnSource(str(days / f"{DAYS[0]}.dbn"), 0.25), WIDE)
    assert single.existed
    assert find_collection(lake, "ES").dataset_ids[0] == single.manifest.dataset_id


def test_the_same_file_under_another_name_is_added_once(days: Path, tmp_path: Path) -> None:
    """In one build, and in a later one."""
    lake, folder = Lake(tmp_path / "lake"), tmp_path / "files"
    folder.mkdir()
    shutil.copy(days / f"{DAYS[0]}.dbn", folder / "a.dbn")
    shutil.copy(days / f"{DAYS[0]}.dbn", folder / "b.dbn")
    done = built(lake, request(folder, FILE))
    assert (done.added, done.existing) == (("a.dbn",), ("b.dbn",))
    (folder / "b.dbn").rename(folder / "c.dbn")
    assert built(lake, request(folder, FILE)).added == ()
    assert len(find_collection(lake, "ES").members) == 1


@pytest.mark.parametrize("session", [FILE, MORNING])
def test_a_file_that_fails_is_told_and_the_others_go_on(session: SessionParameters, days: Path, tmp_path: Path) -> None:
    """One that is cut off in the middle of a record, whatever a session is."""
    for path in days.iterdir():
        shutil.copy(path, tmp_path)
    whole = (tmp_path / "2024-03-08.dbn").read_bytes()
    (tmp_path / "2024-03-08.dbn").write_bytes(whole[:-20])
    lake = Lake(tmp_path / "lake")
    done = built(lake, request(tmp_path, session))
    assert len(done.added) == 3
    (sentence,) = done.failed
    assert "2024-03-08.dbn" in sentence
    (tmp_path / "2024-03-08.dbn").write_bytes(whole)
    again = built(lake, request(tmp_path, session))
    assert (len(again.added), len(again.existing), again.failed) == (1, 3, ())
    assert len(find_collection(lake, "ES").members) == 4


def test_sessions_over_midnight_are_read_from_the_files_of_two_days(tmp_path: Path) -> None:
    """Files of UTC days from Sunday evening on; the break between two sessions is in neither."""
    files, lake = tmp_path / "files", Lake(tmp_path / "lake")
    write_day(files / "0.dbn", minutes("2024-01-07 23:00", "2024-01-07 23:55", 5))
    for day in ("2024-01-08", "2024-01-09"):
        times = [*minutes(f"{day} 00:00", f"{day} 21:55", 5), *minutes(f"{day} 23:00", f"{day} 23:55", 5)]
        write_day(files / f"{day}.dbn", times)
    done = built(lake, request(files, NIGHT))
    assert done.added == ("2024-01-08", "2024-01-09")
    assert len(done.incomplete) == 1
    assert "session 2024-01-10 is incomplete and left out: its data end at 2024-01-09T23:55" in done.incomplete[0]
    monday, tuesday = datasets_of(lake, find_collection(lake, "ES"))
    assert monday.manifest.first_bin_start_ns == utc("2024-01-07 23:00")
    assert monday.manifest.last_bin_end_ns == utc("2024-01-08 21:56")
    assert tuesday.manifest.first_bin_start_ns == utc("2024-01-08 23:00")
    assert [len(each.manifest.source["sha256"]) for each in (monday, tuesday)] == [2, 2]


def test_one_file_of_several_days_is_cut_into_sessions(tmp_path: Path) -> None:
    """A week in one file; a day without any event is none, and one that begins late is left out."""
    times = [
        *minutes("2024-03-11 13:00", "2024-03-11 17:00"),
        *minutes("2024-03-13 13:00", "2024-03-13 17:00"),
        *minutes("2024-03-14 14:00", "2024-03-14 17:00"),
    ]
    path, lake = write_day(tmp_path / "week.dbn", times), Lake(tmp_path / "lake")
    done = built(lake, request(path))
    assert done.added == ("2024-03-11", "2024-03-13")
    assert "2024-03-14 is incomplete and left out: its data begin at 2024-03-14T14:00" in done.incomplete[0]


def test_start_and_end_choose_whole_sessions(days: Path, tmp_path: Path) -> None:
    """Those that lie between; none is cut."""
    chosen = request(days, start_ns=utc("2024-03-08 14:30"), end_ns=utc("2024-03-12 15:59"))
    assert built(Lake(tmp_path), chosen).added == ("2024-03-08", "2024-03-11")


def test_a_futures_roll_gives_two_instruments_of_one_root(lake: Lake, tmp_path: Path) -> None:
    """ESM4 follows ESH4; NQM4 does not fit, which is told."""
    day = "2024-03-13"
    write_day(tmp_path / "es.dbn", minutes(f"{day} 13:00", f"{day} 17:00"), "ESM4")
    assert built(lake, request(tmp_path / "es.dbn")).added == (day,)
    assert [m.instrument for m in find_collection(lake, "ES").members] == ["ESH4"] * 4 + ["ESM4"]
    write_day(tmp_path / "nq.dbn", minutes("2024-03-14 13:00", "2024-03-14 17:00"), "NQM4")
    done = built(lake, request(tmp_path / "nq.dbn"))
    assert done.added == ()
    assert "instrument root is NQ, that of the collection is ES" in done.failed[0]


def test_another_lattice_is_refused_before_anything_is_built(lake: Lake, tmp_path: Path) -> None:
    """What is told names the parameter with both of its values."""
    day = "2024-03-13"
    path = write_day(tmp_path / "es.dbn", minutes(f"{day} 13:00", f"{day} 17:00"))
    other = CollectionRequest("ES", DbnSource(str(path), 0.25), LatticeParameters(cell_width_ms=60_000), MORNING)
    with pytest.raises(
        ConfigError, match=r"was built with lattice\.radius=3, and here is lattice\.radius=50; give the"
    ):
        built(lake, other)
    assert (find_collection(lake, "ES").latest, len(list(lake.variants.iterdir()))) == (1, len(DAYS))


def test_a_session_whose_files_have_changed_is_refused_before_it_is_built(lake: Lake, tmp_path: Path) -> None:
    """What a collection holds stays what it was."""
    write_day(tmp_path / "a.dbn", minutes("2024-03-11 13:05", "2024-03-11 17:30"))
    done = built(lake, request(tmp_path / "a.dbn"))
    assert done.added == ()
    assert "2024-03-11: the collection holds this session as dataset" in done.failed[0]
    assert len(list(lake.variants.iterdir())) == len(DAYS)


BEFORE = (
    "collection ES was built with session.open=09:30 session.close=12:00 session.timezone=America/New_York, and here is"
)


@pytest.mark.parametrize(
    ("session", "here"),
    [
        (FILE, "no session.open;"),
        (dataclasses.replace(MORNING, open="10:00"), "session.open=10:00 "),
        (dataclasses.replace(MORNING, timezone="UTC"), "session.open=09:30 session.close=12:00 session.timezone=UTC;"),
    ],
)
def test_other_sessions_are_refused_before_anything_is_built(
    lake: Lake, days: Path, session: SessionParameters, here: str
) -> None:
    """A file as a whole, or another part of the day, would overlap with the morning that was made of it."""
    with pytest.raises(ConfigError) as told:
        built(lake, request(days, session))
    assert f"{BEFORE} {here}" in str(told.value)
    assert "give the same" in str(told.value)
    assert len(list(lake.variants.iterdir())) == len(DAYS)


def test_what_chooses_among_sessions_may_change(lake: Lake, days: Path) -> None:
    """Weekdays, a calendar and a tolerance cut no session elsewhere."""
    asked = dataclasses.replace(MORNING, days=["mon", "thu"], calendar=None, tolerance_minutes=5.0)
    done = built(lake, request(days, asked))
    assert (done.added, done.existing, done.failed) == ((), ("2024-03-07", "2024-03-11"), ())


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (MORNING, FILE, "was built with sessions such as 2024-03-07, cut by session.open and session.close"),
        (MORNING, NIGHT, "was built with other sessions, and here is session.open=17:00"),
        (FILE, MORNING, r"was built with a session for each file \(no session.open\), and here is session.open=09:30"),
    ],
)
def test_a_collection_that_does_not_say_its_sessions_is_judged_by_its_members(
    days: Path, tmp_path: Path, before: SessionParameters, now: SessionParameters, told: str
) -> None:
    """As those of earlier versions: by the names and spans of what they hold; the same words are taken as before."""
    file = days / f"{DAYS[0]}.dbn"
    lake, asked = Lake(tmp_path), request(file, before, name="first")
    first = built(lake, asked).collection
    assert first is not None
    assert first.session == dataclasses.asdict(before)
    named = [(open_dataset(lake.variants / each.dataset_id), each.session) for each in first.members]
    old = add_members(lake, "old", named)
    assert old.session is None
    assert '"session": null' not in next(lake.collections.joinpath("old").glob("*.json")).read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        built(lake, request(file, now, name="old"))
    assert built(lake, request(file, before, name="old")).existing == tuple(each.session for each in first.members)


def test_several_processes_make_the_same_collection(
    days: Path, mornings: tuple[Lake, CollectionBuilt], tmp_path: Path
) -> None:
    """The same datasets in the same order, with every session reported as it ends."""
    seen: list[int] = []
    asked = request(days, processes=2)
    build_collection(Lake(tmp_path), asked, lambda progress: seen.append(progress.done))
    assert find_collection(Lake(tmp_path), "ES").dataset_ids == find_collection(mornings[0], "ES").dataset_ids
    assert seen.count(len(DAYS)) >= 2


def test_an_engine_makes_the_same_collection(
    days: Path, mornings: tuple[Lake, CollectionBuilt], tmp_path: Path
) -> None:
    """It is given the reading of files and the building of sessions, with the lake that every process must see."""
    lake, given = Lake(tmp_path), list[tuple[Path, ...]]()

    class InThisProcess:
        """An engine that loses the first work each time."""

        allotment = Allotment()

        def carry_out(self, works: Sequence[Work], follower: Follower) -> None:
            """Carry out all works but the first, in this process."""
            given.extend(work.folders for work in works)
            follower.lost(0, "its machine is gone")
            for place, work in list(enumerate(works))[1:]:
                follower.ended(place, work.call.function(*work.call.arguments, print))

    asked = dataclasses.replace(request(days), engine=InThisProcess())
    done = build_collection(lake, asked, lambda _: None)
    assert len(done.failed) == 2
    assert all("the process that carried it out died" in sentence for sentence in done.failed)
    assert set(given) == {(lake.root,)}
    ids = find_collection(mornings[0], "ES").dataset_ids
    assert set(find_collection(lake, "ES").dataset_ids) < set(ids)
    build_collection(lake, request(days), lambda _: None)
    assert find_collection(lake, "ES").dataset_ids == ids


def test_a_source_without_files_is_one_session(tmp_path: Path) -> None:
    """A simulated market; another seed is of the same time, and does not fit."""
    lake = Lake(tmp_path)
    one, other = (
        built(lake, CollectionRequest("SYN", SyntheticSource(seed=seed, minutes=1), LatticeParameters(radius=3), FILE))
        for seed in (1, 2)
    )
    assert len(one.added) == 1
    assert other.added == ()
    assert "overlap in time" in other.failed[0]


def test_what_is_known_of_a_file_is_kept_and_a_damaged_note_is_read_anew(days: Path, tmp_path: Path) -> None:
    """The cache may be deleted or damaged at any time."""
    lake, source = Lake(tmp_path), DbnSource(str(days / f"{DAYS[0]}.dbn"), 0.25)
    first = span_of_file(lake, source, "a")
    assert (first.start_ns, first.end_ns) == (utc("2024-03-07 13:00"), utc("2024-03-07 17:30"))
    (note,) = (lake.cache.folder / "file_spans").iterdir()
    text = note.read_text(encoding="utf-8")
    for damage in (text.replace(str(first.end_ns), str(first.end_ns + 1)), "", "[]", "null", text[:-9]):
        note.write_text(damage, encoding="utf-8")
        assert span_of_file(lake, source, "a") == first
        assert note.read_text(encoding="utf-8") == text


def test_stretches_of_activity_are_told_apart_by_ten_minutes_of_silence(tmp_path: Path) -> None:
    """Across the chunks that a file is read in."""
    times = [utc("2024-03-11 13:00"), utc("2024-03-11 13:10"), utc("2024-03-11 13:21"), utc("2024-03-11 13:22")]
    path = write_day(tmp_path / "a.dbn", times)
    span = span_of_file(Lake(tmp_path), DbnSource(str(path), 0.25), str(path))
    assert span.stretches == ((times[0], times[1]), (times[2], times[3]))
    assert span.within(times[1], times[2]) == (times[1], times[1])
    assert span.within(times[1] + 1, times[2]) is None


def test_trades_in_files_of_their_own_cannot_be_told_apart_by_session(tmp_path: Path) -> None:
    """Then each session is built by itself."""
    from vpharness.events.binance_depth import BinanceDepthSource  # noqa: PLC0415

    paths = [str(tmp_path / name) for name in ("a.json", "b.json", "t.csv", "u.csv")]
    for path in paths:
        Path(path).touch()
    source: Source = BinanceDepthSource(paths[:2], 0.01, trades_path=paths[2:])
    with pytest.raises(ConfigError, match=r"source\.trades_path names several files, and so does source\.path"):
        files_in(source)


def test_a_folder_without_files_is_told_and_nothing_is_made(tmp_path: Path) -> None:
    """Before anything is written."""
    with pytest.raises(SourceError, match="the folder holds no file"):
        built(Lake(tmp_path / "lake"), request(tmp_path))
    assert not (tmp_path / "lake").exists()


class StoppedError(Exception):
    """The end of a watch, in a test."""


def watched_steps(lake: Lake, asked: CollectionRequest, events: list[object]) -> Iterator[CollectionBuilt]:
    """Watch; at each wait the next event happens, and the watch ends after the last."""
    waiting = iter(events)

    def wait(seconds: float) -> None:
        assert seconds == 5
        event = next(waiting, None)
        if event is None:
            raise StoppedError
        if callable(event):
            event()

    try:
        yield from watch_collection(lake, asked, 5, quiet, watched=Watched(), wait=wait)
    except StoppedError:
        return


@pytest.mark.parametrize("session", [FILE, MORNING])
def test_watching_adds_files_once_they_no_longer_grow(session: SessionParameters, days: Path, tmp_path: Path) -> None:
    """One that is half written is not taken; one that cannot be read is taken when it has changed."""
    folder, lake = tmp_path / "files", Lake(tmp_path / "lake")
    folder.mkdir()
    first, second = ((days / f"{day}.dbn").read_bytes() for day in DAYS[:2])

    def put(name: str, content: bytes) -> None:
        (folder / name).write_bytes(content)
        os.utime(folder / name, ns=(0, len(content)))

    looks: list[object] = [
        lambda: put("a.dbn", first[:500]),
        lambda: put("a.dbn", first),  # it grew: not taken yet
        "look",
        lambda: put("b.dbn", second[:-20]),
        "look",  # it cannot be read to its end
        "look",
        lambda: put("b.dbn", second),
        "look",
        "look",
    ]
    steps = list(watched_steps(lake, request(folder, session), looks))
    assert [(len(step.added), len(step.failed)) for step in steps] == [(1, 0), (0, 1), (1, 0)]
    assert find_collection(lake, "ES").version == 2


def test_watching_a_source_without_files_is_refused(tmp_path: Path) -> None:
    """There is nothing that could appear."""
    asked = CollectionRequest("SYN", SyntheticSource(minutes=1), LatticeParameters(radius=3), FILE)
    with pytest.raises(ConfigError, match="watch is for a source of files"):
        next(watch_collection(Lake(tmp_path), asked, 5, quiet))


def test_a_member_refused_does_not_keep_others_from_being_added(lake: Lake, days: Path) -> None:
    """`add_members` with `refuse` says which, and adds the rest as one version."""
    source = DbnSource(str(days / f"{DAYS[0]}.dbn"), 0.25)
    early = build(lake, source, WIDE, end_ns=utc("2024-03-07 14:00"))
    whole = build(lake, source, WIDE)
    datasets: list[tuple[Dataset, str]] = [
        (open_dataset(each.path), name) for each, name in ((early, "early"), (whole, "whole"))
    ]
    told: list[str] = []
    collection = add_members(lake, "ES", datasets, refuse=lambda session, _: told.append(session))
    assert told == ["whole"]
    assert [m.session for m in collection.members] == ["early", *DAYS]
    assert collection.members[0].end_ns == utc("2024-03-07 13:59") + MINUTE_NS
