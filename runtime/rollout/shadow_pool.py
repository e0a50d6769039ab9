"""What the shadow models of all feeds share: how many there may be, the thread they are made in, and machine code."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from runtime.config.server_parameters import RuntimeParameters
from runtime.stream.limits import SlotPool
from vpharness.signals import BinScorer, Scorer


class ShadowPool:
    """The limits on shadow models, which hold over all feeds together.

    Attributes:
        places: as many as there may be of them, shared by address.
        thread: the one thread in which all of them are made and warmed up, in turn.
        compiled: scorers by the structure of their machine code, that used last at the end.
        tries: how many models have been asked for: each spends a part of the error that claims may have.
        users: each returns the scorers that a feed uses now, whose machine code is kept.
    """

    def __init__(self, settings: RuntimeParameters) -> None:
        """Begin without any."""
        self.places = SlotPool(settings.max_shadows, settings.address_share)
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="shadows")
        self.compiled: OrderedDict[object, Scorer] = OrderedDict()
        self.tries = 0
        self.users: list[Callable[[], Iterable[BinScorer]]] = []

    def in_use(self) -> list[BinScorer]:
        """Return the scorers that some feed uses now."""
        return [scorer for scorers in self.users for scorer in scorers()]

    def close(self) -> None:
        """Make no further models."""
        self.thread.shutdown(wait=False, cancel_futures=True)
