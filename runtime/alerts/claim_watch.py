"""The watch over what may be claimed of the served models: every change is kept, told, and acted on.

The claims come with the statistics, about once a second, and hold however often they are looked at. What is said of the
champion goes into the verdicts beside the history; every change goes to the webhook; and where `runtime.on_drift` says
so, a champion that is worse than promised, or worth nothing, is rolled back, once: a version that was gone back to is
never left by itself.
"""

import asyncio
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from runtime.alerts.webhook import Webhook
from runtime.config.server_parameters import ROLL_BACK
from runtime.engine.models import CHAMPION, SHADOW_PREFIX
from runtime.stream.live_stream import LiveStream
from vpharness.datasets.lake import Lake
from vpharness.errors import VpharnessError
from vpharness.evaluation.live_claims import COVERS_MORE
from vpharness.evaluation.running_claims import TOO_EARLY, UNPROMISED, WORSE, WORTH_NOTHING
from vpharness.modules import PermittedModules
from vpharness.promotion.pointer import instrument_folder, versions
from vpharness.promotion.release import roll_back
from vpharness.promotion.verdicts import Verdict, keep_verdict

NET: Final = "net"
COVERAGE: Final = "coverage"
DRIFT: Final = (WORSE, WORTH_NOTHING)
"""Claims on which a version is rolled back, where that is wanted."""

_NOTHING: Final = (TOO_EARLY, UNPROMISED)

Key = tuple[str, str, str, int]
"""What a claim is of: "net" or "coverage", the model, the interval in per cent, and the horizon in bins."""


@dataclass(frozen=True)
class WatchedClaim:
    """A claim as the statistics have it; ticks, or shares where it is of coverage, are None where not finite."""

    key: Key
    version: str
    since_ns: str | None
    says: str
    mean: float | None
    low: float | None
    high: float | None
    n_blocks: int


def claims_in(statistics: Mapping[str, Mapping[str, Any]], horizons_bins: tuple[int, ...]) -> Iterator[WatchedClaim]:
    """Yield every claim in the statistics of a stream: the models' net results, and the champion's coverage."""
    for name, figures in statistics.items():
        claim = figures.get("claim")
        if claim is None or name.startswith(SHADOW_PREFIX):
            continue
        of = claim["version"], claim["since_ns"]
        mean, low, high = (_known(claim[each]) for each in ("mean", "low", "high"))
        yield WatchedClaim((NET, name, "", 0), *of, claim["says"], mean, low, high, claim["n_blocks"])
        projection = figures.get("projection")
        if name != CHAMPION or projection is None:
            continue
        for interval in (each[9:-5] for each in projection if each.startswith("coverage_") and each.endswith("_says")):
            place = f"coverage_{interval}"
            for row, says in enumerate(projection[f"{place}_says"]):
                mean, low, high = (_known(projection[each][row]) for each in (place, f"{place}_low", f"{place}_high"))
                key = COVERAGE, name, interval, horizons_bins[row]
                yield WatchedClaim(key, *of, says, mean, low, high, projection["n"][row])


