"""What is written to the spool can be read back: real files, real system calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from shop.model import Order
from shop.spool import DamagedSpool, pack, read_spool, write_spool


@pytest.mark.flame
def test_round_trip(tmp_path: Path, batch: list[Order]) -> None:
    records = [f"{order.number} {line.sku} {line.quantity}" for order in batch for line in order.lines]
    path = tmp_path / "spool"
    assert write_spool(path, records) == path.stat().st_size
    assert read_spool(path) == records


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data.replace(b"tea", b"pot")])
def test_damage_is_noticed(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "spool"
    path.write_bytes(damage(pack("coffee") + pack("tea")))
    with pytest.raises(DamagedSpool):
        read_spool(path)
