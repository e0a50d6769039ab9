"""Metrics for Prometheus, made from the stream's state when they are asked for."""

import math
import resource
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from runtime.alerts.webhook import Webhook
from runtime.config.server_parameters import RuntimeParameters
from runtime.engine.feed_health import RECENT_SECONDS
from runtime.engine.models import CHAMPION, SHADOW_PREFIX
from runtime.stream.live_stream import LiveStream
from runtime.stream.status import reasons_not_ready
from runtime.web.admission import CAUSES, AdmissionControl
from runtime.web.memory_bound import FeedSize, most_bytes

_Count = Callable[[LiveStream], float]

_COUNTERS: Final[tuple[tuple[str, str, _Count], ...]] = (
    ("bins", "bins closed", lambda stream: stream.health.bins),
    (
        "deadline_misses",
        "bins of a live feed closed later than a bin's width after they could be",
        lambda stream: stream.health.deadline_misses,
    ),
    (
        "replay_late_bins",
        "bins of a replay closed later than a bin's width after they were due",
        lambda stream: stream.health.late_bins,
    ),
    ("late_events", "events that came after their bin was closed", lambda stream: stream.health.late_events),
    ("configurations", "changes of the served model", lambda stream: stream.configuration.number - 1),
)
_GAUGES: Final[tuple[tuple[str, str, _Count], ...]] = (
    ("ready", "1 where the stream can be relied on", lambda stream: float(not reasons_not_ready(stream))),
    ("replay", "1 where the feed is a replay, which has no deadlines", lambda stream: float(not stream.facts.live)),
    ("clients", "open streams", lambda stream: len(stream.clients)),
    (
        "bins_per_second",
        "bins per second over the last 10 s",
        lambda stream: len(stream.health.recent_bins) / RECENT_SECONDS,
    ),
    ("buffered_bins", "bins kept for history", lambda stream: stream.ring.next_seq - stream.ring.first_seq),
    ("refused_versions", "promoted versions that are not served", lambda stream: len(stream.refusals)),
)


