"""The command `list-signals`."""

import json

from omegaconf import DictConfig

from vpharness.config.remembered_text import remembered


def run_list_signals(config: DictConfig) -> None:
    """Print the signals with their columns, parameters, defaults and units."""
    text = remembered("signals", _listed)
    if config.json:
        print(text)
        return
    for row in json.loads(text):
        print(f"{row['name']}: {row['meaning']}\n  columns: {', '.join(row['columns'])}")
        if row["learned"]:
            told = row["learned"]
            print(
                f"  learned: {told['model']} on {told['features']} features; label: {told['label']}; fitted "
                f"{told['schedule']}"
            )
        for parameter in row["parameters"]:
            unit = f" ({parameter['unit']})" if parameter["unit"] else ""
            print(f"  {parameter['name']} = {parameter['default']}{unit}: {parameter['meaning']}")
        print()


def _listed() -> str:
    """Return the signals as JSON."""
    from vpharness.commands.signal_facts import signal_rows  # noqa: PLC0415  # imports JAX

    return json.dumps(signal_rows(), indent=1)
