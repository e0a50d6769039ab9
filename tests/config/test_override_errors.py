"""Errors of Hydra and OmegaConf on one line, with what may have been meant."""

import pytest

from vpharness.config.override_errors import errors_of_overrides
from vpharness.config.override_grammar import refuse_groups_left_out
from vpharness.config.search_path import prepare_process
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
        ("build", "start=a(b", "start=a(b cannot be read: "),
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


@pytest.mark.parametrize("override", ["~signal", "~dataset", "~eval=ticks", "~feed"])
def test_a_group_that_commands_need_cannot_be_left_out(override: str) -> None:
    """It is named in one line before anything is composed; single keys and other groups are for Hydra to judge."""
    refuse_groups_left_out(["~eval.tp_ticks", "~tracking", "signal=ads"])
    with pytest.raises(ConfigError, match=f"^{override}: [a-z]+ cannot be left out; leave {override} away$"):
        refuse_groups_left_out(["lake=x", override])
