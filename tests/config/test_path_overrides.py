"""Files on the command line: one, several, a glob or a folder."""

from pathlib import Path
from typing import Any

import pytest

from vpharness.config.composition import composed_config
from vpharness.config.override_grammar import quoted
from vpharness.config.search_path import prepare_process
from vpharness.config.typed_config import instance


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("a.dbn", "a.dbn"),
        ("data/*.dbn.zst", "data/*.dbn.zst"),
        ("day?.dbn", "day?.dbn"),
        ("[a.dbn,b c.dbn]", ["a.dbn", "b c.dbn"]),
        ("[a.dbn, /d/e=f.dbn]", ["a.dbn", "/d/e=f.dbn"]),
        ("['a,1.dbn',b.dbn]", ["a,1.dbn", "b.dbn"]),
        ("[one.dbn]", ["one.dbn"]),
        ("day[1-3].dbn", "day[1-3].dbn"),
        ("2024", "2024"),
        ("1e5", "1e5"),
    ],
)
def test_what_source_path_may_be(given: str, path: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names may hold spaces and equals signs, and one of digits is a name."""
    monkeypatch.chdir(tmp_path)
    prepare_process()
    overrides = [quoted(f"source.path={given}"), "source=dbn", "source.tick_size=1"]
    config = composed_config("build", overrides)
    assert instance(config.source, "source").path == path
