#!/usr/bin/python3
"""Backends that come and go: one store behind two gates, which are its addresses; and two stores of a hash."""

import json

from embedded_test import EmbeddedStoreCase
from harness.case import dovecot_store, main, roost_only
from harness.dovecot import PASSWORD
from harness.gate import GateThread
from harness.process import free_port, wait_until
from harness.roost import RoostStore
from harness.view import View, truth
from metrics_test import get, parse


class TwoAddressesCase(EmbeddedStoreCase):
    login = "proxy-authzid"

    @classmethod
    def start_front(cls):
        cls.gates = [GateThread("127.0.0.1", free_port(), cls.dovecot.host, cls.dovecot.imap_port)
                     for _ in range(2)]
        for gate in cls.gates:
            cls.addClassCleanup(gate.end)
        cls.addresses = [f"{gate.host}:{gate.port}" for gate in cls.gates]
        cls.admin_port = free_port()
        store = dovecot_store(cls.dovecot, cls.login, name="store", addresses=cls.addresses, **cls.store_settings)
        return cls.roostd("front", [store], {"admin": {"address": f"127.0.0.1:{cls.admin_port}"}, **cls.settings})

    def backend(self):
        return json.loads(self.front.ctl("backends", "--json", status=0).stdout)["backends"][0]

    def await_down(self, *gates):
        """That of all addresses those of these gates are down."""
        down = " ".join(self.addresses[gate] for gate in gates)
        up = " ".join(address for i, address in enumerate(self.addresses) if i not in gates)
        wait_until(lambda: [self.backend()["up"], self.backend()["down"]] == [up, down],
                   lambda: f"up: {up}, down: {down}, but {self.backend()}")

    def parked(self, user):
        client = self.client(user)
        client.idle()
        self.assert_sessions(user, 1)
        return client

    def logs_in_at(self, number):
        """A user that nobody has used yet; asked while nothing else happens but checks."""
        user = self.user()
        with self.front.client() as client:
            client.login(user, PASSWORD)
            # Checks come and go, a session stays.
            wait_until(lambda: [gate.connections() for gate in self.gates] == self.standing(number),
                       lambda: f"a session at {number}: {[gate.connections() for gate in self.gates]}")
        wait_until(lambda: [gate.connections() for gate in self.gates] == self.stand, "it is gone again")

    def standing(self, number):
        return [count + (i == number) for i, count in enumerate(self.stand)]


@roost_only
class ChecksTest(TwoAddressesCase):
    store_settings = {"check_s": 1}

    def test_new_users_go_where_somebody_answers_and_the_others_stay(self):
        first, second = self.gates
        user = self.user()
        self.stand = [1, 0]
        client = self.parked(user)
        self.logs_in_at(0)
        first.refuse()
        self.await_down(0)
        self.assertIn(f"store_address_down store=store address={self.addresses[0]} reason=", self.front.log())
        self.assertEqual(self.metrics(), {self.addresses[0]: 0, self.addresses[1]: 1})
        self.logs_in_at(1)
        self.dovecot.deliver(user)
        client.wait_untagged(rb"\* 1 EXISTS")
        first.open()
        self.await_down()
        self.assertIn(f"store_address_up store=store address={self.addresses[0]}", self.front.log())
        second.refuse()
        self.await_down(1)
        self.logs_in_at(0)
        second.open()
        self.await_down()
        client.done()

    def test_with_all_down_roostd_stays_ready_and_tries_as_before(self):
        user = self.user()
        client = self.parked(user)
        for gate in self.gates:
            gate.refuse()
        self.await_down(0, 1)
        self.assertEqual(get(self.admin_port, "/readyz")[0], 200)
        self.connect().no(f"LOGIN {self.user()} {PASSWORD}", "UNAVAILABLE")
        self.dovecot.deliver(user)
        client.wait_untagged(rb"\* 1 EXISTS")
        for gate in self.gates:
            gate.open()
        self.client(self.user())  # whether a check was there first or not
        self.await_down()
        client.done()

    def metrics(self):
        _, samples = parse(get(self.admin_port, "/metrics")[2])
        return {dict(labels)["address"]: value for (name, labels), value in samples.items()
                if name == "roost_store_address_up"}


