"""A TCP gate before a store: connections can be cut, frozen, or refused at will.

For stores that lose all when they are killed, and for stores with several addresses. A Gate runs in the loop it was
opened in, a GateThread in one of its own.
"""

import asyncio
import random
import threading


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

    async def refuse(self):
        """New connections; those that stand stay."""
        if self._server:
            self._server.close()
            self._server = None

    async def close(self):
        """Refuses connections and cuts all."""
        await self.refuse()
        self.cut(len(self._pairs))

    def connections(self):
        """How many pass now."""
        return len(self._pairs)

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


class GateThread:
    """A gate for tests without a loop."""

    def __init__(self, *arguments):
        self._gate = Gate(*arguments)
        self.host, self.port = self._gate.host, self._gate.port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.open()

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def open(self):
        self._run(self._gate.open())

    def refuse(self):
        self._run(self._gate.refuse())

    def connections(self):
        return self._gate.connections()

    def cut(self):
        """All that pass."""
        async def cut():
            self._gate.cut(self._gate.connections())
        self._run(cut())

    def end(self):
        self._run(self._gate.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
