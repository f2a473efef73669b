"""A raw IMAP client: it shows every byte, keeps quiet about nothing, and knows how to wait.

Responses are bytes without the final CRLF; literals stand in them as they came ("{5}\\r\\nhello").
"""

import base64
import re
import socket
import ssl
import time

from .process import DEADLINE, Timeout

_LITERAL = re.compile(rb"~?\{(\d+)\}$")


class Closed(AssertionError):
    """The server closed the connection."""


class Answer:
    """The tagged answer to a command, and the untagged responses before it."""

    def __init__(self, tagged, untagged):
        self.tagged = tagged
        self.untagged = untagged
        self.status = tagged.split(b" ")[1].decode().upper()
        self.text = tagged.split(b" ", 2)[2].decode(errors="replace") if tagged.count(b" ") > 1 else ""

    def __repr__(self):
        return f"Answer({self.untagged + [self.tagged]})"

    def find(self, pattern):
        """The match of the first untagged response that fits; pattern is bytes."""
        for line in self.untagged:
            match = re.search(pattern, line, re.I | re.S)
            if match:
                return match
        raise AssertionError(f"no {pattern!r} in {self}")

    def search_result(self):
        """The numbers of SEARCH."""
        return [int(word) for word in self.find(rb"^\* SEARCH(.*)").group(1).split()]


def flag_set(text):
    """The flags of b"\\\\Seen Word" as text, without \\\\Recent, which belongs to a session."""
    return {flag.decode() for flag in text.split()} - {"\\Recent"}


def trusting(ca_file):
    """A TLS context that trusts one authority."""
    context = ssl.create_default_context(cafile=str(ca_file))
    return context