@roost_only
class DrainedAddressTest(TwoAddressesCase):
    """An address is emptied while many are parked there, and mail goes on to come."""

    settings = {"parking": {"reconnect_min_ms": 10, "pool_keep_s": 1}}
    store_settings = {"check_s": 0}
    USERS, EACH = 60, 3

    def test_parked_clients_stay_and_are_told_everything_once(self):
        users = [self.user() for _ in range(self.USERS)]
        self.dovecot.deliver_to(users)
        views = [(user, View(self.client(user))) for user in users for _ in range(self.EACH)]
        for _, view in views:
            view.client.idle()
        wait_until(lambda: self.gates[0].connections() == self.USERS, "one session for each mailbox")
        attached = self.client(self.user())
        run = self.front.ctl("store", "drain", "store", self.addresses[0], "--over", "6", status=0)
        self.assertTrue(run.stdout.startswith(f"{self.addresses[0]} of store store is drained: "), run.stdout)
        self.assertEqual(self.backend()["drained"], self.addresses[0])
        rounds = 0
        while self.gates[0].connections():
            self.dovecot.deliver_to(users)
            rounds += 1
            self.assertLess(rounds, 10_000)
        responses = attached.read_closed()
        self.assertTrue(any(r.startswith(b"* BYE [UNAVAILABLE] The mail store is going down") for r in responses),
                        responses)
        wait_until(lambda: self.gates[1].connections() == self.USERS,
                   lambda: f"all are at the other: {self.gates[1].connections()}")
        wait_until(lambda: self.backend()["leaving"] == 0, "nobody is left")
        self.dovecot.deliver_to(users)
        for _, view in views:
            view.wait_exists(rounds + 2)
        for user, view in views[::self.EACH]:
            expected = truth(self.direct(user))
            view.done()
            view.check(expected)
        self.assertEqual(self.gates[0].connections(), 0)
        figures = self.front.figures()
        self.assertEqual(figures["displaced"], 1)
        self.assertEqual(figures["recovered"], self.USERS)
        self.assertIn(f"store_drain store=store address={self.addresses[0]} over_s=6", self.front.log())
        self.assertIn('reason="its address is drained"', self.front.log())
        self.assertNotIn('reason="the session was lost"', self.front.log())
        self.front.ctl("reload", status=0)
        self.assertEqual(self.backend()["drained"], self.addresses[0])
        run = self.front.ctl("store", "undrain", "store", self.addresses[0], "--json", status=0)
        self.assertEqual(json.loads(run.stdout),
                         {"store": "store", "address": self.addresses[0], "draining": False, "still_drained": ""})
        self.assertEqual(self.backend()["drained"], "")

    def test_what_is_not_there_is_refused(self):
        for words in (("nostore",), ("store", "127.0.0.1:1"), ("store", "imap.example.org")):
            self.assertIn(words[-1], self.front.ctl("store", "drain", *words, status=1).stderr)
        for words in ((), ("drain",), ("empty", "store"), ("drain", "store", "a", "b")):
            self.front.ctl("store", *words, status=2)


@roost_only
class DrainedStoreTest(EmbeddedStoreCase):
    """Two stores: the other one is at 127.0.0.2."""

    login = "proxy-authzid"
    ROUTE = {"kind": "hash"}

    @classmethod
    def start_front(cls):
        cls.other = RoostStore(cls.directory / "other", host="127.0.0.2")
        cls.addClassCleanup(cls.other.stop)
        stores = [dovecot_store(store, cls.login, name=name)
                  for name, store in (("a", cls.dovecot), ("b", cls.other))]
        return cls.roostd("front", stores, {"route": cls.ROUTE})

    def drained(self):
        run = self.front.ctl("backends", "--json", status=0)
        return {store["store"]: store["drained"] for store in json.loads(run.stdout)["backends"]}

    def test_a_reload_hurries_nobody_and_moves_nobody_back(self):
        users = [self.user() for _ in range(20)]
        clients = [self.client(user) for user in users]
        self.assertTrue(0 < sum(self.dovecot.logins(user) for user in users) < len(users))
        self.front.ctl("store", "drain", "a", "--over", "86400", status=0)
        self.front.ctl("reload", status=0)
        self.assertEqual(self.drained(), {"a": f"{self.dovecot.host}:{self.dovecot.imap_port}", "b": ""})
        clients += [self.client(user) for user in users]
        self.front.ctl("store", "undrain", "a", status=0)
        self.front.ctl("reload", status=0)
        for client in clients:
            client.ok("NOOP")
        self.assertEqual(self.front.figures()["rerouted"], 0)
        self.assertEqual(self.drained(), {"a": "", "b": ""})

    def test_its_clients_are_told_and_come_again_at_the_other_store(self):
        users = [self.user() for _ in range(30)]
        clients = [(user, self.client(user)) for user in users for _ in range(2)]
        for _, client in clients[::2]:
            client.idle()
        there = [user for user in users if self.dovecot.logins(user)]
        self.assertTrue(0 < len(there) < len(users))
        self.front.ctl("store", "drain", "a", "--over", "3", status=0)
        for user, client in clients:
            if user in there:
                responses = client.read_closed()
                self.assertTrue(any(r.startswith(b"* BYE [UNAVAILABLE] The mail store") for r in responses), responses)
        for user, client in clients:
            if user not in there:
                if client is clients[2 * users.index(user)][1]:
                    client.done()
                client.ok("NOOP")
        self.assertEqual(self.dovecot.total("sessions"), 0)
        before = self.dovecot.total("logins")
        for user in there:
            self.client(user)
        self.assertEqual(self.dovecot.total("logins"), before)
        self.front.ctl("store", "undrain", "a", status=0)
        self.client(there[0])
        self.assertEqual(self.dovecot.total("logins"), before + 1)


@roost_only
class DrainedStoreOfAStaticRouteTest(DrainedStoreTest):
    ROUTE = {"kind": "static", "store": "a"}
    test_a_reload_hurries_nobody_and_moves_nobody_back = None

    def test_its_clients_are_told_and_come_again_at_the_other_store(self):
        user = self.user()
        client = self.client(user)
        client.idle()
        self.front.ctl("store", "drain", "a", "--over", "2", status=0)
        self.connect().no(f"LOGIN {self.user()} {PASSWORD}", "UNAVAILABLE")
        responses = client.read_closed()
        self.assertTrue(any(r.startswith(b"* BYE [UNAVAILABLE] The mail store") for r in responses), responses)
        self.connect().no(f"LOGIN {user} {PASSWORD}", "UNAVAILABLE")
        self.front.ctl("store", "undrain", "a", status=0)
        self.client(user)


if __name__ == "__main__":
    main()
