"""What is composed without Hydra is what Hydra composes, and everything else is left to Hydra."""

from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from vpharness.config.plain_composition import compose_plainly
from vpharness.config.search_path import OWN_FOLDER_VARIABLE, conf_folder, prepare_process


@pytest.fixture(autouse=True)
def no_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """No --config-dir of another test."""
    monkeypatch.delenv(OWN_FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("VPHARNESS_LAKE", "some/lake")
    prepare_process()


def with_hydra(name: str, overrides: list[str]) -> Any:
    """Return the plain values that Hydra composes."""
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return OmegaConf.to_container(compose(name, overrides), resolve=True)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("show", ["dataset.id=a"]),
        ("show", ["dataset.id=bitstamp_sample-0f3e", "json=true", "lake=/data/lake-1"]),
        ("list-datasets", []),
        ("build", ["json=true", "end=noon"]),
        ("list-signals", ["json=false"]),
        ("verify", ["dataset.id=e5"]),
        ("compare", ["top=7", "of_signal=ads", "show_test=true", "sort=tp_rate"]),
        ("compare", ["walk_forward=true", "train=5", "tracking=none"]),
        ("show", ["dataset=default"]),
        ("promote-show", ["version=v000001"]),
        ("promote", ["run_id=abc"]),
        ("publish", ["path=some/folder", "dataset.id=b"]),
    ],
)
def test_plain_overrides_are_composed_as_hydra_does(name: str, overrides: list[str]) -> None:
    """Key by key, in their types."""
    config = compose_plainly(name, overrides)
    assert config is not None
    assert OmegaConf.to_container(config, resolve=True) == with_hydra(name, overrides)


@pytest.mark.parametrize(
    ("name", "override"),
    [
        ("show", "dataset.id=20240102"),  # a number to Hydra
        ("show", "dataset.id=1e5"),
        ("show", "dataset.id=null"),
        ("show", "dataset.id='a'"),
        ("show", "dataset.id=${lake}"),
        ("show", "dataset.id=a,b"),
        ("show", "dataset.name=a"),
        ("show", "[dataset].id=abc"),
        ("show", "lake=.5"),
        ("show", "+more=1"),
        ("show", "~json"),
        ("show", "json=yes"),
        ("compare", "tracking=mlflow"),
        ("compare", "top=1e3"),
        ("compare", "top=007"),
        ("run", "json=true"),
        ("build", "source=dbn"),
    ],
)
def test_all_else_is_left_to_hydra(name: str, override: str) -> None:
    """Which reads it, or says what is wrong with it."""
    assert compose_plainly(name, [override]) is None
