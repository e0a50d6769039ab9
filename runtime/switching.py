"""Changing what is served while it is served: promotions, rollbacks, and the shadows that clients ask for.

A new model is made, proved and warmed up beside the one that is served, in threads of its own; only then does the
engine go over to it, between two bins. Whatever is wrong with it is said, and what is served stays.
"""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from runtime.engine import Engine
from runtime.feeds.feed import FeedFacts
from runtime.hub import Hub, lane_seq
from runtime.lane import Lane, lane_of, watched
from runtime.models import ServedModel, compiled, lattice_in_force, misfits, remade, served, session_on, show
from runtime.ring import ShownBin
from vpharness.datasets.lake import Lake
from vpharness.errors import PromotionError, VpharnessError
from vpharness.live import LiveSession
from vpharness.promotion.record import PromotedRecord, promoted, read_bundle, replay_differences

_ROUNDS: Final = 4
"""Each shows a new model the bins that came during the one before: they are fewer each time."""

HandOver = Callable[[ServedModel, LiveSession, Sequence[ShownBin], int], None]
"""`Engine.add` or `Engine.succeed`."""


def proved(folder: Path, facts: FeedFacts | None = None) -> PromotedRecord:
    """Return the record of a bundle, once its recorded slice has been replayed here with the same bins and scores.

    Raises PromotionError saying what is damaged, changed, or comes out otherwise, and in what a feed, whose facts are
    given, differs from what it was promoted on.
    """
    bundle = read_bundle(folder)
    if facts is not None and (found := misfits(bundle.record, facts)):
        raise PromotionError("; ".join(found))
    if differences := replay_differences(bundle):
        raise PromotionError("; ".join(differences))
    return bundle.record


class Switchboard:
    """Changes what the engine of a hub serves."""

    def __init__(self, hub: Hub, engine: Engine, lake: Lake, instrument: str) -> None:
        """Follow what is promoted for an instrument."""
        self._hub, self._engine, self._lake, self._instrument = hub, engine, lake, instrument
        self._lanes = itertools.count(1)
        self._nudged = asyncio.Event()
        self._serving: tuple[Path, asyncio.Task[None]] | None = None
        self._trouble = ""

    def look_again(self) -> None:
        """Look at the pointer now, and give what was refused another try."""
        self._hub.refusals.clear()
        self._nudged.set()

    async def watch(self) -> None:
        """Serve what the pointer names, whenever it names something else, until cancelled."""
        try:
            while True:
                await self._look()
                self._nudged.clear()
                try:
                    await asyncio.wait_for(self._nudged.wait(), self._hub.settings.watch_s)
                except TimeoutError:
                    continue
        finally:
            await self._stop_serving()

    async def add_shadow(self, model: ServedModel) -> None:
        """Score with a client's model beside the champion.

        Raises PromotionError where bins go by faster than it can be warmed up.
        """
        await self._warm_up(model, self._engine.add)
        self._hub.shadow_models[model.name] = model

    def drop_shadow(self, name: str) -> None:
        """Stop scoring with a client's model."""
        if self._hub.shadow_models.pop(name, None) is not None:
            self._engine.remove(name)

    async def _look(self) -> None:
        try:
            folder = await asyncio.to_thread(promoted, self._lake, self._instrument)
        except VpharnessError as error:
            self._say_once(f"the pointer of {self._instrument} cannot be followed: {error}")
            return
        if self._serving is not None and self._serving[1].done():
            self._serving = None
        if self._serving is not None:
            if self._serving[0] == folder:
                return
            await self._stop_serving()
        hub = self._hub
        if folder is None or folder.name == hub.champion.record.version or folder.name in hub.refusals:
            return
        self._serving = folder, asyncio.create_task(self._serve(folder))

    async def _stop_serving(self) -> None:
        if self._serving is not None:
            self._serving[1].cancel()
            await asyncio.wait([self._serving[1]])
            self._serving = None

    async def _serve(self, folder: Path) -> None:
        """Serve a bundle, or say why it is refused."""
        hub, facts = self._hub, self._hub.facts
        try:
            record = await asyncio.to_thread(proved, folder, facts)
            model = await asyncio.to_thread(served, record)
            if lattice_in_force(record, facts) == lattice_in_force(hub.champion.record, facts):
                await self._enough_bins(model)
                await self._warm_up(model, self._engine.succeed)
            else:
                await self._join(model)
            await self._until(lambda: hub.champion is model)
        except VpharnessError as error:
            hub.refusals[folder.name] = str(error)
            self._say_once(f"{folder.name} is refused, {hub.champion.record.version} is served on: {error}")
            hub.wake()

    async def _warm_up(self, model: ServedModel, hand_over: HandOver) -> None:
        """Have a model shown the bins of the ring, and handed over to the engine with the last of them.

        Raises PromotionError where bins go by faster than they can be shown.
        """
        hub, columns = self._hub, model.live.scorer.signal.columns
        ring = hub.ring
        session, seq = await asyncio.to_thread(compiled, model, hub.facts), ring.first_seq
        for _ in range(_ROUNDS):
            if ring is not hub.ring or seq < hub.ring.first_seq:
                # Other bins are served by now, or those to come next have gone: begin again.
                ring = hub.ring
                session, seq = session_on(model, hub.facts), ring.first_seq
            bins, next_seq = ring.copies(seq, columns), ring.next_seq
            await asyncio.to_thread(show, session, bins)
            seq = next_seq
        if ring is not hub.ring or seq < ring.first_seq:
            raise PromotionError(f"bins go by faster than {model.name} can be warmed up; serve the feed more slowly")
        hand_over(model, session, ring.copies(seq, columns), ring.next_seq)

    async def _enough_bins(self, model: ServedModel) -> None:
        """Wait until there are as many bins to show as a model needs before it may fire."""
        least = min(model.live.warmup_bins + 1, self._hub.ring.capacity)
        await self._until(lambda: self._hub.ring.next_seq - self._hub.ring.first_seq >= least)

    async def _join(self, model: ServedModel) -> None:
        """Have a lane of its own follow the feed with a model until that is ready, and be served then."""
        hub = self._hub
        if hub.facts.bins is not None:
            raise PromotionError("it has other lattice parameters than the dataset whose bins are served")
        number = next(self._lanes)
        beside = [*hub.challengers.values(), *hub.shadow_models.values()]
        lane = await asyncio.to_thread(self._lane, number, model, beside)
        hub.expect(number, model.live.scorer.radius)
        self._engine.join(lane)
        try:
            await self._until(lambda: hub.lane == number)
        finally:
            if hub.lane != number:
                hub.abandon()
                self._engine.abandon()

    def _lane(self, number: int, model: ServedModel, beside: Sequence[ServedModel]) -> Lane:
        facts = self._hub.facts
        lane = lane_of(number, model, compiled(model, facts), facts, lane_seq(number))
        for each in beside:
            try:
                own = remade(each, model.record)
                lane.beside[each.name] = watched(own, compiled(own, facts), facts)
            except VpharnessError as error:
                self._say_once(f"{each.name} is left out beside {model.record.version}: {error}")
        return lane

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._hub.change()

    def _say_once(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            print(f"runtime: {trouble}", flush=True)
