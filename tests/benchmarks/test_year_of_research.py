"""The table of what a year of research costs."""

from pathlib import Path

from tests.benchmarks.year_of_research import YEARS, Parts, costs, table

PAGE = Path(__file__).resolve().parents[2] / "vpharness" / "docs" / "how-to" / "clusters.md"


def test_the_page_shows_the_table_that_follows_from_the_parts() -> None:
    """Line by line."""
    assert table() in PAGE.read_text(encoding="utf-8")


def test_what_is_paid_once_and_what_is_paid_for_each_run_add_up() -> None:
    """By hand, for the quiet year: 5,040 days of 828,000 bins and 1.6 million events."""
    found = costs(YEARS[0], Parts())
    assert found["building, core hours"] == f"{5040 * (828_000 * 3.6e-6 + 1.6e6 * 1.3e-6) / 3600:,.0f}"
    assert found["runs, core hours"] == f"{5040 * (6 + 1000 * (828_000 * 6.7e-8 + 0.0037)) / 3600:,.0f}"
    assert found["datasets on disk"] == "153 GB"
