"""The promoted record: everything that a live session and the page need of a promotion, as plain values."""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vpharness.errors import ConfigError, PromotionError, told_apart
from vpharness.evaluation import ResolvedEvaluation
from vpharness.events.times import SECOND_NS
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.settling import settling
from vpharness.live import LiveModel
from vpharness.live.model_memory import ModelMemory
from vpharness.parameters import problems
from vpharness.promotion.projection import Projection
from vpharness.signals import (
    BinScorer,
    FitsInForce,
    LearnedSignal,
    Scorer,
    Signal,
    SignalParameters,
    Weights,
    digest,
    load_scorer,
    reach_of,
    resolve,
    score_parameters,
    scorer,
)

PROGRAM: Final = "the exported program"
_FILES: Final = ("program", "weights")
_MEMORY: Final = tuple(field.name for field in dataclasses.fields(ModelMemory))


@dataclass(frozen=True)
class PromotedRecord:
    """The served model and its evidence, as plain values (JSON in the bundle).

    Attributes:
        instrument: the instrument; None in the defaults of a fresh clone alone, which fit any feed.
        version: a number that grows, such as "v0003"; "defaults" for those of a fresh clone.
        signal_target: "module.name".
        signal_digest: `signals.digest` of the signal with these parameters; None for the defaults.
        parameters: every field of the signal's dataclass.
        threshold: the |score| at which it fires.
        threshold_label: what the run calls it: the number, or its percentile such as "q90".
        evaluation: the fields of `ResolvedEvaluation`: durations in bins, barriers in ticks.
        lattice: every field of `LatticeParameters`; in the defaults evict_crossed_ms may be None: the feed's own.
        lattice_version: the lattice's version that these are of.
        evaluation_version: the evaluation's version that the evidence is of.
        tick_size: price units a tick; None in the defaults.
        size_unit: what quantities are counted in; None in the defaults.
        projection: where the mid may go, given the score; None where none could be fitted.
        run_id, candidate_id, dataset_id, dataset_checksum: where it comes from; None for the defaults.
        packages: versions by name.
        created_ns: when it was promoted, since the Unix epoch, UTC; 0 for the defaults.
        evidence: the gates with what was wanted and found ("gates"), the figures of train and of test ("promised"),
            and what else was measured.
        forced: the reason given, where a gate was overridden.
        memory_bins: valid bins after which a score no longer tells where its data began, as the audit measured on the
            dataset; None where it was not measured: the defaults, and bundles of versions that did not keep it.
        unsafe: the gates that were overridden although something else may be served without them than was run.
        model_memory: the fields of `ModelMemory`; None in the defaults and in bundles of versions that did not keep it.
        fit: the weights of a learned signal: their digest in `lake/models` ("weights"), their card ("card"), and the
            cells that they were fitted on ("cell_width_ms", "radius"); None for any other signal.
        program: what `export_scorer` gave, where the model is to be made of that and not of the signal's source; a
            file of the bundle, and no part of the record's values.
        weights: the weights of a learned signal, which lie beside its program; no part of the values either.
    """

    instrument: str | None
    version: str
    signal_target: str
    signal_digest: str | None
    parameters: dict[str, Any]
    threshold: float
    threshold_label: str
    evaluation: dict[str, Any]
    lattice: dict[str, Any]
    lattice_version: int
    evaluation_version: int
    tick_size: float | None
    size_unit: float | None
    projection: Projection | None
    run_id: str | None
    candidate_id: str | None
    dataset_id: str | None
    dataset_checksum: str | None
    packages: dict[str, str]
    created_ns: int
    evidence: dict[str, Any]
    forced: str | None
    memory_bins: int | None = None
    unsafe: tuple[str, ...] = ()
    model_memory: dict[str, int | None] | None = None
    fit: dict[str, Any] | None = None
    program: bytes | None = dataclasses.field(default=None, repr=False)
    weights: Weights | None = dataclasses.field(default=None, repr=False, compare=False)

    def values(self) -> dict[str, Any]:
        """Return it as JSON values, without program and weights."""
        bare = dataclasses.replace(self, program=None, weights=None)
        return dataclasses.asdict(bare, dict_factory=_without_files)

    @classmethod
    def from_values(cls, values: Any, where: str) -> "PromotedRecord":
        """Return the record that `values` gave; a PromotionError names `where` and what does not fit."""
        fields = [field for field in dataclasses.fields(cls) if field.name not in _FILES]
        names = {field.name for field in fields}
        needed = {field.name for field in fields if field.default is dataclasses.MISSING}  # the others came later
        if not isinstance(values, dict) or not needed <= set(values) <= names:
            found = set(values) if isinstance(values, dict) else set()
            odd = sorted((needed - found) | (found - names)) or [type(values).__name__]
            raise PromotionError(f"{where} has missing or unknown keys: {', '.join(odd)}; promote the run again")
        memory_bins = values.get("memory_bins")
        if memory_bins is not None and (type(memory_bins) is not int or memory_bins < 0):
            raise PromotionError(
                f"{where}: memory_bins is {memory_bins!r}; it must be a whole number from 0 on, or null"
            )
        unsafe = values.get("unsafe", [])
        if not isinstance(unsafe, list | tuple) or not all(isinstance(name, str) for name in unsafe):
            raise PromotionError(f"{where}: unsafe is {unsafe!r}; it must be a list of the names of gates")
        projection = values["projection"]
        try:
            fitted = None if projection is None else Projection.from_values(projection)
        except ConfigError as error:
            raise PromotionError(f"{where}: {error}; promote the run again") from error
        return cls(**{**values, "projection": fitted, "unsafe": tuple(unsafe)})


