"""A store that says what a test tells it to, be it IMAP or not.

A script is a function script(connection), run in a thread for each connection. `connection.lines()`
and friends raise Gone when the other side has closed; a script may let that pass.
"""

import socket
import threading

from .process import free_port

CAPABILITIES = ("IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ ESEARCH UIDPLUS UNSELECT "
                "CONDSTORE QRESYNC AUTH=PLAIN AUTH=LOGIN")


class Gone(Exception):
    """The other side has closed."""


class Connection:
    def __init__(self, sock, store):
        self.socket, self.store = sock, store
        self._buffer = b""
        self.received = []  # lines, for tests to look at

    def send(self, data):
        try:
            self.socket.sendall(data.encode() if isinstance(data, str) else data)
        except OSError as error:
            raise Gone from error

    def line(self):
        while b"\r\n" not in self._buffer:
            try:
                data = self.socket.recv(65536)
            except OSError as error:
                raise Gone from error
            if not data:
                raise Gone
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        self.received.append(line)
        return line

    def command(self):
        """(tag, name in capitals, the rest) of the next command; literals are not expected."""
        words = self.line().decode(errors="replace").split(" ", 2)
        return words[0], words[1].upper() if len(words) > 1 else "", words[2] if len(words) > 2 else ""

    def greet(self):
        self.send(f"* OK [CAPABILITY {CAPABILITIES}] fake\r\n")

    def serve(self, answers=None, until=None):
        """Answers commands as an empty mailbox would, until the named one comes, which is returned.

        `answers` maps a command's name to text to be sent instead, in which {tag} stands for the tag and
        {rest} for the arguments.
        """
        defaults = {
            "CAPABILITY": f"* CAPABILITY {CAPABILITIES}\r\n{{tag}} OK done\r\n",
            "LOGIN": f"{{tag}} OK [CAPABILITY {CAPABILITIES}] logged in\r\n",
            "AUTHENTICATE": f"{{tag}} OK [CAPABILITY {CAPABILITIES}] logged in\r\n",
            "ID": "* ID NIL\r\n{tag} OK done\r\n",
            "ENABLE": "* ENABLED {rest}\r\n{tag} OK done\r\n",
            "SELECT": "* FLAGS (\\Seen \\Deleted)\r\n* OK [PERMANENTFLAGS (\\Seen \\Deleted)] ok\r\n"
                      "* 0 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 1] ok\r\n* OK [UIDNEXT 1] ok\r\n"
                      "* OK [HIGHESTMODSEQ 1] ok\r\n{tag} OK [READ-WRITE] done\r\n",
            "UID": "* SEARCH\r\n{tag} OK done\r\n",
            "IDLE": "+ idling\r\n",
            "DONE": "",
            "LOGOUT": "* BYE\r\n{tag} OK done\r\n",
        }
        defaults["EXAMINE"] = defaults["SELECT"].replace("READ-WRITE", "READ-ONLY")
        idle_tag = ""
        while True:
            tag, name, rest = self.command()
            if tag.upper() == "DONE":
                self.send(f"{idle_tag} OK done\r\n")
                continue
            if name == until:
                return tag, name, rest
            if name == "UID" and "RETURN" in rest.upper():
                self.send(f"* ESEARCH (TAG \"{tag}\") UID\r\n{tag} OK done\r\n")
                continue
            text = {**defaults, **(answers or {})}.get(name, "{tag} OK done\r\n")
            self.send(text.replace("{tag}", tag).replace("{rest}", rest))
            if name == "IDLE":
                idle_tag = tag
            if name == "LOGOUT":
                raise Gone


class FakeStore:
    """Listens at once; `script` may be exchanged for later connections. Close it with close()."""

    def __init__(self, script):
        self.host, self.port = "127.0.0.1", free_port()
        self.script = script
        self.connections = []
        self._listener = socket.create_server((self.host, self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            connection = Connection(sock, self)
            self.connections.append(connection)
            threading.Thread(target=self._run, args=(connection, self.script), daemon=True).start()

    @staticmethod
    def _run(connection, script):
        try:
            script(connection)
        except Gone:
            pass
        finally:
            connection.socket.close()

    def close(self):
        self._listener.close()
        for connection in self.connections:
            try:
                connection.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
