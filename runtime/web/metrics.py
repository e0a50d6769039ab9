"""Metrics for Prometheus, made from the stream's state when they are asked for."""

import math
import resource
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from runtime.alerts.webhook import Webhook
from runtime.engine.feed_health import RECENT_SECONDS
from runtime.engine.models import CHAMPION, SHADOW_PREFIX
from runtime.stream.live_stream import LiveStream
from runtime.stream.status import reasons_not_ready
from runtime.web.admission import CAUSES, AdmissionControl
from runtime.web.memory_bound import most_bytes


class ServerMetrics:
    """Collects the metrics of a stream and of admission control."""

    def __init__(self, stream: LiveStream, admission: AdmissionControl, webhook: Webhook | None = None) -> None:
        """Collect from a stream, the admission control in front of it, and the webhook that it tells changes."""
        self._stream, self._admission, self._webhook = stream, admission, webhook

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
            ("replay", "1 where the feed is a replay, which has no deadlines", float(not stream.facts.live)),
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
        yield from self._claims()
        yield self._notices()

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

    def _claims(self) -> Iterator[Metric]:
        """Yield what may be claimed of the models at any time; an end that is not known is NaN."""
        claim = GaugeMetricFamily("vpharness_claim", "1 for what may be claimed of a model", labels=["model", "claim"])
        net = GaugeMetricFamily(
            "vpharness_claim_ticks",
            "net result and the ends of its confidence sequence: ticks a fire, of challengers ticks a block more than "
            "the champion",
            labels=["model", "end"],
        )
        blocks = GaugeMetricFamily("vpharness_claim_blocks", "closed blocks that a claim rests on", labels=["model"])
        for name, figures in self._stream.statistics.items():
            found = figures.get("claim")
            if found is None or name.startswith(SHADOW_PREFIX):
                continue
            claim.add_metric([name, found["says"]], 1.0)
            blocks.add_metric([name], found["n_blocks"])
            for end in ("mean", "low", "high"):
                net.add_metric([name, end], found[end])
        yield claim
        yield net
        yield blocks
        yield self._coverage()

    def _coverage(self) -> Metric:
        coverage = GaugeMetricFamily(
            "vpharness_coverage",
            "share of moves inside an interval of the champion's projection, and the ends of its confidence sequence",
            labels=["interval", "horizon_bins", "end"],
        )
        projection, found = self._stream.champion.record.projection, self._stream.statistics.get(CHAMPION) or {}
        scores = found.get("projection")
        if projection is None or scores is None or len(scores["n"]) != len(projection.horizons_bins):
            return coverage
        for name in projection.intervals():
            for row, horizon in enumerate(projection.horizons_bins):
                for end, place in (("mean", ""), ("low", "_low"), ("high", "_high")):
                    value = scores[f"coverage_{name}{place}"][row]
                    coverage.add_metric([name, str(horizon), end], math.nan if value is None else value)
        return coverage

    def _notices(self) -> Metric:
        notices = CounterMetricFamily("vpharness_notices", "notices to the webhook, by outcome", labels=["outcome"])
        for outcome in ("sent", "failed", "dropped"):
            notices.add_metric([outcome], getattr(self._webhook, outcome, 0))
        return notices


def registry_of(stream: LiveStream, admission: AdmissionControl, webhook: Webhook | None = None) -> CollectorRegistry:
    """Return a registry with the metrics of a stream, its admission control, and its webhook."""
    registry = CollectorRegistry()
    registry.register(ServerMetrics(stream, admission, webhook))
    return registry


def metrics_text(registry: CollectorRegistry) -> str:
    """Return all metrics in the text format."""
    return generate_latest(registry).decode()
