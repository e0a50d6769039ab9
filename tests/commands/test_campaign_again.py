"""A campaign that has nothing left to do."""

import json
from pathlib import Path

import pytest

from tests.commands.test_cli import in_process

CAMPAIGN = ["-m", "signal=pfp", "signal.lag_bins=3,5", "signal.thresholds=[0.05]", "source.minutes=4", "split=none"]
SETTINGS = ["eval.max_hold_bins=20", "save_series=false", "json=true", "campaign=mine"]
PNG = b"\x89PNG"


def test_what_is_done_drawn_and_tracked_costs_no_process_and_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figure is drawn again only where it would show something else, or was lost."""
    first = in_process(tmp_path, *CAMPAIGN, *SETTINGS)
    assert first.returncode == 0, first.stderr
    figure = tmp_path / "outputs" / "campaigns" / "mine" / "figure.png"
    drawn = figure.stat().st_mtime_ns
    monkeypatch.delattr("vpharness.commands.campaign.TrackingProcess")
    again = in_process(tmp_path, *CAMPAIGN, *SETTINGS)
    assert again.returncode == 0, again.stderr
    said = json.loads(again.stdout)
    assert (said["done_before"], said["done_now"]) == (2, 0)
    assert said["candidates"] == json.loads(first.stdout)["candidates"]
    assert figure.stat().st_mtime_ns == drawn
    figure.unlink()
    assert in_process(tmp_path, *CAMPAIGN, *SETTINGS, draws=True).returncode == 0
    assert figure.read_bytes().startswith(PNG)
