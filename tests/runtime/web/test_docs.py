"""The documentation at `/docs`: pages and figures of its folder alone, as HTML that nothing can be smuggled into."""

import asyncio
import re
import socket
from pathlib import Path
from urllib.parse import urljoin

import pytest

from runtime.web.auth import HEADERS
from runtime.web.docs_pages import DOCS_FOLDER, docs_files
from runtime.web.memory_bound import ANSWER_BYTES
from tests.runtime.serving import Server, server
from tests.runtime.web.test_auth import TOKEN, Answer, ask

INDEX = """# vpharness

[Own signal](how-to/own-signal.md#write-it) and ![a figure](figures/one.svg), [the store](reference/store.md),
[outside](../secret.md), [a script](javascript:alert(1)), [elsewhere](https://example.org/), ![theirs](https://example.org/x.png)

| name | value |
|---|---:|
| a | 1 |
"""
OWN_SIGNAL = """# A signal & <b>yours</b>

Back to [the start](../index.md), ![again](../figures/one.svg).

<script>alert(1)</script>

## Write it

## Write it

### `resolve`
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a small documentation, and a file beside it that is none of its business."""
    docs = tmp_path / "docs"
    for name, text in {
        "index.md": INDEX,
        "tutorial.md": "# First hour\n",
        "how-to/own-signal.md": OWN_SIGNAL,
        "reference/store.md": "No heading here.\n",
        "figures/one.svg": '<svg xmlns="http://www.w3.org/2000/svg"/>',
        "notes.txt": "not for readers",
        "../secret.md": "# Secret\n",
    }.items():
        path = docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return docs


def page(folder: Path, path: str) -> str:
    """Return a page as HTML."""
    return docs_files(folder)[path].body.decode()


def test_pages_have_the_paths_of_their_files_and_nothing_else_is_served(folder: Path) -> None:
    """With and without `.md`; texts of other kinds, and files beside the folder, are not there."""
    assert set(docs_files(folder)) == {
        *("", "index", "index.md", "tutorial", "tutorial.md", "how-to/own-signal", "how-to/own-signal.md"),
        *("reference/store", "reference/store.md", "figures/one.svg"),
    }
    assert docs_files(folder)["how-to/own-signal"].content_type == "text/html; charset=utf-8"
    assert docs_files(folder)["figures/one.svg"].content_type == "image/svg+xml"


def test_links_between_pages_work_and_others_are_text(folder: Path) -> None:
    """Those that lead out of the documentation, or into a script, are no links; other sites are told nothing."""
    index = page(folder, "")
    assert '<a href="how-to/own-signal#write-it">Own signal</a>' in index
    assert '<img src="figures/one.svg" alt="a figure"' in index
    assert '<a href="reference/store">the store</a>' in index
    assert '<a href="https://example.org/" rel="noreferrer">elsewhere</a>' in index
    assert "secret" not in index
    assert "outside" in index
    assert "javascript" not in "".join(re.findall(r'(?:href|src)="[^"]*"', index))
    assert index.count("<img") == 1
    below = page(folder, "how-to/own-signal")
    assert '<a href="../index">the start</a>' in below
    assert '<img src="../figures/one.svg" alt="again"' in below
    for path in ("", "how-to/own-signal"):
        for link in re.findall(r'href="([^"#]+)', page(folder, path)):
            if link.startswith("http"):
                continue
            target = urljoin(f"/docs/{path}", link)
            assert target == "/" or target.startswith("/assets/") or target.removeprefix("/docs/") in docs_files(folder)


def test_html_in_a_page_is_shown_as_text(folder: Path) -> None:
    """In its text and in its title; styles of cells are classes, which the policy lets through."""
    below = page(folder, "how-to/own-signal")
    assert below.count("<script") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in below
    assert "<b>" not in below
    assert "<title>A signal &amp; &lt;b&gt;yours&lt;/b&gt; " in below
    assert " style=" not in page(folder, "")
    assert '<td class="right">1</td>' in page(folder, "")


