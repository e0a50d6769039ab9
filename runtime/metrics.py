"""The server in figures, as Prometheus reads them: made of the hub when they are asked for."""

import resource
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from runtime.condition import RECENT_SECONDS
from runtime.door import CAUSES, Door
from runtime.hub import Hub
from runtime.memory import most_bytes
from runtime.telling import reasons_not_ready


class HubCollector:
    """Reads the hub's figures."""

    def __init__(self, hub: Hub, door: Door) -> None:
        """Read from a hub, and from the door before it."""
        self._hub, self._door = hub, door

    def collect(self) -> Iterator[Metric]:
        """Yield the figures as they are now."""
        hub, condition = self._hub, self._hub.condition
        yield InfoMetricFamily(
            "vpharness_champion",
            "what is served",
            {"version": hub.champion.record.version, "signal": hub.champion.live.scorer.signal.name},
        )
        for name, meaning, count in (
            ("bins", "bins closed", condition.bins),
            (
                "deadline_misses",
                "bins of a live feed closed later than a bin's width after they could be",
                condition.deadline_misses,
            ),
            (
                "replay_late_bins",
                "bins of a replay closed later than a bin's width after they were due",
                condition.late_bins,
            ),
            ("late_events", "events that came after their bin was closed", condition.late_events),
            ("configurations", "changes of what is served", hub.configuration.number - 1),
        ):
            yield CounterMetricFamily(f"vpharness_{name}", meaning, count)
        for name, meaning, value in (
            ("ready", "1 where the stream can be relied on", float(not reasons_not_ready(hub))),
            ("clients", "open streams", len(hub.clients)),
            ("connections", "open connections", self._door.connections.taken),
            ("bins_per_second", "bins a second of late", len(condition.recent_bins) / RECENT_SECONDS),
            ("buffered_bins", "bins kept for history", hub.ring.next_seq - hub.ring.first_seq),
            ("refused_versions", "promoted versions that are not served", len(hub.refusals)),
            ("peak_memory_bytes", "largest resident memory", 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss),
        ):
            yield GaugeMetricFamily(f"vpharness_{name}", meaning, value)
        yield self._feed()
        yield self._cut()
        yield self._memory_bound()
        yield from self._models()

    def _feed(self) -> Metric:
        state = GaugeMetricFamily("vpharness_feed_state", "1 for the state that the feed is in", labels=["state"])
        state.add_metric([self._hub.condition.state], 1.0)
        return state

    def _cut(self) -> Metric:
        cut = CounterMetricFamily("vpharness_cut", "connections cut off at once, by what for", labels=["cause"])
        for cause in CAUSES:
            cut.add_metric([cause], self._door.cut[cause])
        return cut

    def _memory_bound(self) -> Metric:
        hub = self._hub
        bound = GaugeMetricFamily("vpharness_memory_bound_bytes", "what the limits let it need", labels=["part"])
        radius = hub.champion.live.scorer.radius
        for part, size in most_bytes(hub.settings, radius, len(hub.challengers)).items():
            bound.add_metric([part], size)
        return bound

    def _models(self) -> Iterator[Metric]:
        fires = CounterMetricFamily("vpharness_fires", "fires of a model", labels=["model"])
        outcomes = CounterMetricFamily("vpharness_outcomes", "what fires came to", labels=["model", "outcome"])
        for name, figures in self._hub.statistics.items():
            fires.add_metric([name], figures["n_fires"])
            for outcome in ("tp", "sl", "timeout"):
                outcomes.add_metric([name, outcome], figures[f"n_{outcome}"])
        yield fires
        yield outcomes


def registry_of(hub: Hub, door: Door) -> CollectorRegistry:
    """Return a registry that reads a hub and its door."""
    registry = CollectorRegistry()
    registry.register(HubCollector(hub, door))
    return registry


def metrics_text(registry: CollectorRegistry) -> str:
    """Return all figures in the text format."""
    return generate_latest(registry).decode()
