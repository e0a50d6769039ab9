"""Shadow models: the champion with a client's own overrides, scored beside it for as long as the client stays.

The bins that are kept are judged by it at once, and those that come from then on. What may be claimed of it rests on
the latter alone: see `runtime.engine.differences`.

Making one and warming it up costs seconds of processor time. All of them take turns in one thread, so that neither the
feed nor anything else waits for them; a model that no client wants any more is abandoned at the next bin.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from runtime.engine.bridge import EngineCommand
from runtime.engine.differences import WhatIf
from runtime.engine.models import ServedModel, compiled_session
from runtime.engine.pipeline import RunningModel, running_model
from runtime.feeds.feed import FinishedBin
from runtime.rollout.shadow_overrides import beside_champion, shadow_model
from runtime.rollout.shadow_pool import ShadowPool
from runtime.stream.limits import RateWindow, TooManyError
from runtime.stream.live_stream import LiveStream
from runtime.stream.query import StreamQuery
from runtime.stream.stream_messages import shadow_body
from vpharness.errors import PromotionError, VpharnessError
from vpharness.signals import BinScorer, Scorer, forget_compiled

PIECE_BINS: Final = 128
"""Bins that are copied for a shadow at once."""

STRUCTURES_KEPT: Final = 2
"""Compiled structures that are kept although no model uses them; of more, those unused for longest are freed."""

_FEW_BINS: Final = 4
_TRIES: Final = 5
_ROUNDS_AT_THE_END: Final = 3

MakeCommand = Callable[[RunningModel, Sequence[FinishedBin], int, int], EngineCommand]
"""`Pipelines.add`."""

Result = TypeVar("Result")


@dataclass
class _ActiveShadow:
    """A shadow model: who asked for it first, and when, how many clients want it, and what is set once it is scored.

    `wanted` is read by the thread that warms it up.
    """

    scorer: BinScorer
    address: str
    what_if: WhatIf
    scored: "asyncio.Future[None]"
    task: "asyncio.Task[None] | None" = None
    wanted: int = 0


class ShadowModels:
    """Keeps each shadow model scored on the served pipeline for as long as a client wants it."""

    def __init__(
        self,
        stream: LiveStream,
        add: MakeCommand,
        answer: Callable[[EngineCommand], Awaitable[str | None]],
        dismiss: Callable[[str], None],
        pool: ShadowPool,
    ) -> None:
        """Score with a model by the command that `add` makes and `answer` carries out; `dismiss` ends it.

        `pool` has the limits, which hold over all feeds together.
        """
        self._stream, self._add, self._answer, self._dismiss = stream, add, answer, dismiss
        self._active: dict[str, _ActiveShadow] = {}
        self._pool = pool
        pool.users.append(self._scorers_in_use)

    def close(self) -> None:
        """Stop warming models up, on any feed."""
        self.abandon()
        self._pool.close()

    def abandon(self) -> None:
        """Stop warming models of this feed up."""
        for active in self._active.values():
            active.wanted = 0
            if active.task is not None:
                active.task.cancel()
        if self._scorers_in_use in self._pool.users:
            self._pool.users.remove(self._scorers_in_use)

    async def model_for(self, query: StreamQuery, address: str, requests: RateWindow) -> ServedModel:
        """Return the model that a client's overrides make.

        Raises ConfigError saying what is wrong with them, and TooManyError where the client, or all of them together,
        ask too often.
        """
        if not requests.take(address):
            raise TooManyError(
                f"clients may ask for overrides {self._stream.settings.shadows_per_minute:g} times a minute in total, "
                "and a single one less often; try again in a minute"
            )
        stream = self._stream
        return await self._in_thread(shadow_model, stream.champion, stream.facts, query, stream.settings.buffer_bins)

    def acquire(self, model: ServedModel, address: str) -> "asyncio.Future[None]":
        """Score with a model until it is released; clients that want the same one share it.

        Returns what is set once it is scored, or holds the VpharnessError that keeps it from being. Raises
        TooManyError where clients, or those of the same address, have asked for as many others as are scored.
        """
        if model.name not in self._active:
            if not self._pool.places.take(address):
                taken = self._pool.places.taken
                raise TooManyError(
                    f"clients have asked for {taken} overrides already, which is the maximum"
                    + ("" if taken == self._pool.places.capacity else " for clients of this address")
                )
            self._pool.tries += 1
            what_if = WhatIf(self._stream.shown_ns, self._pool.tries)
            active = self._active[model.name] = _ActiveShadow(
                model.live.scorer, address, what_if, asyncio.get_running_loop().create_future()
            )
            active.task = asyncio.create_task(self._keep(model, active))
        active = self._active[model.name]
        active.wanted += 1
        return asyncio.shield(active.scored)

    def release(self, name: str) -> None:
        """Release a model once; the last release ends it."""
        active = self._active[name]
        active.wanted -= 1
        if active.wanted > 0:
            return
        del self._active[name]
        self._pool.places.give_back(active.address)
        if active.task is not None:
            active.task.cancel()
        active.scored.cancel()
        self._stream.drop_shadow(name)
        self._dismiss(name)

    async def _keep(self, model: ServedModel, active: _ActiveShadow) -> None:
        stream = self._stream
        try:
            while True:
                pipeline, own = (
                    stream.pipeline,
                    await self._in_thread(beside_champion, model, stream.champion, stream.settings.buffer_bins),
                )
                active.scorer = own.live.scorer
                await self._forget_others(active.scorer)
                past = await self._warm_up(own, active)
                if stream.pipeline == pipeline:
                    stream.add_shadow(own, past)
                    if not active.scored.done():
                        active.scored.set_result(None)
                    await stream.wait_until(lambda pipeline=pipeline: stream.pipeline != pipeline)  # type: ignore[misc]  # bound now
        except VpharnessError as error:
            if not active.scored.done():
                active.scored.set_exception(error)

    async def _warm_up(self, model: ServedModel, active: _ActiveShadow) -> dict[int, str]:
        """Show a model the bins of the ring, some at a time, and the last few in the engine, which goes on.

        Returns the message texts of what it says of the former, by their places.

        Raises PromotionError where bins go by faster than they can be shown.
        """
        stream, columns, problem = self._stream, model.live.scorer.columns, None
        for _ in range(_TRIES):
            ring, epoch, rounds = stream.ring, stream.epoch, 0
            session, seq = await self._in_thread(compiled_session, model, stream.facts), ring.first_seq
            each, past = running_model(model, session, stream.facts, active.what_if), dict[int, str]()
            while ring.next_seq - seq > _FEW_BINS and rounds < _ROUNDS_AT_THE_END:
                bins = ring.copies(seq, columns, PIECE_BINS)
                past |= await self._in_thread(judged_bins, each, seq, bins, lambda: active.wanted > 0)
                rounds += len(bins) < PIECE_BINS
                seq += len(bins)
                if epoch != stream.epoch or seq < ring.first_seq:
                    break  # bins of another time, or those to come next have gone: begin again
            else:
                command = self._add(each, ring.copies(seq, columns), ring.next_seq, epoch)
                problem = await self._answer(command)
                if problem is None:
                    return past
        raise PromotionError(
            "bins go by faster than these overrides can be warmed up; serve the feed more slowly"
            + (f" ({problem})" if problem else "")
        )

    async def _forget_others(self, coming: BinScorer) -> None:
        """Free the machine code of the structures unused for longest, where too many are kept."""
        compiled = self._pool.compiled
        # What a bundle's program compiles to is kept with it, and cannot be overridden.
        wanted = {_structure(ready) for ready in self._pool.in_use() if isinstance(ready, Scorer)}
        if isinstance(coming, Scorer):
            compiled[_structure(coming)] = coming
            compiled.move_to_end(_structure(coming))
        idle = [structure for structure in compiled if structure not in wanted]
        for structure in idle[: max(0, len(idle) - STRUCTURES_KEPT)]:
            await self._in_thread(forget_compiled, compiled.pop(structure))

    def _scorers_in_use(self) -> Iterator[BinScorer]:
        """Yield the scorers of all models on this feed."""
        yield from (model.live.scorer for model in (self._stream.champion, *self._stream.challengers.values()))
        yield from (active.scorer for active in self._active.values())

    async def _in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool.thread, work, *arguments)


def judged_bins(
    each: RunningModel, first_seq: int, bins: Sequence[FinishedBin], is_wanted: Callable[[], bool]
) -> dict[int, str]:
    """Show a model finished bins, until it is no longer wanted; return the texts of what it says of them by place."""
    found = dict[int, str]()
    for seq, finished in enumerate(bins, first_seq):
        if not is_wanted():
            break
        found[seq] = shadow_body(each.past_output(seq, finished))
    return found


def _structure(ready: Scorer) -> object:
    """Return the key of compiled machine code: a signal with its choices and lengths of lists, of any capacity."""
    return ready.signal, ready.structure
