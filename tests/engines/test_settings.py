"""The settings of engines: what is refused before any work."""

import importlib.util

import pytest

from vpharness.engines.settings import EngineSettings, JoblibSettings, RaySettings, SlurmSettings, engine_problems


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (JoblibSettings(0), "hydra.launcher.n_jobs is 0; it must be -1, for one process a core, or above 0"),
        (RaySettings(address="ray://x:1"), "hydra.launcher.address is 'ray://x:1'; it must be auto, or HOST:PORT"),
        (RaySettings(address="auto", n_jobs=2), "hydra.launcher.n_jobs is of a cluster that is started here"),
        (RaySettings(cpus=0), "hydra.launcher.cpus is 0; it must be above 0"),
        (RaySettings(memory_gb=-1), "hydra.launcher.memory_gb is -1; it must be at least 0"),
        (SlurmSettings(cluster="pbs"), "hydra.launcher.cluster is 'pbs'; it must be one of slurm, local"),
        (SlurmSettings(timeout_min=0), "hydra.launcher.timeout_min is 0; it must be at least 1"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(settings: EngineSettings, expected: str) -> None:
    """In one sentence each."""
    (found,) = engine_problems(settings, "hydra.launcher.")
    assert found.startswith(expected)


@pytest.mark.parametrize("settings", [RaySettings(address="auto"), RaySettings(address="10.0.0.1:6379")])
def test_an_address_of_a_cluster_is_taken(settings: EngineSettings) -> None:
    """Its head, or the cluster that the machine belongs to."""
    assert engine_problems(settings, "") == []


def test_an_engine_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is imported."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert engine_problems(RaySettings(), "") == [
        "ray is not installed; install the extra: pip install 'vpharness[cluster]'"
    ]
