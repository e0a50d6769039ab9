"""Hydra's compositions, each choice of groups made once in a process of the tests.

A command composes its configuration in a seventh of a second, which is most of what a test of a mistake takes. All but
the values given on the command line follows from the groups chosen there and from the project's YAML files; values are
set and checked anew each time, by Hydra.
"""

import copy
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.defaults_list import DefaultsList
from hydra.core.override_parser.types import Override
from omegaconf import (
    AnyNode,
    BooleanNode,
    BytesNode,
    DictConfig,
    EnumNode,
    FloatNode,
    IntegerNode,
    ListConfig,
    PathNode,
    StringNode,
)

from vpharness.config.search_path import OWN_FOLDER_VARIABLE

_LISTS: Final = dict[tuple[object, ...], DefaultsList]()
"""Which files make a configuration, by its name, the choices of groups, and where files are looked for."""
COPIES_OF_OMEGACONF: Final = dict[type, Any]()
"""How OmegaConf itself copies nodes of each kind, once `copy_nodes_quickly` has put others in their place."""
_COMPOSED: Final = dict[int, DictConfig]()
"""What they make, without values of the command line, by the identity of a list in `_LISTS`, which stays."""


def remember_compositions() -> None:
    """Let Hydra compose what it has composed before by a copy, except where a user's own YAML files are read."""
    module: Any = config_loader_impl  # whose names are not for others, and have no types for them
    loading: Any = ConfigLoaderImpl
    list_files, compose = module.create_defaults_list, loading._compose_config_from_defaults_list

    def listed(repo: Any, config_name: str | None, overrides_list: list[Override], **options: bool) -> DefaultsList:
        if os.environ.get(OWN_FOLDER_VARIABLE):
            plain: DefaultsList = list_files(repo, config_name, overrides_list, **options)
            return plain
        values, groups = _told_apart(repo, overrides_list)
        sources = tuple((each.scheme(), each.path) for each in repo.get_sources())
        key = (config_name, sources, tuple(each.input_line for each in groups), *sorted(options.items()))
        if key not in _LISTS:
            _LISTS[key] = list_files(repo, config_name, overrides_list, **options)
        return replace(_LISTS[key], config_overrides=values)

    def composed(loader: ConfigLoaderImpl, defaults: Any, repo: Any) -> DictConfig:
        if not any(defaults is each.defaults for each in _LISTS.values()):
            anew: DictConfig = compose(loader, defaults, repo)
            return anew
        if id(defaults) not in _COMPOSED:
            _COMPOSED[id(defaults)] = compose(loader, defaults, repo)
        return copy.deepcopy(_COMPOSED[id(defaults)])

    module.create_defaults_list, loading._compose_config_from_defaults_list = listed, composed


def copy_nodes_quickly() -> None:
    """Let OmegaConf copy configurations in a sixth of the time: Hydra makes ten copies for a command, half of it.

    What is copied is what OmegaConf copies. But the notes of a node, whose parts never change but for flags, are not
    looked into one by one, and no node is made, with all its checks, only to be filled from another one.
    """

    def note(this: Any, memo: dict[int, Any]) -> Any:
        kept = copy.deepcopy(this.resolver_cache, memo) if this.resolver_cache else defaultdict(dict)
        flags = None if this.flags is None else dict(this.flags)
        return _filled(this, flags=flags, resolver_cache=kept)

    def value(this: Any, memo: dict[int, Any]) -> Any:
        return _filled(this, _metadata=note(this.__dict__["_metadata"], memo), _flags_cache=None)

    def container(this: Any, memo: dict[int, Any]) -> Any:
        cached = copy.deepcopy(this.__dict__["_flags_cache"], memo)
        other = _filled(this, _metadata=note(this.__dict__["_metadata"], memo), _flags_cache=cached)
        content = this.__dict__["_content"]
        if isinstance(content, dict):
            other.__dict__["_content"] = {key: inside(each, other, memo) for key, each in content.items()}
        elif isinstance(content, list):
            other.__dict__["_content"] = [inside(each, other, memo) for each in content]
        return other

    def inside(this: Any, parent: Any, memo: dict[int, Any]) -> Any:
        other = copy.deepcopy(this, memo)
        other.__dict__["_parent"] = parent
        return other

    values: list[Any] = [AnyNode, BooleanNode, BytesNode, EnumNode, FloatNode, IntegerNode, PathNode, StringNode]
    containers: list[Any] = [DictConfig, ListConfig]
    for kind, copied in [*((kind, value) for kind in values), *((kind, container) for kind in containers)]:
        COPIES_OF_OMEGACONF.setdefault(kind, kind.__deepcopy__)
        kind.__deepcopy__ = copied


def _filled(this: Any, **other: Any) -> Any:
    """Return an object of the class and with the attributes of another one, but for those given."""
    made = object.__new__(type(this))
    made.__dict__.update(this.__dict__, **other)
    return made


def _told_apart(repo: Any, overrides: Sequence[Override]) -> tuple[list[Override], list[Override]]:
    """Return the overrides that set values and those that choose in groups, as Hydra does; sweeps do neither."""
    single = [each for each in overrides if not each.is_sweep_override()]
    values = [each for each in single if isinstance(each.value(), dict) or not repo.group_exists(each.key_or_group)]
    return values, [each for each in single if each not in values]
