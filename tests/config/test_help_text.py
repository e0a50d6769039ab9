"""Help texts: what the keys of a choice are, and their defaults."""

from vpharness.config.dataset_schemas import BuildCommand
from vpharness.config.help_text import command_help
from vpharness.config.search_path import conf_folder


def test_a_choice_shows_the_values_of_its_own_file() -> None:
    """Two choices may share a dataclass; each has its own defaults."""
    text = command_help("build", BuildCommand, conf_folder(), words=())
    sections = {section.partition("\n")[0]: section for section in text.split("\n\n")}
    for choice, minutes in (("synthetic", 120), ("synthetic_live", 30000)):
        (line,) = [line for line in sections[f"source={choice}"].splitlines() if "source.minutes" in line]
        assert line.endswith(f"(default {minutes})")