def lattice_parameters(record: PromotedRecord) -> LatticeParameters:
    """Return the lattice that the record is of. Raises PromotionError where it is none that is known."""
    found: LatticeParameters = parameters_of(LatticeParameters, record.lattice, f"{record.version}: lattice")
    return found


def signal_parameters(record: PromotedRecord) -> SignalParameters:
    """Return the parameters of the record's signal.

    Raises ConfigError where there is no such signal, and PromotionError where its parameters are not those of the
    record.
    """
    found: SignalParameters = parameters_of(
        resolve(record.signal_target).parameters, record.parameters, f"{record.version}: {record.signal_target}"
    )
    return found


def live_model(record: PromotedRecord) -> LiveModel:
    """Return the model that the record is of.

    Raises ConfigError where there is no such signal or its parameters are out of range, and PromotionError where its
    parameters or its code are no longer those that were promoted.
    """
    if record.program is not None:
        return _exported_model(record, record.program)
    signal, params, lattice = resolve(record.signal_target), signal_parameters(record), lattice_parameters(record)
    if changed := code_change(record):
        raise PromotionError(f"{record.version}: {changed}")
    fits = _fits(record, signal, params, lattice)
    ready = scorer(signal, params, cell_width_ms=lattice.cell_width_ms, radius=lattice.radius, fits=fits)
    return _live_model(record, ready, record_memory(record))


def model_with(record: PromotedRecord, fits: FitsInForce) -> LiveModel:
    """Return the model of a learned signal with other weights than those of the record, such as a run's schedule."""
    served = live_model(record)
    if not isinstance(served.scorer, Scorer):
        raise TypeError("a model has other weights where it is made of its source")
    return dataclasses.replace(served, scorer=served.scorer.with_fits(fits))


