"""Changing what is served while it is served: promotions, rollbacks, and the shadows that clients ask for.

A new model is made, proved and warmed up beside the one that is served, in threads of its own; only then does the
engine go over to it, between two bins. Whatever is wrong with it is said, and what is served stays.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from runtime.engine import Engine
from runtime.feeds.feed import FeedFacts
from runtime.hub import Hub
from runtime.lane import Lane, Watched, lane_of, watched
from runtime.models import ServedModel, compiled, lattice_in_force, live_on, misfits, remade, served, show
from runtime.orders import Order
from runtime.ring import ShownBin
from runtime.shadows import Shadows
from vpharness.datasets.lake import Lake
from vpharness.errors import PromotionError, VpharnessError
from vpharness.modules import PermittedModules
from vpharness.promotion.pointer import PROMOTED, bundle_path
from vpharness.promotion.serving import PromotedRecord, current, read_bundle, replay_differences

_TRIES: Final = 5
"""A feed that begins anew has the new model warmed up anew."""
_ROUNDS: Final = 3
"""Each shows a new model the bins that came during the one before: they are fewer each time."""

MakeOrder = Callable[[Watched, Sequence[ShownBin], int, int], Order]
"""`Engine.add` or `Engine.succeed`."""


def proved(folder: Path, modules: PermittedModules, facts: FeedFacts | None = None) -> PromotedRecord:
    """Return the record of a bundle, once its recorded slice has been replayed here with the same bins and scores.

    Raises ConfigError, before anything is imported, where its signal is of none of the permitted modules, and
    PromotionError saying what is damaged, changed, or comes out otherwise, and in what a feed, whose facts are
    given, differs from what it was promoted on.
    """
    bundle = read_bundle(folder)
    modules.imported(bundle.record.signal_target)
    if facts is not None and (found := misfits(bundle.record, facts)):
        raise PromotionError("; ".join(found))
    if differences := replay_differences(bundle, modules):
        raise PromotionError("; ".join(differences))
    return bundle.record


class Switchboard:
    """Changes what the engine of a hub serves."""

    def __init__(
        self,
        hub: Hub,
        engine: Engine,
        lake: Lake,
        instrument: str,
        challengers: Sequence[ServedModel],
        modules: PermittedModules,
    ) -> None:
        """Follow what is promoted for an instrument; `challengers` are kept beside it, as they were asked for."""
        self._modules = modules
        self._hub, self._engine, self._lake, self._instrument = hub, engine, lake, instrument
        self._challengers = challengers
        self.shadows = Shadows(hub, engine.add, self._answer, self._dismiss)
        self._lanes = itertools.count(1)
        self._nudged = asyncio.Event()
        self._serving: tuple[str, asyncio.Task[None]] | None = None
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
                # Python 3.11's wait_for may take a cancellation for the end of its time.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._hub.settings.watch_s):
                        await self._nudged.wait()
        finally:
            await self._stop_serving()

    async def _look(self) -> None:
        try:
            entry = await asyncio.to_thread(current, self._lake, self._instrument)
        except VpharnessError as error:
            self._say_once(f"the pointer of {self._instrument} cannot be followed: {error}")
            return
        self._bury()
        wanted = None if entry is None else entry.version
        if self._serving is not None:
            if self._serving[0] == wanted:
                return
            await self._stop_serving()
        hub = self._hub
        if entry is None or wanted is None or wanted == hub.champion.record.version or wanted in hub.refusals:
            return
        hub.coming_reason = "promotion" if entry.action == PROMOTED else "rollback"
        self._serving = wanted, asyncio.create_task(self._serve(wanted))

    def _bury(self) -> None:
        """Forget a version that has been served or refused; one that met a fault of this code is refused as well."""
        if self._serving is None or not self._serving[1].done():
            return
        (version, task), self._serving = self._serving, None
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._refuse(version, f"it failed: {type(problem).__name__}: {problem}")
            told = {"message": f"serving {version}", "exception": problem}
            asyncio.get_running_loop().call_exception_handler(told)

    async def _stop_serving(self) -> None:
        if self._serving is not None:
            self._serving[1].cancel()
            await asyncio.wait([self._serving[1]])
            self._serving = None

    async def _serve(self, version: str) -> None:
        """Serve a version, or say why it is refused."""
        hub, facts = self._hub, self._hub.facts
        try:
            folder = await asyncio.to_thread(bundle_path, self._lake, self._instrument, version)
            record = await asyncio.to_thread(proved, folder, self._modules, facts)
            model = await asyncio.to_thread(served, record)
            _require_an_end(model, facts)
            if lattice_in_force(record, facts) == lattice_in_force(hub.champion.record, facts):
                await self._warm_up(model, self._engine.succeed)
            else:
                await self._join(model)
        except VpharnessError as error:
            self._refuse(version, str(error))

    def _refuse(self, version: str, why: str) -> None:
        self._hub.refusals[version] = why
        self._say_once(f"{version} is refused, {self._hub.champion.record.version} is served on: {why}")
        self._hub.wake()

    async def _warm_up(self, model: ServedModel, order: MakeOrder) -> None:
        """Have a model shown the bins of the ring, and handed over to the engine with the last of them.

        What is missing then until it is ready, the engine shows it as it comes.

        Raises PromotionError where bins go by faster than they can be shown.
        """
        hub, columns, problem = self._hub, model.live.scorer.signal.columns, None
        for _ in range(_TRIES):
            ring, epoch = hub.ring, hub.epoch
            session, seq = await asyncio.to_thread(compiled, model, hub.facts), ring.first_seq
            for _ in range(_ROUNDS):
                bins, next_seq = ring.copies(seq, columns), ring.next_seq
                if ring.began_ns is not None:
                    session.flow_began(ring.began_ns)
                await asyncio.to_thread(show, session, bins)
                if epoch != hub.epoch or next_seq < ring.first_seq:
                    break  # bins of another time, or those to come next have gone: begin again
                seq = next_seq
            else:
                each = watched(model, session, hub.facts)
                problem = await self._answer(order(each, ring.copies(seq, columns), ring.next_seq, epoch))
                if problem is None:
                    return
        raise PromotionError(
            f"bins go by faster than {model.record.version} can be warmed up; serve the feed more slowly"
            + (f" ({problem})" if problem else "")
        )

    async def _join(self, model: ServedModel) -> None:
        """Have a lane of its own follow the feed with a model until that is ready, and be served then."""
        hub = self._hub
        if hub.facts.bins is not None:
            raise PromotionError("it has other lattice parameters than the dataset whose bins are served")
        number, first_seq = next(self._lanes), hub.next_lane_seq()
        lane = await asyncio.to_thread(self._lane, number, first_seq, model)
        hub.expect(number, model.live.scorer.radius, first_seq)
        try:
            for order, then in (
                (self._engine.join(lane), lambda: hub.ready_lane == number),
                (self._engine.serve(number), lambda: hub.lane == number),
            ):
                problem = await self._answer(order)
                if problem is not None:
                    raise PromotionError(problem)
                await hub.until(then)
        finally:
            if hub.lane != number:
                try:
                    self._engine.give(self._engine.abandon(number))
                except PromotionError:
                    hub.forget(number)  # the feed has ended: nobody will say so

    def _lane(self, number: int, first_seq: int, model: ServedModel) -> Lane:
        facts = self._hub.facts
        lane = lane_of(number, model, compiled(model, facts), facts, first_seq)
        for each in self._challengers:
            try:
                own = remade(each, model.record)
                lane.beside[each.name] = watched(own, compiled(own, facts), facts)
            except VpharnessError as error:
                self._say_once(f"{each.name} is left out beside {model.record.version}: {error}")
        return lane

    async def _answer(self, order: Order) -> str | None:
        """Give an order and wait for its answer: what has kept it from being carried out, or None.

        Where the waiting is cancelled the order is called off. Raises PromotionError where the feed has ended.
        """
        answer = asyncio.get_running_loop().create_future()
        self._hub.awaited[order] = answer
        try:
            self._engine.give(order)
            found: str | None = await answer
            return found
        finally:
            order.is_called_off = not answer.done()
            self._hub.awaited.pop(order, None)

    def _dismiss(self, name: str) -> None:
        """Stop scoring with a model beside the champion."""
        with contextlib.suppress(PromotionError):  # the feed has ended, and nothing is scored any more
            self._engine.give(self._engine.remove(name))

    def _say_once(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            print(f"runtime: {trouble}", flush=True)


def _require_an_end(model: ServedModel, facts: FeedFacts) -> None:
    """Raise PromotionError where a model would never be ready on a feed."""
    live = live_on(model, facts)
    if live.bins_to_ready is None:
        why = "counts bins for ever" if live.memory.bins is None else "reads last_event_id"
        raise PromotionError(
            f"its signal, {live.scorer.signal.name}, never forgets where its feed began ({why}): it would never be "
            "ready; give it windows that end"
        )
