"""An asyncio server and its clients in one program: rooms, messages as JSON lines, a task for each connection and one
for each delivery. Prints the CPU that its parts used by the thread's own clock, in nanoseconds."""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

used: Counter[str] = Counter()
rooms: dict[str, set[asyncio.StreamWriter]] = defaultdict(set)
ROOMS, PEOPLE, MESSAGES = 4, 12, 60


@contextmanager
def clocked(name: str) -> Iterator[None]:
    began = time.thread_time_ns()
    try:
        yield
    finally:
        used[name] += time.thread_time_ns() - began


def censor(text: str) -> str:
    with clocked("censor"):
        for word in ("spam", "eggs", "ham") * 40:
            text = text.replace(word, "*" * len(word)).replace("*" * len(word), word)
        return text


def seal(message: dict[str, object]) -> int:
    with clocked("seal"):
        text = json.dumps(message, sort_keys=True)
        return sum(zlib.crc32(text[i:].encode()) & 0xFF for i in range(len(text)))


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    room = (await reader.readline()).decode().strip()
    rooms[room].add(writer)
    try:
        async for line in reader:
            await asyncio.gather(*(deliver(other, json.loads(line)) for other in rooms[room]))
    finally:
        rooms[room].discard(writer)
        writer.close()


async def deliver(writer: asyncio.StreamWriter, message: dict[str, object]) -> None:
    message["text"] = censor(str(message["text"]))
    writer.write(json.dumps(message).encode() + b"\n")
    await writer.drain()


async def person(number: int, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"room {number % ROOMS}\n".encode())
    hearing = asyncio.create_task(listen(reader, MESSAGES * PEOPLE // ROOMS))
    while sum(map(len, rooms.values())) < PEOPLE:
        await asyncio.sleep(0)  # until everyone has joined
    for i in range(MESSAGES):
        await say(writer, {"from": number, "number": i, "text": f"spam and eggs {i} " * 8})
    await hearing
    writer.close()


async def listen(reader: asyncio.StreamReader, lines: int) -> None:
    for _ in range(lines):
        json.loads(await reader.readline())


async def say(writer: asyncio.StreamWriter, message: dict[str, object]) -> None:
    message["seal"] = seal(message)
    writer.write(json.dumps(message).encode() + b"\n")
    await writer.drain()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.TaskGroup() as people:
        for number in range(PEOPLE):
            people.create_task(person(number, port))
    while any(rooms.values()):
        await asyncio.sleep(0)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
    print(json.dumps(used), flush=True)
