"""The admission: one address has its share, and a newcomer finds a place."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.config.server_parameters import RuntimeParameters
from runtime.stream.limits import FEW, RateWindow, SlotPool
from runtime.web.admission import AdmissionControl, network_of, new_admission_control

ADDRESSES = st.sampled_from(["one", "two", "three"])


def taken_by(places: SlotPool, address: str) -> int:
    """Take all places that an address gets; return how many they are."""
    count = 0
    while places.take(address):
        count += 1
    return count


def test_one_address_comes_to_have_its_share_and_no_more() -> None:
    """However long it tries; what it gives back it may have again."""
    places = SlotPool(100, 0.5)
    assert taken_by(places, "greedy") == 50
    places.give_back("greedy")
    assert taken_by(places, "greedy") == 1


def test_newcomers_find_a_place_beside_several_who_take_all_they_get() -> None:
    """Each gets a few of the reserve, which one alone cannot use up."""
    places = SlotPool(100, 0.5)
    assert [taken_by(places, name) for name in ("first", "second", "third")] == [50, 10, 10]
    assert places.take("honest")


@pytest.mark.parametrize(("capacity", "share"), [(1, 0.5), (2, 0.5), (3, 0.9), (256, 0.5), (10, 1.0)])
def test_a_share_is_that_part_rounded_up_and_one_place_at_least(capacity: int, share: float) -> None:
    """Small numbers too: where there is one place, somebody has it."""
    alone = taken_by(SlotPool(capacity, share), "alone")
    assert max(1, share * capacity) <= alone <= max(capacity // FEW + 1, share * capacity + 1)


@given(st.integers(0, 30), st.floats(0.1, 1.0), st.lists(st.tuples(ADDRESSES, st.booleans()), max_size=80))
def test_no_more_places_are_given_than_there_are(capacity: int, share: float, steps: list[tuple[str, bool]]) -> None:
    """And all that were given back can be had again."""
    places, held = SlotPool(capacity, share), list[str]()
    for address, is_coming in steps:
        if is_coming and places.take(address):
            held.append(address)
        elif not is_coming and address in held:
            held.remove(address)
            places.give_back(address)
        assert places.taken == len(held) <= capacity
    for address in held:
        places.give_back(address)
    assert places == SlotPool(capacity, share)


def test_what_happened_long_ago_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten at once, and ten more once the time is over."""
    now = 1000.0
    monkeypatch.setattr("runtime.stream.limits.time.monotonic", lambda: now)
    often = RateWindow(SlotPool(10, 1.0), 2.0)
    assert [often.take("a") for _ in range(11)] == [True] * 10 + [False]
    now = 1001.9
    assert not often.take("b")
    now = 1002.0
    assert often.take("b")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", "unknown"),
        ("no address", "unknown"),
    ],
)
def test_whoever_has_a_network_of_addresses_is_one(address: str, network: str) -> None:
    """An IPv6 address comes with 2^64 others."""
    assert network_of(address) == network


class Headers(dict[str, list[str]]):
    """What a request's headers are asked for."""

    def getall(self, name: str, default: Any) -> Any:
        """Return all values of a header."""
        return self.get(name, default)


@dataclasses.dataclass
class Asked:
    """A request, as far as its address goes."""

    ip: str
    headers: Headers


def behind(header: str | None) -> AdmissionControl:
    """Return the admission of a server behind a proxy that writes a header."""
    return new_admission_control(RuntimeParameters(forwarded_header=header, max_connections=4))


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ([], "127.0.0.1"),
        (["192.0.2.7"], "192.0.2.7"),
        (["10.0.0.1, 192.0.2.7"], "192.0.2.7"),
        (["10.0.0.1", "192.0.2.7"], "192.0.2.7"),
        (["rubbish"], "unknown"),
    ],
)
def test_behind_a_proxy_the_last_address_that_it_tells_counts(said: list[str], address: str) -> None:
    """What stands before it may be the client's own invention; without the setting none of it counts."""
    request: Any = Asked("127.0.0.1", Headers({"X-Forwarded-For": said} if said else {}))
    assert behind("X-Forwarded-For").address_of(request) == address
    assert behind(None).address_of(request) == "127.0.0.1"


def test_connections_of_a_proxy_are_the_proxys_to_give_away() -> None:
    """All of them are of one address; without a proxy one address has half."""
    for header, most in (("X-Forwarded-For", 4), (None, 2)):
        admission = behind(header)
        assert sum(admission.admits("127.0.0.1") for _ in range(9)) == most


def test_a_connection_that_ends_makes_room() -> None:
    """For another one."""
    admission = behind(None)
    assert [admission.admits("127.0.0.1") for _ in range(3)] == [True, True, False]
    admission.leaves("127.0.0.1")
    assert admission.admits("127.0.0.1")
