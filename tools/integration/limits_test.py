#!/usr/bin/python3
"""Limits, each exceeded: by address and in all, and addresses as a balancer announces them."""

import json
import socket
import time

from embedded_test import EmbeddedStoreCase
from harness.case import main
from harness.dovecot import PASSWORD
from harness.imap import Client
from harness.process import DEADLINE, SLOWNESS

TOO_MANY = b"* BYE [UNAVAILABLE] Too many connections from your address"


class LimitsTest(EmbeddedStoreCase):
    settings = {"limits": {"max_clients_per_address": 6, "failed_login_delay_s": 0}, "shards": 2}

    @classmethod
    def start_front(cls):
        return cls.roostd("front", cls.stores(), cls.settings)

    @classmethod
    def stores(cls):
        return [{"name": "store", "addresses": [f"{cls.dovecot.host}:{cls.dovecot.imap_port}"]}]

    def idle_clients(self, count, host, front=None):
        """As many as that from there, parked on whatever shards they belong to."""
        clients = [(front or self.front).client(host=host) for _ in range(count)]
        for client in clients:
            self.addCleanup(client.close)
            client.login(self.user(), PASSWORD)
            client.idle()
        return clients

    def refused(self, host, front=None):
        """A connection in clear is told so, one with TLS is closed."""
        front = front or self.front
        with self.assertRaises(OSError):
            front.client("implicit", host)
        client = front.client("plain", host, greeting=False)
        self.addCleanup(client.close)
        return client.read_closed()

    def test_clients_of_one_address(self):
        self.eventually(lambda: self.front.figures()["clients"] == 0, "nobody is there")
        clients = self.idle_clients(6, "127.0.0.1")
        self.eventually(lambda: self.front.figures()["parked"] >= 6, "all are parked")
        before = self.front.figures()["refused_by_address"]
        self.assertEqual(self.refused("127.0.0.1"), [TOO_MANY])
        self.assertEqual(self.front.figures()["refused_by_address"], before + 2)
        others = self.idle_clients(2, "::1")
        for client in clients + others:
            client.close()
        self.eventually(lambda: self.front.figures()["clients"] == 0, "all are gone")
        for client in self.idle_clients(6, "127.0.0.1"):
            client.done()

    def test_limits_are_taken_while_running(self):
        # One shard: max_clients is shared out among them.
        front = self.roostd("reloaded", self.stores(), {"limits": {"max_clients_per_address": 100}, "shards": 1})
        self.idle_clients(3, "127.0.0.1", front)
        self.reload(front, {"max_clients_per_address": 3})
        self.assertEqual(self.refused("127.0.0.1", front), [TOO_MANY])
        self.reload(front, {"max_clients_per_address": 3, "max_clients": 2})
        self.assertEqual(self.refused("::1", front), [b"* BYE [UNAVAILABLE] Too many connections"])
        self.reload(front, {})
        self.idle_clients(3, "127.0.0.1", front)

    def test_clients_of_one_user(self):
        front = self.roostd("users", self.stores(), {"shards": 2})
        user = self.user()
        self.idle_clients(2, "127.0.0.1", front)
        clients = [self.client(user, None, front=front) for _ in range(3)]
        clients[0].idle()
        self.reload(front, {"max_clients_per_user": 2})  # those who are there are not counted
        clients += [self.client(user, None, front=front) for _ in range(2)]
        with front.client() as client:
            client.no(f"LOGIN {user} {PASSWORD}", "LIMIT")
            client.no(f"LOGIN {user} wrong{PASSWORD}", "AUTHENTICATIONFAILED")
        self.assertEqual(front.figures()["refused_by_user"], 1)
        self.assertIn(' result=not-allowed ', front.log())
        clients.pop().close()
        self.eventually(lambda: front.figures()["clients"] == 6, "one has left")
        self.client(user, None, front=front)
        self.reload(front, {})
        self.client(user, None, front=front)

    def test_age_of_a_login(self):
        front = self.roostd("ages", self.stores(), {"limits": {"max_login_age_s": 10}, "shards": 2})
        idle = self.idle_clients(4, "127.0.0.1", front)
        attached = self.client(self.user(), front=front)
        began = time.monotonic()
        for client in idle + [attached]:
            self.assertEqual(client.read_closed()[-1],
                             b"* BYE [UNAVAILABLE] Logged in for too long; please connect again")
        self.assertGreater(time.monotonic() - began, 7)
        self.assertLess(time.monotonic() - began, 15 * SLOWNESS)
        self.assertEqual(front.figures()["aged"], 5)

    def reload(self, front, limits):
        front.config_path.write_text(json.dumps({**front.config, "limits": limits}))
        front.ctl("reload", status=0)

    def test_handshakes_in_progress(self):
        front = self.roostd("handshakes", self.stores(), {"limits": {"max_handshakes_in_progress": 1}, "shards": 1,
                                                          "timeouts": {"handshake_s": 3}})
        self.eventually(lambda: front.figures()["clients"] == 0, "nobody is there")
        before = time.monotonic()
        for _ in range(3):
            self.addCleanup(socket.create_connection((front.host, front.imaps_port), timeout=DEADLINE).close)
        self.eventually(lambda: front.figures()["handshakes_in_progress"] >= 1, "their handshakes have begun")
        with front.client() as client:  # waits until theirs are given up
            client.login(self.user(), PASSWORD)
        self.assertGreater(time.monotonic() - before, 2)

    def test_starttls_waits_for_its_turn(self):
        front = self.roostd("starttls", self.stores(), {"limits": {"max_handshakes_in_progress": 1}, "shards": 1})
        waiting = [front.client("none") for _ in range(2)]
        self.eventually(lambda: front.figures()["clients"] == 2, "nobody else is there")
        silent = socket.create_connection((front.host, front.imaps_port), timeout=DEADLINE)
        self.eventually(lambda: front.figures()["handshakes_in_progress"] == 1, "its handshake has begun")
        tags = [client.start("STARTTLS") for client in waiting]
        for client in waiting:
            client.silent_for(0.5)
        self.assertEqual(front.figures()["handshakes_in_progress"], 1)
        silent.close()
        for client, tag in zip(waiting, tags):
            self.assertEqual(client.finish(tag).status, "OK")
            client.start_tls(front.context)
            client.login(self.user(), PASSWORD)
            client.close()

    def test_failed_logins_from_one_address_wait(self):
        front = self.roostd("failing", self.stores(), {"limits": {"failed_login_delay_s": 2}})
        for _ in range(5):
            with front.client() as client:
                client.no(f"LOGIN {self.user()} wrong", "AUTHENTICATIONFAILED")
        self.eventually(lambda: front.figures()["delayed_logins"] >= 1, "the last one waited")
        with front.client() as client:
            tag = client.start(f"LOGIN {self.user()} {PASSWORD}")
            client.silent_for(1)
            self.assertEqual(client.finish(tag).status, "OK")


