#!/usr/bin/python3
"""Limits, each exceeded: by address and in all, and addresses as a balancer announces them."""

import contextlib
import json
import socket
import threading
import time

from embedded_test import EmbeddedStoreCase
from harness.case import main
from harness.dovecot import PASSWORD
from harness.fake_store import FakeStore
from harness.imap import Client
from harness.process import DEADLINE, SLOWNESS, free_port, wait_until
from metrics_test import get, parse

TOO_MANY = b"* BYE [UNAVAILABLE] Too many connections from your address"


def memory_mib(front):
    return front.process.memory_kb() / 1024


def run_short_of_memory(front, admin_port, set_limits):
    """Until nobody new is taken: the bound is a little above what roostd has, which is less as soon as it is looked at,
    since freed memory is given back then."""
    limit = 0

    def short():
        nonlocal limit
        if not 0.92 * limit < memory_mib(front) < limit:
            limit = round(memory_mib(front) / 0.95)
            set_limits({"max_memory_mib": limit})
        return get(admin_port, "/readyz")[0] == 503
    wait_until(short, "nobody should come")


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
        front = self.roostd("reloaded", self.stores(), {"limits": {"max_clients_per_address": 100}, "shards": 3})
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

    def reload(self, front, limits, **more):
        front.config_path.write_text(json.dumps({**front.config, **more, "limits": limits}))
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

    def test_memory(self):
        port = free_port()
        front = self.roostd("memory", self.stores(), {"shards": 1, "admin": {"address": f"127.0.0.1:{port}"}})
        [parked] = self.idle_clients(1, "127.0.0.1", front)
        self.eventually(lambda: front.figures()["parked"] == 1, "it is parked")
        attached = self.client(self.user(), None, front=front)
        self.assertEqual(get(port, "/readyz")[0::2], (200, "ok\n"))
        run_short_of_memory(front, port, lambda limits: self.reload(front, limits))
        self.assertEqual(get(port, "/readyz")[0::2], (503, "memory\n"))
        self.assertEqual(self.refused("127.0.0.1", front),
                         [b"* BYE [UNAVAILABLE] Short of memory; please connect again later"])
        attached.ok("NOOP")
        parked.done()
        parked.idle()
        self.assertEqual(front.figures()["shed"], 0)
        self.reload(front, {"max_memory_mib": round(memory_mib(front) * 0.75)})
        for client, left in ((attached, 1), (parked, 0)):
            self.assertEqual(client.read_closed()[-1], b"* BYE [UNAVAILABLE] The server is short of memory; "
                                                       b"please connect again later")
            self.eventually(lambda most=left: front.figures()["clients"] <= most, "it has gone")
        self.assertEqual(front.figures()["shed"], 2)
        self.reload(front, {"max_memory_mib": round(memory_mib(front) * 10)})
        self.eventually(lambda: get(port, "/readyz")[0::2] == (200, "ok\n"), "there is room again")
        self.client(self.user(), front=front)
        levels = [line.split(" level=")[1].split()[0] for line in front.log().splitlines() if " memory_level " in line]
        self.assertEqual([level for level in levels if level != "sparing"][-3:], ["full", "shedding", "plenty"])

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
        family, own = ("TCP6", "2001:db8::1") if ":" in source else ("TCP4", "192.0.2.1")
        header = f"PROXY {family} {source} {own} 40000 993\r\n".encode()
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

    def test_clients_of_one_prefix(self):
        """Whoever has an IPv6 address has all of its /64."""
        for source in ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff"):
            self.assertTrue(self.greeting(self.dial(source)).startswith(b"* OK "))
        with self.assertRaises(OSError):
            self.greeting(self.dial("2001:db8:0:1:8000::2"))
        self.assertTrue(self.greeting(self.dial("2001:db8:0:2::1")).startswith(b"* OK "))

    test_limits_are_taken_while_running = None
    test_failed_logins_from_one_address_wait = None
    test_handshakes_in_progress = None
    test_starttls_waits_for_its_turn = None
    test_memory = None
    test_clients_of_one_user = None
    test_age_of_a_login = None