def test_a_page_lists_all_pages_and_its_own_headings(folder: Path) -> None:
    """In the order of the documentation, the page itself marked; headings of one text have anchors of their own."""
    below = page(folder, "how-to/own-signal")
    pages = below[below.index('<nav id="pages"') : below.index("<main>")]
    assert re.findall(r'href="([^"]+)"(?: aria-current="page")?>([^<]+)<', pages) == [
        ("../../", "Live page"),
        ("../index", "vpharness"),
        ("../tutorial", "First hour"),
        ("own-signal", "A signal &amp; &lt;b&gt;yours&lt;/b&gt;"),
        ("../reference/store", "store"),
    ]
    assert re.findall(r"<h2>([^<]+)", pages) == ["How to", "Reference"]
    assert re.findall(r'href="([^"]+)" aria-current', pages) == ["own-signal"]
    headings = below[below.index('<nav id="contents"') :]
    assert re.findall(r'class="level-(\d)"><a href="([^"]+)">([^<]+)', headings) == [
        ("2", "#write-it", "Write it"),
        ("2", "#write-it-1", "Write it"),
        ("3", "#resolve", "resolve"),
    ]
    for anchor in ("write-it", "write-it-1", "resolve"):
        assert f' id="{anchor}">' in below


def test_no_page_or_figure_is_larger_than_the_answers_that_memory_is_counted_for() -> None:
    """A client that reads nothing keeps an answer, and what is made of it, in memory."""
    assert "reference/stream-protocol" in docs_files(DOCS_FOLDER)
    for path, file in docs_files(DOCS_FOLDER).items():
        assert 2 * len(file.body) <= ANSWER_BYTES, path


def raw_status(running: Server, path: str) -> int:
    """Return the status of the answer to a path that is sent byte for byte as it is."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as link:
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\nConnection: close\r\n\r\n".encode())
        return int(link.recv(64).split()[1])


def test_the_server_shows_the_documentation_under_its_own_rules(folder: Path, tmp_path: Path) -> None:
    """The same headers as the page has, figures in a sandbox, and no way out of the folder."""

    async def scenario() -> None:
        async with server(tmp_path) as running:
            running.app.ctx.docs_folder = folder
            answer = await ask(running, "/docs?theme=light")
            assert (answer.status, answer.headers["location"]) == (302, "docs/?theme=light")
            for path, title in (
                ("/docs/", "vpharness"),
                ("/docs/how-to/own-signal.md", "A signal"),
                ("/docs/index", "vp"),
            ):
                answer = await ask(running, path)
                assert answer.status == 200
                assert f"<title>{title}" in answer.body
                assert {name: answer.headers[name] for name in HEADERS} == HEADERS
            figure = await ask(running, "/docs/figures/one.svg")
            assert figure.headers["content-type"] == "image/svg+xml"
            assert figure.headers["content-security-policy"].endswith("sandbox")
            assert figure.headers["x-content-type-options"] == "nosniff"
            ways_out = ("../secret.md", "%2e%2e/secret.md", "..%2fsecret.md", "how-to/../../secret.md", "/etc/passwd")
            for way in (*ways_out, "notes.txt", "how-to", "\\..\\secret.md", "%00", "figures/"):
                assert await asyncio.to_thread(raw_status, running, f"/docs/{way}") in {400, 404}, way
            missing = await ask(running, "/docs/nothing")
            assert (missing.status, missing.body) == (
                404,
                "there is no page /docs/nothing; /docs lists those that there are",
            )

    asyncio.run(scenario())


def test_without_the_folder_one_line_says_so(tmp_path: Path) -> None:
    """As where the package was installed without it."""

    async def scenario() -> Answer:
        async with server(tmp_path) as running:
            running.app.ctx.docs_folder = tmp_path / "none"
            return await ask(running, "/docs/")

    answer = asyncio.run(scenario())
    assert answer.status == 404
    assert answer.body == "the documentation is not installed: the package has no folder vpharness/docs"


def test_whoever_may_not_see_the_page_may_not_see_the_documentation(folder: Path, tmp_path: Path) -> None:
    """Neither its pages nor its figures; with the token both."""

    async def scenario() -> None:
        async with server(tmp_path, token=TOKEN) as running:
            running.app.ctx.docs_folder = folder
            for path in ("/docs", "/docs/", "/docs/tutorial", "/docs/figures/one.svg"):
                assert (await ask(running, path)).status == 401
                assert (await ask(running, path, authorization=f"Bearer {TOKEN}")).status in {200, 302}

    asyncio.run(scenario())
