"""The model that a client's overrides make of the champion: checked, and fitted to the bins that are kept.

The operators of a signal are compiled for a *capacity*, the number of bins that they reach back. Few capacities are
used, so that most overrides, which change numbers alone, are scored by machine code that is there already.
"""

import dataclasses
import hashlib
from functools import partial
from typing import Final

from runtime.config.signal_overrides import from_texts, overridden
from runtime.engine.models import SHADOW_PREFIX, ServedModel, incompatibilities, on_lattice_of, served_model
from runtime.feeds.feed import FeedFacts
from runtime.stream.query import StreamQuery
from vpharness.errors import ConfigError
from vpharness.live.frames import encode_json
from vpharness.signals import Scorer, capacity_for, scorer

LONGEST_LIST: Final = 8
"""Each item of a parameter that is a list may cost two operators, and each length is compiled by itself."""

CAPACITIES: Final = (1_024,)
"""What operators reach back is rounded up to these, or to all bins that are kept: each is compiled by itself."""


def shadow_model(champion: ServedModel, facts: FeedFacts, query: StreamQuery, bins_kept: int) -> ServedModel:
    """Return the model that a query's overrides make of the champion; a ConfigError says what is wrong with them."""
    values = from_texts(query.parameters)
    for name, value in values.items():
        own = champion.record.parameters.get(name)
        longest = max(LONGEST_LIST, len(own) if isinstance(own, list) else 0)
        if isinstance(value, list) and len(value) > longest:
            raise ConfigError(f"signal.{name} has {len(value)} items; a client may give at most {longest}")
    record = overridden(champion.record, values, query.threshold)
    if found := incompatibilities(record, facts):
        raise ConfigError("; ".join(found))
    names = ("signal_target", "parameters", "threshold", "evaluation", "lattice")
    key = encode_json({name: getattr(record, name) for name in names})
    name = SHADOW_PREFIX + hashlib.sha256(key.encode()).hexdigest()[:16]
    return _fitted(served_model(record, name), champion, bins_kept)


def beside_champion(model: ServedModel, champion: ServedModel, bins_kept: int) -> ServedModel:
    """Return a shadow as it is beside a champion, of another lattice perhaps."""
    return _fitted(on_lattice_of(model, champion.record), champion, bins_kept)


def _fitted(model: ServedModel, champion: ServedModel, bins_kept: int) -> ServedModel:
    """Return a model with one of a few capacities; ConfigError where it could not be warmed up on the bins kept.

    Where the champion's is enough, and nothing but numbers differs, it is scored by the champion's machine code.
    """
    own = model.live.scorer
    if not isinstance(own, Scorer):
        raise ConfigError(
            f"{champion.record.version} is served by the program in its bundle, since its signal's source has changed; "
            "overrides need the source"
        )
    most = max(bins_kept, champion.live.scorer.capacity)

    made = partial(scorer, own.signal, own.params, cell_width_ms=own.cell_width_ms, radius=own.radius, fits=own.fits)

    try:
        made(capacity=most)
    except ConfigError as error:
        raise ConfigError(
            f"{error}: the server keeps {bins_kept} bins, so shorten the windows, or start it with a larger "
            "runtime.buffer_bins"
        ) from error
    capacities = (champion.live.scorer.capacity, *CAPACITIES, capacity_for(most))
    capacity = next(each for each in capacities if each >= own.capacity)
    return dataclasses.replace(model, live=dataclasses.replace(model.live, scorer=made(capacity=capacity)))