class BalancerTest(LimitsTest):
    """PROXY headers from a trusted network, with TLS behind them."""

    settings = {"limits": {"max_clients_per_address": 2, "failed_login_delay_s": 0}}

    @classmethod
    def start_front(cls):
        front = cls.roostd("balanced", cls.stores(), cls.settings)
        front.stop()
        for listener in front.config["listeners"]:
            listener["proxy_from"] = ["127.0.0.0/8"]
        front.start()
        return front

    def dial(self, source, piecewise=False):
        sock = socket.create_connection((self.front.host, self.front.imaps_port), timeout=DEADLINE)
        self.addCleanup(sock.close)
        header = f"PROXY TCP4 {source} 192.0.2.1 40000 993\r\n".encode()
        for byte in ([header[i:i + 1] for i in range(len(header))] if piecewise else [header]):
            sock.sendall(byte)
        sock = self.front.context.wrap_socket(sock, server_hostname="localhost")
        self.addCleanup(sock.close)
        return sock

    def greeting(self, sock):
        data = b""
        while not data.endswith(b"\r\n"):
            piece = sock.recv(4096)
            self.assertTrue(piece, data)
            data += piece
        return data

    def test_clients_of_one_address(self):
        for piecewise in (False, True):
            self.assertTrue(self.greeting(self.dial("203.0.113.7", piecewise)).startswith(b"* OK "))
        with self.assertRaises(OSError):
            self.greeting(self.dial("203.0.113.7"))
        self.assertTrue(self.greeting(self.dial("203.0.113.8")).startswith(b"* OK "))
        # Whoever is not of that network is taken for what it is.
        self.idle_clients(1, "::1")

    def test_no_header_no_greeting(self):
        before = self.front.figures()["bad_proxy_headers"]
        client = Client(self.front.host, self.front.plain_port, greeting=False)
        self.addCleanup(client.close)
        client.send("a LOGIN ann secret\r\n")
        self.assertEqual(client.read_closed(), [])
        self.assertEqual(self.front.figures()["bad_proxy_headers"], before + 1)

    test_limits_are_taken_while_running = None
    test_failed_logins_from_one_address_wait = None
    test_handshakes_in_progress = None
    test_starttls_waits_for_its_turn = None
    test_clients_of_one_user = None
    test_age_of_a_login = None


if __name__ == "__main__":
    main()
