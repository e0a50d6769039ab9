"""Drawing: figures as small SVG elements whose text stays text, set in the page's own type."""

import io
import re
import textwrap
import warnings
from collections.abc import Callable
from typing import Any, Final
from xml.etree.ElementTree import Element, fromstring

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vpharness.results.plots import DOWN_COLOUR, UP_COLOUR
from vpharness.results.report.markup import element

INK: Final = "#222222"
GREY: Final = "#8a8a8a"
WIDTH_INCHES: Final = 8.6
"""Of a figure as wide as the page."""

GOOD_COLOUR, BAD_COLOUR = UP_COLOUR, DOWN_COLOUR

_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a dollar in a name is a dollar
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
}
_DECIMALS: Final = re.compile(r"(\d+\.\d{2})\d+")
_PATH_DECIMALS: Final = re.compile(r"(\d+\.\d)\d+")
_SIZE: Final = re.compile(r"[\d.]+px")
_LONG: Final = 1000
_REFERENCE: Final = re.compile(r"#([^)\s\"']+)")


def chart(
    name: str,
    description: str,
    height: float,
    paint: Callable[[Figure], None],
    *,
    share: float = 1.0,
    caption: str = "",
) -> Element:
    """Return a figure as wide as the page, or a share of it.

    Args:
        name: letters, digits and dashes, another one for each picture of a page.
        description: what is to be seen, for those who cannot see it.
        height: inches.
        paint: draws on an empty figure.
        share: of the page's width.
        caption: what stands above it.
    """
    written = io.StringIO()
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # Where the font that measures text lacks a letter, the one that a browser shows it in need not.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        figure = painted(height, paint, share=share)
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    picture = _cleaned(written.getvalue(), name)
    picture.set("role", "img")
    picture.set("aria-label", description)
    words = element("figcaption", caption) if caption else None
    return element("figure", words, picture, class_=share_class(share))


def share_class(share: float) -> str:
    """Return the class of a figure that is a share of the page wide: pages forbid styles that stand in attributes."""
    return f"share-{share:.0%}".removesuffix("%")


def painted(height: float, paint: Callable[[Figure], None], *, share: float = 1.0) -> Figure:
    """Return a Matplotlib figure in the report's style: `height` in inches, as wide as the page or a share of it."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(share * WIDTH_INCHES, height), layout="constrained")
        paint(figure)
    return figure


def _cleaned(written: str, name: str) -> Element:
    """Return a written picture without what the page has itself: fonts, styles, namespaces; ids are its own alone."""
    root = fromstring(written)  # noqa: S314  # written a moment ago, by ourselves
    for parent in root.iter():
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    named = {found for each in root.iter() for value in each.attrib.values() for found in _REFERENCE.findall(value)}
    for each in root.iter():
        each.tag = each.tag.rpartition("}")[2]
        each.text, each.tail = each.text if each.tag == "text" else None, None
        for key in list(each.attrib):
            value = each.attrib.pop(key)
            if key == "style":
                each.attrib.update(_presentation(value))
            elif key != "id" or value in named:
                each.set(key.rpartition("}")[2], _attribute(key, value, name))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("class", "chart")
    return root


def _attribute(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if "#" in value and (key.endswith("href") or "url(" in value):
        return value.replace("#", f"#{name}-")
    # A long line needs no more than a tenth of a point, a mark of three points does.
    decimals = _PATH_DECIMALS if len(value) > _LONG else _DECIMALS
    return decimals.sub(r"\1", value)


def _presentation(style: str) -> dict[str, str]:
    """Return a style as attributes of its own: a sheet of styles can say otherwise, and pages may forbid other styles.

    Of fonts their size is kept: the page's own type is used.
    """
    found: dict[str, str] = {}
    for declared in style.split(";"):
        name, _, value = (part.strip() for part in declared.partition(":"))
        if name == "font":
            size = _SIZE.search(value)
            found |= {"font-size": size[0]} if size else {}
        elif name and name != "font-family":
            found[name] = value
    return found


def fitted(text: str, letters: int, lines: int = 1) -> str:
    """Return a text on some lines of so many letters, cut short where it is longer."""
    wrapped = textwrap.wrap(text, letters)
    kept = wrapped[:lines]
    if len(wrapped) > lines:
        kept[-1] = f"{kept[-1][: letters - 1]}…"
    return "\n".join(kept)


def thinned(
    x: NDArray[np.float64], y: NDArray[np.float64], columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return at most two points a column that look like all of them: its lowest and its highest, in their order.

    A column without any value keeps one point that is missing, so that a line breaks there.

    Args:
        x: [n] ascending.
        y: [n] NaN where there is nothing.
        columns: stretches of equally many points.
    """
    if len(x) <= 2 * columns:
        return x, y
    kept: list[int] = []
    edges = np.linspace(0, len(x), columns + 1).astype(int)
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        inside = y[start:stop]
        if np.isnan(inside).all():
            kept.append(start)
        else:
            kept += sorted({start + int(np.nanargmin(inside)), start + int(np.nanargmax(inside))})
    return x[kept], y[kept]


def interval_marks(
    axes: Axes, x: NDArray[np.float64], mean: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> None:
    """Draw means with their intervals: [n] each."""
    axes.errorbar(
        x, mean, yerr=np.vstack([mean - low, high - mean]), fmt="o", color=GOOD_COLOUR, markersize=4, linewidth=1.4
    )


def zero_line(axes: Axes) -> None:
    """Draw where nothing is earned and nothing lost; it is always in view."""
    axes.axhline(0, color=INK, linewidth=0.7, zorder=0)
