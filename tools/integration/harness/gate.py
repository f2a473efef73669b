"""A TCP gate before a store: connections can be cut, frozen, or refused at will.

For stores that lose all when they are killed. Runs in the loop it was opened in.
"""

import asyncio
import random


class Gate:
    def __init__(self, host, port, store_host, store_port):
        self.host, self.port = host, port
        self._store = (store_host, store_port)
        self._server = None
        self._pairs = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def open(self):
        self._server = await asyncio.start_server(self._serve, self.host, self.port)

    async def close(self):
        """Refuses connections and cuts all."""
        if self._server:
            self._server.close()
            self._server = None
        self.cut(len(self._pairs))

    def cut(self, count):
        """Resets so many connections, whatever is under way on them."""
        for pair in random.sample(sorted(self._pairs, key=id), min(count, len(self._pairs))):
            for writer in pair:
                writer.transport.abort()

    def freeze(self, frozen):
        """While frozen, connections stay and nothing passes."""
        self._flowing.clear() if frozen else self._flowing.set()

    async def _serve(self, reader, writer):
        try:
            store_reader, store_writer = await asyncio.open_connection(*self._store)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, store_writer)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._pass(reader, store_writer), self._pass(store_reader, writer))
        finally:
            self._pairs.discard(pair)
            for each in pair:
                each.transport.abort()

    async def _pass(self, reader, writer):
        try:
            while data := await reader.read(1 << 16):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.transport.abort() if not writer.can_write_eof() else writer.close()
