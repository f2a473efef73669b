"""What a client believes of a mailbox, kept only by what it is told, as RFC 3501 says it should.

Any impossible response (a number beyond the end, an EXISTS that shrinks) is an assertion. At the end
`equals` compares the belief with what the store says.
"""

import re
import time

from .imap import flag_set
from .process import DEADLINE, Timeout, wait_until

_FETCH = re.compile(rb"^\* (\d+) FETCH \((.*)\)$", re.I | re.S)
_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)", re.I)
_UID = re.compile(rb"\bUID (\d+)", re.I)


class Message:
    """uid and flags are None until told."""

    def __init__(self, uid=None, flags=None):
        self.uid, self.flags = uid, flags

    def __repr__(self):
        return f"({self.uid} {'?' if self.flags is None else ' '.join(sorted(self.flags))})"


def truth(client):
    """The mailbox as `client`, with it selected, is told by the store: a list of (uid, flags)."""
    view = View(client)
    return [(m.uid, m.flags) for m in view.messages]


class View:
    """The view of a client that has just selected a mailbox. Feed it with responses, or wait_for."""

    def __init__(self, client):
        self.client = client
        self.messages = []
        self.told = []  # everything, for messages of failures
        self.known_flags = set(client.selected_flags)
        self._list()
        if self.messages:  # FETCH 1:* is an error in an empty mailbox
            self.run("FETCH 1:* (UID FLAGS)")

    def _list(self):
        self.client.ok("NOOP")
        listed = False
        for response in self.client.ok("UID SEARCH ALL").untagged:
            if response.startswith(b"* SEARCH"):
                self.messages = [Message(int(uid)) for uid in response.split()[2:]]
                listed = True
            # What comes before the list is in it already; only keywords must not be missed.
            elif listed or response.startswith(b"* FLAGS"):
                self.take(response)

    def take(self, response):
        """Applies one untagged response."""
        self.told.append(response)
        number = re.match(rb"^\* (\d+) (EXISTS|EXPUNGE)$", response, re.I)
        fetch = _FETCH.match(response)
        vanished = re.match(rb"^\* VANISHED ([\d:,]+)$", response, re.I)
        keywords = re.match(rb"^\* FLAGS \((.*)\)$", response, re.I)
        if keywords:
            self.known_flags = flag_set(keywords.group(1))
        elif number and number.group(2).upper() == b"EXISTS":
            self._take_exists(int(number.group(1)))
        elif number:
            self._take_expunge(int(number.group(1)))
        elif fetch:
            self._take_fetch(int(fetch.group(1)), fetch.group(2))
        elif vanished:
            self._take_vanished(vanished.group(1).decode())

    def _take_exists(self, count):
        assert count >= len(self.messages), f"EXISTS shrinks to {count}: {self}"
        self.messages += [Message() for _ in range(count - len(self.messages))]

    def _take_expunge(self, number):
        assert 1 <= number <= len(self.messages), f"EXPUNGE of {number}: {self}"
        del self.messages[number - 1]

    def _take_fetch(self, number, items):
        assert 1 <= number <= len(self.messages), f"FETCH of {number}: {self}"
        message = self.messages[number - 1]
        uid, flags = _UID.search(items), _FLAGS.search(items)
        if uid:
            assert message.uid in (None, int(uid.group(1))), f"UID of {number} changes: {self}"
            message.uid = int(uid.group(1))
        if flags:
            message.flags = flag_set(flags.group(1))
            unknown = message.flags - self.known_flags
            assert not unknown, f"flags {unknown} were never announced: {self}"

    def _take_vanished(self, uids):
        gone = set()
        for part in uids.split(","):
            first, _, last = part.partition(":")
            gone.update(range(int(first), int(last or first) + 1))
        self.messages = [m for m in self.messages if m.uid not in gone]

    def equals(self, expected):
        """Whether the belief, as far as it goes, is the list of (uid, flags)."""
        if len(self.messages) != len(expected):
            return False
        for message, (uid, flags) in zip(self.messages, expected):
            if message.uid not in (None, uid):
                return False
            if message.flags is not None and message.flags != flags:
                return False
        return True

    def wait_for(self, expected, deadline=DEADLINE):
        """Reads untagged responses until the view equals the list of (uid, flags)."""
        end = time.monotonic() + deadline
        while not self.equals(expected):
            try:
                self.take(self.client.read_untagged(end - time.monotonic()))
            except Timeout as error:
                raise Timeout(f"the view does not become {expected}: {self}") from error

    def wait_exists(self, count, deadline=DEADLINE):
        end = time.monotonic() + deadline
        while len(self.messages) != count:
            try:
                self.take(self.client.read_untagged(end - time.monotonic()))
            except Timeout as error:
                raise Timeout(f"not {count} messages: {self}") from error

    def check(self, expected):
        """After DONE: asks for everything by number and compares it with the list of (uid, flags).

        A view that looked right by chance (as many messages, not yet the same) may be told
        EXPUNGEISSUED once more; NOOP then tells which.
        """
        def asked():
            self.run("NOOP")
            if not self.messages:
                return True
            answer = self.apply(self.client.command("FETCH 1:* (UID FLAGS)"))
            assert answer.status == "OK" or "[EXPUNGEISSUED]" in answer.text, answer
            return answer.status == "OK"
        wait_until(asked, lambda: f"FETCH is answered: {self}")
        assert self.equals(expected), f"not {expected}: {self}"

    def run(self, command):
        """Runs a command and applies what is told before its answer."""
        return self.apply(self.client.ok(command))

    def done(self):
        return self.apply(self.client.done())

    def apply(self, answer):
        for response in answer.untagged:
            self.take(response)
        return answer

    def __repr__(self):
        return f"View({self.messages}, told {self.told[-30:]})"
