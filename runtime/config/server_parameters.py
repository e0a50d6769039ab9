"""Parameters of the server: every key of `conf/serve.yaml` and its groups, with meaning, unit, range and default."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from runtime.feeds.feed_recorder import LIMIT_MB
from vpharness.config.command_schemas import LAKE, SIGNAL_MODULES
from vpharness.parameters import parameter, problems

TOKEN_VARIABLE: Final = "VPHARNESS_RUNTIME_TOKEN"  # noqa: S105  # the name of a variable
"""The environment variable with the token that clients show."""

ALERTS_SECRET_VARIABLE: Final = "VPHARNESS_ALERTS_SECRET"  # noqa: S105  # the name of a variable
"""The environment variable with the secret that notices to `runtime.alerts.url` are signed with."""

TELL: Final = "tell"
ROLL_BACK: Final = "rollback"

MOST_CHALLENGERS: Final = 16
"""Each costs a fraction of a millisecond a bin."""

_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class AlertParameters:
    """Parameters of the notices that are sent when a claim of a model changes."""

    url: str | None = parameter(
        None,
        meaning=f"address that a signed notice is posted to when a claim of a model changes; {ALERTS_SECRET_VARIABLE} "
        "in the environment is the secret",
    )
    hosts: list[str] = parameter([], meaning="hosts that the address may have beside this machine's own")
    timeout_s: float = parameter(
        10.0, meaning="how long an attempt to send a notice may take", unit="s", above=0, maximum=600
    )


@dataclass(frozen=True)
class RuntimeParameters:
    """Parameters of the server: where it listens, how many bins it keeps, and the limits of its clients."""

    host: str = parameter("127.0.0.1", meaning="address to listen at; any other than loopback requires a token")
    port: int = parameter(8090, meaning="port to listen at; 0 takes a free one", minimum=0, maximum=65_535)
    token_file: str | None = parameter(
        None, meaning=f"file with the token that clients must send, instead of {TOKEN_VARIABLE} in the environment"
    )
    allowed_origins: list[str] = parameter([], meaning="additional web origins whose pages may open the stream")
    signal_modules: list[str] = parameter([], meaning=SIGNAL_MODULES)
    buffer_bins: int = parameter(
        6_000, meaning="bins kept for history, resuming and warming models up; 26 kB each", minimum=600, maximum=200_000
    )
    backlog_bins: int = parameter(
        50,
        meaning="bins that a client may lag behind before it is sent only the newest",
        unit="bins",
        minimum=1,
        maximum=200_000,
    )
    max_clients: int = parameter(256, meaning="maximum number of open streams", minimum=1, maximum=10_000)
    max_connections: int = parameter(
        512, meaning="maximum number of open connections, including streams", minimum=1, maximum=40_000
    )
    connections_per_second: float = parameter(
        50.0, meaning="average rate of new streams; bursts of up to ten seconds' worth", above=0
    )
    requests_per_second: float = parameter(
        200.0, meaning="average rate of new connections and requests; bursts of up to two seconds' worth", minimum=1.0
    )
    address_share: float = parameter(
        0.5,
        meaning="largest share of all connections, streams, requests and overrides for one address; the rest is "
        "reserved for addresses that use few",
        above=0,
        maximum=1,
    )
    forwarded_header: str | None = parameter(
        None,
        meaning="header, such as X-Forwarded-For, whose last address is the client's; only if nobody but a "
        "proxy can reach the server",
    )
    max_shadows: int = parameter(
        4, meaning="maximum number of different client overrides scored at once", minimum=0, maximum=32
    )
    shadows_per_minute: float = parameter(
        12.0, meaning="average rate of new streams with overrides; bursts of up to a minute's worth", above=0
    )
    max_query_bytes: int = parameter(
        2_048, meaning="longest query of a stream", unit="bytes", minimum=256, maximum=8_192
    )
    max_message_bytes: int = parameter(
        1_024,
        meaning="longest message accepted from a client; clients need not send any",
        unit="bytes",
        minimum=125,
        maximum=65_536,
    )
    max_messages_per_minute: int = parameter(
        60,
        meaning="frames that a client may send, including pings and pongs, before it is disconnected",
        minimum=12,  # pongs to the server's pings, and a client's own pings, are six
        maximum=1_000_000,
    )
    send_timeout_s: float = parameter(
        30.0, meaning="how long a client may read nothing before it is disconnected", unit="s", minimum=1.0
    )
    stale_s: float = parameter(
        5.0, meaning="silence of the feed after which the server is not ready", unit="s", above=0
    )
    watch_s: float = parameter(0.5, meaning="how often to check for a newly promoted version", unit="s", minimum=0.05)
    stop_s: float = parameter(
        5.0, meaning="how long to wait for clients to disconnect when the server stops", unit="s", minimum=0
    )
    on_drift: str = parameter(
        TELL,
        meaning="what happens once the champion is worse than promised, or worth nothing: tell, or rollback to the "
        "version before it",
        choices=(TELL, ROLL_BACK),
    )
    alerts: AlertParameters = field(default_factory=AlertParameters)

    def __post_init__(self) -> None:
        """Make the alerts of plain values, as a composed configuration has them."""
        if isinstance(self.alerts, Mapping):
            object.__setattr__(self, "alerts", AlertParameters(**self.alerts))

    def relations(self) -> Iterator[str]:
        """Yield an error for alerts that are out of range."""
        yield from problems(self.alerts, "alerts.")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in _LOOPBACK


@dataclass(frozen=True)
class ChallengerParameters:
    """A configuration scored on the champion's bins; keys that are not given are taken from the champion."""

    version: str | None = parameter(None, meaning="start from this promoted version instead of the champion")
    signal: str | None = parameter(None, meaning="another signal: the name of a YAML in the group signal")
    parameters: dict[str, Any] = field(default_factory=dict)
    threshold: float | None = parameter(None, meaning="the |score| at which it fires", above=0)


@dataclass(frozen=True)
class ServeCommand:
    """Serve the promoted configuration: the live grid, the score and projection bands, to any number of clients."""

    lake: str = parameter(LAKE, meaning="folder of datasets and of what has been promoted")
    instrument: str | None = parameter(
        None, meaning="instrument whose promoted version is served (default: the feed's)"
    )
    version: str | None = parameter(None, meaning="serve this promoted version instead of the current one")
    record: str | None = parameter(None, meaning="record the feed, with its watermarks, into a new file of this folder")
    record_mb: int = parameter(
        LIMIT_MB,
        meaning="maximum size of the recording; the feed goes on after that",
        unit="MB",
        minimum=1,
        maximum=2**30,
    )
    # Their values are those of Challenger: Hydra cannot add to a dict of dataclasses.
    challengers: dict[str, Any] = parameter(
        {}, meaning="scored beside the champion: +challengers.NAME={signal: pfp, threshold: 0.5}, version, parameters"
    )
    feeds: dict[str, Any] = parameter(
        {},
        meaning="several feeds, each with a name: feeds.NAME.KEY=VALUE gives one of them its own value of any key but "
        "those of the whole server, feeds.NAME=dataset is short for feeds.NAME.feed=dataset; keys without a name hold "
        "for every feed",
    )
    runtime: Any = None
    feed: Any = None
    source: Any = None
    dataset: Any = None

    def relations(self) -> Iterator[str]:
        """Yield an error for challengers that cannot be served."""
        if len(self.challengers) > MOST_CHALLENGERS:
            yield f"challengers are {len(self.challengers)}; at most {MOST_CHALLENGERS} are scored beside the champion"
        if "champion" in self.challengers:
            yield "challengers has one named champion; choose another name"
