#!/usr/bin/python3
"""Backends that come and go: one store behind two gates, which are its addresses."""

import json
import subprocess

from embedded_test import EmbeddedStoreCase
from harness.case import dovecot_store, main, roost_only
from harness.dovecot import PASSWORD
from harness.gate import GateThread
from harness.process import DEADLINE, free_port, wait_until
from harness.roost import BIN
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

    def ctl(self, *command):
        return subprocess.run([BIN / "roostctl", "--socket", self.front.config["control_socket"], *command],
                              capture_output=True, text=True, check=False, timeout=DEADLINE)

    def backend(self):
        run = self.ctl("backends", "--json")
        self.assertEqual(run.returncode, 0, run.stderr)
        return json.loads(run.stdout)["backends"][0]

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


if __name__ == "__main__":
    main()
