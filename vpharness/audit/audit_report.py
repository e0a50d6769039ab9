"""The findings of an audit, and their wording."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from vpharness.signals import Program

MOST_CONSTANT_BYTES: Final = 65_536
"""The most that the constants of a signal's program may come to: beyond that they can hold the answers."""
NOT_DECIDED: Final = "not decided: "
"""How the finding of an audit begins on data that are too short for it."""


@dataclass(frozen=True)
class Check:
    """One check of an audit.

    Attributes:
        name: what was done.
        worst: the largest difference between scores that must be equal, a missing one against a number being infinite.
        first_bin: the first valid bin at which they differ by more than rounding; None where none does.
        compared: what was compared: "scores", the "features" of a learned signal, or the "weights" of a fit, of which
            every bit must be the same.
        finite: at how many bins finite numbers were compared, not missing ones alone; None where it was not counted.
    """

    name: str
    worst: float
    first_bin: int | None
    compared: str = "scores"
    finite: int | None = None

    @property
    def passed(self) -> bool:
        """Whether the check passed: nothing differs."""
        return self.first_bin is None


@dataclass(frozen=True)
class MeasuredMemory:
    """The measured memory of a signal: how long scores depend on where the data began.

    Attributes:
        bins: valid bins after which they no longer do, the most of all starts; None where, after one of the starts,
            they still did in the last half of the bins behind it.
        at_least: valid bins after a start at which a score last told it; `bins` where that is known.
        starts: at how many places the data were begun.
    """

    bins: int | None
    at_least: int
    starts: int


@dataclass(frozen=True)
class AuditReport:
    """The findings of the audit of a signal.

    Attributes:
        checks: what was tried.
        memory: how long it remembers its start; None where nothing was checked.
        bins: valid bins that were looked at.
        not_checked: why nothing can be said of this signal on these data; None where something can.
        program: what its compiled program holds and calls; None where it was not looked into.
        not_decided: why checks that found nothing prove nothing on these data; None where they do.
    """

    checks: tuple[Check, ...]
    memory: MeasuredMemory | None
    bins: int
    not_checked: str | None = None
    program: Program | None = None
    not_decided: str | None = None

    @property
    def memory_bins(self) -> int | None:
        """Valid bins after which a score no longer depends on where the data began; None where that is not shown."""
        return None if self.memory is None else self.memory.bins

    @property
    def passed(self) -> bool:
        """Whether the signal was checked, and nothing was found."""
        return not self.failures

    @property
    def undecided(self) -> bool:
        """Whether nothing was found, and the data are too short to pass."""
        return self.failures[:1] != () and self.failures[0].startswith(NOT_DECIDED)

    @property
    def failures(self) -> tuple[str, ...]:
        """The failures, a sentence each, with what to do; empty where the signal passed.

        Where the data are merely too short to tell, the only sentence begins with "not decided: ".
        """
        found = tuple(self._found())
        if self.not_checked is not None:
            return (*found, f"not checked: {self.not_checked}")
        if self.memory is None:
            return (*found, "its memory was not measured")
        if self.not_decided is not None and not found:
            return (f"{NOT_DECIDED}{self.not_decided}",)
        if self.memory.bins is None:
            short = (
                f"{self.bins:,} bins are too few to show that it forgets where the data began; build a longer dataset "
                "(what counts bins or adds all of them up never forgets)"
            )
            return (*found, short) if found else (f"{NOT_DECIDED}{short}",)
        return found

    def _found(self) -> Iterator[str]:
        """Yield what is wrong whatever the length of the data."""
        if self.program is not None:
            yield from _program_failures(self.program)
        failed = [each for each in self.checks if not each.passed]
        for reason, kinds in _REASONS.items():
            of_kinds = [[each for each in failed if each.compared == kind] for kind in kinds]
            if told := [_differences_of(several) for several in of_kinds if several]:
                yield f"{'; '.join(told)}: {reason}"


_REASONS: Final = {
    "it was fitted to what came later": ("weights",),
    "it is not causal, or depends on how time is cut; only what goes through `time` may look across bins": (
        "features",
        "scores",
    ),
}
"""What follows where checks of some kinds fail, said once for all of them."""
_CHANGED: Final = {
    "weights": "the weights of the fit at bin {} change",
    "features": "its features at bin {} change",
    "scores": "its score at bin {} changes",
}


def _differences_of(failed: Sequence[Check]) -> str:
    """Return what the first of some failed checks of one kind found, and how many there are beside it."""
    first, more = failed[0], len(failed) - 1
    changed = _CHANGED[first.compared].format(first.first_bin)
    others = f" (and so in {more} other check{'s' if more > 1 else ''})" if more else ""
    return f"{first.name}, {changed}, by {first.worst:.3g} at the worst{others}"


def _program_failures(program: Program) -> Iterator[str]:
    if program.calls_out:
        yield (
            f"it calls out of its program while it runs ({', '.join(program.calls_out)}), where nothing can be "
            "checked: compute its scores from the grid alone"
        )
    if program.total_bytes > MOST_CONSTANT_BYTES:
        yield (
            f"its program holds constants of {program.total_bytes:,} bytes, the largest of {program.largest_bytes:,}, "
            f"and {MOST_CONSTANT_BYTES:,} are allowed: a table can hold the answers; compute it, or make it smaller"
        )
