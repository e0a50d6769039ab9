"""Shadows: models that clients ask for with overrides of their own, scored beside the champion for as long.

Making one and warming it up costs seconds of a processor. All of them take turns in one thread, so that neither the
feed nor whatever else the server does in threads waits for them; and what nobody waits for any more is left at the next
bin.
"""

import asyncio
import dataclasses
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from runtime.door import Door, Places
from runtime.feeds.feed import FeedFacts
from runtime.hub import Hub
from runtime.lane import Watched, watched
from runtime.messages import SHADOW_PREFIX
from runtime.models import ServedModel, compiled, misfits, remade, served
from runtime.orders import Order
from runtime.overrides import from_texts, overridden
from runtime.query import StreamQuery
from runtime.ring import ShownBin
from vpharness.errors import ConfigError, PromotionError, VpharnessError
from vpharness.live import LiveSession
from vpharness.live.frames import encode_json
from vpharness.signals import Scorer, capacity_for, forget_compiled, scorer

PIECE_BINS: Final = 128
"""Bins that are copied for a shadow at once."""

LONGEST_LIST: Final = 8
"""Each item of a parameter that is a list may cost two operators, and each length is compiled by itself."""

STRUCTURES_KEPT: Final = 2
"""Structures that are compiled and wanted by nobody; more are forgotten, the longest unused first."""

CAPACITIES: Final = (1_024,)
"""What operators reach back is rounded up to these, or to all bins that are kept: each is compiled by itself."""

_FEW_BINS: Final = 4
_TRIES: Final = 5
_ROUNDS_AT_THE_END: Final = 3

MakeOrder = Callable[[Watched, Sequence[ShownBin], int, int], Order]
"""`Engine.add`."""

Result = TypeVar("Result")


class TooManyError(VpharnessError):
    """There is no room for it now."""


@dataclass
class _Kept:
    """A shadow, who asked for it first, how many clients want it, and what is set once it is scored.

    `wanted` is read by the thread that warms it up.
    """

    scorer: Scorer
    address: str
    scored: "asyncio.Future[None]"
    task: "asyncio.Task[None] | None" = None
    wanted: int = 0


class Shadows:
    """Keeps each shadow scored on whatever lane is served, for as long as a client wants it."""

    def __init__(
        self,
        hub: Hub,
        add: MakeOrder,
        answer: Callable[[Order], Awaitable[str | None]],
        dismiss: Callable[[str], None],
    ) -> None:
        """Make an order with `add` that `answer` has carried out to score with a model; `dismiss` ends it."""
        self._hub, self._add, self._answer, self._dismiss = hub, add, answer, dismiss
        self._kept: dict[str, _Kept] = {}
        self._places = Places(hub.settings.max_shadows, hub.settings.address_share)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shadows")
        self._compiled: OrderedDict[object, Scorer] = OrderedDict()

    def close(self) -> None:
        """Warm nothing up any more."""
        for kept in self._kept.values():
            kept.wanted = 0
            if kept.task is not None:
                kept.task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def asked(self, query: StreamQuery, address: str, door: Door) -> ServedModel:
        """Return the model that a client's overrides make.

        Raises ConfigError saying what is wrong with them, and TooManyError where the client, or all of them together,
        ask too often.
        """
        if not door.shadow_requests.take(address):
            raise TooManyError(
                f"overrides may be asked for {self._hub.settings.shadows_per_minute:g} times a minute by all clients, "
                "and less often by one; try again in a minute"
            )
        hub = self._hub
        return await self._in_thread(shadow_of, hub.champion, hub.facts, query, hub.settings.buffer_bins)

    def want(self, model: ServedModel, address: str) -> "asyncio.Future[None]":
        """Score with a model; clients who want the same one share it. To be released once.

        Returns what is set once it is scored, or holds the VpharnessError that keeps it from being. Raises
        TooManyError where clients, or those of the same address, have asked for as many others as are scored.
        """
        if model.name not in self._kept:
            if not self._places.take(address):
                taken = self._places.taken
                raise TooManyError(
                    f"clients have asked for {taken} overrides already, which is all that are scored"
                    + ("" if taken == self._places.capacity else " for clients of this address")
                )
            kept = self._kept[model.name] = _Kept(
                model.live.scorer, address, asyncio.get_running_loop().create_future()
            )
            kept.task = asyncio.create_task(self._keep(model, kept))
        kept = self._kept[model.name]
        kept.wanted += 1
        return asyncio.shield(kept.scored)

    def release(self, name: str) -> None:
        """Want a model no more; the last one to do so ends it."""
        kept = self._kept[name]
        kept.wanted -= 1
        if kept.wanted > 0:
            return
        del self._kept[name]
        self._places.give_back(kept.address)
        if kept.task is not None:
            kept.task.cancel()
        kept.scored.cancel()
        self._hub.shadow_models.pop(name, None)
        self._dismiss(name)

    async def _keep(self, model: ServedModel, kept: _Kept) -> None:
        hub = self._hub
        try:
            while True:
                lane, own = hub.lane, await self._in_thread(beside, model, hub.champion, hub.settings.buffer_bins)
                kept.scorer = own.live.scorer
                await self._forget_others(kept.scorer)
                await self._warm_up(own, kept)
                if hub.lane == lane:
                    hub.shadow_models[model.name] = own
                    if not kept.scored.done():
                        kept.scored.set_result(None)
                    await hub.until(lambda lane=lane: hub.lane != lane)  # type: ignore[misc]  # bound now
        except VpharnessError as error:
            if not kept.scored.done():
                kept.scored.set_exception(error)

    async def _warm_up(self, model: ServedModel, kept: _Kept) -> None:
        """Show a model the bins of the ring, some at a time, and the last few in the engine, which goes on.

        Raises PromotionError where bins go by faster than they can be shown.
        """
        hub, columns, problem = self._hub, model.live.scorer.signal.columns, None
        for _ in range(_TRIES):
            ring, epoch, rounds = hub.ring, hub.epoch, 0
            session, seq = await self._in_thread(compiled, model, hub.facts), ring.first_seq
            while ring.next_seq - seq > _FEW_BINS and rounds < _ROUNDS_AT_THE_END:
                bins = ring.copies(seq, columns, PIECE_BINS)
                await self._in_thread(shown, session, bins, lambda: kept.wanted > 0)
                rounds += len(bins) < PIECE_BINS
                seq += len(bins)
                if epoch != hub.epoch or seq < ring.first_seq:
                    break  # bins of another time, or those to come next have gone: begin again
            else:
                each = watched(model, session, hub.facts)
                order = self._add(each, ring.copies(seq, columns), ring.next_seq, epoch)
                problem = await self._answer(order)
                if problem is None:
                    return
        raise PromotionError(
            "bins go by faster than these overrides can be warmed up; serve the feed more slowly"
            + (f" ({problem})" if problem else "")
        )

    async def _forget_others(self, coming: Scorer) -> None:
        """Free the machine code of structures that nobody has wanted for longest, where there are many of them."""
        served = (self._hub.champion, *self._hub.challengers.values())
        scorers = (*(model.live.scorer for model in served), *(kept.scorer for kept in self._kept.values()))
        wanted = {_structure(ready) for ready in scorers}
        self._compiled[_structure(coming)] = coming
        self._compiled.move_to_end(_structure(coming))
        idle = [structure for structure in self._compiled if structure not in wanted]
        for structure in idle[: max(0, len(idle) - STRUCTURES_KEPT)]:
            await self._in_thread(forget_compiled, self._compiled.pop(structure))

    async def _in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


