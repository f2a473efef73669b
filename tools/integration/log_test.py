#!/usr/bin/python3
"""The log: a line for each login that fail2ban can read, one name for a connection everywhere, and floods held back."""

import configparser
import json
import re
import shlex
import signal
import socket
import ssl

from embedded_test import EmbeddedStoreCase
from harness.case import RoostCase, dovecot_store, main, roost_only
from harness.dovecot import PASSWORD
from harness.process import DEADLINE, free_port, wait_until
from harness.roost import ROOT

FILTER = ROOT / "tools" / "packaging" / "fail2ban" / "filter.d" / "roostd.conf"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SESSION = re.compile(r"[a-z2-7]{13}")
AUDIT = {"login", "login_failed"}


def text_line(line):
    """{name: text} of a line of the text format, or None where it is none of the log."""
    time, _, rest = line.partition(" ")
    if not TIME.fullmatch(time):
        return None
    level, event, *fields = shlex.split(rest.replace("\\u", "\\\\u"))
    return {"level": level, "event": event, **dict(field.split("=", 1) for field in fields)}


def hosts(lines):
    """The addresses that the shipped filter finds, each line looked at with and without its time."""
    parser = configparser.ConfigParser(interpolation=configparser.BasicInterpolation())
    parser.read(FILTER, encoding="utf-8")
    patterns = [re.compile(p.strip().replace("<HOST>", r"(?P<host>[0-9A-Fa-f:.]+)"))
                for p in parser["Definition"]["failregex"].splitlines()]
    found = []
    for line in lines:
        variants = (line, TIME.sub("", line, count=1), f"mail roostd[4711]: {line}")
        matches = [[m["host"] for p in patterns if (m := p.search(variant))] for variant in variants]
        if any(match != matches[0] for match in matches):
            raise AssertionError(f"{matches}: {line}")
        found += matches[0]
    return found


