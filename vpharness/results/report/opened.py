"""Training part against test part, of candidates whose test part has been opened."""

from xml.etree.ElementTree import Element

from vpharness.results.report.candidates import Scale, name_of, net_text, short_id
from vpharness.results.report.findings import Findings
from vpharness.results.report.markup import element, note, section, table


def train_and_test(findings: Findings) -> Element | None:
    """Return both parts of each candidate on one scale; nothing where no test part was opened."""
    opened = [(each, each.test) for each in findings.shown if each.test is not None]
    if not opened:
        return None
    scale = Scale.over([f for each, test in opened for f in (each.judgement.figures, test.figures)])
    rows: list[list[Element | str]] = []
    for each, test in opened:
        label = element(
            "th", f"{name_of(each)} ", element("span", short_id(each), class_="fine"), scope="row", rowspan="2"
        )
        times = element("td", str(each.test_openings), rowspan="2")
        for part, judgement in (("train", each.judgement), ("test", test)):
            f = judgement.figures
            cells: list[Element | str] = [part, net_text(f), element("td", scale.mark(f), class_="mark")]
            cells += [f"{judgement.p_value:.3f}", f"{f.n_net:,}"]
            rows.append([label, *cells, times] if part == "train" else cells)
    words = note(
        "What the training part chose, on data that had no say in the choice. Each opening is counted: a test "
        "part that has been looked at often has become a training part."
    )
    head = ["candidate", "part", "net ticks a fire, 95 %", "", "p", "fires", "opened"]
    return section("test", "Training and test", words, table(head, rows, class_="ranking grouped"))
