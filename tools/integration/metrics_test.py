#!/usr/bin/python3
"""What roostd shows of itself on its admin address, under a few clients of every sort."""

import re
import socket
import ssl
import subprocess
import unittest
import urllib.error
import urllib.request

from embedded_test import EmbeddedStoreCase
from harness.case import dovecot_store, main, roost_only
from harness.dovecot import PASSWORD
from harness.process import DEADLINE, free_port, wait_until
from harness.roost import BIN

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="[^"\\]*",?)+)\})? (\S+)')


def get(port, path):
    """(status, content type, body)"""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=DEADLINE) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def parse(text):
    """Names of all families in their order, and samples by (name, labels as a frozen set of items)."""
    names, samples = [], {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            names.append(line.split()[2])
        if line.startswith("#"):
            continue
        match = SAMPLE.fullmatch(line)
        if not match:
            raise AssertionError(f"not a sample: {line}")
        labels = frozenset(re.findall(r'([a-z_]+)="([^"]*)"', match[2] or ""))
        if (match[1], labels) in samples:
            raise AssertionError(f"twice: {line}")
        samples[match[1], labels] = float(match[3])
    return names, samples


class Scraping:
    """For tests with the pages on 127.0.0.1:admin_port."""

    def scrape(self):
        status, kind, text = get(self.admin_port, "/metrics")
        self.assertEqual(status, 200, text)
        self.assertEqual(kind, "text/plain; version=0.0.4; charset=utf-8")
        return parse(text)

    def value(self, name, **labels):
        _, samples = self.scrape()
        if name == "roost_wakes_total":  # of commands that nobody has sent there is none
            return samples.get((name, frozenset(labels.items())), 0)
        return samples[name, frozenset(labels.items())]

    def await_value(self, expected, name, **labels):
        wait_until(lambda: self.value(name, **labels) == expected,
                   lambda: f"{name}{labels} is {expected}, but {self.value(name, **labels)}")

    def grows(self, amount, name, **labels):
        """A check that it has grown by that from now on; call it when it should have."""
        before = self.value(name, **labels)
        return lambda: self.await_value(before + amount, name, **labels)


@roost_only
class MetricsTest(Scraping, EmbeddedStoreCase):
    login = "proxy-authzid"

    @classmethod
    def start_front(cls):
        cls.admin_port = free_port()
        return cls.roostd("front", [dovecot_store(cls.dovecot, cls.login)],
                          {"admin": {"address": f"127.0.0.1:{cls.admin_port}"}})

    def test_names_are_those_of_the_reference(self):
        reference = subprocess.run([BIN / "roostd", "--metrics-reference"], check=True,
                                   capture_output=True, text=True, timeout=DEADLINE).stdout
        names, _ = self.scrape()
        self.assertEqual(names, re.findall(r"^\| `(\w+)` \|", reference, re.M))

    def test_an_idle_client_is_told(self):
        user = self.user()
        checks = [self.grows(1, "roost_notifications_total"), self.grows(1, "roost_fan_out_seconds_count"),
                  self.grows(1, "roost_feed_events_total", kind="exists"),
                  self.grows(1, "roost_logins_total", result="ok"),
                  self.grows(1, "roost_tls_handshakes_total", peer="client", kind="full")]
        parked = self.grows(1, "roost_parks_total", cause="idle")
        client = self.client(user)
        client.idle()
        parked()
        self.assert_sessions(user, 1)
        self.dovecot.deliver(user)
        client.wait_untagged(rb"\* 1 EXISTS")
        for check in checks:
            check()
        self.assertGreaterEqual(self.value("roost_clients", state="parked"), 1)
        self.assertGreaterEqual(self.value("roost_clients_idling"), 1)
        self.assertGreaterEqual(self.value("roost_feeds", driver="idle"), 1)
        self.assertGreater(self.value("roost_memory_bytes", kind="cells"), 0)
        self.assertGreater(self.value("roost_memory_bytes", kind="feeds"), 0)
        self.assertGreater(self.value("roost_sent_bytes_total", peer="client"), 1000)

    def test_a_command_wakes(self):
        user = self.user()
        self.dovecot.deliver(user)
        client = self.client(user)
        parked = self.grows(1, "roost_parks_total", cause="idle")
        client.idle()
        parked()
        checks = [self.grows(1, "roost_wakes_total", command="other"),
                  self.grows(1, "roost_wake_seconds_count"),
                  self.grows(1, "roost_wake_sessions_total", **{"from": "feed"})]
        client.done()
        client.command("XYZZY")
        for check in checks:
            check()
        client.ok("FETCH 1 (FLAGS)")

    def test_a_wrong_password_is_counted(self):
        user = self.user()
        check = self.grows(3, "roost_logins_total", result="refused")
        hits = self.grows(1, "roost_limit_hits_total", limit="failed_logins")
        client = self.connect()
        for _ in range(3):
            client.no(f"LOGIN {user} wrong{PASSWORD}")
        check()
        hits()

    def test_a_failed_handshake_is_counted_with_its_reason(self):
        check = self.grows(1, "roost_tls_handshake_failures_total", peer="client", reason="peer")
        with socket.create_connection((self.front.host, self.front.imaps_port)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            plain.recv(100)
        check()
        check = self.grows(1, "roost_tls_handshake_failures_total", peer="client", reason="gone")
        with socket.create_connection((self.front.host, self.front.imaps_port)) as plain:
            plain.sendall(b"\x16\x03\x01")
        check()

    def test_a_resumed_handshake_is_told_apart(self):
        check = self.grows(1, "roost_tls_handshakes_total", peer="client", kind="resumed")
        context = ssl.create_default_context(cafile=self.authority.ca_file)
        context.check_hostname = False
        session = None
        for _ in range(2):
            with socket.create_connection((self.front.host, self.front.imaps_port)) as plain:
                with context.wrap_socket(plain, session=session) as tls:
                    tls.recv(1000)
                    session = tls.session
        check()

    def test_the_wire_is_counted_in_no_other_name(self):
        """Nothing that came from a client or a store is on a page."""
        user = self.user()
        client = self.client(user)
        client.idle()
        _, _, text = get(self.admin_port, "/metrics")
        self.assertNotIn(user, text)
        self.assertNotIn("INBOX", text)

    def test_it_is_alive_and_ready(self):
        self.assertEqual(get(self.admin_port, "/healthz")[0::2], (200, "ok\n"))
        self.assertEqual(get(self.admin_port, "/readyz")[0::2], (200, "ok\n"))
        self.assertEqual(get(self.admin_port, "/")[0], 404)
        self.assertEqual(self.value("roost_ready"), 1)

    def test_silent_connections_hold_nobody_up(self):
        silent = [socket.create_connection(("127.0.0.1", self.admin_port)) for _ in range(40)]
        try:
            self.assertEqual(get(self.admin_port, "/healthz")[0], 200)
        finally:
            for connection in silent:
                connection.close()

    def test_its_address_may_not_be_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            text = (f"listeners: [{{address: '127.0.0.1:0', tls: none, allow_plaintext_login: on}}]\n"
                    f"stores: [{{name: a, addresses: ['127.0.0.1:1']}}]\n"
                    f"admin: {{address: '127.0.0.1:{taken.getsockname()[1]}'}}\n")
            path = self.directory / "taken.yaml"
            path.write_text(text)
            run = subprocess.run([BIN / "roostd", f"--config={path}"], capture_output=True, text=True,
                                 timeout=DEADLINE, check=False)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("admin.address: cannot listen on", run.stderr)


@roost_only
class WhileDrainingTest(EmbeddedStoreCase):
    """Alive, and not ready."""

    @classmethod
    def start_front(cls):
        cls.admin_port = free_port()
        return cls.roostd("front", [dovecot_store(cls.dovecot)],
                          {"admin": {"address": f"127.0.0.1:{cls.admin_port}"},
                           "drain": {"accept_s": 600, "on_stop_s": 0}})

    def test_it_says_so_from_the_first_moment(self):
        self.client(self.user()).idle()
        self.assertEqual(get(self.admin_port, "/readyz")[0], 200)
        self.front.ctl("drain", "--over", "900", status=0)
        self.assertEqual(get(self.admin_port, "/readyz")[0::2], (503, "draining\n"))
        self.assertEqual(get(self.admin_port, "/healthz")[0], 200)
        _, samples = parse(get(self.admin_port, "/metrics")[2])
        self.assertEqual(samples["roost_ready", frozenset()], 0)


if __name__ == "__main__":
    main()
