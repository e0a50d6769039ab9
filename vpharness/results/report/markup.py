"""HTML as a tree of elements: text becomes text, whatever it holds, and one function writes it out."""

import math
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Final
from xml.etree.ElementTree import Element, tostring

from vpharness.evaluation.figure_registry import MISSING

Content = Element | str | None

DASH: Final = MISSING


def element(name: str, /, *content: Content, **attributes: str) -> Element:
    """Return an element; None is no content, and `class_` stands for the attribute that Python has a word for."""
    made = Element(name, {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()})
    for item in content:
        add(made, item)
    return made


def add(parent: Element, item: Content) -> None:
    """Put text or an element behind what an element holds already."""
    if isinstance(item, Element):
        parent.append(item)
    elif item is not None and len(parent):
        parent[-1].tail = (parent[-1].tail or "") + item
    elif item is not None:
        parent.text = (parent.text or "") + item


def note(*words: Content) -> Element:
    """Return a paragraph that explains what follows."""
    return element("p", *words, class_="note")


def section(name: str, heading: str, *content: Content) -> Element:
    """Return a section with its heading, to which the table of contents can point."""
    return element("section", element("h2", heading), *content, id=name)


def table(head: Sequence[Content], rows: Iterable[Sequence[Content]], **attributes: str) -> Element:
    """Return a table in a frame that scrolls where it is too wide; cells that are elements `td` stand as they are."""
    body = [
        element(
            "tr",
            *(cell if isinstance(cell, Element) and cell.tag in {"td", "th"} else element("td", cell) for cell in row),
        )
        for row in rows
    ]
    heading = element("thead", element("tr", *(element("th", cell, scope="col") for cell in head)))
    return element("div", element("table", heading, element("tbody", *body), **attributes), class_="frame")


def number(value: float, form: str) -> str:
    """Return a number with a true minus sign, and a dash where there is none."""
    return DASH if math.isnan(value) else true_minus(format(value, form))


def true_minus(text: str) -> str:
    """Return numbers in words with true minus signs."""
    return text.replace("-", "\N{MINUS SIGN}")


def document(title: str, *body: Content) -> str:
    """Return a whole page with its style inside."""
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", style),
    )
    page = element("html", head, element("body", element("main", *body)), lang="en")
    return f"<!doctype html>\n{tostring(page, encoding='unicode', method='html')}\n"
