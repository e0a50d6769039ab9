"""The page: its title, what it says of itself, the verdict, contents and sections."""

from xml.etree.ElementTree import Element

from vpharness.results.report.day_charts import best_day_by_day
from vpharness.results.report.equity import equity_section
from vpharness.results.report.executions import execution_by_latency
from vpharness.results.report.findings import Findings
from vpharness.results.report.information_charts import information_section
from vpharness.results.report.markup import document, element
from vpharness.results.report.null_histogram import null_maximum
from vpharness.results.report.ranking_tables import by_dataset, ranking, too_little_data
from vpharness.results.report.sensitivities import sensitivities
from vpharness.results.report.surfaces import surfaces
from vpharness.results.report.threshold_curves import threshold_curves
from vpharness.results.report.train_test import train_and_test
from vpharness.results.report.verdict import verdict
from vpharness.results.report.walk_forwards import walk_forward_section

SECTIONS = (
    walk_forward_section,
    ranking,
    null_maximum,
    train_and_test,
    by_dataset,
    best_day_by_day,
    surfaces,
    sensitivities,
    threshold_curves,
    information_section,
    execution_by_latency,
    equity_section,
    too_little_data,
)


def report_html(findings: Findings, title: str) -> str:
    """Return the whole page as HTML: nothing in it points outside."""
    sections = [made for each in SECTIONS if (made := each(findings)) is not None]
    above = (_header(findings, title), verdict(findings), _remarks(findings), _contents(sections))
    return document(title, *above, *sections)


def _header(findings: Findings, title: str) -> Element:
    facts = [part for name, value in findings.facts.items() for part in (element("dt", name), element("dd", value))]
    return element("header", element("h1", title), element("dl", *facts))


def _remarks(findings: Findings) -> Element | None:
    if not findings.remarks:
        return None
    heading = element("p", "What is odd about the datasets", class_="heading")
    return element("div", heading, element("ul", *(element("li", each) for each in findings.remarks)), class_="remarks")


def _contents(sections: list[Element]) -> Element:
    links = [element("li", element("a", made.findtext("h2"), href=f"#{made.get('id')}")) for made in sections]
    return element("nav", element("ol", *links), aria_label="Contents")