class ClaimWatch:
    """Watches the claims of a stream.

    Attributes:
        webhook: where changes are told; None without one.
    """

    def __init__(
        self,
        stream: LiveStream,
        lake: Lake,
        instrument: str,
        modules: PermittedModules,
        webhook: Webhook | None = None,
        *,
        follows: bool,
    ) -> None:
        """Watch a stream.

        Args:
            stream: the stream.
            lake: where promotions lie.
            instrument: whose champion is served.
            modules: those that the signals of promotions may come from.
            webhook: where changes are told.
            follows: whether the stream serves what is promoted: a fixed version is never rolled back.
        """
        self._stream, self._lake, self._instrument, self._modules = stream, lake, instrument, modules
        self.webhook, self._follows = webhook, follows
        self._last: dict[Key, WatchedClaim] = {}
        self._logged: set[tuple[object, ...]] = set()
        self._kept: WatchedClaim | None = None
        self._rolled_back: set[str] = set()
        self._trouble = ""

    async def follow(self) -> None:
        """Look at every new statistics of the stream, until cancelled."""
        seen: Mapping[str, Any] | None = None
        while True:
            statistics = self._stream.statistics
            if statistics is not seen:
                seen = statistics
                await self._look(statistics)
            if self._stream.statistics is seen:
                await self._stream.changed()

    async def _look(self, statistics: Mapping[str, Mapping[str, Any]]) -> None:
        projection = self._stream.champion.record.projection
        horizons = () if projection is None else tuple(projection.horizons_bins)
        rows = len(((statistics.get(CHAMPION) or {}).get("projection") or {}).get("n", ()))
        if rows != len(horizons):
            return  # of the champion before: the next statistics are of this one
        found = {each.key: each for each in claims_in(statistics, horizons) if each.says not in _NOTHING}
        for key, claim in found.items():
            before = self._last.get(key)
            is_same_run = before is not None and (before.version, before.since_ns) == (claim.version, claim.since_ns)
            if before is None or not is_same_run or before.says != claim.says:
                self._tell(claim, before.says if before is not None and is_same_run else None)
        self._last = found
        champion = found.get((NET, CHAMPION, "", 0))
        if champion is not None:
            await self._keep(champion)
            await self._act_on(champion)

    def _tell(self, claim: WatchedClaim, before: str | None) -> None:
        kind, model, interval, horizon_bins = claim.key
        what = "" if kind == NET else f", {interval} % band {horizon_bins} bin{'s' * (horizon_bins != 1)} ahead"
        # Of a price that moves by whole ticks most intervals cover more. One that is near its bound may cross it again
        # and again: the log has each finding on a band once, the webhook every change.
        logged = (claim.key, claim.version, claim.since_ns, claim.says)
        if claim.says != COVERS_MORE and (kind == NET or logged not in self._logged):
            self._logged = {each for each in self._logged if each[1:3] == logged[1:3]} | {logged}
            found = f"{claim.says}, on {claim.n_blocks} {_UNITS[kind]}"
            self._stream.log(f"{model} ({claim.version}{what}): {found}")
        if self.webhook is not None:
            self.webhook.send(
                {
                    "type": "claim",
                    **({"feed": self._stream.name} if self._stream.name else {}),
                    "claim": kind,
                    "instrument": self._instrument,
                    "stream": self._stream.stream_id,
                    "model": model,
                    "version": claim.version,
                    "interval": interval or None,
                    "horizon_bins": horizon_bins or None,
                    "says": claim.says,
                    "before": before,
                    "mean": claim.mean,
                    "low": claim.low,
                    "high": claim.high,
                    "n": claim.n_blocks,
                    "live": self._stream.facts.live,
                    "at_ns": str(time.time_ns()),
                }
            )

    async def _keep(self, claim: WatchedClaim) -> None:
        """Write a verdict where the claim has changed, or rests on twice as many blocks as the one written last."""
        kept = self._kept
        if (
            kept is not None
            and (kept.version, kept.since_ns, kept.says) == (claim.version, claim.since_ns, claim.says)
            and claim.n_blocks < 2 * kept.n_blocks
        ):
            return
        self._kept = claim
        facts = self._stream.facts
        ends = claim.mean, claim.low, claim.high
        since_ns = int(claim.since_ns or 0)
        verdict = Verdict(
            claim.version, claim.says, *ends, claim.n_blocks, since_ns, time.time_ns(), facts.kind, facts.live
        )
        await self._in_lake("keep the verdict", self._write, verdict)

    def _write(self, verdict: Verdict) -> None:
        if verdict.version in versions(instrument_folder(self._lake, self._instrument)):
            keep_verdict(self._lake, self._instrument, verdict)

    async def _act_on(self, claim: WatchedClaim) -> None:
        wanted = self._stream.settings.on_drift == ROLL_BACK and self._follows and claim.says in DRIFT
        if not wanted or claim.version in self._rolled_back:
            return
        self._rolled_back.add(claim.version)
        ends = (
            "" if claim.high is None or claim.mean is None else f": {claim.mean:+.2f}, at most {claim.high:+.2f} ticks"
        )
        reason = f"{claim.version} is {claim.says}{ends} a fire, on {claim.n_blocks} blocks"
        await self._in_lake(f"roll back {claim.version}", self._go_back, claim.version, reason)

    def _go_back(self, version: str, reason: str) -> None:
        entry = roll_back(self._lake, self._instrument, self._modules, away_from=version, reason=reason)
        self._stream.log(f"rolled back to {entry.version}: {reason}")

    async def _in_lake(self, what: str, do: Any, *given: Any) -> None:
        """Do something that takes a lock and writes, outside the event loop; what is in its way is logged once."""
        try:
            await asyncio.to_thread(do, *given)
        except VpharnessError as error:
            trouble = f"cannot {what}: {error}"
            if trouble != self._trouble:
                self._trouble = trouble
                self._stream.log(trouble)


_UNITS: Final = {NET: "blocks", COVERAGE: "moves"}


def _known(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
