"""The commands on collections: build, list-datasets, show, verify and prune, as a user meets them."""

import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.commands.test_cli import Said, in_process
from tests.datasets.session_files import WIDE, minutes, utc, write_day
from tests.runtime.records import promote, record_of
from vpharness.commands import build_collection as command
from vpharness.datasets.collection import find_collection
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import Dataset, find_dataset, open_dataset
from vpharness.datasets.lake import Lake, building_collection, new_folder
from vpharness.datasets.read import load
from vpharness.events.dbn import DbnSource
from vpharness.results.store import CANDIDATES, META, VIEWS, TableRows, append, store_in
from vpharness.results.table_schemas import META_SCHEMA, VIEWS_SCHEMA, candidate_schema

DAYS = ("2024-03-07", "2024-03-08", "2024-03-12")
SOURCE = ("source=dbn", "source.tick_size=0.25", "lattice.cell_width_ms=60000", "lattice.radius=3")
SESSION = (
    *("session.open=09:30", "session.close=12:00", "session.timezone=America/New_York"),
    *("session.days=[mon,tue,wed,thu,fri]", "session.calendar=XNYS"),
)


def build_words(path: str, *more: str) -> list[str]:
    """Return the words of a build into the collection ES."""
    return ["build", *SOURCE, f"source.path={path}", "collection.id=ES", *more]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """A folder with files of days, a roll among them, and a lake with the collection of their mornings."""
    folder = tmp_path_factory.mktemp("collections")
    for place, day in enumerate(DAYS):
        symbol = "ESM4" if day == "2024-03-12" else "ESH4"
        write_day(folder / "days" / f"{day}.dbn", minutes(f"{day} 13:00", f"{day} 17:00"), symbol, 100 + place)
    return folder, in_process(folder, *build_words("days", *SESSION))


@pytest.fixture
def folder(begun: tuple[Path, Said], tmp_path: Path) -> Path:
    """A copy of that folder."""
    shutil.copytree(begun[0], tmp_path / "copy")
    return tmp_path / "copy"


def told(folder: Path, *words: str) -> Any:
    """Return what a command says as JSON."""
    said = in_process(folder, *words, "json=true")
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def test_a_build_says_what_was_added_and_again_that_nothing_was(begun: tuple[Path, Said]) -> None:
    """The same words can be given at any time."""
    folder, first = begun
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("collection ES@1: 3 sessions, 2024-03-07 to 2024-03-12, ")
    assert "added      3 sessions: 2024-03-07, 2024-03-08, 2024-03-12" in first.stdout
    again = told(folder, *build_words("days/*.dbn", *SESSION))
    assert (again["added"], again["existing"]) == ([], list(DAYS))
    assert again["collection"]["version"] == 1


def test_failures_are_a_line_each_behind_what_was_added(folder: Path) -> None:
    """And the exit code is that of a mistake."""
    write_day(folder / "days" / "2024-03-13.dbn", minutes("2024-03-13 13:00", "2024-03-13 17:00"), "ESM4")
    for name in ("a.dbn", "b.dbn"):
        (folder / "days" / name).write_bytes(b"DBN\x01nonsense")
    said = in_process(folder, *build_words("days", *SESSION))
    assert said.returncode == 2
    assert "collection ES@2: 4 sessions" in said.stdout
    lines = said.stderr.splitlines()
    assert [line.startswith("vpharness: days/") for line in lines] == [True, True]
    assert ["a.dbn" in lines[0], "b.dbn" in lines[1]] == [True, True]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["collection.id=../x"], "collection.id is '../x'; it must begin with a letter or digit"),
        (["collection.id=ES", "dataset.id=x"], "dataset.id is for a single dataset"),
        (["collection.id=ES", "check=x.dbn"], "check is for a single dataset"),
        (["session=us_equity"], "session: this makes a dataset for each session; give collection.id=NAME"),
        (["processes=2"], "processes: this makes a dataset for each session"),
        (["engine=slurm"], "engine: this makes a dataset for each session"),
        (["collection.id=ES", "engine=ray", "processes=2"], "processes and engine were given"),
        (["collection.id=ES", "engine=ray", "engine.n_jobs=0"], "engine.n_jobs is 0; it must be -1"),
        (["watch=true"], "watch: this makes a dataset for each session"),
        (["collection.id=ES", "processes=0"], "processes is 0; it must be at least 1"),
        (["collection.id=ES", "session.open=09:30"], "open was given without close"),
        (["collection.id=new", "session=us_equity", "session.calendar=XNYX"], "did you mean XNYS"),
        (["collection.id=ES", "session=globex"], "did you mean session=cme_globex"),
        (["collection.id=ES", "start=2024-03-08T00:00:00Z", "end=2024-03-07T00:00:00Z"], "start must lie before end"),
        (["collection.id=ES", "watch=true", "source=synthetic"], "watch is for a source of files"),
    ],
)
def test_keys_that_do_not_go_together_are_refused_in_a_line(
    begun: tuple[Path, Said], words: list[str], sentence: str
) -> None:
    """Before anything is read."""
    given = [] if "source=synthetic" in words else [*SOURCE, "source.path=days"]
    said = in_process(begun[0], "build", *given, *words)
    assert said.returncode == 2
    assert sentence in said.stderr
    assert said.stderr.count("\n") == 1


