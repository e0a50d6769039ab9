"""The keys of alerts are parts of the group `runtime`: typed, checked, listed in the help, and changed one by one."""

import pytest
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runtime.config.server_parameters import AlertParameters, RuntimeParameters, ServeCommand
from tests.conftest import PROJECT
from vpharness.config.help_text import command_help
from vpharness.config.typed_config import check, instance, with_schema
from vpharness.errors import ConfigError


def made(*words: str) -> RuntimeParameters:
    """Return the server's parameters with some words, as they are composed."""
    written = OmegaConf.load(PROJECT / "conf" / "runtime" / "default.yaml")
    assert isinstance(written, DictConfig)
    typed = with_schema(written, "default")
    merged = OmegaConf.merge({"runtime": typed}, OmegaConf.from_dotlist(list(words)))
    found: RuntimeParameters = instance(merged.runtime, "runtime")
    check(runtime=found)
    return found


def test_alerts_are_given_key_by_key() -> None:
    """What is not given keeps its default, and nothing is told or changed by default."""
    assert made() == RuntimeParameters()
    found = made("runtime.alerts.url=http://127.0.0.1:9/x", "runtime.alerts.hosts=[a.b]", "runtime.on_drift=rollback")
    assert found.alerts == AlertParameters("http://127.0.0.1:9/x", ["a.b"], 10.0)
    assert (RuntimeParameters().on_drift, found.on_drift) == ("tell", "rollback")


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("runtime.alerts.timeout_s=0", "runtime.alerts.timeout_s is 0.0; it must be above 0"),
        ("runtime.on_drift=rolback", "runtime.on_drift is 'rolback'; it must be one of tell, rollback"),
    ],
)
def test_what_is_out_of_range_is_said_with_its_key(word: str, why: str) -> None:
    """In one line."""
    with pytest.raises(ConfigError, match=why.replace(".", r"\.")):
        made(word)


def test_an_unknown_key_or_another_type_is_refused() -> None:
    """As everywhere in the configuration."""
    for word in ("runtime.alerts.urls=x", "runtime.alerts.timeout_s=soon"):
        with pytest.raises(OmegaConfBaseException):
            made(word)


def test_the_help_lists_the_keys() -> None:
    """With what they mean."""
    text = command_help("python -m runtime", ServeCommand, PROJECT / "conf", words=())
    for key in ("runtime.on_drift", "runtime.alerts.url", "runtime.alerts.hosts", "runtime.alerts.timeout_s"):
        assert any(line.strip().startswith(f"{key} ") for line in text.splitlines()), key