def model_inputs(record: PromotedRecord) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the grid columns and the series of the bins that the record's signal reads.

    Raises what `live_model` raises.
    """
    source = resolve(record.signal_target) if record.program is None else live_model(record).scorer
    return source.columns, source.series


def _live_model(record: PromotedRecord, ready: BinScorer, memory: ModelMemory) -> LiveModel:
    warmup_bins, cooldown_bins = (int(record.evaluation[name]) for name in ("warmup_bins", "cooldown_bins"))
    return LiveModel(ready, (record.threshold,), warmup_bins, cooldown_bins, memory)


def _exported_model(record: PromotedRecord, program: bytes) -> LiveModel:
    """Return the model of an exported program; a PromotionError where the record wants another than was exported."""
    ready = load_scorer(program, f"{record.version}: {PROGRAM}")
    lattice = lattice_parameters(record)
    wanted = {name: record.parameters.get(name) for name in ready.parameter_values}
    same = (
        json.dumps(wanted, sort_keys=True) == json.dumps(ready.parameter_values, sort_keys=True)
        and (lattice.cell_width_ms, lattice.radius) == (ready.cell_width_ms, ready.radius)
        and record.signal_target.rpartition(".")[2] == ready.name
        and record.signal_digest in {None, ready.code_digest}
    )
    if not same or record.model_memory is None:
        raise PromotionError(
            f"{record.version} is served by the program in its bundle, whose signal, parameters and cells are fixed; "
            "restore the signal's source to change them, or run and promote it again"
        )
    memory: dict[str, Any] = {name: record.model_memory[name] for name in _MEMORY}
    return _live_model(record, ready, ModelMemory(**memory))


def _without_files(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if name not in _FILES}


def _fits(
    record: PromotedRecord, signal: Signal[Any], params: SignalParameters, lattice: LatticeParameters
) -> FitsInForce | None:
    """Return the weights that a learned signal is served with; None for any other signal.

    Raises PromotionError where there are none, or they were fitted to other features.
    """
    if not isinstance(signal, LearnedSignal):
        return None
    if record.fit is None or record.weights is None:
        raise PromotionError(
            f"{record.version}: signal {signal.name} is learned, and is served with weights of a run alone: promote one"
        )
    card = record.fit["card"]
    fitted = {**card["parameters"], **card["features"]["parameters"]}
    found = json.loads(json.dumps(score_parameters(params)))
    changed = sorted(name for name in {*fitted, *found} if fitted.get(name) != found.get(name))
    if (lattice.cell_width_ms, lattice.radius) != (record.fit["cell_width_ms"], record.fit["radius"]):
        changed.append("the cells")
    if card["features"]["digest"] != digest(signal, params) and not changed:
        changed.append(f"the code of {record.signal_target}")
    if changed:
        raise PromotionError(
            f"{record.version}: the weights of {signal.name} were fitted with another value of {', '.join(changed)}: "
            "its threshold alone can be chosen freely; run and promote it again"
        )
    return FitsInForce.always(signal.model, record.weights)


def record_order_durations(record: PromotedRecord) -> tuple[int, int] | None:
    """Return the latency and the longest wait of its resting orders, ns; None where it enters at the touch.

    Raises PromotionError where its evaluation is none of this version's.
    """
    evaluation = record_evaluation(record)
    return (evaluation.latency_ns, evaluation.max_wait_ns) if evaluation.in_queue else None


def record_evaluation(record: PromotedRecord) -> ResolvedEvaluation:
    """Return how the record's fires are judged. Raises PromotionError where that is none of this version's."""
    try:
        return ResolvedEvaluation(**record.evaluation)
    except TypeError as error:
        raise PromotionError(f"{record.version}: its evaluation is of another vpharness: {error}") from error


def record_memory(record: PromotedRecord) -> ModelMemory:
    """Return the memory of the record's model: how long it depends on where its feed began.

    What the audit measured is taken, but never less than the windows of the signal, which may agree by chance on the
    data that were audited. Where nothing was measured, the signal's body says when its exponential averages have
    forgotten their beginning to the last digit, about twice as long. Raises what `live_model` raises.
    """
    signal, params, lattice = resolve(record.signal_target), signal_parameters(record), lattice_parameters(record)
    reach = reach_of(signal, params, cell_width_ms=lattice.cell_width_ms, radius=lattice.radius)
    own = reach.whole if record.memory_bins is None else max(reach.windows, record.memory_bins)
    settled = settling(lattice, signal.columns)
    if settled is None:
        return ModelMemory(own, None)
    return ModelMemory(own, settled.bins, math.ceil(settled.seconds * SECOND_NS))


def code_change(record: PromotedRecord) -> str | None:
    """Return in what way the signal's code differs from what was promoted; None where it is the same."""
    if record.signal_digest is None:
        return None
    found = digest(resolve(record.signal_target), signal_parameters(record))
    if found == record.signal_digest:
        return None
    is_now, was = told_apart(found, record.signal_digest)
    return (
        f"the code of {record.signal_target} has changed: its digest is {is_now}, {was} was promoted; "
        "restore it, or run and promote it again"
    )


def parameters_of(kind: type[Any], values: Mapping[str, Any], where: str) -> Any:
    """Return a dataclass of parameters from all of its values; a PromotionError names `where` one does not fit.

    Those that were added later may be missing: they have their default then.
    """
    names = {field.name for field in dataclasses.fields(kind)}
    missing = names - set(values) - getattr(kind, "ADDED_LATER", frozenset())
    if odd := sorted(missing | (set(values) - names)):
        raise PromotionError(f"{where} has missing or unknown keys: {', '.join(odd)}; promote a run of this vpharness")
    made = kind(**values)
    if found := problems(made, f"{where}."):
        raise PromotionError("; ".join(found))
    return made