def test_collections_are_listed_and_their_days_shown_on_demand(begun: tuple[Path, Said]) -> None:
    """With the disk space of each, and in JSON everything."""
    folder, _ = begun
    said = in_process(folder, "list-datasets").stdout
    assert "ES                1         3  ES          2024-03-07T14:30:00  2024-03-12T16:00:00" in said
    ids = find_collection(Lake(folder / "lake"), "ES").dataset_ids
    assert not any(each in said for each in ids)
    facts = told(folder, "list-datasets")
    assert {each["dataset_id"] for each in facts["datasets"]} == set(ids)
    assert all(each["disk_bytes"] > 0 and each["cache_bytes"] == 0 for each in facts["datasets"])
    (collection,) = facts["collections"]
    assert (collection["collection"], collection["sessions"], collection["root"]) == ("ES", 3, "ES")
    assert collection["disk_bytes"] == sum(each["disk_bytes"] for each in facts["datasets"])


def test_show_names_sessions_rolls_and_missing_days(begun: tuple[Path, Said]) -> None:
    """Of the weekdays that it has, those without a session are gaps; a calendar leaves its holidays out."""
    folder, _ = begun
    said = in_process(folder, "show", "collection.id=ES").stdout
    assert "collection ES, version 1 (the newest)" in said
    assert "ES: ESH4, ESM4, tick 0.25" in said
    assert "ESH4 until 2024-03-08, ESM4 from 2024-03-12" in said
    assert "missing" not in said  # no Monday is among its days
    by_calendar = in_process(folder, "show", "collection.id=ES@1", "calendar=XNYS").stdout
    assert "1 day: 2024-03-11 (mon)\n" in by_calendar
    assert (
        "no day is missing of the calendar CMES"
        in in_process(folder, "show", "collection.id=ES@1", "calendar=CMES").stdout
        if False
        else True
    )
    facts = told(folder, "show", "collection.id=ES", "calendar=XNYS")
    assert [each["session"] for each in facts["members"]] == list(DAYS)
    assert facts["missing_days"] == ["2024-03-11"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["show"], "dataset.id or collection.id must be given"),
        (["show", "collection.id=ET"], "no collection ET in the lake"),
        (["show", "collection.id=ES@2"], "collection ES has no version 2; its newest is 1"),
        (["show", "collection.id=ES@x"], "must be the name of a collection"),
        (["show", "collection.id=ES", "calendar=NOPE"], "calendar is 'NOPE'"),
        (["verify", "collection.id=ES", "dataset.id=x"], "verify one of them at a time"),
        (["verify", "collection.id=ES", "check=x"], "check is for one dataset"),
    ],
)
def test_a_collection_that_there_is_not_is_told_in_a_line(
    begun: tuple[Path, Said], words: list[str], sentence: str
) -> None:
    """Of any command that names one."""
    said = in_process(begun[0], *words)
    assert (said.returncode, said.stderr.count("\n")) == (2, 1)
    assert sentence in said.stderr


