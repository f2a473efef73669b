#!/usr/bin/python3
"""Peers that vanish: no FIN and no RST, as of a phone that has left its network, or a store whose cable was cut."""

import json
import os
import socket
import time
import unittest

from embedded_test import EmbeddedStoreCase
from harness.cable import Cable, own_network
from harness.case import dovecot_store, main, roost_only
from harness.process import DEADLINE, SLOWNESS
from harness.roost import RoostStore

USER_TIMEOUT_S = 5
HEARTBEAT_S = 10
KEEPALIVE_S = 30  # and a tenth of it until the probe that was not answered counts
DRIVER_CHECK_S = 10
PLACES = 3
SLACK_S = 10 * SLOWNESS


@roost_only
@unittest.skipUnless(os.geteuid() == 0, "cuts cables between network namespaces: be root")
class VanishedTest(EmbeddedStoreCase):
    """Clients and store are each at the other end of a cable."""

    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(own_network())
        super().setUpClass()

    @classmethod
    def cable(cls, name, number):
        cable = Cable(cls.directory / name, number)
        cls.addClassCleanup(cable.close)
        return cable

    @classmethod
    def start_store(cls):
        cls.to_store = cls.cable("to-store", 1)
        with cls.to_store.entered():
            return RoostStore(cls.directory / "roost-store", host=cls.to_store.there)

    @classmethod
    def start_front(cls):
        cls.to_clients = cls.cable("to-clients", 2)
        store = dovecot_store(cls.dovecot, connect_timeout_s=1, command_timeout_s=2, check_s=0)
        settings = {"timeouts": {"tcp_user_timeout_s": USER_TIMEOUT_S, "heartbeat_s": HEARTBEAT_S,
                                 "tcp_keepalive_s": KEEPALIVE_S},
                    "parking": {"quiet_park_s": 1, "driver_check_s": DRIVER_CHECK_S, "pool_keep_s": 0,
                                "reconnect_min_ms": 50, "reconnect_max_ms": 500},
                    "limits": {"max_clients_per_address": PLACES, "failed_login_delay_s": 0}}
        return cls.roostd("front", [store], settings, hosts=("127.0.0.1", cls.to_clients.here))

    def setUp(self):
        self.addCleanup(self.to_clients.mend)
        self.addCleanup(self.to_store.mend)

    def far_client(self, user):
        with self.to_clients.entered():
            return self.client(user, host=self.to_clients.here)

    def there(self):
        """The users that `roostctl clients` lists, by how many connections."""
        rows = json.loads(self.front.ctl("clients", "--json", status=0).stdout)["clients"]
        return sorted(row["user"] for row in rows)

    def greeted(self):
        """What a further connection from the other end is told first."""
        with self.to_clients.entered():
            sock = socket.create_connection((self.to_clients.here, self.front.plain_port), timeout=DEADLINE)
        with sock:
            return sock.recv(4096)

    def test_parked_clients_are_gone_in_time_and_their_places_given_back(self):
        told, beating, quiet = users = [self.user() for _ in range(PLACES)]
        for user in users:
            client = self.far_client(user)
            if user != quiet:
                client.idle()
        witness = self.client(told)
        witness.idle()
        self.eventually(lambda: self.front.figures()["asleep"] == 4, "all are parked")
        self.assertTrue(self.greeted().startswith(b"* BYE [UNAVAILABLE] Too many"))

        self.to_clients.cut()
        since = time.monotonic()
        self.dovecot.deliver(told)
        witness.wait_untagged(rb"^\* 1 EXISTS")
        left = {}

        def all_gone():
            there = self.there()
            for user in users:
                if there.count(user) == (user == told):
                    left.setdefault(user, time.monotonic() - since)
            return len(left) == PLACES
        end = KEEPALIVE_S * 11 / 10 + SLACK_S
        while not all_gone() and time.monotonic() < since + end:
            time.sleep(0.2)
        # Who is told something is missed first, then who is sent a heartbeat; last who is told nothing.
        for user, soonest, latest in ((told, USER_TIMEOUT_S - 1, USER_TIMEOUT_S),
                                      (beating, USER_TIMEOUT_S - 1, HEARTBEAT_S + USER_TIMEOUT_S),
                                      (quiet, KEEPALIVE_S - 1, KEEPALIVE_S * 11 / 10)):
            self.assertGreater(left.get(user, end), soonest, left)
            self.assertLess(left.get(user, end), latest + SLACK_S, left)
        self.assertEqual(self.there(), [told])
        self.eventually(lambda: self.front.figures()["sockets_closing"] == 0, "nothing of them is left")
        self.assert_sessions(beating, 0)
        self.assert_sessions(quiet, 0)

        self.to_clients.mend()
        for user in users:
            self.far_client(user).idle()
        self.assertTrue(self.greeted().startswith(b"* BYE [UNAVAILABLE] Too many"))
        witness.done()

    def test_a_feed_whose_store_has_vanished_recovers_with_all_that_happened(self):
        user = self.user()
        self.dovecot.deliver(user)
        clients = [self.client(user) for _ in range(2)]
        for client in clients:
            client.idle()
        self.assert_sessions(user, 1)
        before = self.front.figures()
        self.to_store.cut()
        since = time.monotonic()
        with self.to_store.entered():
            self.dovecot.deliver(user)
        self.eventually(lambda: self.front.figures()["feeds_recovering"] == 1, "the feed has noticed")
        self.assertLess(time.monotonic() - since, DRIVER_CHECK_S + 2 + SLACK_S)
        self.assertEqual(self.there(), [user] * 2)
        self.to_store.mend()
        for client in clients:
            client.wait_untagged(rb"^\* 2 EXISTS")
        self.assertEqual(self.front.figures()["recovered"], before["recovered"] + 1)
        for client in clients:
            client.done()
            self.assertEqual(client.uids(), [1, 2])


if __name__ == "__main__":
    main()
