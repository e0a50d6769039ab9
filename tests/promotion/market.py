"""A market that leans on its flow, and a run of a user's own signal that sees it: what passes every gate."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.commands.test_cli import in_process

OWN: Final = ("--config-dir", "my_conf", "signal=recent_flow")
MARKET: Final = ("source.strength=1", "source.minutes=12")
SHORT: Final = ("eval.tp_ticks=4", "eval.sl_ticks=4", "eval.max_hold_bins=100", "eval.null_draws=99")
TRUSTED: Final = "signal_modules=[tests.promotion.recent_flow]"
LIMITS: Final = ("promotion.slice_bins=600", "promotion.max_latency_share=1", TRUSTED)
"""A minute, since what is recorded is replayed by many tests; and a busy machine may take a whole bin for a step."""


def limits_with(*words: str) -> list[str]:
    """Return LIMITS with some words in place of those of the same keys: a key may be given once."""
    keys = {word.partition("=")[0] for word in words}
    return [*(each for each in LIMITS if each.partition("=")[0] not in keys), *words]


@dataclass(frozen=True)
class Winner:
    """A folder with a lake in which a run has won.

    Attributes:
        folder: where commands are run.
        run_id: the run.
        candidate_id: its candidate that won.
    """

    folder: Path
    run_id: str
    candidate_id: str

    @property
    def lake(self) -> Path:
        """The lake."""
        return self.folder / "lake"


def run_winner(folder: Path) -> Winner:
    """Run the signal on the market; its module lies outside of the package, its YAML in a folder of the user's."""
    group = folder / "my_conf" / "signal"
    group.mkdir(parents=True)
    (group / "recent_flow.yaml").write_text("_target_: tests.promotion.recent_flow.recent_flow\n", encoding="utf-8")
    said = in_process(folder, *OWN, *MARKET, *SHORT, "json=true")
    assert said.returncode == 0, said.stderr
    found: dict[str, Any] = json.loads(said.stdout)
    best = found["candidates"][0]
    return Winner(folder, best["run_ids"][0], best["candidate_id"])
