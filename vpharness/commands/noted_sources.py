"""The source of a dataset's events, where it was noted when the dataset was built."""

from typing import Any

from vpharness.config.search_path import modules_named_in
from vpharness.config.typed_config import instance_of
from vpharness.datasets.find import Dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.sources import noted_source
from vpharness.errors import ConfigError
from vpharness.events.event_source import Source
from vpharness.modules import PermittedModules


def source_of(
    dataset: Dataset, lake: Lake, modules: PermittedModules, run_config: dict[str, Any] | None = None
) -> Source | None:
    """Return the events of a dataset: as the build noted, or as a run was configured to build it; None where unknown.

    What was noted may name a class of this package, or one of the user's configuration; another is never imported.
    """
    values = noted_source(lake, dataset.manifest.content_id)
    if values is None and run_config is not None and run_config.get("dataset", {}).get("id") is None:
        values = run_config.get("source")
    if not isinstance(values, dict) or "_target_" not in values:
        return None
    try:
        modules.of("vpharness.events", modules_named_in("source")).imported(str(values["_target_"]))
    except ConfigError as error:
        raise ConfigError(f"the source of dataset {dataset.manifest.dataset_id}: {error}; or give source=") from error
    try:
        noted: Source = instance_of(values, "source")
    except TypeError as error:
        raise ConfigError(f"the source of dataset {dataset.manifest.dataset_id}: {error}; give source=") from error
    return noted
