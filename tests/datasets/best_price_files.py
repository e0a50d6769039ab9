"""Files of best prices that tests write, by Databento's own record classes and as LOBSTER does."""

from collections.abc import Iterable

import databento_dbn as dbn

from tests.events.samples import ENUMS, metadata

Quote = tuple[int, int | None, int | None]
"""ts_ns, best bid and best ask in units of 1e-9; None where a side is empty."""

_UNDEFINED = (1 << 63) - 1
_UNDEFINED_TIME = (1 << 64) - 1


def levels(bid: int | None, ask: int | None) -> "dbn.BidAskPair":
    """Return a level of the two sides."""
    return dbn.BidAskPair(
        bid_px=_UNDEFINED if bid is None else bid, ask_px=_UNDEFINED if ask is None else ask, bid_sz=1, ask_sz=1
    )


def record(schema: str, quote: Quote, publisher: int = 1, instrument: int = 7) -> bytes:
    """Return one record of a schema: mbp-1, mbp-10, bbo-1s or bbo-1m."""
    ts, bid, ask = quote
    top = levels(bid, ask)
    common = {"publisher_id": publisher, "instrument_id": instrument, "price": _UNDEFINED, "size": 0}
    if schema.startswith("bbo"):
        kind = {"bbo-1s": 195, "bbo-1m": 196}[schema]
        made = ENUMS.BBOMsg(
            rtype=kind, ts_event=_UNDEFINED_TIME, ts_recv=ts, side=ENUMS.Side.NONE, levels=top, **common
        )
        return bytes(made)
    made_of = ENUMS.MBP1Msg if schema == "mbp-1" else ENUMS.MBP10Msg
    rest = {"levels": top if schema == "mbp-1" else [top, *[levels(None, None)] * 9]}
    return bytes(
        made_of(
            ts_event=ts, ts_recv=ts + 50_000, action=ENUMS.Action.ADD, side=ENUMS.Side.NONE, depth=0, **common, **rest
        )
    )


def dbn_file(schema: str, quotes: Iterable[Quote], publisher: int = 1) -> bytes:
    """Return a DBN file of best prices of instrument 7."""
    head = metadata(schema=ENUMS.Schema.from_str(schema))
    return head + b"".join(record(schema, quote, publisher) for quote in quotes)
