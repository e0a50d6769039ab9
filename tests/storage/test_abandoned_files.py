"""What killed processes leave under other names is deleted by the next one that writes, a day later, not before."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vpharness.results.store import ADAPTIVE, Store, append, read
from vpharness.results.table_schemas import mark_adaptive
from vpharness.storage.durable import ABANDONED_S, aside_of, replace_file, unfinished_names, writing_in, written_aside

WRITER = """
import sys
from pathlib import Path
from vpharness.storage.durable import written_aside
with written_aside(Path(sys.argv[1])) as aside:
    aside.write_text("half")
    print(aside.name, flush=True)
    sys.stdin.read()
"""


def let_pass(path: Path, seconds: float = ABANDONED_S + 60) -> None:
    """Make a file, or a folder with all that is in it, so many seconds old."""
    then = time.time() - seconds
    for each in (path, *path.rglob("*")):
        os.utime(each, (then, then), follow_symlinks=False)


def test_a_killed_writer_leaves_a_file_that_the_next_one_deletes(tmp_path: Path) -> None:
    """While the first still writes, and for a day after it was killed, its file is left alone."""
    path = tmp_path / "figure[1].png"
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:  # noqa: S603  # ours
        assert writer.stdout is not None
        aside = tmp_path / writer.stdout.readline().strip()
        let_pass(aside)
        replace_file(path, "first")
        assert aside.read_text() == "half"
        writer.kill()
    let_pass(aside, ABANDONED_S - 60)
    replace_file(path, "meanwhile")
    assert aside.read_text() == "half"
    unlike = tmp_path / ".figure[1].png-kept"
    unlike.write_text("of somebody else")
    let_pass(unlike)
    let_pass(aside)
    replace_file(path, "second")
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([path.name, unlike.name])
    assert path.read_text() == "second"


def test_those_who_write_at_once_do_not_delete_one_anothers_files(tmp_path: Path) -> None:
    """Also within one process, and where the same file is written."""
    path = tmp_path / "same"
    with written_aside(path) as one, written_aside(path) as other:
        one.write_text("one")
        other.write_text("other")
        let_pass(one)
        replace_file(tmp_path / "another", "")
        assert one.exists()
        assert other.exists()
    assert path.read_text() == "one"


def test_folders_are_deleted_whole_and_links_are_not_followed(tmp_path: Path) -> None:
    """A run folder that was not finished, and a link that bears such a name."""
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "kept").write_text("")
    runs = tmp_path / "runs"
    unfinished = aside_of(runs / "0123")
    unfinished.mkdir(parents=True)
    (unfinished / "score.parquet").write_text("")
    old = runs / f"{aside_of(runs / '89ab').name}-old"
    old.mkdir()
    aside_of(runs / "4567").symlink_to(tmp_path / "else")
    let_pass(runs)
    with writing_in(runs, *unfinished_names("*")):
        assert list(runs.iterdir()) == []
    assert (tmp_path / "else" / "kept").exists()


def test_a_folder_in_which_anything_is_new_is_kept_whole(tmp_path: Path) -> None:
    """A file in it that still grows does not change the folder's own time."""
    unfinished_run = aside_of(tmp_path / "0123")
    (unfinished_run / "below").mkdir(parents=True)
    for name in ("config.yaml", "below/score.parquet"):
        (unfinished_run / name).write_text("some")
    let_pass(unfinished_run)
    let_pass(unfinished_run / "below" / "score.parquet", ABANDONED_S - 60)
    with writing_in(tmp_path, *unfinished_names("*")):
        assert (unfinished_run / "config.yaml").read_text() == "some"


@pytest.mark.parametrize(
    "name", [".Trash-1000", ".cache-0123456789abcde", ".0123-0123456789ABCDEF", ".0123-0123456789abcdef-older", "a-b"]
)
def test_what_bears_other_names_is_kept(tmp_path: Path, name: str) -> None:
    """A desktop's waste basket, and others that begin with a dot, however old they are."""
    (tmp_path / name / "files").mkdir(parents=True)
    let_pass(tmp_path / name)
    with writing_in(tmp_path, *unfinished_names("*")):
        pass
    assert (tmp_path / name / "files").exists()


def test_adding_rows_deletes_what_a_killed_process_has_left_in_any_table(tmp_path: Path) -> None:
    """Parts that were never put in place count nowhere."""
    store = Store(tmp_path)
    mark_adaptive(store, ["one"])
    left = [tmp_path / ADAPTIVE / f".{1:020d}-0123abcd.parquet", aside_of(tmp_path / "store.json")]
    new = tmp_path / ADAPTIVE / f".{2:020d}-0123abcd.parquet"
    for path in (*left, new):
        path.write_text("half")
    for path in left:
        let_pass(path)
    assert [row["run_id"] for row in read(store, ADAPTIVE)] == ["one"]
    mark_adaptive(store, ["two"])
    assert not any(path.exists() for path in left)
    assert new.read_text() == "half"
    assert [row["run_id"] for row in read(store, ADAPTIVE)] == ["one", "two"]
    append(store)


def test_a_folder_that_cannot_be_opened_is_no_reason_not_to_write(tmp_path: Path) -> None:
    """Then nothing is locked, and nothing deleted."""
    with writing_in(tmp_path / "absent", "*"), pytest.raises(FileNotFoundError):
        (tmp_path / "absent" / "file").write_text("")