class LimitHitsTest(LimitsTest):
    """Each label of roost_limit_hits_total counts who exceeds that limit.

    Nobody can wait for idle_time (half an hour) here, nor make a client lag behind for log: see clients_test.cc.
    """

    @classmethod
    def start_front(cls):
        cls.admin_port = free_port()
        front = cls.roostd("hits", cls.stores(), {"shards": 1, "admin": {"address": f"127.0.0.1:{cls.admin_port}"}})
        front.stop()
        for listener in front.config["listeners"]:
            listener["proxy_from"] = ["127.0.0.2/32"]
        front.start()
        return front

    def setUp(self):
        self.eventually(lambda: self.front.figures()["clients"] == 0, "nobody is there")

    def set_limits(self, limits, **timeouts):
        self.reload(self.front, {"failed_login_delay_s": 0, **limits}, timeouts=timeouts)
        self.addCleanup(self.reload, self.front, self.front.config["limits"])

    def hits(self, limit):
        status, _, text = get(self.admin_port, "/metrics")
        self.assertEqual(status, 200, text)
        return parse(text)[1]["roost_limit_hits_total", frozenset({("limit", limit)})]

    @contextlib.contextmanager
    def exceeds(self, limit):
        before = self.hits(limit)
        yield
        wait_until(lambda: self.hits(limit) == before + 1,
                   lambda: f"{limit} was exceeded {self.hits(limit) - before} times")

    def test_clients(self):
        self.set_limits({"max_clients": 1})
        self.connect("plain")
        with self.exceeds("clients"):
            self.assertEqual(self.refused_client(), [b"* BYE [UNAVAILABLE] Too many connections"])

    def refused_client(self):
        return self.connect("plain", greeting=False).read_closed()

    def test_handshakes(self):
        self.set_limits({"max_handshakes_in_progress": 1})
        with self.exceeds("handshakes"):
            self.silent()
        self.assertEqual(self.front.figures()["handshakes_in_progress"], 1)

    def silent(self):
        sock = socket.create_connection((self.front.host, self.front.imaps_port), timeout=DEADLINE)
        self.addCleanup(sock.close)
        return sock

    def test_handshake_time(self):
        self.set_limits({}, handshake_s=1)
        with self.exceeds("handshake_time"):
            self.assertEqual(self.silent().recv(100), b"")

    def test_login_time(self):
        self.set_limits({}, handshake_s=1, login_s=2)
        with self.exceeds("login_time"):
            self.assertEqual(self.connect("plain").read_closed(), [b"* BYE Autologout; not logged in in time"])

    def test_line(self):
        for text in (b"a LOGIN x " + b"y" * 9000, b"a LOGIN x {9000}\r\n"):
            with self.exceeds("line"):
                client = self.connect("plain")
                client.send(text)
                self.assertTrue(client.read_closed()[-1].startswith(b"* BYE "))

    def test_bad_commands(self):
        with self.exceeds("bad_commands"):
            client = self.connect("plain")
            client.bad("XYZZY")
            client.bad("XYZZY")
            client.start("XYZZY")
            self.assertEqual(client.read_closed()[-1], b"* BYE Too many bad commands")

    def test_failed_logins(self):
        with self.exceeds("failed_logins"):
            client = self.connect("plain")
            for _ in range(3):
                client.no(f"LOGIN {self.user()} wrong", "AUTHENTICATIONFAILED")
            self.assertTrue(client.read_closed()[-1].startswith(b"* BYE "))

    def test_address(self):
        self.set_limits({"max_clients_per_address": 1})
        self.connect("plain")
        with self.exceeds("address"):
            self.assertEqual(self.refused_client(), [TOO_MANY])

    def test_user(self):
        self.set_limits({"max_clients_per_user": 1})
        user = self.user()
        self.client(user)
        with self.exceeds("user"):
            self.connect().no(f"LOGIN {user} {PASSWORD}", "LIMIT")

    def test_login_delay(self):
        self.set_limits({"failed_login_delay_s": 1})
        with self.exceeds("login_delay"):
            for _ in range(5):
                self.connect(source="127.0.0.3").no(f"LOGIN {self.user()} wrong", "AUTHENTICATIONFAILED")

    def test_memory(self):
        run_short_of_memory(self.front, self.admin_port, self.set_limits)
        with self.exceeds("memory"):
            self.assertEqual(self.refused_client(),
                             [b"* BYE [UNAVAILABLE] Short of memory; please connect again later"])
        self.reload(self.front, self.front.config["limits"])
        self.eventually(lambda: get(self.admin_port, "/readyz")[0] == 200, "there is room again")

    def test_descriptors(self):
        self.run_out_of_descriptors("auto")

    def test_ordinary_descriptors(self):
        self.run_out_of_descriptors("ordinary")

    def run_out_of_descriptors(self, sort):
        """Whoever comes is greeted or refused, and at once: nobody waits where there is no room."""
        port = free_port()
        front = self.roostd(f"descriptors-{sort}", self.stores(),
                            {"shards": 2, "admin": {"address": f"127.0.0.1:{port}"}, "descriptors": sort},
                            under=["sh", "-c", 'ulimit -n 120; exec "$@"', "sh"])
        greeted, refused = [], 0
        for sock in [self.dialled(front) for _ in range(300)]:
            try:
                data = sock.recv(1000) if sock else b""
            except ConnectionError:
                data = b""
            refused += not data
            greeted += [sock] if data.startswith(b"* OK ") else []
        self.assertEqual(len(greeted) + refused, 300)
        self.assertGreater(len(greeted), 30)
        self.assertGreater(refused, 50)
        self.assertIn(" warning shard_full ", front.log())
        # What is left is for sessions, and for whoever asks how it is.
        self.assertEqual(get(port, "/healthz")[0], 200)
        front.ctl("status", status=0)
        greeted[0].sendall(f"l LOGIN {self.user()} {PASSWORD}\r\n".encode())
        self.assertTrue(greeted[0].recv(1000).startswith(b"l OK "))
        for sock in greeted:
            sock.close()
        self.eventually(lambda: " info shard_has_room " in front.log(), "there is room again")
        self.client(self.user(), front=front)
        _, samples = parse(get(port, "/metrics")[2])
        self.assertGreaterEqual(samples["roost_limit_hits_total", frozenset({("limit", "descriptors")})], 1)

    def test_logins(self):
        """A store that answers five a second, one after the other, and many users who come together."""
        taking_its_time = threading.Event()

        def slow(connection):
            connection.greet()
            tag, _, _ = connection.serve(until="AUTHENTICATE")
            taking_its_time.wait(0.2)
            connection.send(f"{tag} OK in\r\n")
            connection.serve()
        store, port = FakeStore(slow), free_port()
        self.addCleanup(store.close)
        self.addCleanup(taking_its_time.set)
        front = self.roostd("logins", [{"name": "store", "addresses": [f"{store.host}:{store.port}"],
                                        "max_logins_in_progress": 1, "queue_s": 10}],
                            {"shards": 1, "admin": {"address": f"127.0.0.1:{port}"}})
        for client in [self.connect("plain", front=front) for _ in range(60)]:
            client.start(f"LOGIN {self.user()} {PASSWORD}")

        def hits(limit):
            return parse(get(port, "/metrics")[2])[1]["roost_limit_hits_total", frozenset({("limit", limit)})]
        self.eventually(lambda: hits("logins") >= 1, "nobody else is let in")
        self.assertEqual(hits("handshakes"), 0)

    def dialled(self, front):
        """None: it is refused at once."""
        try:
            sock = socket.create_connection((front.host, front.plain_port), timeout=DEADLINE)
        except ConnectionError:
            return None
        self.addCleanup(sock.close)
        return sock

    def test_proxy_header(self):
        with self.exceeds("proxy_header"):
            client = self.connect("plain", greeting=False, source="127.0.0.2")
            client.send("a LOGIN ann secret\r\n")
            self.assertEqual(client.read_closed(), [])

    def test_every_label_is_exceeded(self):
        _, samples = parse(get(self.admin_port, "/metrics")[2])
        labels = {dict(labels)["limit"] for name, labels in samples if name == "roost_limit_hits_total"}
        tested = {name[len("test_"):] for name in vars(LimitHitsTest) if name.startswith("test_")}
        self.assertEqual(labels - tested, {"idle_time", "log"})

    test_clients_of_one_address = None
    test_limits_are_taken_while_running = None
    test_failed_logins_from_one_address_wait = None
    test_handshakes_in_progress = None
    test_starttls_waits_for_its_turn = None
    test_clients_of_one_user = None
    test_age_of_a_login = None


if __name__ == "__main__":
    main()
