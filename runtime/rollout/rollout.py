"""The rollout of models while the server runs: promotions and rollbacks are followed without a break in the stream.

A new model is made, verified and warmed up beside the one that is served, in threads of its own; only then does the
engine switch to it, between two bins. A version that cannot be served is refused with the reason, and the served one
stays.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from runtime.engine.bridge import EngineCommand
from runtime.engine.models import (
    ServedModel,
    compiled_session,
    incompatibilities,
    lattice_in_force,
    live_model_on,
    on_lattice_of,
    served_model,
    show,
)
from runtime.engine.pipeline import Pipeline, RunningModel, new_pipeline, running_model
from runtime.engine.scoring_engine import ScoringEngine
from runtime.feeds.feed import FeedFacts, FinishedBin
from runtime.rollout.shadow_models import ShadowModels
from runtime.rollout.shadow_pool import ShadowPool
from runtime.stream.live_stream import LiveStream
from vpharness.datasets.lake import Lake
from vpharness.errors import PromotionError, VpharnessError
from vpharness.modules import PermittedModules
from vpharness.promotion.pointer import PROMOTED, bundle_path
from vpharness.promotion.serving import PromotedRecord, current, read_bundle, replay

_TRIES: Final = 5
"""Most attempts to warm a model up; a feed that begins anew makes another one necessary."""
_ROUNDS: Final = 3
"""Each shows a new model the bins that came during the one before: they are fewer each time."""

MakeCommand = Callable[[RunningModel, Sequence[FinishedBin], int, int], EngineCommand]
"""`Pipelines.add` or `Pipelines.replace_champion`."""


def verified_record(folder: Path, modules: PermittedModules, facts: FeedFacts | None = None) -> PromotedRecord:
    """Return the record of a bundle, once its recorded slice has been replayed here with the same bins and scores.

    It has its program where that is what is to be served, since the signal's source has changed or gone.

    Raises ConfigError, before anything is imported, where its signal is of none of the permitted modules, and
    PromotionError saying what is damaged, changed, or comes out otherwise, and in what a feed, whose facts are
    given, differs from what it was promoted on.
    """
    bundle = read_bundle(folder)
    modules.check(bundle.record.signal_target)
    replayed = replay(bundle, modules)
    if replayed.differences:
        raise PromotionError("; ".join(replayed.differences))
    if facts is not None and (found := incompatibilities(replayed.record, facts)):
        raise PromotionError("; ".join(found))
    return replayed.record


class Rollout:
    """Follows the pointer of an instrument, and switches the engine of a stream to what it names."""

    def __init__(
        self,
        stream: LiveStream,
        engine: ScoringEngine,
        lake: Lake,
        instrument: str,
        challengers: Sequence[ServedModel],
        modules: PermittedModules,
        pool: ShadowPool,
    ) -> None:
        """Follow what is promoted for an instrument; `challengers` stay beside it, as they were configured.

        `pool` has the limits on shadow models.
        """
        self._modules = modules
        self._stream, self._engine, self._lake, self._instrument = stream, engine, lake, instrument
        self._challengers = challengers
        self.shadows = ShadowModels(stream, engine.pipelines.add, self._answer, self._dismiss, pool)
        self._pipeline_numbers = itertools.count(1)
        self._nudged = asyncio.Event()
        self._serving: tuple[str, asyncio.Task[None]] | None = None
        self._trouble = ""

    def check_now(self) -> None:
        """Look at the pointer now, and try refused versions again."""
        self._stream.refusals.clear()
        self._nudged.set()

    async def follow_pointer(self) -> None:
        """Serve what the pointer names, whenever it names something else, until cancelled."""
        try:
            while True:
                await self._look()
                self._nudged.clear()
                # Python 3.11's wait_for may take a cancellation for the end of its time.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._stream.settings.watch_s):
                        await self._nudged.wait()
        finally:
            await self._stop_serving()

    async def _look(self) -> None:
        try:
            entry = await asyncio.to_thread(current, self._lake, self._instrument)
        except VpharnessError as error:
            self._log_once(f"the pointer of {self._instrument} cannot be followed: {error}")
            return
        self._collect_finished()
        wanted = None if entry is None else entry.version
        if self._serving is not None:
            if self._serving[0] == wanted:
                return
            await self._stop_serving()
        stream = self._stream
        if entry is None or wanted is None or wanted == stream.champion.record.version or wanted in stream.refusals:
            return
        stream.coming_reason = "promotion" if entry.action == PROMOTED else "rollback"
        self._serving = wanted, asyncio.create_task(self._serve(wanted))

    def _collect_finished(self) -> None:
        """Collect the task of a version that was served or refused; an unexpected failure is a refusal too."""
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
        """Serve a version, or refuse it with the reason."""
        stream, facts = self._stream, self._stream.facts
        try:
            folder = await asyncio.to_thread(bundle_path, self._lake, self._instrument, version)
            record = await asyncio.to_thread(verified_record, folder, self._modules, facts)
            model = await asyncio.to_thread(served_model, record)
            _require_an_end(model, facts)
            if lattice_in_force(record, facts) == lattice_in_force(stream.champion.record, facts):
                await self._warm_up(model, self._engine.pipelines.replace_champion)
            else:
                await self._join(model)
        except VpharnessError as error:
            self._refuse(version, str(error))

    def _refuse(self, version: str, why: str) -> None:
        self._stream.refusals[version] = why
        self._log_once(f"{version} is refused, and {self._stream.champion.record.version} stays live: {why}")
        self._stream.notify()

    async def _warm_up(self, model: ServedModel, command: MakeCommand) -> None:
        """Show a model the bins of the ring, and hand it to the engine with the last of them.

        Bins that it still needs until it is ready, the engine shows it as they come.

        Raises PromotionError where bins go by faster than they can be shown.
        """
        stream, columns, problem = self._stream, model.live.scorer.columns, None
        for _ in range(_TRIES):
            ring, epoch = stream.ring, stream.epoch
            session, seq = await asyncio.to_thread(compiled_session, model, stream.facts), ring.first_seq
            for _ in range(_ROUNDS):
                bins, next_seq = ring.copies(seq, columns), ring.next_seq
                if ring.began_ns is not None:
                    session.flow_began(ring.began_ns)
                await asyncio.to_thread(show, session, bins)
                if epoch != stream.epoch or next_seq < ring.first_seq:
                    break  # bins of another time, or those to come next have gone: begin again
                seq = next_seq
            else:
                each = running_model(model, session, stream.facts)
                problem = await self._answer(command(each, ring.copies(seq, columns), ring.next_seq, epoch))
                if problem is None:
                    return
        raise PromotionError(
            f"bins go by faster than {model.record.version} can be warmed up; serve the feed more slowly"
            + (f" ({problem})" if problem else "")
        )

    async def _join(self, model: ServedModel) -> None:
        """Let a second pipeline follow the feed with a model until that is ready, and serve it then."""
        stream = self._stream
        if stream.facts.bins is not None:
            raise PromotionError("it has other lattice parameters than the dataset whose bins are served")
        number, first_seq = next(self._pipeline_numbers), stream.next_pipeline_seq()
        pipeline = await asyncio.to_thread(self._pipeline, number, first_seq, model)
        stream.expect_pipeline(number, model.live.scorer.radius, first_seq)
        try:
            for command, then in (
                (self._engine.pipelines.join(pipeline), lambda: stream.ready_pipeline == number),
                (self._engine.pipelines.serve(number), lambda: stream.pipeline == number),
            ):
                problem = await self._answer(command)
                if problem is not None:
                    raise PromotionError(problem)
                await stream.wait_until(then)
        finally:
            if stream.pipeline != number:
                try:
                    self._engine.submit(self._engine.pipelines.abandon(number))
                except PromotionError:
                    stream.forget_pipeline(number)  # the feed has ended: no event will follow

    def _pipeline(self, number: int, first_seq: int, model: ServedModel) -> Pipeline:
        facts = self._stream.facts
        allows_what_ifs = self._stream.settings.max_shadows > 0
        session = compiled_session(model, facts)
        pipeline = new_pipeline(number, model, session, facts, first_seq, allows_what_ifs=allows_what_ifs)
        for each in self._challengers:
            try:
                own = on_lattice_of(each, model.record)
                pipeline.others[each.name] = running_model(own, compiled_session(own, facts), facts)
            except VpharnessError as error:
                self._log_once(f"{each.name} is left out beside {model.record.version}: {error}")
        return pipeline

    async def _answer(self, command: EngineCommand) -> str | None:
        """Submit a command and return its answer: why it was not carried out, or None.

        Where the waiting is cancelled, so is the command. Raises PromotionError where the feed has ended.
        """
        answer = asyncio.get_running_loop().create_future()
        self._stream.pending_commands[command] = answer
        try:
            self._engine.submit(command)
            found: str | None = await answer
            return found
        finally:
            command.is_cancelled = not answer.done()
            self._stream.pending_commands.pop(command, None)

    def _dismiss(self, name: str) -> None:
        """Stop scoring with a shadow model."""
        with contextlib.suppress(PromotionError):  # the feed has ended, and nothing is scored any more
            self._engine.submit(self._engine.pipelines.remove(name))

    def _log_once(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._stream.log(trouble)


def _require_an_end(model: ServedModel, facts: FeedFacts) -> None:
    """Raise PromotionError where a model would never be ready on a feed."""
    live = live_model_on(model, facts)
    if live.bins_to_ready is None:
        why = "counts bins for ever" if live.memory.bins is None else "reads last_event_id"
        raise PromotionError(
            f"its signal, {live.scorer.name}, never forgets where its feed began ({why}): it would never be "
            "ready; give it windows that end"
        )
