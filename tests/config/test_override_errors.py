"""Errors of Hydra and OmegaConf on one line, with what may have been meant."""

import pytest
from hydra.errors import HydraException

from vpharness.config.composition import composed_config
from vpharness.config.override_errors import errors_of_overrides, one_line
from vpharness.config.search_path import prepare_process
from vpharness.config.typed_config import instance, instance_of
from vpharness.errors import ConfigError


@pytest.mark.parametrize(
    ("command", "override", "error"),
    [
        ("compare", "tops=3", "tops is not a key here; did you mean top?"),
        ("compare", "dataset.di=a", "dataset.di is not a key here; the keys are collection, columns, id"),
        ("show", "datset.id=a", "datset.id is not a key here; did you mean collection.id or dataset.id?"),
        ("show", "dataset=lean", "dataset has no choice 'lean'; did you mean dataset.id=lean?"),
        ("build", "minuts=3", "minuts is not a key here; did you mean source.minutes?"),
        ("build", "tau_velocity=3", "tau_velocity is not a key here; did you mean lattice.tau_velocity?"),
        (
            "build",
            "source=synthetik",
            "source has no choice 'synthetik'; did you mean source=synthetic or source=synthetic_live?",
        ),
        ("build", "humidity=1", "humidity is not a key here; --help lists the keys"),
        (
            "build",
            "lattice.radius=wide",
            "lattice.radius is 'wide'; expected a whole number",
        ),
        ("build", "start=a(b", "start=a(b cannot be read: expected KEY=VALUE, with quotes round a text of other "),
        ("run", "signal.thresholds=0.3", "signal.thresholds is 0.3; expected a list, such as signal.thresholds=[0.3]"),
        ("run", "signal.thresholds=[a]", "signal.thresholds[0] is 'a'; expected a number"),
        (
            "run",
            "signal.thresholds={a:1}",
            "signal.thresholds is no list; expected a list, such as signal.thresholds=[",
        ),
        ("run", "signal.thresholds=null", "signal.thresholds is null; expected a value: write signal.thresholds=VALUE"),
        ("run", "~eval.tp_ticks", "eval.tp_ticks cannot be taken out; leave ~eval.tp_ticks away for its default"),
        ("run", "signal=ADS", "signal has no choice 'ADS'; did you mean signal=ads"),
        ("compare", "json=maybe", "json is 'maybe'; expected true or false"),
        ("list-signals", "signal=ads", "signal is not a key here; the keys are json"),
        ("list-signals", "+signal=ads", "signal is not a key here; the keys are json"),
        ("build", "lake.root=x", "lake has no keys below it: write lake=VALUE"),
        (
            "run",
            "signal=of_my_own",
            "signal has no choice 'of_my_own'; --help lists the choices; one of your own takes ",
        ),
    ],
)
def test_an_override_that_cannot_be_composed_is_named_with_what_is_near(
    command: str, override: str, error: str
) -> None:
    """A key of a group is found by its last part; where nothing is near, all keys are named if they are few."""
    prepare_process()
    found = errors_of_overrides([override], command)
    assert list(found) == [override]
    assert found[override].startswith(error)


def test_all_wrong_overrides_are_found_at_once() -> None:
    """Except for keys of a group whose choice is wrong: it is not known which keys it has."""
    prepare_process()
    wrong = ["source=nowhere", "source.minute=1", "lattice.radius=wide", "jsn=true"]
    found = errors_of_overrides(["lake=x", *wrong], "build")
    assert list(found) == ["source=nowhere", "lattice.radius=wide", "jsn=true"]


def test_choices_with_commas_and_ranges_name_the_multirun() -> None:
    """A group's choice is never a list, so that none is suggested."""
    prepare_process()
    with pytest.raises(HydraException) as several:
        composed_config("run", ["signal=ads,erd"])
    assert one_line(several.value) == (
        "signal is ads,erd, which are several; choose one, or for a run of each put -m before it: "
        "python -m vpharness -m signal=ads,erd"
    )
    with pytest.raises(HydraException) as span:
        composed_config("run", ["eval.tp_ticks=range(1,5)"])
    assert one_line(span.value).endswith("for a run of each, put -m before it: -m eval.tp_ticks=range(1,5)")


def test_what_is_added_to_a_group_or_put_into_a_list_of_numbers_is_refused() -> None:
    """OmegaConf lets both pass: a key with +, and a list in place of a number."""
    prepare_process()
    with pytest.raises(ConfigError, match=r"^signal\.treshold is not a key here; did you mean signal\.thresholds"):
        instance(composed_config("run", ["+signal.treshold=1"]).signal, "signal")
    with pytest.raises(
        ConfigError, match=r"^signal\.thresholds is \[\[0\.1\]\]; expected a list without lists inside$"
    ):
        instance(composed_config("run", ["signal.thresholds=[[0.1]]"]).signal, "signal")


def test_a_list_that_may_be_left_out_holds_no_lists_either() -> None:
    """As one that must be there."""
    command = {"_target_": "vpharness.config.command_schemas.OnlineSimCommand"}
    with pytest.raises(ConfigError, match=r"^serve\.fields is \[\['a'\]\]; expected a list without lists inside$"):
        instance_of({**command, "fields": [["a"]]}, "serve")
    assert instance_of({**command, "fields": ["a"]}, "serve").fields == ["a"]
    assert instance_of({**command, "fields": None}, "serve").fields is None
