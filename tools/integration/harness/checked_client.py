"""An IMAP client for asyncio that judges every response it is sent as it comes.

It knows which commands are in progress and so what may be sent now: no EXPUNGE or VANISHED without a command
in progress or during FETCH, STORE, SEARCH by number; no answer twice; nothing untagged nobody asked for. What
it does and when is for others to say (checker.py); `Direct` below judges nothing and is for mutators.
"""

import asyncio
import collections
import re
import ssl
import time

from .belief import Belief, Violation, expand
from .imap import flag_set
from .process import DEADLINE

_LITERAL = re.compile(rb"~?\{(\d+)\}\r\n$")
_NUMBER = re.compile(rb"^\* (\d+) (EXISTS|EXPUNGE|RECENT|FETCH)\b ?(.*)$", re.I | re.S)
_COPYUID = re.compile(rb"\[COPYUID \d+ ([\d:,]+) ([\d:,]+)\]", re.I)
_HIGHEST = re.compile(rb"\[HIGHESTMODSEQ (\d+)\]", re.I)
_TRANSCRIPT = 80


class Gone(Exception):
    """The connection ended; the text is the BYE, if there was one."""


class Late(AssertionError):
    """No answer in time."""


class Command:
    """One command in progress. `numbers` maps what it uses to the UIDs the client believes these to be."""

    def __init__(self, tag, name, text, numbers=None, forbids_expunge=False):
        self.tag, self.name, self.text = tag, name, text
        self.numbers = numbers or {}
        self.forbids_expunge = forbids_expunge
        self.continuation = asyncio.get_running_loop().create_future()
        self.answer = asyncio.get_running_loop().create_future()
        self.answer.add_done_callback(lambda f: f.cancelled() or f.exception())  # seen, if nobody awaits it
        self.fetched = set()
        self.search = None
        self.copied = []

    @property
    def ok(self):
        return self.answer.result().split(b" ")[1].upper() == b"OK"

    @property
    def line(self):
        return self.answer.result().decode(errors="replace")