@roost_only
class AuditTest(EmbeddedStoreCase):
    """A line for each login, whatever became of it."""

    log_format = "text"

    @classmethod
    def start_front(cls):
        return cls.roostd("front", [cls.store()], cls.logging())

    @classmethod
    def logging(cls):
        return {"log": {"level": "info", "format": cls.log_format}}

    @classmethod
    def store(cls, port=None):
        return {"name": "main", "addresses": [f"{cls.dovecot.host}:{port or cls.dovecot.imap_port}"]}

    def parsed(self, line):
        return text_line(line)

    def audit(self, front, act, count=1):
        """What is logged of logins by act()."""
        before = len(front.log().splitlines())

        def lines():
            new = front.log().splitlines()[before:]
            return [line for line in new if (self.parsed(line) or {}).get("event") in AUDIT]
        act()
        wait_until(lambda: len(lines()) >= count, lambda: f"{count} lines: {front.log()[-2000:]}")
        self.assertEqual(len(lines()), count, lines())
        return lines()

    def audited(self, act, front=None, **expected):
        [line] = self.audit(front or self.front, act)
        fields = self.parsed(line)
        self.assertEqual({name: str(fields[name]) for name in expected}, expected, line)
        self.assertRegex(fields["session"], f"^{SESSION.pattern}$")
        self.assertNotIn(PASSWORD, line)
        found = ["127.0.0.1"] if expected["result"] == "refused" else []
        self.assertEqual(hosts([line]), found, line)
        return fields

    def test_good_ones(self):
        user = self.user()
        client = self.connect()
        fields = self.audited(lambda: client.login(user, PASSWORD), event="login", level="info", user=user,
                              address="127.0.0.1", port=str(client.socket.getsockname()[1]), result="ok",
                              method="login", listener=f"127.0.0.1:{self.front.imaps_port}", tls="1.3",
                              store="main", reason="")
        self.assertEqual(set(fields) - {"time"}, {"level", "event", "address", "port", "result", "method", "listener",
                                                  "tls", "session", "store", "user", "reason"})
        client = self.connect("plain")
        self.audited(lambda: client.authenticate_plain(user, PASSWORD), event="login", user=user, result="ok",
                     method="plain", listener=f"127.0.0.1:{self.front.plain_port}", tls="none")

    def test_wrong_passwords(self):
        user = self.user()
        client = self.connect("starttls")
        self.audited(lambda: client.no(f"LOGIN {user} wrong-secret"), event="login_failed", level="info", user=user,
                     result="refused", method="login", tls="1.3", store="main",
                     reason="[AUTHENTICATIONFAILED] Name or password is wrong")
        self.audited(lambda: client.authenticate_plain(user, "wrong-secret"), event="login_failed", result="refused",
                     method="plain")
        self.assertNotIn("wrong-secret", self.front.log())

    def test_names_that_look_like_fields(self):
        client = self.connect()
        for name in ("x info login_failed address=192.0.2.9 port=1 result=refused ",
                     'x" address="192.0.2.9" result="refused" ',
                     '{"time": "", "level": "info", "event": "login_failed", "address": "192.0.2.9", "port": 1, '):
            [line] = self.audit(self.front, lambda name=name: client.authenticate_plain(name, PASSWORD))
            self.assertEqual(self.parsed(line)["user"], name)
            self.assertNotIn("192.0.2.9", hosts([line]))
            client = self.connect()

    def test_long_names_are_cut(self):
        client = self.connect()
        [line] = self.audit(self.front, lambda: client.authenticate_plain("n" * 900, "x"))
        self.assertEqual(self.parsed(line)["user"], "n" * 400)

    def test_not_over_this_connection(self):
        client = self.connect("none")
        self.audited(lambda: client.no("LOGIN ann x", "PRIVACYREQUIRED"), event="login_failed", result="not-allowed",
                     method="login", tls="none", user="")

    def test_not_for_somebody_else(self):
        client = self.connect()
        self.audited(lambda: client.authenticate_plain("ann", PASSWORD, authzid="bob"), event="login_failed",
                     result="not-allowed", method="plain", user="ann")

    def test_a_store_that_cannot_be_asked(self):
        front = self.roostd("alone", [self.store(free_port())], self.logging())
        client = front.client()
        self.addCleanup(client.close)
        fields = self.audited(lambda: client.no("LOGIN ann x", "UNAVAILABLE"), front, event="login_failed",
                              level="warning", result="unavailable", user="ann", store="main")
        self.assertIn("refused", fields["reason"])

    def test_one_that_ends_before_the_answer(self):
        with socket.create_server(("127.0.0.1", 0)) as mute:
            front = self.roostd("mute", [self.store(mute.getsockname()[1])],
                                {**self.logging(), "timeouts": {"login_s": 1, "handshake_s": 1}})
            client = front.client()
            self.addCleanup(client.close)
            self.audited(lambda: client.start("LOGIN ann x"), front, event="login_failed", result="abandoned",
                         user="ann", store="main", tls="1.3")
            self.assertIn(b"* BYE Autologout; not logged in in time", client.read_closed())

    def test_handshakes_that_fail(self):
        front = self.roostd("handshakes", [self.store()], {**self.logging(), "timeouts": {"handshake_s": 1}})

        def reason(act):
            before = len(front.log().splitlines())

            def failed():
                lines = [self.parsed(line) or {} for line in front.log().splitlines()[before:]]
                return [line for line in lines if line.get("event") == "handshake_failed"]
            with socket.create_connection((front.host, front.imaps_port), timeout=DEADLINE) as sock:
                act(sock)
            wait_until(failed, lambda: f"a line: {front.log()[-2000:]}")
            [line] = failed()
            self.assertEqual((line["level"], line["address"]), ("info", "127.0.0.1"))
            self.assertRegex(line["session"], f"^{SESSION.pattern}$")
            return line["reason"]

        def distrust(sock):
            with self.assertRaises(ssl.SSLCertVerificationError):
                ssl.create_default_context().wrap_socket(sock, server_hostname="localhost")

        def speak_http(sock):
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            sock.recv(100)

        self.assertEqual(reason(distrust), "the client broke off in the clear, as some do that do not accept our "
                                           "certificate")
        self.assertEqual(reason(speak_http), "the client does not speak TLS")
        self.assertEqual(reason(lambda sock: sock.sendall(b"\x16\x03\x01")),
                         "the peer went away during the TLS handshake")
        self.assertEqual(reason(lambda sock: sock.recv(100)), "it took too long")
        # Balancers look whether anybody is there.
        lines = front.log().count("handshake_failed")
        socket.create_connection((front.host, front.imaps_port), timeout=DEADLINE).close()
        with front.client() as client:
            client.login(self.user(), PASSWORD)
        self.assertEqual(front.log().count("handshake_failed"), lines)

    def test_every_guess_of_many_is_there(self):
        def guess():
            for _ in range(100):
                with self.front.client("plain") as client:
                    for _ in range(3):
                        client.start("LOGIN ann x")
                    client.read_closed()
        lines = self.audit(self.front, guess, 300)
        self.assertEqual(hosts(lines), ["127.0.0.1"] * 300)
        self.assertEqual(len({self.parsed(line)["session"] for line in lines}), 100)


