"""What candidates are called on the board, and where they lead."""

import json
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

from vpharness.board.pages import link
from vpharness.results.ranking import Ranked
from vpharness.results.report.candidates import name_of
from vpharness.results.report.markup import Content, element


def title_cell(signal: str, candidate_id: str, settings: str, *, is_winner: bool) -> Element:
    """Return the cell that names a candidate, and leads to its page."""
    star = element("span", "★ ", title="winner", role="img", aria_label="winner") if is_winner else None
    name = link(element("strong", signal), "candidate", id=candidate_id)
    name.set("aria-label", f"{signal} {candidate_id[:6]}")
    words: list[Content] = [star, name, element("span", f" {candidate_id[:6]}", class_="fine")]
    if settings:
        words.append(element("span", settings, class_="fine settings"))
    return element("th", *words, scope="row")


def candidate_link(ranked: Ranked) -> Element:
    """Return a link to a candidate's page: signal, threshold and barriers."""
    return link(name_of(ranked), "candidate", id=ranked.candidate.candidate_id)


def settings_line(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of a row of the table by name, without the signal's own name before its parameters."""
    found: dict[str, str] = json.loads(row["settings"])
    return {name.rpartition(" ")[2]: value for name, value in found.items()}