def shown(session: LiveSession, bins: Sequence[ShownBin], is_wanted: Callable[[], bool]) -> None:
    """Show a session finished bins, until it is no longer wanted."""
    for row, grid in bins:
        if not is_wanted():
            return
        session.take_bin(row, grid)


def shadow_of(champion: ServedModel, facts: FeedFacts, query: StreamQuery, bins_kept: int) -> ServedModel:
    """Return the model that a query's overrides make of the champion; a ConfigError says what is wrong with them."""
    values = from_texts(query.parameters)
    for name, value in values.items():
        own = champion.record.parameters.get(name)
        longest = max(LONGEST_LIST, len(own) if isinstance(own, list) else 0)
        if isinstance(value, list) and len(value) > longest:
            raise ConfigError(f"signal.{name} has {len(value)} items; a client may give at most {longest}")
    record = overridden(champion.record, values, query.threshold)
    if found := misfits(record, facts):
        raise ConfigError("; ".join(found))
    names = ("signal_target", "parameters", "threshold", "evaluation", "lattice")
    key = encode_json({name: getattr(record, name) for name in names})
    name = SHADOW_PREFIX + hashlib.sha256(key.encode()).hexdigest()[:16]
    return _fitted(served(record, name), champion, bins_kept)


def beside(model: ServedModel, champion: ServedModel, bins_kept: int) -> ServedModel:
    """Return a shadow as it is beside a champion, of another lattice perhaps."""
    return _fitted(remade(model, champion.record), champion, bins_kept)


def _fitted(model: ServedModel, champion: ServedModel, bins_kept: int) -> ServedModel:
    """Return a model with one of a few capacities; ConfigError where it could not be warmed up on the bins kept.

    Where the champion's is enough, and nothing but numbers differs, it is scored by the champion's machine code.
    """
    own, most = model.live.scorer, max(bins_kept, champion.live.scorer.capacity)

    def made(capacity: int) -> Scorer:
        return scorer(own.signal, own.params, cell_width_ms=own.cell_width_ms, radius=own.radius, capacity=capacity)

    try:
        made(most)
    except ConfigError as error:
        raise ConfigError(
            f"{error}: the server keeps {bins_kept} bins, so shorten the windows, or start it with a larger "
            "runtime.buffer_bins"
        ) from error
    capacities = (champion.live.scorer.capacity, *CAPACITIES, capacity_for(most))
    capacity = next(each for each in capacities if each >= own.capacity)
    return dataclasses.replace(model, live=dataclasses.replace(model.live, scorer=made(capacity)))


def _structure(ready: Scorer) -> object:
    """Return what machine code is made for: all capacities of a signal with the same choices and lengths of lists."""
    return ready.signal, ready.structure
