"""The page's files, read once when the server begins: nothing else below its folder, or beside it, can be asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE_FOLDER: Final = Path(__file__).resolve().parents[1] / "page" / "dist"
INDEX: Final = "index.html"

CONTENT_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True)
class PageFile:
    """A file as it is sent."""

    body: bytes
    content_type: str


def page_files(folder: Path = PAGE_FOLDER) -> dict[str, PageFile]:
    """Return the files of the page by their path below its folder; those of other kinds are not served."""
    return {
        path.relative_to(folder).as_posix(): PageFile(path.read_bytes(), CONTENT_TYPES[path.suffix])
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in CONTENT_TYPES
    }