class JsonAuditTest(AuditTest):
    log_format = "json"

    def parsed(self, line):
        return json.loads(line) if line.startswith("{") else None

    def test_all_lines_are_json_and_numbers_are_numbers(self):
        client = self.connect()
        [line] = self.audit(self.front, lambda: client.login(self.user(), PASSWORD))
        self.assertIsInstance(self.parsed(line)["port"], int)
        for line in self.front.log().splitlines():
            self.assertLessEqual({"time", "level", "event"}, set(json.loads(line)))


@roost_only
class RefusedMasterTest(EmbeddedStoreCase):
    """A master user whom the store refuses: in its words, and with the client that needed the session."""

    @classmethod
    def start_front(cls):
        return cls.roostd("front", [dovecot_store(cls.dovecot, "proxy-authzid", master_password="not-the-secret")])

    def test_the_line_says_why_and_for_whom(self):
        user = self.user()
        clients = [self.client(user) for _ in range(2)]
        for client in clients:
            client.idle()
        self.assert_sessions(user, 1)
        rows = json.loads(self.front.ctl("clients", "--user", user, "--json", status=0).stdout)["clients"]
        [session] = [row["session"] for row in rows if row["port"] == clients[1].socket.getsockname()[1]]
        clients[1].done()
        clients[1].start("UID FETCH 1:* FLAGS")
        self.assertIn(b"* BYE [UNAVAILABLE] The mail store no longer accepts this login", clients[1].read_closed())
        [line] = [line for line in self.front.log().splitlines() if " proxy_login_refused " in line]
        fields = text_line(line)
        del fields["level"], fields["event"]
        self.assertEqual(fields, {"session": session, "store": "dovecot", "user": user,
                                  "reason": "[AUTHENTICATIONFAILED] Name or password is wrong"})
        self.assertNotIn("not-the-secret", self.front.log())


@roost_only
class FloodTest(EmbeddedStoreCase):
    @classmethod
    def start_front(cls):
        return cls.roostd("front", [dovecot_store(cls.dovecot)],
                          {"limits": {"max_clients_per_address": 2}, "log": {"level": "info"}})

    def test_what_is_left_out_is_counted(self):
        self.eventually(lambda: self.front.figures()["clients"] == 0, "nobody is there")
        before = self.front.figures()["refused_by_address"]  # of those that looked whether it is there
        held = [self.front.client("plain") for _ in range(2)]
        for client in held:
            self.addCleanup(client.close)
        for _ in range(1000):
            with socket.create_connection((self.front.host, self.front.plain_port), timeout=DEADLINE) as sock:
                while sock.recv(4096):
                    pass
        refused = self.front.figures()["refused_by_address"]

        def counted():
            lines = [text_line(line) or {} for line in self.front.log().splitlines()]
            written = sum(line.get("event") == "refused_by_address" for line in lines)
            left_out = sum(int(line["left_out"]) for line in lines
                           if line.get("event") == "log_flood" and line["of"] == "refused_by_address")
            return written, left_out
        self.assertEqual(refused, before + 1000)
        self.eventually(lambda: sum(counted()) == refused, lambda: f"{counted()} of {refused}")
        self.assertGreater(counted()[1], 0)


