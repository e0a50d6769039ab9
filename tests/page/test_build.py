"""What is served is what the sources build to, and the sources hold to their own rules."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.page.stand_in import DIST

PAGE: Final = DIST.parent
MOST_BYTES: Final = 300_000


@pytest.fixture(scope="module", autouse=True)
def node() -> None:
    """Need Node and what `npm ci` installs; a machine without them skips these tests, but not the project's own CI."""
    if (PAGE / "node_modules" / "typescript").is_dir() and shutil.which("npm") is not None:
        return
    if "CI" not in os.environ:
        pytest.skip("needs Node, and `npm --prefix runtime/page ci` run before")
    pytest.fail("run `npm --prefix runtime/page ci` before the tests")


def run(*command: str, cwd: Path = PAGE) -> subprocess.CompletedProcess[str]:
    """Run a command of the page."""
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603  # our own command


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_served_is_what_the_sources_build_to(tmp_path: Path) -> None:
    """Building anew gives every file of dist byte for byte, under 300 kB together."""
    built = run("node", "build.mjs", str(tmp_path))
    assert built.returncode == 0, built.stderr
    served = contents(DIST)
    assert contents(tmp_path) == served, "build the page: npm --prefix runtime/page run build"
    assert sum(map(len, served.values())) < MOST_BYTES


def test_types_and_style_hold() -> None:
    """The compiler, strict, and the linter find nothing."""
    checked = run("npm", "run", "--silent", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_model_and_the_stream_do_what_their_tests_say() -> None:
    """The unit tests pass, and there are some."""
    tested = run("npm", "test", "--silent")
    assert tested.returncode == 0, tested.stdout
    assert "# fail 0" in tested.stdout
    assert "# pass 0" not in tested.stdout


@pytest.mark.parametrize(
    ("room", "file", "wrong"),
    [
        ("model", "view.ts", "../render/palette"),
        ("render", "palette.ts", "../socket/checks"),
        ("socket", "checks.ts", "../app/dom"),
    ],
)
def test_an_import_in_the_wrong_direction_does_not_compile(tmp_path: Path, room: str, file: str, wrong: str) -> None:
    """The model knows of no pictures, the renderers of no stream, and the stream of no document."""
    for name in ("src", "tsconfig.base.json"):
        copy = shutil.copytree if (PAGE / name).is_dir() else shutil.copy
        copy(PAGE / name, tmp_path / name)
    (tmp_path / "node_modules").mkdir()
    for package in ("typescript", "@typescript", "@uwdata"):
        (tmp_path / "node_modules" / package).symlink_to(PAGE / "node_modules" / package)
    source = tmp_path / "src" / room / file
    source.write_text(f'import "{wrong}";\n' + source.read_text())
    checked = run(str(PAGE / "node_modules" / ".bin" / "tsc"), "--build", f"src/{room}", cwd=tmp_path)
    assert checked.returncode != 0
    assert "TS6307" in checked.stdout


def test_the_lock_file_names_no_host() -> None:
    """Packages are locked by version and checksum, wherever they are fetched from."""
    locked = json.loads((PAGE / "package-lock.json").read_text())
    assert all("resolved" not in package for package in locked["packages"].values())
    assert all("integrity" in package for name, package in locked["packages"].items() if name)


def test_the_document_has_nothing_inline() -> None:
    """A strict policy of the server forbids none of it: no inline script, style or handler."""
    document = (DIST / "index.html").read_text()
    assert "<style" not in document
    assert " style=" not in document
    assert not re.search(r"\son\w+\s*=", document)
    assert document.count("<script") == 1