class Wire:
    """Lines and literals over a stream."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, host, port, context=None):
        name = "localhost" if context else None
        return cls(*await asyncio.open_connection(host, port, ssl=context, server_hostname=name,
                                                  limit=1 << 22))

    async def read(self):
        """The next response with its literals, without the final CRLF."""
        response = b""
        while True:
            line = await self._reader.readuntil(b"\r\n")
            response += line
            literal = _LITERAL.search(line)
            if not literal:
                return response[:-2]
            response += await self._reader.readexactly(int(literal.group(1)))

    def send(self, data):
        self._writer.write(data)

    def abort(self):
        self._writer.transport.abort()


_ENDS = (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, OSError)


class CheckedClient:
    """Connected by `open`; `report(client, text)` is called for what is wrong, and the connection aborted."""

    def __init__(self, name, user, klass, report, identities, deadline=DEADLINE):
        self.name, self.user = name, user
        self.report, self.identities, self.deadline = report, identities, deadline
        self.belief = Belief(klass)
        self.klass = klass
        self.transcript = collections.deque(maxlen=_TRANSCRIPT)
        self.in_progress = []
        self.bye = None
        self.idle_since = None  # when "+" came
        self.ended_idle_since = None  # the same, once the connection has ended
        self.judged = False  # this connection broke a rule: the report is made
        self._wire = None
        self._reading = None
        self._tags = 0
        self._news = asyncio.Event()

    # --- the connection ---

    async def open(self, host, port, context):
        self.belief = Belief("plain")
        self.judged = False
        self.in_progress, self.bye = [], None
        self.idle_since = self.ended_idle_since = None
        try:
            self._wire = await asyncio.wait_for(Wire.open(host, port, context), self.deadline)
            self._note("", b"-- connected")
            greeting = await asyncio.wait_for(self._wire.read(), self.deadline)
        except asyncio.TimeoutError as error:
            raise Late("no greeting") from error
        except _ENDS as error:
            raise Gone(str(error)) from error
        self._note("<", greeting)
        if not greeting.startswith(b"* OK"):
            raise Gone(greeting.decode(errors="replace"))
        self._reading = asyncio.create_task(self._read_all())

    async def close(self):
        """Leaves without a word."""
        if self._wire:
            self._wire.abort()
        if self._reading:
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None

    @property
    def connected(self):
        return self._reading is not None and not self._reading.done()

    async def _read_all(self):
        end = ""
        try:
            while True:
                response = await self._wire.read()
                self._note("<", response)
                self._take(response)
                self._news.set()
        except Violation as violation:
            self.judged = True
            self.report(self, str(violation))
            end = str(violation)
            self._wire.abort()
        except _ENDS as error:
            end = self.bye or repr(error)
            self._note("", b"-- closed")
        finally:
            self._news.set()
            self.ended_idle_since, self.idle_since = self.idle_since, None
            for command in self.in_progress:
                for future in (command.answer, command.continuation):
                    if not future.done():
                        future.set_exception(Gone(end))
                        future.exception()

    def _note(self, direction, data):
        self.transcript.append(f"{time.time() % 1000:7.3f} {direction} {data[:300].decode(errors='replace')}")

    # --- sending ---

    def send(self, name, arguments="", numbers=None, forbids_expunge=False):
        """Sends a command; returns it without waiting."""
        if not self.connected:
            raise Gone(self.bye or "closed")
        self._tags += 1
        command = Command(f"{self.name}.{self._tags}", name, arguments, numbers, forbids_expunge)
        self.in_progress.append(command)
        line = f"{command.tag} {name}{' ' if arguments else ''}{arguments}\r\n".encode()
        self._note(">", line[:-2])
        self._wire.send(line)
        return command

    def send_raw(self, data):
        self._note(">", data)
        self._wire.send(data)

    async def finish(self, command):
        """Waits for the tagged answer."""
        return await self._within(command.answer, f"no answer to {command.name} {command.text}"
                                  ) and command

    async def run(self, name, arguments="", **more):
        return await self.finish(self.send(name, arguments, **more))

    async def idle(self):
        command = self.send("IDLE")
        await self._within(command.continuation, "no + for IDLE")
        return command

    async def done(self, command):
        if not command.answer.done():
            self.idle_since = None
            self.send_raw(b"DONE\r\n")
        return await self.finish(command)

    async def _within(self, future, what):
        done, _ = await asyncio.wait([future], timeout=self.deadline)
        if not done:
            raise Late(f"{what} within {self.deadline:.0f} s")
        return future.result()

    async def wait_until(self, condition, deadline):
        """True once condition() holds, asked again after every response; False after the deadline."""
        end = time.monotonic() + deadline
        while not condition():
            remaining = end - time.monotonic()
            if remaining <= 0:
                return False
            if not self.connected:
                raise Gone(self.bye or "closed")
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), remaining)
            except asyncio.TimeoutError:
                pass
        return True

    # --- judging ---

    def _take(self, response):
        if response.startswith(b"+"):
            return self._take_continuation(response)
        if response.startswith(b"* "):
            return self._take_untagged(response)
        return self._take_tagged(response)

    def _take_continuation(self, response):
        for command in self.in_progress:
            if not command.continuation.done() and command.name in ("IDLE", "APPEND"):
                if command.name == "IDLE":
                    self.idle_since = time.monotonic()
                command.continuation.set_result(response)
                return
        raise Violation(f"nobody awaits {response!r}")

    def _take_tagged(self, response):
        tag = response.split(b" ")[0].decode(errors="replace")
        if not self.in_progress or self.in_progress[0].tag != tag:
            raise Violation(f"{response!r}, but in progress are {[c.tag for c in self.in_progress]}")
        self._learn_copied(response)
        command = self.in_progress.pop(0)
        if command.name == "IDLE":
            self.idle_since = None
        command.answer.set_result(response)
        if not command.continuation.done():
            command.continuation.set_exception(Gone("answered instead of +"))
            command.continuation.exception()
        if command.ok:
            self._check_complete(command)
            self.belief.answered()
            self._after(command)
        highest = _HIGHEST.search(response)
        if highest and command.ok:
            self.belief.highest_modseq(int(highest.group(1)))

    def _after(self, command):
        if command.name in ("SELECT", "EXAMINE"):
            self.belief.selected()
        elif command.name in ("CLOSE", "UNSELECT"):
            self.belief.clear()

    def _check_complete(self, command):
        if command.name == "FETCH":
            missing = set(command.numbers) - command.fetched
            if missing:
                raise Violation(f"{command.tag} is answered OK, but not for {sorted(missing)}")
        if command.name in ("COPY", "MOVE") and command.copied:
            expected = sorted(uid for uid in command.numbers.values() if uid)
            if expected and command.copied != expected:
                raise Violation(f"{command.tag} {command.name} {command.text} took UIDs {command.copied}, "
                                f"not {expected}")

    def _learn_copied(self, response):
        copied = _COPYUID.search(response)
        if copied:
            command = self._first("COPY", "MOVE", "UID COPY", "UID MOVE")
            if command:
                command.copied += sorted(expand(copied.group(1)))

    def _first(self, *names):
        return next((c for c in self.in_progress if c.name in names), None)

    def _take_untagged(self, response):
        number = _NUMBER.match(response)
        if number:
            return self._take_number(int(number.group(1)), number.group(2).upper(), number.group(3))
        word = response.split(b" ", 2)[1].upper()
        rest = response.split(b" ", 2)[2] if response.count(b" ") > 1 else b""
        if word == b"VANISHED":
            earlier = rest.upper().startswith(b"(EARLIER)")
            if not earlier:
                self._check_expunge_allowed(response)
            self.belief.vanished(rest.split(b" ")[-1], earlier)
        elif word == b"FLAGS":
            self.belief.announce(rest.decode().strip("()").split())
        elif word in (b"SEARCH", b"ESEARCH"):
            self._take_search(word, rest)
        elif word == b"OK":
            self._take_ok(response)
        elif word == b"BYE":
            self.bye = response.decode(errors="replace")
        elif word == b"ENABLED":
            self._take_enabled(rest.upper())
        elif word in (b"BAD", b"NO", b"PREAUTH"):
            raise Violation(f"unexpected {response!r}")
        elif word in (b"LIST", b"STATUS") and not self._first("LIST", "STATUS"):
            raise Violation(f"nobody asked for {response!r}")

    def _take_enabled(self, rest):
        if b"QRESYNC" in rest:
            self.belief.klass = "qresync"
        elif b"CONDSTORE" in rest and self.belief.klass == "plain":
            self.belief.klass = "condstore"

    def _take_ok(self, response):
        validity = re.search(rb"\[UIDVALIDITY (\d+)\]", response)
        if validity:
            self.belief.uid_validity = int(validity.group(1))
        if b"[CLOSED]" in response:
            self.belief.closed()
        highest = _HIGHEST.search(response)
        if highest and self.belief.selecting:
            self.belief.highest_modseq(int(highest.group(1)))
        self._learn_copied(response)

    def _take_search(self, word, rest):
        command = self._first("SEARCH", "UID SEARCH")
        if not command:
            raise Violation(f"nobody asked for {word.decode()} {rest!r}")
        if word == b"ESEARCH":
            if command.tag.encode() not in rest:
                raise Violation(f"ESEARCH {rest!r} for {command.tag}")
            all_ = re.search(rb"\bALL ([\d:,]+)", rest)
            found = expand(all_.group(1)) if all_ else []
        else:
            found = [int(w) for w in rest.split(b"(")[0].split()]
        command.search = found
        for each in found:
            if command.name == "UID SEARCH":
                self.belief.check_uid_alive(each)
            elif not 1 <= each <= len(self.belief.messages):
                raise Violation(f"SEARCH finds {each} of {len(self.belief.messages)} messages")

    def _take_number(self, number, word, rest):
        if self.belief.mailbox is None:
            raise Violation(f"{number} {word.decode()} without a mailbox")
        if word == b"EXISTS":
            self.belief.exists(number)
        elif word == b"EXPUNGE":
            self._check_expunge_allowed(f"{number} EXPUNGE")
            self.belief.expunge(number)
        elif word == b"FETCH":
            self._take_fetch(number, rest)

    def _take_fetch(self, number, rest):
        asker = self._first("FETCH", "STORE", "UID FETCH", "UID STORE")
        items = rest[1:-1]
        body = re.search(rb"BODY\[[^\]]*\] (?:\{\d+\}\r\n|\")", items)
        self.belief.fetch(number, items, solicited=asker is not None or self.belief.selecting)
        for command in self.in_progress:
            if command.name == "FETCH":
                command.fetched.add(number)
        if body:
            if not asker:
                raise Violation(f"nobody asked for the body of {number}")
            self.belief.check_body(self.user, number, items[body.end():], self.identities)

    def _check_expunge_allowed(self, what):
        if not self.in_progress:
            raise Violation(f"{what} with no command in progress")
        if self.in_progress[0].forbids_expunge:
            raise Violation(f"{what} during {self.in_progress[0].name} {self.in_progress[0].text}")


class Direct:
    """A session of the store's own, for mutators and for the truth. Judges nothing."""

    def __init__(self, wire):
        self._wire, self._tags = wire, 0

    @classmethod
    async def open(cls, host, port, user, password, deadline=DEADLINE):
        direct = None
        try:
            wire = await asyncio.wait_for(Wire.open(host, port), deadline)
            direct = cls(wire)
            await asyncio.wait_for(wire.read(), deadline)
            await direct.ok(f"LOGIN {user} {password}")
            return direct
        except (*_ENDS, Gone, asyncio.TimeoutError) as error:
            if direct:
                direct.close()
            raise Gone(str(error) or "silence") from error

    async def run(self, command, deadline=DEADLINE):
        """(tagged, untagged)."""
        self._tags += 1
        tag = f"d{self._tags}".encode()
        self._wire.send(tag + b" " + (command.encode() if isinstance(command, str) else command) + b"\r\n")
        untagged = []
        try:
            while True:
                response = await asyncio.wait_for(self._wire.read(), deadline)
                if response.startswith(tag + b" "):
                    return response, untagged
                untagged.append(response)
        except asyncio.TimeoutError as error:
            raise Gone("silence") from error
        except _ENDS as error:
            raise Gone(str(error)) from error

    async def ok(self, command):
        tagged, untagged = await self.run(command)
        if b" OK" not in tagged[:12]:
            raise Gone(f"{command}: {tagged}")
        return untagged

    async def listing(self, mailbox):
        """The mailbox as it is: [(uid, flags)]."""
        await self.ok(f"EXAMINE {mailbox}")  # anew: no view of before
        listed = []
        for response in await self.ok("UID FETCH 1:* (UID FLAGS)"):
            uid = re.search(rb"\bUID (\d+)", response)
            flags = re.search(rb"\bFLAGS \(([^)]*)\)", response)
            if uid and flags:
                listed.append((int(uid.group(1)), flag_set(flags.group(1))))
        return sorted(listed)

    def close(self):
        self._wire.abort()