@roost_only
class MovedLogTest(EmbeddedStoreCase):
    """What logrotate does to log.file: it is moved away, and roostd told to reload."""

    @classmethod
    def start_front(cls):
        cls.log_file = cls.directory / "log" / "roostd.log"
        cls.log_file.parent.mkdir()
        return cls.roostd("front", [dovecot_store(cls.dovecot)], {"log": {"file": str(cls.log_file)}})

    def logged_in(self, path, user):
        return f" user={user} " in path.read_text(encoding="utf-8")

    def test_lines_go_to_a_new_file_and_every_line_is_somewhere(self):
        users = [self.user()]
        self.client(users[-1])
        reloads = (lambda: self.front.ctl("reload", status=0), lambda: self.front.process.signal(signal.SIGHUP))
        moved = [self.log_file.with_suffix(f".{i}") for i in range(len(reloads))]
        for path, reload in zip(moved, reloads):
            self.log_file.rename(path)
            users.append(self.user())
            self.client(users[-1])
            self.assertTrue(self.logged_in(path, users[-1]))
            reload()
            self.eventually(lambda: self.log_file.exists() and " reloaded " in self.log_file.read_text(encoding="utf-8"),
                            "the new file is written to")
            users.append(self.user())
            self.client(users[-1])
            self.assertTrue(self.logged_in(self.log_file, users[-1]))
            self.assertFalse(self.logged_in(path, users[-1]))
        for user in users:
            self.assertEqual(sum(self.logged_in(path, user) for path in (*moved, self.log_file)), 1, user)

    def test_where_it_cannot_be_made_nothing_is_reloaded(self):
        path = self.log_file.with_suffix(".kept")
        self.log_file.rename(path)
        self.log_file.mkdir()
        self.front.config_path.write_text(json.dumps({**self.front.config, "greeting": "Not yet."}))
        refused = self.front.ctl("reload", status=1).stderr
        self.assertIn(f"nothing was changed: log.file: cannot open {self.log_file}: Is a directory", refused)
        self.assertNotIn(b"Not yet.", self.connect().greeting)
        self.assertIn("error reload_refused ", path.read_text(encoding="utf-8"))
        user = self.user()
        self.client(user)
        self.assertTrue(self.logged_in(path, user))
        self.log_file.rmdir()
        self.front.ctl("reload", status=0)
        self.assertIn(b"Not yet.", self.connect().greeting)
        self.assertIn(" reloaded ", self.log_file.read_text(encoding="utf-8"))


@roost_only
class SessionIdTest(RoostCase):
    """One name for a connection: in roostd's log, in roostctl, and in Dovecot's log."""

    store_settings = {"send_id_originating_ip": True}
    dovecot_settings = "login_trusted_networks = 127.0.0.0/8\n"
    settings = {"shards": 3}

    def session_of(self, user):
        answer = self.front.ctl("clients", "--user", user, "--json", status=0).stdout
        return [row["session"] for row in json.loads(answer)["clients"]]

    def test_is_the_same_everywhere_and_lasts(self):
        seen = set()
        for _ in range(6):  # of several shards
            user = self.user()
            client = self.client(user)
            [session] = self.session_of(user)
            self.assertRegex(session, f"^{SESSION.pattern}$")
            seen.add(session)
            self.eventually(lambda: f"session=<{session}>" in self.dovecot.log(), "Dovecot has heard of it")
            logged = [line for line in self.front.log().splitlines() if f"session={session}" in line]
            self.assertEqual([text_line(line)["user"] for line in logged], [user])
            client.idle()
            self.eventually(lambda: self.front.figures()["asleep"] >= 1, "it is parked")
            self.assertEqual(self.session_of(user), [session])
            client.done()
            client.ok("STATUS INBOX (MESSAGES)")
            self.assertEqual(self.session_of(user), [session])
            client.logout()
        self.assertEqual(len(seen), 6)


if __name__ == "__main__":
    main()
