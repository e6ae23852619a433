"""Packed and unpacked by its C code."""

import msgpack

DOCUMENT = {"items": [{"id": i, "name": f"name {i}", "values": [i, i / 3, None, True]} for i in range(60)]}


def work() -> object:
    return msgpack.unpackb(msgpack.packb(DOCUMENT))
