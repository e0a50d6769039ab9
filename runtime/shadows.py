"""Shadows: models that clients ask for with overrides of their own, scored beside the champion for as long."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from runtime.hub import Hub
from runtime.models import ServedModel, remade
from vpharness.errors import VpharnessError


class TooManyError(VpharnessError):
    """There is no room for it now."""


@dataclass
class _Kept:
    """A shadow, how many clients want it, and what is set once it is scored."""

    task: "asyncio.Task[None]"
    scored: "asyncio.Future[None]"
    wanted: int = 0


class Shadows:
    """Keeps each shadow scored on whatever lane is served, for as long as a client wants it."""

    def __init__(self, hub: Hub, add: Callable[[ServedModel], Awaitable[None]], dismiss: Callable[[str], None]) -> None:
        """Have `add` warm a model up and score with it, and `dismiss` stop that."""
        self._hub, self._add, self._dismiss = hub, add, dismiss
        self._kept: dict[str, _Kept] = {}

    def want(self, model: ServedModel) -> "asyncio.Future[None]":
        """Score with a model; clients who want the same one share it. To be released once.

        Returns what is set once it is scored, or holds the VpharnessError that keeps it from being. Raises
        TooManyError where clients have asked for as many others as are scored.
        """
        if model.name not in self._kept:
            most = self._hub.settings.max_shadows
            if len(self._kept) >= most:
                raise TooManyError(f"clients have asked for {most} overrides already, which is all that are scored")
            scored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._kept[model.name] = _Kept(asyncio.create_task(self._keep(model, scored)), scored)
        kept = self._kept[model.name]
        kept.wanted += 1
        return asyncio.shield(kept.scored)

    def release(self, name: str) -> None:
        """Want a model no more; the last one to do so ends it."""
        kept = self._kept[name]
        kept.wanted -= 1
        if kept.wanted == 0:
            del self._kept[name]
            kept.task.cancel()
            kept.scored.cancel()
            self._hub.shadow_models.pop(name, None)
            self._dismiss(name)

    async def _keep(self, model: ServedModel, scored: "asyncio.Future[None]") -> None:
        hub = self._hub
        try:
            while True:
                lane, own = hub.lane, await asyncio.to_thread(remade, model, hub.champion.record)
                await self._add(own)
                if hub.lane == lane:
                    hub.shadow_models[model.name] = own
                    if not scored.done():
                        scored.set_result(None)
                    await hub.until(lambda lane=lane: hub.lane != lane)  # type: ignore[misc]  # bound now
        except VpharnessError as error:
            if not scored.done():
                scored.set_exception(error)
