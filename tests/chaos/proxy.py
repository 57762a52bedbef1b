"""A small TCP proxy that can be told to be a bad network: late, cut, in slices, half open, or narrow."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from config.local.ports import LOOPBACK, find_free

CHUNK_BYTES: Final = 64 * 1024
# A burst of callers is accepted at once: the kernel's own wait for a lost SYN is a whole second.
BACKLOG: Final = 512
# A bad mobile network, each way.
LATENCY_SECONDS: Final = 0.4
# Smaller than any header, so that every reader has to put its message together; the rest of a chunk follows at once.
SLICE_BYTES: Final = 16
SLICED_BYTES: Final = 1024
SLICE_SECONDS: Final = 0.002
# A modem: a payment's few kilobytes take a second, ten megabytes never arrive.
BANDWIDTH_PIECE_BYTES: Final = 1024
BANDWIDTH_PIECE_SECONDS: Final = 0.2
# Between two threads of one process: longer than this, its loop is dead.
ORDER_SECONDS: Final = 10.0
_LINGER_NOT: Final = struct.pack("ii", 1, 0)


class Toxic(StrEnum):
    LATENCY = "latency"
    RESET = "reset"
    SLICE = "slice"
    HALF_OPEN = "half_open"
    BANDWIDTH = "bandwidth"


class Link:
    """One connection: the caller's end, and ours to the server behind."""

    def __init__(self, caller: asyncio.StreamWriter) -> None:
        self.writers = [caller]
        self.is_dead = False

    def reset(self) -> None:
        """Closed without lingering, TCP says RST instead of FIN."""
        for writer in self.writers:
            end: socket.socket | None = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):  # It was closed before us.
                if end is not None:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            writer.transport.abort()

    def close(self) -> None:
        for writer in self.writers:
            writer.close()


@dataclass(eq=False)
class Infection:
    """A bad time of one line, and the links that met it: of each it slowed, cut or swallowed something."""

    toxic: Toxic
    links: set[Link] = field(default_factory=set)


class Proxy:
    """One port in front of one server. Everything here runs in the network's loop."""

    def __init__(self, name: str, target_port: int) -> None:
        self.name = name
        self.port = find_free()
        self._target_port = target_port
        self._infection: Infection | None = None
        self._links: set[Link] = set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._resets = 0

    async def listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port, backlog=BACKLOG)

    async def refuse(self) -> None:
        """While the server behind is gone a caller must meet a closed port, as it would without us."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def infect(self, infection: Infection) -> None:
        self._infection = infection

    async def heal(self) -> None:
        """What was half open never comes back: some of its bytes are gone."""
        self._infection = None
        for link in [link for link in self._links if link.is_dead]:
            link.reset()

    async def close(self) -> None:
        await self.refuse()
        for link in list(self._links):
            link.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        link = Link(writer)
        self._links.add(link)
        try:
            await self._connect(link, reader, writer)
        except (OSError, asyncio.CancelledError):  # Cut, or the run is over: nobody else waits for this task.
            link.reset()
        finally:
            self._links.discard(link)
            link.close()

    async def _connect(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, to_behind = await asyncio.open_connection(LOOPBACK, self._target_port)
        link.writers.append(to_behind)
        pumps = [
            asyncio.create_task(self._pump(link, reader, to_behind)),
            asyncio.create_task(self._pump(link, behind, writer)),
        ]
        try:
            await asyncio.gather(*pumps)
        finally:
            for pump in pumps:
                pump.cancel()

    async def _pump(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            await self._pass_on(link, chunk, writer)
        if self._toxic is Toxic.HALF_OPEN:
            self._meet(link)
        if link.is_dead:
            return  # The other end never hears of it: it believes in this connection until we heal.
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()

    async def _pass_on(self, link: Link, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        """Piece by piece, each under the network as it is at that moment."""
        self._meet(link)
        if link.is_dead:
            return
        if self._toxic is Toxic.RESET:
            await self._cut(chunk, writer)
        if self._toxic is Toxic.LATENCY:
            await asyncio.sleep(LATENCY_SECONDS)
        for piece, pause in self._pieces(chunk):
            writer.write(piece)
            await writer.drain()
            if pause:
                await asyncio.sleep(pause)

    @property
    def _toxic(self) -> Toxic | None:
        return self._infection.toxic if self._infection else None

    def _meet(self, link: Link) -> None:
        """What an earlier time left half open is out of a later one's reach."""
        if self._infection is None or (link.is_dead and self._toxic is not Toxic.HALF_OPEN):
            return
        link.is_dead = self._toxic is Toxic.HALF_OPEN
        self._infection.links.add(link)

    async def _cut(self, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        """Every second time the bytes still arrive: then there is an effect of which the caller hears nothing."""
        self._resets += 1
        if self._resets % 2:
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError

    def _pieces(self, chunk: bytes) -> Iterator[tuple[bytes, float]]:
        position = 0
        while position < len(chunk):
            size, pause = len(chunk) - position, 0.0
            if self._toxic is Toxic.BANDWIDTH:
                size, pause = BANDWIDTH_PIECE_BYTES, BANDWIDTH_PIECE_SECONDS
            elif self._toxic is Toxic.SLICE and position < SLICED_BYTES:
                size, pause = SLICE_BYTES, SLICE_SECONDS
            yield chunk[position : position + size], pause
            position += size


class Network:
    """All proxies of a run in one loop on one thread, and the orders that other threads give them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._proxies: dict[str, Proxy] = {}
        self._thread.start()

    def open(self, name: str, target_port: int) -> int:
        """The port where callers find the server from now on."""
        proxy = self._proxies[name] = Proxy(name, target_port)
        self._do(proxy.listen())
        return proxy.port

    def infect(self, name: str, toxic: Toxic) -> Infection:
        infection = Infection(toxic)
        self._do(self._proxies[name].infect(infection))
        return infection

    def heal(self, name: str) -> None:
        self._do(self._proxies[name].heal())

    def refuse(self, name: str) -> None:
        self._do(self._proxies[name].refuse())

    def listen(self, name: str) -> None:
        self._do(self._proxies[name].listen())

    def close(self) -> None:
        for proxy in self._proxies.values():
            self._do(proxy.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ORDER_SECONDS)
        self._loop.close()

    def _do(self, order: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(order, self._loop).result(ORDER_SECONDS)
