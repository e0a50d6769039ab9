"""Every command: the function that does it, the dataclass of its keys, and how its keys are written."""

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from vpharness.config import command_schemas as schemas
from vpharness.config import dataset_schemas as data
from vpharness.config import promotion_schemas as promotion

DEFAULT_COMMAND: Final = "run"


@dataclasses.dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        target: "module:function", below `vpharness.commands` or given whole, of what it does with a composed config;
            imported only when it is wanted, since help and mistakes should not wait for compilers.
        schema: the dataclass of its keys, whose docstring says what it does.
        positional: the keys that arguments without a key stand for, in their order.
        is_phrase: whether several words without a key are one value, with spaces between them.
        renamed: keys that a user writes, and how they are called in the config: Hydra takes a key that is also the name
            of a group for a choice in that group.
        is_plan: whether it plans a multirun of the command `run` and carries nothing out.
    """

    target: str
    schema: type[Any]
    positional: tuple[str, ...] = ()
    is_phrase: bool = False
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    is_plan: bool = False

    def function(self) -> Callable[[Any], None]:
        """Return the function that does the command's work, importing its module."""
        module, _, name = self.target.partition(":")
        whole = module if module.startswith("vpharness.") else f"vpharness.commands.{module}"
        found: Callable[[Any], None] = getattr(importlib.import_module(whole), name)
        return found


_VERSIONS: Final = "promoted_versions"

_ELSEWHERE: Final = {"lake.datasets": "lake_datasets"}

COMMANDS: Final = {
    "run": Command("run:run_run", schemas.RunCommand, renamed=_ELSEWHERE),
    "plan": Command("run:run_run", schemas.PlanCommand, is_plan=True, renamed=_ELSEWHERE),
    "compare": Command("compare:run_compare", schemas.CompareCommand, renamed={"signal": "of_signal", **_ELSEWHERE}),
    "board": Command("vpharness.board.command:run_board", schemas.BoardCommand),
    "list-signals": Command("list_signals:run_list_signals", schemas.ListSignalsCommand),
    "audit": Command("audit:run_audit", schemas.AuditCommand, renamed=_ELSEWHERE),
    "promote": Command("promote:run_promote", promotion.PromoteCommand, renamed=_ELSEWHERE),
    "promote history": Command(f"{_VERSIONS}:run_history", promotion.PromoteHistoryCommand),
    "promote show": Command(f"{_VERSIONS}:run_promote_show", promotion.PromoteShowCommand, positional=("version",)),
    "promote diff": Command(f"{_VERSIONS}:run_diff", promotion.PromoteDiffCommand, positional=("a", "b")),
    "promote rollback": Command("promote:run_rollback", promotion.PromoteRollbackCommand),
    "online-sim": Command("online_sim:run_online_sim", schemas.OnlineSimCommand, renamed=_ELSEWHERE),
    "build": Command("build:run_build", data.BuildCommand),
    "publish": Command("publish:run_publish", data.PublishCommand, positional=("path",)),
    "record": Command("record:run_record", data.RecordCommand),
    "convert": Command("convert:run_convert", data.ConvertCommand),
    "list-datasets": Command("list_datasets:run_list_datasets", data.ListDatasetsCommand, renamed=_ELSEWHERE),
    "show": Command("show:run_show", data.ShowCommand, renamed=_ELSEWHERE),
    "verify": Command("verify:run_verify", data.VerifyCommand, renamed=_ELSEWHERE),
    "prune": Command("prune:run_prune", data.PruneCommand),
    "docs": Command("docs:run_docs", schemas.DocsCommand, positional=("topic",), is_phrase=True),
}
