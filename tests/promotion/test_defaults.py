"""What a fresh clone serves: one file over the defaults of dataclasses."""

from pathlib import Path

import pytest
import yaml

from tests.source_scorer import source_scorer
from vpharness.errors import PromotionError, VpharnessError
from vpharness.evaluation import EvaluationParameters, ResolvedEvaluation
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.promotion.gate_parameters import PromotionParameters
from vpharness.promotion.serving import PromotedRecord, defaults, lattice_parameters, live_model

FILE = Path(__file__).resolve().parents[2] / "runtime" / "defaults.yaml"


def test_the_project_s_own_defaults_can_be_served() -> None:
    """On any feed: no instrument, no tick size; what is not said is what dataclasses say."""
    record = defaults(FILE)
    assert (record.instrument, record.tick_size, record.version, record.signal_digest) == (None, None, "defaults", None)
    assert lattice_parameters(record) == LatticeParameters()
    evaluation = EvaluationParameters().resolve(100)
    model = live_model(record)
    assert model.thresholds == (record.threshold,)
    assert (model.warmup_bins, model.cooldown_bins) == (evaluation.warmup_bins, evaluation.cooldown_bins)
    assert record.evaluation == evaluation.identity()
    assert ResolvedEvaluation(**record.evaluation) == evaluation
    assert source_scorer(model).params == source_scorer(model).signal.parameters()
    projection = record.projection
    assert projection is not None
    assert list(projection.horizons_bins) == PromotionParameters().horizons_bins
    assert list(projection.quantiles) == PromotionParameters().quantiles


def test_a_record_without_its_memory_is_read_and_any_other_gap_is_named() -> None:
    """Bundles of versions that did not measure the memory stay readable; what was measured is kept."""
    values = defaults(FILE).values()
    without = {name: value for name, value in values.items() if name != "memory_bins"}
    assert PromotedRecord.from_values(without, "old").memory_bins is None
    assert PromotedRecord.from_values(values | {"memory_bins": 248}, "new").memory_bins == 248
    odd = {name: value for name, value in without.items() if name != "threshold"} | {"more": 1}
    with pytest.raises(PromotionError, match="old has missing or unknown keys: more, threshold;"):
        PromotedRecord.from_values(odd, "old")
    with pytest.raises(PromotionError, match=r"memory_bins is 2\.5; it must be a whole number from 0 on, or null"):
        PromotedRecord.from_values(values | {"memory_bins": 2.5}, "new")


@pytest.mark.slow
def test_the_project_s_own_projection_is_what_its_script_fits() -> None:
    """The file is made anew by the command that its comment names."""
    from tests.benchmarks.fit_defaults import defaults_values  # noqa: PLC0415  # only where it is asked for

    assert yaml.safe_load(FILE.read_text(encoding="utf-8")) == defaults_values()


def test_what_is_given_stands_over_the_defaults(tmp_path: Path) -> None:
    """Parameters of signal, evaluation and lattice; a projection need not be there."""
    path = tmp_path / "defaults.yaml"
    path.write_text(
        "signal: {_target_: vpharness.signals.ads.ads, blend_scale: 2}\nthreshold: 0.1\n"
        "evaluation: {cooldown_ms: 500}\nlattice: {cell_width_ms: 50, radius: 40}\n",
        encoding="utf-8",
    )
    record = defaults(path)
    assert (record.parameters["blend_scale"], record.projection, record.threshold_label) == (2, None, "0.1")
    model = live_model(record)
    assert (model.cooldown_bins, model.scorer.radius, model.scorer.cell_width_ms) == (10, 40, 50)


ADS = "signal: {_target_: vpharness.signals.ads.ads"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"the keys are NoneType; there may be signal, threshold, evaluation, lattice, projection"),
        ("signals: {}", r"the keys are \['signals'\]; there may be signal"),
        ("a: [", "cannot be read"),
        ("threshold: 1", "the signal's target is 'None'; it must be MODULE.NAME"),
        (f"{ADS}}}", "threshold is None; it must be a number above 0"),
        (f"{ADS}}}\nthreshold: -1", "threshold is -1; it must be a number above 0"),
        (f"{ADS}}}\nthreshold: true", "threshold is True; it must be a number above 0"),
        (f"{ADS}, blend: 1}}\nthreshold: 1", r"signal\.blend is not a key here; the keys are blend_scale, "),
        (f"{ADS}, blend_scale: wide}}\nthreshold: 1", r"signal\.blend_scale is 'wide'; it must be of the type of 3\.0"),
        (f"{ADS}, blend_scale: 0}}\nthreshold: 1", r"signal\.blend_scale is 0; it must be above 0"),
        (f"{ADS}}}\nthreshold: 1\nlattice: {{radius: 1.5}}", r"lattice\.radius is 1\.5; it must be of the type of 50"),
        (f"{ADS}}}\nthreshold: 1\nlattice: 3", "lattice is 3; it must hold keys and values"),
        (f"{ADS}}}\nthreshold: 1\nprojection: {{}}", r"projection: the keys are \[\]; expected horizons_bins"),
    ],
)
def test_a_mistake_names_the_key(tmp_path: Path, text: str, message: str) -> None:
    """With what was expected and found."""
    path = tmp_path / "defaults.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(VpharnessError, match=message):
        defaults(path)
