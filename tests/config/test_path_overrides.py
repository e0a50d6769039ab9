"""Files on the command line: one, several, a glob or a folder."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from vpharness.config.composition import composed_config
from vpharness.config.lake_of_command import lake_key
from vpharness.config.override_grammar import quoted
from vpharness.config.search_path import prepare_process
from vpharness.config.typed_config import instance
from vpharness.datasets.lake import Lake


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


@pytest.mark.parametrize("folder", ["lake of mine", "it's here/lake", "a;b&c/$d", "plain"])
def test_a_command_that_a_hint_prints_can_be_pasted_whatever_the_lake_is_called(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell, and then Hydra, read the path that was meant; the default lake is left out."""
    prepare_process()
    root = tmp_path / folder
    words = shlex.split(f"python -m vpharness compare{lake_key(Lake(root))} top=5")
    assert words[3:] == ["compare", f"lake={root}", "top=5"]
    assert composed_config("compare", [quoted(words[4])]).lake == str(root)
    monkeypatch.setenv("VPHARNESS_LAKE", str(root))
    assert lake_key(Lake(root)) == ""