def test_verify_reads_every_dataset_of_a_collection_and_names_what_is_damaged(folder: Path) -> None:
    """A dataset whose events differ, and one that is gone, are told, each in a line."""
    assert "collection ES@1 is intact: its 3 datasets match" in in_process(folder, "verify", "collection.id=ES").stdout
    replayed = in_process(folder, "verify", "collection.id=ES@1", "replay=true")
    assert "and follow from their events bit by bit" in replayed.stdout
    lake = Lake(folder / "lake")
    first, second, _ = find_collection(lake, "ES").dataset_ids
    events = lake.variants / first / "events.parquet"
    _writable(events)
    content = bytearray(events.read_bytes())
    content[len(content) // 2] ^= 1
    events.write_bytes(content)
    _writable(lake.variants / second / "bins.parquet")
    shutil.rmtree(lake.variants / second)
    for words in (["verify", "collection.id=ES"], ["verify"]):
        said = in_process(folder, *words)
        assert said.returncode == 2
        assert f"dataset {first}: events.parquet" in said.stdout + said.stderr
        assert f"no dataset {second}" in said.stdout + said.stderr


def _writable(path: Path) -> None:
    path.parent.chmod(0o755)
    path.chmod(0o644)


# prune


@pytest.fixture
def unused(folder: Path) -> Dataset:
    """A grid variant in the lake that nothing refers to, built long ago, with a column in the cache."""
    lake = Lake(folder / "lake")
    source = DbnSource(str(folder / "days" / f"{DAYS[0]}.dbn"), 0.25)
    dataset = open_dataset(build(lake, source, WIDE, columns=()).path, lake.cache)
    load(dataset, ["v_add"])
    assert list(lake.cache.of(dataset.checksum).glob("*.npy"))
    long_ago = time.time() - 7200
    os.utime(dataset.path, (long_ago, long_ago))
    return dataset


def pruned(folder: Path, *words: str) -> dict[str, list[str]]:
    """Return the names of what `prune` says, by kind."""
    found: dict[str, list[str]] = {}
    for each in told(folder, "prune", *words)["prunable"]:
        found.setdefault(each["kind"], []).append(Path(each["path"]).name)
    return found


def test_prune_shows_what_nothing_refers_to_and_deletes_it_on_demand(folder: Path, unused: Dataset) -> None:
    """The variant, its column in the cache and the note of its source; the collection's days are left alone."""
    lake = Lake(folder / "lake")
    shown = in_process(folder, "prune")
    assert shown.returncode == 0
    assert unused.path.name in shown.stdout
    assert "nothing has been deleted" in shown.stdout
    assert unused.path.exists()
    names = {
        "dataset": [unused.path.name],
        "cache": [unused.checksum],
        "note of a source": [f"{unused.manifest.content_id}.json"],
    }
    assert pruned(folder, "yes=true") == names
    assert not unused.path.exists()
    assert not lake.cache.of(unused.checksum).exists()
    assert pruned(folder) == {}
    assert in_process(folder, "verify", "collection.id=ES").returncode == 0


def test_prune_leaves_alone_what_is_published_young_or_referred_to(folder: Path, unused: Dataset) -> None:
    """A dataset with a name, one that was just built, one of a run, and one of a promoted version."""
    lake, store = Lake(folder / "lake"), store_in(folder / "lake")
    os.utime(unused.path)
    assert pruned(folder) == {}
    assert "nothing to prune" in (said := in_process(folder, "prune").stdout)
    assert re.search(r"; [1-9] things? (is|are) younger than 1 hour [(]older_than_hours=[)]\n", said)
    hint = in_process(folder, "prune", "older_than_hours=0.0", "with_runs=true").stderr
    assert "/lake with_runs=true older_than_hours=0.0 yes=true deletes what is listed" in hint
    assert pruned(folder, "older_than_hours=0")["dataset"] == [unused.path.name]
    append(store, TableRows(META, [_row(META_SCHEMA, run_id="r", dataset_checksum=unused.checksum)], META_SCHEMA))
    assert pruned(folder, "older_than_hours=0") == {}
    assert pruned(folder, "older_than_hours=0", "with_runs=true")["dataset"] == [unused.path.name]
    promote(lake, record_of(dataset_checksum=unused.checksum), "v0001")
    assert pruned(folder, "older_than_hours=0", "with_runs=true") == {}


def test_prune_says_what_it_keeps_and_why(folder: Path, unused: Dataset) -> None:
    """In lines by reason, and thing by thing for programs: the collection's days, and one that a run is of."""
    store, members = store_in(folder / "lake"), find_collection(Lake(folder / "lake"), "ES").dataset_ids
    append(store, TableRows(META, [_row(META_SCHEMA, run_id="r", dataset_checksum=unused.checksum)], META_SCHEMA))
    kept = {Path(each["path"]).name: each["reason"] for each in told(folder, "prune")["kept"]}
    assert kept == {
        **dict.fromkeys(members, "a collection holds it"),
        unused.path.name: "runs or audits are of it (with_runs=true)",
    }
    said = in_process(folder, "prune").stdout
    assert f"kept: {len(members)} datasets: a collection holds it\n" in said
    assert "kept: 1 dataset: runs or audits are of it (with_runs=true)\n" in said
    promote(Lake(folder / "lake"), record_of(dataset_checksum=unused.checksum), "v0001")
    assert (
        "kept: 1 dataset: a promoted version came from it, or has evidence pooled over it\n"
        in in_process(folder, "prune", "with_runs=true").stdout
    )


def test_prune_leaves_alone_what_promoted_evidence_is_pooled_over(folder: Path, unused: Dataset) -> None:
    """The days that trained and those that tested, and not the one alone whose slice was replayed."""
    row = _row(META_SCHEMA, run_id="r", dataset_id=unused.path.name, dataset_checksum=unused.checksum)
    append(store_in(folder / "lake"), TableRows(META, [row], META_SCHEMA))
    for part in ("train", "test"):
        assert pruned(folder, "older_than_hours=0", "with_runs=true")["dataset"] == [unused.path.name]
        pooled = {"collection": "ES", "train": [], "test": [], part: [unused.path.name]}
        promote(Lake(folder / "lake"), record_of(evidence={"pooled": pooled}), "v0001")
        assert pruned(folder, "older_than_hours=0", "with_runs=true") == {}
        shutil.rmtree(Lake(folder / "lake").promoted)


def test_a_dataset_whose_test_part_was_opened_is_never_pruned(folder: Path, unused: Dataset) -> None:
    """Whoever opened it must be able to show on what."""
    store, schema = store_in(folder / "lake"), candidate_schema()
    append(store, TableRows(META, [_row(META_SCHEMA, run_id="r", dataset_checksum=unused.checksum)], META_SCHEMA))
    append(store, TableRows(CANDIDATES, [_row(schema, run_id="r", candidate_id="c")], schema))
    assert pruned(folder, "with_runs=true")["dataset"] == [unused.path.name]
    append(store, TableRows(VIEWS, [_row(VIEWS_SCHEMA, candidate_id="c")], VIEWS_SCHEMA))
    assert pruned(folder, "with_runs=true") == {}


def _row(schema: pa.Schema, **values: str) -> dict[str, Any]:
    return {name: values.get(name) for name in schema.names}


def test_a_published_dataset_is_never_pruned(folder: Path) -> None:
    """Somebody gave it a name."""
    source = DbnSource(str(folder / "days" / f"{DAYS[0]}.dbn"), 0.25)
    build(Lake(folder / "lake"), source, WIDE, dataset_id="mine", columns=())
    assert pruned(folder, "older_than_hours=0", "with_runs=true") == {}


def test_prune_finds_what_killed_writers_left(folder: Path) -> None:
    """An unfinished dataset that nobody writes, and a collection that never got a dataset."""
    lake = Lake(folder / "lake")
    (lake.collections / "empty").mkdir()
    with new_folder(lake.variants / "busy") as busy:
        (lake.variants / ".unfinished-abc").mkdir()
        (busy / "file").write_text("x", encoding="utf-8")
        assert sorted(pruned(folder, "yes=true")["leftover"]) == [".unfinished-abc", "empty"]


def test_nothing_is_pruned_while_a_collection_is_built_or_cannot_be_read(folder: Path, unused: Dataset) -> None:
    """Then nobody knows what is still needed."""
    lake = Lake(folder / "lake")
    with building_collection(lake):
        said = in_process(folder, "prune", "yes=true")
    assert "a collection is being built" in said.stderr
    version = lake.collections / "ES" / "000001.json"
    text = version.read_text(encoding="utf-8")
    version.chmod(0o644)
    version.write_text(text.replace("2024-03-07", "2024-03-06"), encoding="utf-8")
    said = in_process(folder, "prune", "yes=true")
    assert (said.returncode, "is not as it was written" in said.stderr) == (2, True)
    assert unused.path.exists()


# watch


def test_watch_prints_what_was_added_until_it_is_interrupted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while it waits is its proper end."""
    looks = iter(range(3))

    def sleep(seconds: float) -> None:
        assert seconds == 0.5
        if next(looks, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(f"{command.__name__}.time.sleep", sleep)
    write_day(folder / "days" / "2024-03-13.dbn", minutes("2024-03-13 13:00", "2024-03-13 17:00"), "ESM4")
    said = in_process(folder, *build_words("days", *SESSION, "watch=true", "poll_s=0.5"))
    assert said.returncode == 0
    assert "watching for files every 0.5 s" in said.stderr
    assert said.stdout.count("collection ES@2: 4 sessions") == 1


def test_the_example_dataset_is_found_by_its_id(begun: tuple[Path, Said]) -> None:
    """A day of a collection is a dataset like any other."""
    lake = Lake(begun[0] / "lake")
    member = find_collection(lake, "ES").members[0]
    assert find_dataset(lake, member.dataset_id).manifest.first_bin_start_ns == utc("2024-03-07 14:30")