class ServerMetrics:
    """Collects the metrics of streams and of admission control; those of a named feed have its name as a label."""

    def __init__(
        self,
        streams: Callable[[], Sequence[LiveStream]],
        admission: AdmissionControl,
        settings: RuntimeParameters,
        webhook: Webhook | None = None,
    ) -> None:
        """Collect from the streams, the admission control in front of them, and the webhook that is told changes.

        `streams` returns those that are served now.
        """
        self._now, self._admission, self._settings, self._webhook = streams, admission, settings, webhook
        self._labels = ["feed"] if any(stream.name for stream in streams()) else []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        yield self._champions()
        for name, meaning, count in _COUNTERS:
            counter = CounterMetricFamily(f"vpharness_{name}", meaning, labels=self._labels)
            for of, stream in self._by_feed():
                counter.add_metric(of, count(stream))
            yield counter
        for name, meaning, value in _GAUGES:
            gauge = GaugeMetricFamily(f"vpharness_{name}", meaning, labels=self._labels)
            for of, stream in self._by_feed():
                gauge.add_metric(of, value(stream))
            yield gauge
        for name, meaning, found in (
            ("connections", "open connections", self._admission.connections.taken),
            ("peak_memory_bytes", "largest resident memory", 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss),
        ):
            yield GaugeMetricFamily(f"vpharness_{name}", meaning, found)
        yield self._feed_states()
        yield self._cut()
        yield self._memory_bound()
        yield from self._models()
        yield from self._claims()
        yield self._notices()

    def _by_feed(self) -> Iterator[tuple[list[str], LiveStream]]:
        """Yield the streams, each with the value of the label `feed` where feeds have names."""
        for stream in self._now():
            yield ([stream.name] if self._labels else []), stream

    def _champions(self) -> Metric:
        champions = InfoMetricFamily("vpharness_champion", "what is served", labels=self._labels)
        for of, stream in self._by_feed():
            champion = stream.champion
            champions.add_metric(of, {"version": champion.record.version, "signal": champion.live.scorer.name})
        return champions

    def _feed_states(self) -> Metric:
        labels = [*self._labels, "state"]
        state = GaugeMetricFamily("vpharness_feed_state", "1 for the state that the feed is in", labels=labels)
        for of, stream in self._by_feed():
            state.add_metric([*of, stream.health.state], 1.0)
        return state

    def _cut(self) -> Metric:
        cut = CounterMetricFamily("vpharness_cut", "connections cut off at once, by cause", labels=["cause"])
        for cause in CAUSES:
            cut.add_metric([cause], self._admission.cut[cause])
        return cut

    def _memory_bound(self) -> Metric:
        bound = GaugeMetricFamily(
            "vpharness_memory_bound_bytes", "the most memory that the limits allow the server to need", labels=["part"]
        )
        sizes = [
            FeedSize(stream.champion.live.scorer.radius, len(stream.challengers), stream.settings.buffer_bins)
            for stream in self._now()
        ]
        for part, size in most_bytes(self._settings, sizes).items():
            bound.add_metric([part], size)
        return bound

    def _models(self) -> Iterator[Metric]:
        fires = CounterMetricFamily("vpharness_fires", "fires of a model", labels=[*self._labels, "model"])
        outcomes = CounterMetricFamily(
            "vpharness_outcomes", "what fires came to", labels=[*self._labels, "model", "outcome"]
        )
        for of, stream in self._by_feed():
            for name, figures in stream.statistics.items():
                fires.add_metric([*of, name], figures["n_fires"])
                for outcome in ("tp", "sl", "timeout"):
                    outcomes.add_metric([*of, name, outcome], figures[f"n_{outcome}"])
        yield fires
        yield outcomes

    def _claims(self) -> Iterator[Metric]:
        """Yield what may be claimed of the models at any time; an end that is not known is NaN."""
        claim = GaugeMetricFamily(
            "vpharness_claim", "1 for what may be claimed of a model", labels=[*self._labels, "model", "claim"]
        )
        net = GaugeMetricFamily(
            "vpharness_claim_ticks",
            "net result and the ends of its confidence sequence: ticks a fire, of challengers ticks a block more than "
            "the champion",
            labels=[*self._labels, "model", "end"],
        )
        blocks = GaugeMetricFamily(
            "vpharness_claim_blocks", "closed blocks that a claim rests on", labels=[*self._labels, "model"]
        )
        for of, stream in self._by_feed():
            for name, figures in stream.statistics.items():
                found = figures.get("claim")
                if found is None or name.startswith(SHADOW_PREFIX):
                    continue
                claim.add_metric([*of, name, found["says"]], 1.0)
                blocks.add_metric([*of, name], found["n_blocks"])
                for end in ("mean", "low", "high"):
                    net.add_metric([*of, name, end], found[end])
        yield claim
        yield net
        yield blocks
        yield self._coverage()

    def _coverage(self) -> Metric:
        coverage = GaugeMetricFamily(
            "vpharness_coverage",
            "share of moves inside an interval of the champion's projection, and the ends of its confidence sequence",
            labels=[*self._labels, "interval", "horizon_bins", "end"],
        )
        for of, stream in self._by_feed():
            for labels, value in _coverage_of(stream):
                coverage.add_metric([*of, *labels], value)
        return coverage

    def _notices(self) -> Metric:
        notices = CounterMetricFamily("vpharness_notices", "notices to the webhook, by outcome", labels=["outcome"])
        for outcome in ("sent", "failed", "dropped"):
            notices.add_metric([outcome], getattr(self._webhook, outcome, 0))
        return notices


def _coverage_of(stream: LiveStream) -> Iterator[tuple[tuple[str, str, str], float]]:
    """Yield the coverage of a champion's projection by interval, horizon, and end of the confidence sequence."""
    projection, found = stream.champion.record.projection, stream.statistics.get(CHAMPION) or {}
    scores = found.get("projection")
    if projection is None or scores is None or len(scores["n"]) != len(projection.horizons_bins):
        return
    for name in projection.intervals():
        for row, horizon in enumerate(projection.horizons_bins):
            for end, place in (("mean", ""), ("low", "_low"), ("high", "_high")):
                value = scores[f"coverage_{name}{place}"][row]
                yield (name, str(horizon), end), math.nan if value is None else value


def registry_of(
    streams: Callable[[], Sequence[LiveStream]],
    admission: AdmissionControl,
    settings: RuntimeParameters,
    webhook: Webhook | None = None,
) -> CollectorRegistry:
    """Return a registry with the metrics of streams, their admission control, and their webhook."""
    registry = CollectorRegistry()
    registry.register(ServerMetrics(streams, admission, settings, webhook))
    return registry


def metrics_text(registry: CollectorRegistry) -> str:
    """Return all metrics in the text format."""
    return generate_latest(registry).decode()
