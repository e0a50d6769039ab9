"""Datasets under an s3:// root: fetched by file, verified, kept in the cache, and published there once."""

import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.datasets.compact import ALL, as_of_an_earlier_version, assert_same, built
from tests.datasets.samples import MINUTE, OPENING_NS, Fixed, book
from tests.s3_server import S3Server, s3_server
from vpharness.datasets import remote_files, remote_publish, s3_files
from vpharness.datasets.cache_limit import keep_within_limit
from vpharness.datasets.dataset_conversion import convert
from vpharness.datasets.find import Dataset, all_datasets, find_dataset
from vpharness.datasets.lake import ColumnCache, Lake
from vpharness.datasets.manifest import BINS_FILE, CHECKSUMS_FILE, EVENTS_FILE, GRID_FILE, MANIFEST_FILE
from vpharness.datasets.read import load, verify
from vpharness.datasets.remote_files import ORIGIN_FILE
from vpharness.datasets.remote_publish import publish_to
from vpharness.datasets.s3_place import S3Place, s3_place
from vpharness.errors import ConfigError, DatasetError
from vpharness.lattice.lattice_parameters import LatticeParameters

SMALL = LatticeParameters(radius=5, spectrum_zscore_window=40, spectrum_zscore_min_periods=10)
COLUMNS = ("v_add", "rest_depth")


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """A server that the environment names."""
    with pytest.MonkeyPatch.context() as patch, s3_server(patch) as found:
        yield found


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A dataset of the lake that stores all columns."""
    return built(tmp_path_factory.mktemp("stored"), MINUTE, ALL, SMALL)


@pytest.fixture
def root(server: S3Server, stored: Dataset) -> S3Place:
    """A place where that dataset has been published."""
    place = server.new_root()
    assert publish_to(stored, place)
    return place


@pytest.fixture
def lake(root: S3Place, tmp_path: Path) -> Lake:
    """An empty lake whose further datasets lie there."""
    return Lake(tmp_path / "lake", remote=root)


def cached(dataset: Dataset) -> list[str]:
    """Return the names of what the cache has of a dataset, without locks."""
    return sorted(path.name for path in dataset.path.iterdir() if path.name != ".lock")


BEGINNING = sorted([CHECKSUMS_FILE, MANIFEST_FILE, ORIGIN_FILE])


def test_a_dataset_elsewhere_is_read_as_one_of_the_lake(lake: Lake, stored: Dataset, root: S3Place) -> None:
    """It has the same identity, bins and columns; each file is fetched when it is needed, and the grid is computed."""
    dataset = find_dataset(lake, "minute")
    assert (dataset.checksum, dataset.manifest) == (stored.checksum, stored.manifest)
    assert (dataset.origin, dataset.stored_columns, dataset.keeps_events) == (root.below("minute"), (), True)
    assert cached(dataset) == BEGINNING
    load(dataset)
    assert cached(dataset) == sorted([*BEGINNING, BINS_FILE])
    assert_same(dataset, stored)
    assert cached(dataset) == sorted([*BEGINNING, BINS_FILE, EVENTS_FILE])
    assert dataset.path.is_relative_to(lake.cache.remote)


def test_what_has_been_fetched_needs_no_server(lake: Lake, stored: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset is immutable: what was opened once is not asked for again."""
    verify(find_dataset(lake, "minute"))
    monkeypatch.setattr(s3_files, "_file_system", lambda _: pytest.fail("a server was asked"))
    assert_same(find_dataset(lake, "minute"), stored, COLUMNS)


def test_the_lake_comes_before_what_lies_elsewhere(lake: Lake) -> None:
    """A look-up and a list have the dataset of the lake, and the list says what else there is."""
    built(lake.root, MINUTE, (), SMALL)
    assert find_dataset(lake, "minute").origin is None
    (found,) = all_datasets(lake)
    assert isinstance(found, Dataset)
    assert found.origin is None
    with pytest.raises(DatasetError, match=f"no dataset hour in the lake .* or under {lake.remote}"):
        find_dataset(lake, "hour")