class Client:
    """One connection. tls: None, "implicit" or "starttls" with a context."""

    def __init__(self, host, port, tls=None, context=None, deadline=DEADLINE, greeting=True,
                 server_hostname="localhost", source=None):
        self.deadline = deadline
        self._buffer = bytearray()
        self._tags = 0
        self._idle_tag = None
        self.selected_flags = set()  # as told last
        self.uid_validity = 0
        self.unheard = []  # untagged responses nobody has asked for yet
        self.socket = socket.create_connection(
            (host, port), timeout=deadline, source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._context, self._hostname = context, server_hostname
        if tls == "implicit":
            self._wrap()
        if greeting:
            self.greeting = self.read()
        if tls == "starttls":
            self.ok("STARTTLS")
            self._wrap()

    def start_tls(self, context):
        """After the OK to STARTTLS."""
        self._context = context
        self._wrap()

    def _wrap(self):
        assert not self._buffer, f"plaintext before TLS: {bytes(self._buffer)!r}"
        self.socket = self._context.wrap_socket(self.socket, server_hostname=self._hostname)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- bytes ---

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def _fill(self, end):
        remaining = end - time.monotonic()
        if remaining <= 0:
            raise Timeout(f"silence; so far: {bytes(self._buffer[:200])!r}")
        self.socket.settimeout(remaining)
        try:
            data = self.socket.recv(1 << 16)
        except TimeoutError as error:
            raise Timeout(f"silence; so far: {bytes(self._buffer[:200])!r}") from error
        except (ConnectionError, ssl.SSLError) as error:
            raise Closed(str(error)) from error
        if not data:
            raise Closed(f"closed by the server; unread: {bytes(self._buffer[:200])!r}")
        self._buffer += data

    def _take_line(self, end):
        start = 0
        while True:
            at = self._buffer.find(b"\n", start)
            if at >= 0:
                line = bytes(self._buffer[:at + 1])
                del self._buffer[:at + 1]
                assert line.endswith(b"\r\n"), f"bare LF in {line!r}"
                return line[:-2]
            start = len(self._buffer)
            self._fill(end)

    def _take_bytes(self, count, end):
        while len(self._buffer) < count:
            self._fill(end)
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def read(self, deadline=None):
        """The next response, with its literals."""
        end = time.monotonic() + (self.deadline if deadline is None else deadline)
        parts = [self._take_line(end)]
        while True:
            literal = _LITERAL.search(parts[-1])
            if not literal:
                response = b"".join(parts)
                if response.upper().startswith(b"* FLAGS ("):
                    self.selected_flags = flag_set(response[9:-1])
                return response
            parts.append(b"\r\n")
            parts.append(self._take_bytes(int(literal.group(1)), end))
            parts.append(self._take_line(end))

    def read_closed(self, deadline=None):
        """Reads until the server closes; returns all responses before that."""
        end = time.monotonic() + (self.deadline if deadline is None else deadline)
        responses = []
        try:
            while True:
                responses.append(self.read(end - time.monotonic()))
        except Closed:
            return responses

    def silent_for(self, seconds):
        """Asserts that nothing comes for a while (a NOOP's answer is better proof where it is possible)."""
        try:
            response = self.read(seconds)
        except Timeout:
            return
        raise AssertionError(f"not silent: {response!r}")

    # --- commands ---

    def tag(self):
        self._tags += 1
        return f"a{self._tags}"

    def start(self, command):
        """Sends a command; returns its tag."""
        tag = self.tag()
        self.send(tag.encode() + b" " + (command.encode() if isinstance(command, str) else command) + b"\r\n")
        return tag

    def finish(self, tag, deadline=None):
        """Reads up to the tagged answer."""
        end = time.monotonic() + (self.deadline if deadline is None else deadline)
        untagged, self.unheard = self.unheard, []
        prefix = tag.encode() + b" "
        while True:
            response = self.read(end - time.monotonic())
            if response.startswith(prefix):
                return Answer(response, untagged)
            assert response.startswith(b"* "), f"neither untagged nor {tag}: {response!r} after {untagged}"
            untagged.append(response)

    def finish_all(self, tags):
        """Reads up to the answers of several commands: ({tag: status}, untagged in order).

        A store may answer commands in one go; what is untagged belongs to no command in particular.
        """
        expected, answers, untagged = set(tags), {}, []
        while len(answers) < len(tags):
            response = self.read()
            if response.startswith(b"* "):
                untagged.append(response)
                continue
            tag, status = response.decode().split(" ")[:2]
            assert tag in expected and tag not in answers, f"unexpected {response!r}"
            answers[tag] = status
        return answers, untagged

    def command(self, command, deadline=None):
        return self.finish(self.start(command), deadline)

    def ok(self, command, deadline=None):
        answer = self.command(command, deadline)
        assert answer.status == "OK", f"{command}: {answer}"
        return answer

    def no(self, command, code=None):
        answer = self.command(command)
        assert answer.status == "NO", f"{command}: {answer}"
        assert code is None or f"[{code}]" in answer.text, f"{command}: {answer}"
        return answer

    def bad(self, command):
        answer = self.command(command)
        assert answer.status == "BAD", f"{command}: {answer}"
        return answer

    def continuation(self, deadline=None):
        """Waits for '+', keeping untagged responses for later."""
        end = time.monotonic() + (self.deadline if deadline is None else deadline)
        while True:
            response = self.read(end - time.monotonic())
            if response.startswith(b"+"):
                return response
            assert response.startswith(b"* "), f"no continuation: {response!r}"
            self.unheard.append(response)

    def login(self, user, password):
        return self.ok(f'LOGIN {quoted(user)} {quoted(password)}')

    def authenticate_plain(self, user, password, authzid="", initial=True):
        token = base64.b64encode(f"{authzid}\0{user}\0{password}".encode()).decode()
        if initial:
            return self.command(f"AUTHENTICATE PLAIN {token}")
        tag = self.start("AUTHENTICATE PLAIN")
        self.continuation()
        self.send(token + "\r\n")
        return self.finish(tag)

    def append(self, mailbox, message, flags="", non_sync=False):
        """APPEND with a synchronizing literal, or with LITERAL+."""
        if isinstance(message, str):
            message = message.encode()
        flags = f"({flags}) " if flags else ""
        tag = self.start(f"APPEND {quoted(mailbox)} {flags}{{{len(message)}{'+' if non_sync else ''}}}")
        if not non_sync:
            self.continuation()
        self.send(message)
        self.send(b"\r\n")
        answer = self.finish(tag)
        assert answer.status == "OK", answer
        return answer

    def select(self, mailbox="INBOX", command="SELECT"):
        """SELECT or EXAMINE; keeps the UIDVALIDITY."""
        answer = self.ok(f"{command} {quoted(mailbox)}")
        self.uid_validity = int(answer.find(rb"UIDVALIDITY (\d+)").group(1))
        return answer

    def uids(self, keys="ALL"):
        """The UIDs a search finds in the mailbox as it is now (Dovecot's SEARCH alone may look back)."""
        self.ok("NOOP")
        return self.ok(f"UID SEARCH {keys}").search_result()

    def logout(self):
        answer = self.command("LOGOUT")
        self.close()
        return answer

    # --- IDLE ---

    def idle(self):
        self._idle_tag = self.start("IDLE")
        self.continuation()

    def done(self):
        tag, self._idle_tag = self._idle_tag, None
        self.send(b"DONE\r\n")
        answer = self.finish(tag)
        assert answer.status == "OK", answer
        return answer

    def read_untagged(self, deadline=None):
        """The next untagged response: kept ones first. '* OK Still here' is not news and is skipped."""
        end = time.monotonic() + (self.deadline if deadline is None else deadline)
        while True:
            response = self.unheard.pop(0) if self.unheard else self.read(end - time.monotonic())
            assert response.startswith(b"* "), f"not untagged: {response!r}"
            if not response.startswith(b"* OK Still here"):
                return response

    def wait_untagged(self, pattern, deadline=None):
        """Reads until an untagged response fits the pattern; returns its match."""
        end = time.monotonic() + (self.deadline if deadline is None else deadline)
        seen = []
        while True:
            try:
                seen.append(self.read_untagged(end - time.monotonic()))
            except Timeout as error:
                raise Timeout(f"no {pattern!r} among {seen}") from error
            match = re.match(pattern, seen[-1], re.I | re.S)
            if match:
                return match


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
