"""The figures that the server's page knows, as a TypeScript module made from their registry.

Run as `python -m vpharness.evaluation.page_figures` in the folder of the sources, this writes the module anew; then
`npm --prefix runtime/page run build` builds the page with it.
"""

from pathlib import Path
from typing import Final

from vpharness.evaluation.figure_registry import LIVE, PROMISED, SHARE, Figure
from vpharness.evaluation.figures import all_figures, shown_figures

MODULE: Final = Path("runtime/page/src/model/figures.ts")
_UNITS: Final = {SHARE: "share", "ticks": "ticks", "1/h": "rate", "ms": "ms"}


def typescript() -> str:
    """Return the module: the fields of live statistics, and what is compared with its promise."""
    names = [name for each in all_figures() if LIVE in each.shown for name in each.names]
    fields = "".join(f"  {name}?: number | null;\n" for name in names)
    compared = "".join(map(_compared, shown_figures(PROMISED)))
    return (
        "// Made from the registry of figures by `python -m vpharness.evaluation.page_figures`; not to be edited.\n\n"
        f"/** Figures of the live statistics, and of what a promotion promised. */\nexport interface LiveFigures {{\n"
        f"{fields}}}\n\n"
        "/** A figure whose promise stands beside what came live; mean and interval are named by their fields. */\n"
        "export interface ComparedFigure {\n"
        "  readonly label: string;\n"
        '  readonly unit: "share" | "ticks" | "rate" | "ms" | "count";\n'
        "  readonly names: readonly [keyof LiveFigures, keyof LiveFigures, keyof LiveFigures] "
        "| readonly [keyof LiveFigures];\n"
        "  /** Whether it is about resting orders: shown where there are such. */\n"
        "  readonly ofOrders?: true;\n"
        "}\n\n"
        f"export const COMPARED: readonly ComparedFigure[] = [\n{compared}];\n"
    )


def _compared(figure: Figure) -> str:
    names = ", ".join(f'"{name}"' for name in figure.names)
    unit, of_orders = _UNITS.get(figure.unit, "count"), ", ofOrders: true" if figure.of_orders else ""
    return f'  {{ label: "{figure.label}", unit: "{unit}", names: [{names}]{of_orders} }},\n'


if __name__ == "__main__":
    MODULE.write_text(typescript(), encoding="utf-8")