def test_a_list_has_what_lies_there_now(lake: Lake, server: S3Server, root: S3Place, stored: Dataset) -> None:
    """What is no dataset has a sentence; what was replaced is forgotten, and found as it is now."""
    server.put(root.below("notes", "readme.txt"), b"of somebody")
    (dataset, problem) = all_datasets(lake)
    assert isinstance(dataset, Dataset)
    assert dataset.checksum == stored.checksum
    assert str(problem) == f"{root.below('notes')} holds no dataset: it has no {CHECKSUMS_FILE}"
    other = built(lake.root / "other", Fixed(book(1, 2, 3)), (), SMALL)
    server.client.delete_object(Bucket=root.bucket, Key=root.below("minute", CHECKSUMS_FILE).key)
    publish_to(other, root)
    (replaced, _) = all_datasets(lake)
    assert isinstance(replaced, Dataset)
    assert replaced.checksum == other.checksum
    assert not dataset.path.exists()
    assert find_dataset(lake, "minute").checksum == other.checksum


def test_a_file_is_fetched_once_however_many_need_it(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that come later wait for the first, in ranges or not."""
    fetched = list[str]()
    original = s3_files.download

    def counted(place: S3Place, path: Path) -> str | None:
        fetched.append(place.parts[-1])
        time.sleep(0.05)
        return original(place, path)

    monkeypatch.setattr(remote_files, "download", counted)
    monkeypatch.setattr(s3_files, "_RANGE_BYTES", 1_000)
    dataset = find_dataset(lake, "minute")
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: len(load(dataset).bins["bin_seq"]), range(4)))
    assert found == [dataset.manifest.bins] * 4
    assert fetched == [BINS_FILE]


def test_a_copy_that_is_damaged_is_fetched_anew(lake: Lake, stored: Dataset) -> None:
    """Whichever file it is."""
    dataset = find_dataset(lake, "minute")
    load(dataset)
    for name in (BINS_FILE, MANIFEST_FILE, CHECKSUMS_FILE, ORIGIN_FILE):
        path = dataset.path / name
        path.write_bytes(b"x" + path.read_bytes()[1:])
        assert_same(find_dataset(lake, "minute"), stored, COLUMNS)
    verify(find_dataset(lake, "minute"))


def test_a_damaged_object_is_named_and_nothing_is_kept(lake: Lake, server: S3Server, root: S3Place) -> None:
    """Neither is what was cut off on its way."""
    (key,) = (each for each in server.keys(root) if each.endswith(BINS_FILE))
    place = root.below(*key.split("/"))
    content = server.client.get_object(Bucket=place.bucket, Key=place.key)["Body"].read()
    for wrong in (content[:-100], content[:-1] + b"x"):
        server.put(place, wrong)
        dataset = find_dataset(lake, "minute")
        with pytest.raises(DatasetError, match=f"{place} differs from its checksum"):
            load(dataset)
        assert cached(dataset) == BEGINNING
    server.client.delete_object(Bucket=place.bucket, Key=place.key)
    with pytest.raises(DatasetError, match=f"{root.below('minute')} does not hold {BINS_FILE}"):
        load(find_dataset(lake, "minute"))


def test_a_connection_that_breaks_leaves_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next attempt begins anew."""
    dataset = find_dataset(lake, "minute")

    def breaks(place: S3Place, path: Path) -> str:
        path.write_bytes(b"a part")
        raise DatasetError(f"{place} ended")

    with monkeypatch.context() as patch:
        patch.setattr(remote_files, "download", breaks)
        with pytest.raises(DatasetError, match="ended"):
            load(dataset)
    assert cached(dataset) == BEGINNING
    assert len(load(dataset).bins["bin_seq"]) == dataset.manifest.bins


def test_what_was_used_least_recently_goes_first_and_whole(lake: Lake) -> None:
    """What was used a moment ago stays, however full the cache is."""
    dataset = find_dataset(lake, "minute")
    assert_same(dataset, dataset, COLUMNS)
    nothing = ColumnCache(lake.cache.folder, 0)
    keep_within_limit(nothing)
    assert EVENTS_FILE in cached(dataset)
    assert not list(lake.cache.of(dataset.checksum).glob("*.npy"))
    old = time.time() - 3_600
    os.utime(dataset.path / ORIGIN_FILE, (old, old))
    keep_within_limit(nothing)
    assert cached(dataset) == BEGINNING
    load(dataset)
    assert BINS_FILE in cached(dataset)
    assert time.time() - (dataset.path / ORIGIN_FILE).stat().st_mtime < 60


def test_fetching_keeps_within_the_limit_of_who_opened_it(root: S3Place, tmp_path: Path) -> None:
    """Files count for the cache's limit as columns do."""
    dataset = find_dataset(Lake(tmp_path / "lake", remote=root), "minute")
    load(dataset, COLUMNS)
    columns = tmp_path / "lake" / "cache" / dataset.checksum
    assert len(list(columns.glob("*.npy"))) == 2
    (dataset.path / BINS_FILE).unlink()
    load(find_dataset(Lake(tmp_path / "lake", 1e-6, root), "minute"))
    assert not list(columns.glob("*.npy"))


def test_a_folder_that_was_copied_as_it_is_can_be_read(
    server: S3Server, stored: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grid of a dataset with events is not fetched; that of one without is all that there is."""
    folder = tmp_path / "earlier" / "research" / "vp_immutable" / "minute"
    shutil.copytree(stored.path, folder)
    earlier = as_of_an_earlier_version(find_dataset(Lake(tmp_path / "earlier"), "minute"))
    for number, dataset in enumerate((stored, earlier)):
        root = server.new_root()
        for path in dataset.path.iterdir():
            server.put(root.below("minute", path.name), path.read_bytes())
        found = find_dataset(Lake(tmp_path / f"lake{number}", remote=root), "minute")
        assert found.checksum == dataset.checksum
        assert_same(found, dataset, COLUMNS)
        assert (GRID_FILE in cached(found)) == (dataset is earlier)


def test_a_dataset_without_events_is_published_with_its_grid(server: S3Server, stored: Dataset, tmp_path: Path) -> None:
    """It is all that its columns can be read from."""
    shutil.copytree(stored.path, tmp_path / "earlier" / "research" / "vp_immutable" / "minute")
    earlier = as_of_an_earlier_version(find_dataset(Lake(tmp_path / "earlier"), "minute"))
    root = server.new_root()
    assert publish_to(earlier, root)
    assert_same(find_dataset(Lake(tmp_path / "lake", remote=root), "minute"), earlier, COLUMNS)


def test_a_dataset_is_published_once(server: S3Server, root: S3Place, stored: Dataset, tmp_path: Path) -> None:
    """The same again changes nothing, with other columns stored or not; another one of that name is refused."""
    before = server.keys(root)
    assert not any(GRID_FILE in key for key in before)
    assert not publish_to(stored, root)
    assert not publish_to(built(tmp_path / "compact", MINUTE, (), SMALL), root)
    other = built(tmp_path / "other", Fixed(book(1, 2, 3)), (), SMALL)
    with pytest.raises(DatasetError, match=f"another dataset minute exists at {root.below('minute')}"):
        publish_to(other, root)
    assert server.keys(root) == before


def test_publishers_at_once_do_not_mix(
    server: S3Server, stored: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two datasets of a name wins, whole, even where both find nothing there when they begin."""
    root, other = server.new_root(), built(tmp_path / "other", Fixed(book(1, 2, 3)), (), SMALL)
    original, first = remote_publish._is_there, list[bool]()

    def is_there(client: object, place: S3Place, text: str) -> bool:
        if len(first) < 2:
            first.append(True)
            return False
        return original(client, place, text)

    monkeypatch.setattr(remote_publish, "_is_there", is_there)

    def outcome(dataset: Dataset) -> bool | str:
        try:
            return publish_to(dataset, root)
        except DatasetError as error:
            return str(error)

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(outcome, (stored, other)))
    (winner,) = (dataset for dataset, result in zip((stored, other), found, strict=True) if result is True)
    assert sum("exists" in str(result) for result in found) == 1
    assert_same(find_dataset(Lake(tmp_path / "lake", remote=root), "minute"), winner, COLUMNS)


def test_what_a_stopped_publisher_left_is_in_nobodys_way(
    server: S3Server, stored: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the checksums are there, nothing is; another dataset of that name can be published then."""
    root, lake = server.new_root(), Lake(tmp_path / "lake")
    with monkeypatch.context() as patch:
        patch.setattr(remote_publish, "_put_if_absent", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            publish_to(stored, root)
    assert server.keys(root)
    with pytest.raises(DatasetError, match="no dataset minute"):
        find_dataset(Lake(lake.root, remote=root), "minute")
    other = built(tmp_path / "other", Fixed(book(1, 2, 3)), (), SMALL)
    assert publish_to(other, root)
    found = find_dataset(Lake(lake.root, remote=root), "minute")
    assert found.manifest.first_bin_start_ns == OPENING_NS
    assert_same(found, other, COLUMNS)


def test_a_dataset_elsewhere_stays_as_it_is(lake: Lake) -> None:
    """It cannot be converted: what would change is a cache."""
    with pytest.raises(DatasetError, match=r"lies at s3://.*, where it stays as it is"):
        convert(find_dataset(lake, "minute"), (), lambda: None)


@pytest.mark.parametrize(
    "text",
    [
        *("bucket/prefix", "http://bucket/prefix", "s3:/bucket", "s3://", "s3://UPPER/x", "s3://a", "s3://a..b/x"),
        *("s3://bucket/../x", "s3://bucket//x", "s3://bucket/.hidden", "s3://bucket/a b", "s3://user@bucket/x"),
        *("s3://bucket:9000/x", "s3://bucket/x?y=z", "s3://bucket/x#y", "s3://bucket/\n"),
    ],
)
def test_only_plain_names_of_places_are_accepted(text: str) -> None:
    """Everything else is refused with a sentence that names the key."""
    with pytest.raises(ConfigError, match=r"^lake.datasets is .*; it must be s3://BUCKET or s3://BUCKET/PREFIX"):
        s3_place(text, "lake.datasets")


def test_a_place_is_written_as_it_was_read() -> None:
    """A slash at the end means the same."""
    assert str(s3_place("s3://bucket/a/b=1/", "to")) == "s3://bucket/a/b=1"
    assert s3_place("s3://my.bucket", "to") == S3Place("my.bucket")


def test_a_bucket_that_is_not_there_is_named(server: S3Server, stored: Dataset, tmp_path: Path) -> None:
    """By a look-up, a list, and a publisher."""
    nowhere = S3Place("no-such-bucket", ("x",))
    lake = Lake(tmp_path, remote=nowhere)
    (listed,) = all_datasets(lake)
    assert str(listed).startswith(f"there is no bucket no-such-bucket at {server.endpoint}")
    with pytest.raises(DatasetError, match=r"^there is no bucket no-such-bucket at"):
        find_dataset(lake, "minute")
    with pytest.raises(DatasetError, match=r"^there is no bucket no-such-bucket at"):
        publish_to(stored, nowhere)


def test_without_credentials_nobody_is_asked(
    lake: Lake, stored: Dataset, root: S3Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says how they are given."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setattr(s3_files, "_connected", lambda *_: pytest.fail("a server was asked"))
    monkeypatch.setattr(remote_publish, "_client", lambda: pytest.fail("a server was asked"))
    with pytest.raises(DatasetError, match=r"^there are no credentials for s3://.*; set AWS_ACCESS_KEY_ID and"):
        find_dataset(lake, "minute")
    with pytest.raises(DatasetError, match=r"^there are no credentials for"):
        publish_to(stored, root)


def test_a_server_that_cannot_be_reached_is_named(
    lake: Lake, stored: Dataset, root: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, and the lake's own datasets are still found."""
    built(lake.root, MINUTE, (), SMALL)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(s3_files, "_ATTEMPTS", 1)
    monkeypatch.setattr(remote_publish, "_ATTEMPTS", 1)
    (found, problem) = all_datasets(lake)
    assert isinstance(found, Dataset)
    assert str(problem).startswith(f"{root} cannot be read: http://127.0.0.1:9 cannot be reached (7, ")
    assert find_dataset(lake, "minute").origin is None
    with pytest.raises(DatasetError, match=r"cannot be written: http://127.0.0.1:9 cannot be reached$"):
        publish_to(stored, root)


def test_an_endpoint_that_is_no_address_is_refused(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a mistake of the environment."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"AWS_ENDPOINT_URL is '127.0.0.1:9' in the environment; it must be http"):
        find_dataset(lake, "minute")
