"""Configurations that tests copy in a quicker way are what OmegaConf itself copies."""

import copy
import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf

from tests.remembered_composition import COPIES_OF_OMEGACONF


class Side(enum.Enum):
    """An enumeration, of which OmegaConf has nodes."""

    BUY = 1
    SELL = 2


@dataclass
class Part:
    """A part of a configuration, with a value that must be given."""

    given: int = MISSING
    rates: list[list[float]] = field(default_factory=lambda: [[0.5, 1.0], []])


@dataclass
class Whole:
    """A configuration with values of every kind."""

    part: Part = field(default_factory=Part)
    nothing: Part | None = None
    lacking: Part = MISSING
    side: Side = Side.SELL
    folder: Path = Path("some/folder")
    raw: bytes = b"\x00"
    is_on: bool = True
    number: float | None = None
    union: int | str = 3
    anything: Any = None
    names: dict[str, str] = field(default_factory=lambda: {"a": "${side}", "b": "text"})


def configuration() -> DictConfig:
    """Return a configuration with flags, interpolations, missing values, nested lists and values once looked up."""
    made = OmegaConf.structured(Whole)
    assert isinstance(made, DictConfig)
    OmegaConf.set_readonly(made.part, True)
    OmegaConf.set_struct(made, True)
    plain = OmegaConf.create(
        {"list": [1, [2, {"deep": [None, "${..1}", "???"]}]], "whole": made, "of": "${whole.part}"}
    )
    assert isinstance(plain, DictConfig)
    plain._get_node("list")._set_flag("allow_objects", True)  # type: ignore[union-attr]  # is a node
    assert plain.of.rates[0][1] == 1.0  # fills the caches of flags
    return plain


def notes_of(node: Any, parent: Any) -> Any:
    """Return all that a node holds, down to its last value, as plain values; its parent has to be the one given."""
    if node is None or not hasattr(node, "_metadata"):
        return node
    assert node.__dict__["_parent"] is parent
    notes = dict(vars(node.__dict__["_metadata"]))
    own = {name: value for name, value in node.__dict__.items() if name not in {"_metadata", "_parent", "_content"}}
    content = node.__dict__.get("_content", node.__dict__.get("_val"))
    if isinstance(content, dict):
        content = {key: notes_of(each, node) for key, each in content.items()}
    elif isinstance(content, list):
        content = [notes_of(each, node) for each in content]
    else:
        content = notes_of(content, node)
    return type(node), notes, own, content


def copied_by_omegaconf(config: Any) -> Any:
    """Return a copy that OmegaConf makes itself."""
    with pytest.MonkeyPatch.context() as patch:
        for kind, copied in COPIES_OF_OMEGACONF.items():
            patch.setattr(kind, "__deepcopy__", copied)
        return copy.deepcopy(config)


@pytest.mark.parametrize("of", ["", "whole", "whole.part", "list", "whole.names"])
def test_a_copy_holds_what_omegaconf_copies_and_shares_nothing(of: str) -> None:
    """Flags, interpolations, missing values and parents, of a whole configuration and of a part within it."""
    root = configuration()
    config = OmegaConf.select(root, of) if of else root
    quick, own = copy.deepcopy(config), copied_by_omegaconf(config)
    assert DictConfig in COPIES_OF_OMEGACONF
    assert ListConfig in COPIES_OF_OMEGACONF
    parent = config.__dict__["_parent"]
    assert notes_of(quick, parent) == notes_of(own, parent) == notes_of(config, parent)
    before = notes_of(config, parent)
    OmegaConf.set_struct(quick, False)
    OmegaConf.set_readonly(quick, False)
    if isinstance(quick, DictConfig):
        quick["more"] = "new"
    else:
        quick[1][1].deep.append("new")
    assert notes_of(config, parent) == before


def test_the_copies_of_omegaconf_are_not_the_ones_of_the_tests() -> None:
    """Otherwise the two would be compared with themselves."""
    assert all(kind.__dict__["__deepcopy__"] is not copied for kind, copied in COPIES_OF_OMEGACONF.items())
