"""Training part against test part, of candidates whose test part has been opened."""

from xml.etree.ElementTree import Element

from vpharness.results.holdout import HoldoutResult
from vpharness.results.report.candidates import Scale, name_of, net_text, short_id
from vpharness.results.report.findings import Findings
from vpharness.results.report.markup import element, note, number, section, table


def train_and_test(findings: Findings) -> Element | None:
    """Return both parts of each candidate on one scale; nothing where no test part was opened."""
    opened = [(each, each.holdout) for each in findings.shown if each.holdout is not None]
    if not opened:
        return None
    scale = Scale.over([f for each, opening in opened for f in (each.judgement.figures, opening.judgement.figures)])
    rows: list[list[Element | str]] = []
    for each, opening in opened:
        label = element(
            "th", f"{name_of(each)} ", element("span", short_id(each), class_="fine"), scope="row", rowspan="2"
        )
        times = element("td", str(opening.times), rowspan="2")
        verdict = element("td", _verdict(opening), rowspan="2")
        for part, judgement in (("train", each.judgement), ("test", opening.judgement)):
            f = judgement.figures
            cells: list[Element | str] = [part, net_text(f), element("td", scale.mark(f), class_="mark")]
            cells += [f"{judgement.p_value:.3f}", f"{f.n_net:,}"]
            rows.append([label, *cells, times, verdict] if part == "train" else cells)
    words = note(
        "What the training part chose, on data that had no say in the choice. Each candidate that is shown on the "
        "same market time makes it harder for the next: the k-th is allowed an error of 0.05·6/(π²k²)."
    )
    head = ["candidate", "part", "net per fire, ticks [95 %]", "", "p", "fires", "opened", "verdict"]
    return section("test", "Training and test", words, table(head, rows, class_="ranking grouped"))


def _verdict(opening: HoldoutResult) -> str:
    held = "holds" if opening.holds else "does not hold"
    return (
        f"{held}: number {opening.number}, lower end {number(opening.low, '+.2f')} at an error of {opening.error:.2g}"
    )
