"""Metrics for Prometheus, made from the stream's state when they are asked for."""

import resource
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from runtime.engine.feed_health import RECENT_SECONDS
from runtime.stream.live_stream import LiveStream
from runtime.stream.status import reasons_not_ready
from runtime.web.admission import CAUSES, AdmissionControl
from runtime.web.memory_bound import most_bytes


class ServerMetrics:
    """Collects the metrics of a stream and of admission control."""

    def __init__(self, stream: LiveStream, admission: AdmissionControl) -> None:
        """Collect from a stream, and from the admission control in front of it."""
        self._stream, self._admission = stream, admission

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        stream, health = self._stream, self._stream.health
        yield InfoMetricFamily(
            "vpharness_champion",
            "what is served",
            {"version": stream.champion.record.version, "signal": stream.champion.live.scorer.name},
        )
        for name, meaning, count in (
            ("bins", "bins closed", health.bins),
            (
                "deadline_misses",
                "bins of a live feed closed later than a bin's width after they could be",
                health.deadline_misses,
            ),
            (
                "replay_late_bins",
                "bins of a replay closed later than a bin's width after they were due",
                health.late_bins,
            ),
            ("late_events", "events that came after their bin was closed", health.late_events),
            ("configurations", "changes of the served model", stream.configuration.number - 1),
        ):
            yield CounterMetricFamily(f"vpharness_{name}", meaning, count)
        for name, meaning, value in (
            ("ready", "1 where the stream can be relied on", float(not reasons_not_ready(stream))),
            ("clients", "open streams", len(stream.clients)),
            ("connections", "open connections", self._admission.connections.taken),
            ("bins_per_second", "bins per second over the last 10 s", len(health.recent_bins) / RECENT_SECONDS),
            ("buffered_bins", "bins kept for history", stream.ring.next_seq - stream.ring.first_seq),
            ("refused_versions", "promoted versions that are not served", len(stream.refusals)),
            ("peak_memory_bytes", "largest resident memory", 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss),
        ):
            yield GaugeMetricFamily(f"vpharness_{name}", meaning, value)
        yield self._feed()
        yield self._cut()
        yield self._memory_bound()
        yield from self._models()

    def _feed(self) -> Metric:
        state = GaugeMetricFamily("vpharness_feed_state", "1 for the state that the feed is in", labels=["state"])
        state.add_metric([self._stream.health.state], 1.0)
        return state

    def _cut(self) -> Metric:
        cut = CounterMetricFamily("vpharness_cut", "connections cut off at once, by cause", labels=["cause"])
        for cause in CAUSES:
            cut.add_metric([cause], self._admission.cut[cause])
        return cut

    def _memory_bound(self) -> Metric:
        stream = self._stream
        bound = GaugeMetricFamily(
            "vpharness_memory_bound_bytes", "the most memory that the limits allow the server to need", labels=["part"]
        )
        radius = stream.champion.live.scorer.radius
        for part, size in most_bytes(stream.settings, radius, len(stream.challengers)).items():
            bound.add_metric([part], size)
        return bound

    def _models(self) -> Iterator[Metric]:
        fires = CounterMetricFamily("vpharness_fires", "fires of a model", labels=["model"])
        outcomes = CounterMetricFamily("vpharness_outcomes", "what fires came to", labels=["model", "outcome"])
        for name, figures in self._stream.statistics.items():
            fires.add_metric([name], figures["n_fires"])
            for outcome in ("tp", "sl", "timeout"):
                outcomes.add_metric([name, outcome], figures[f"n_{outcome}"])
        yield fires
        yield outcomes


def registry_of(stream: LiveStream, admission: AdmissionControl) -> CollectorRegistry:
    """Return a registry with the metrics of a stream and its admission control."""
    registry = CollectorRegistry()
    registry.register(ServerMetrics(stream, admission))
    return registry


def metrics_text(registry: CollectorRegistry) -> str:
    """Return all metrics in the text format."""
    return generate_latest(registry).decode()
