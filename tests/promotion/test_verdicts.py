"""Verdicts of live sessions are kept line by line, and a line that was changed or taken out shows."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from vpharness.datasets.lake import Lake
from vpharness.errors import PromotionError
from vpharness.promotion.history_entries import HISTORY_FILE, HistoryEntry, line_of
from vpharness.promotion.pointer import PROMOTED, ROLLED_BACK, history, instrument_lock, set_current
from vpharness.promotion.verdicts import VERDICTS_FILE, Verdict, keep_verdict, last_verdicts, verdicts

FIRST = Verdict("v0001", "as promised", 1.2, 0.8, 1.6, 48, 5, 9, "databento", live=True)
SECOND = dataclasses.replace(FIRST, version="v0002", says="worth nothing", net_pnl_ticks=-1.0, low=None, n_blocks=12)
THIRD = dataclasses.replace(FIRST, n_blocks=96, live=False, feed="dataset")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a lake with three verdicts."""
    found = Lake(tmp_path)
    for each in (FIRST, SECOND, THIRD):
        keep_verdict(found, "SYN", each)
    return found


def test_every_verdict_is_kept_and_the_last_of_each_version_is_shown(lake: Lake) -> None:
    """In the order in which they came, in words that say on how much they rest."""
    assert verdicts(lake, "SYN") == [FIRST, SECOND, THIRD]
    assert last_verdicts(lake, "SYN") == {"v0001": THIRD, "v0002": SECOND}
    assert FIRST.text == "as promised: +1.20 (+0.80 to +1.60) ticks on 48 blocks"
    assert SECOND.text == "worth nothing on 12 blocks"
    assert THIRD.text.endswith("on 96 blocks, replayed")
    assert verdicts(lake, "OTHER") == []


@pytest.mark.parametrize("change", ["edit", "drop", "swap"])
def test_a_changed_file_is_refused_and_the_line_is_named(lake: Lake, change: str) -> None:
    """A number that was edited, a line taken out, and two that changed places."""
    path = lake.promoted / "SYN" / VERDICTS_FILE
    lines = path.read_bytes().splitlines(keepends=True)
    changed = {
        "edit": [lines[0].replace(b"48", b"49"), *lines[1:]],
        "drop": lines[1:],
        "swap": [lines[1], lines[0], lines[2]],
    }[change]
    path.write_bytes(b"".join(changed))
    with pytest.raises(PromotionError, match="line 1, is not as it was written"):
        verdicts(lake, "SYN")
    with pytest.raises(PromotionError, match="line 1"):
        keep_verdict(lake, "SYN", FIRST)
    assert path.read_bytes() == b"".join(changed)


def test_a_torn_last_line_is_dropped_by_the_next_verdict(lake: Lake) -> None:
    """As a process leaves it that was killed while it wrote."""
    path = lake.promoted / "SYN" / VERDICTS_FILE
    path.write_bytes(path.read_bytes()[:-9])
    assert verdicts(lake, "SYN") == [FIRST, SECOND]
    keep_verdict(lake, "SYN", FIRST)
    assert verdicts(lake, "SYN") == [FIRST, SECOND, FIRST]


def test_a_rollback_s_reason_is_part_of_the_history_and_entries_without_one_are_written_as_before(
    tmp_path: Path,
) -> None:
    """Earlier histories keep their checksums."""
    lake = Lake(tmp_path)
    before = HistoryEntry(1, PROMOTED, "v0001", None, 3, "run", None)
    values = {name: value for name, value in dataclasses.asdict(before).items() if name != "reason"}
    checksum = hashlib.sha256(json.dumps(values).encode()).hexdigest()
    assert json.loads(line_of(before, b"")) == {**values, "unsafe": [], "sha256": checksum}
    with instrument_lock(lake, "SYN") as folder:
        set_current(lake, "SYN", before)
        back = HistoryEntry(2, ROLLED_BACK, "v0000", "v0001", 4, None, None, reason="v0001 is worth nothing")
        set_current(lake, "SYN", back)
    assert history(lake, "SYN") == [before, back]
    path = folder / HISTORY_FILE
    path.write_bytes(path.read_bytes().replace(b"worth nothing", b"worth a lot.."))
    with pytest.raises(PromotionError):
        history(lake, "SYN")
