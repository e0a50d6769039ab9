"""An order to the engine: what it is asked to do between two steps of the feed."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(eq=False)
class Order:
    """What is to be done; it is answered by `runtime.sayings.Answered`.

    Attributes:
        do: does it, in the engine's thread; False where it has to be tried again after the next step. A VpharnessError
            is its answer.
        undo: takes back what `do` began before it had to be tried again, where the order is called off.
        is_called_off: whether nobody wants it any more: then it is not carried out.
    """

    do: Callable[[], bool | None]
    undo: Callable[[], None] = lambda: None
    is_called_off: bool = False
