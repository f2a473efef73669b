#!/usr/bin/python3
"""What a reload takes of the stores behind: master users, authorities, bounds; all or nothing, and nobody is dropped."""

import json
import os
import shutil

from harness.case import RoostCase, dovecot_store, main, roost_only
from harness.certificates import Authority
from harness.dovecot import MASTER_PASSWORD, MASTER_USER, PASSWORD


@roost_only
class StoreReloadTest(RoostCase):
    @classmethod
    def start_front(cls):
        return None  # each test has its own

    def front_for(self, name, **store):
        return self.roostd(name, [dovecot_store(self.dovecot, **store)])

    def reload(self, front, status=0):
        """What roostctl says; when it has, each shard has taken what is new."""
        answer = front.ctl("reload", status=status)
        self.assertEqual((answer.stdout == "", answer.stderr == ""), (status != 0, status == 0))
        return answer.stdout + answer.stderr

    def configure(self, front, store=None, **settings):
        config = {**front.config, **settings}
        if store is not None:
            config["stores"] = [{**config["stores"][0], **store}]
        front.config_path.write_text(json.dumps(config))

    def logs_in(self, front, user):
        answer = self.connect(front=front).command(f"LOGIN {user} {PASSWORD}")
        return answer.status == "OK"

    def wakes(self, client):
        client.done()
        client.ok("UID FETCH 1:* FLAGS")

    def password_file(self, name, password):
        path = self.directory / name
        path.write_text(password + "\n")
        path.chmod(0o600)
        return path

    def set_master_password(self, password):
        """What Dovecot takes from now on: it looks at the file once a second at most."""
        path = self.dovecot.directory / "masters"
        new = path.with_name("new-masters")
        new.write_text(f"{MASTER_USER}:{{PLAIN}}{password}\n")
        os.replace(new, path)
        user = self.user()

        def taken():
            with self.direct_connection() as client:
                return client.authenticate_plain(MASTER_USER, password, authzid=user).status == "OK"
        self.eventually(taken, "Dovecot takes the new master password")

    def test_a_rotated_master_password_is_read_from_its_file(self):
        self.addCleanup(self.set_master_password, MASTER_PASSWORD)
        path = self.password_file("rotated", MASTER_PASSWORD)
        store = dovecot_store(self.dovecot, "proxy-authzid", master_password_file=str(path))
        del store["master_password"]
        front = self.roostd("rotated-front", [store])
        user = self.user()
        self.dovecot.deliver(user)
        clients = [self.client(user, front=front) for _ in range(3)]
        for client in clients:
            client.idle()
        self.assert_sessions(user, 1)
        self.wakes(clients[0])  # as the first master
        logins = self.dovecot.logins(user)
        self.set_master_password("another, much longer secret")
        path.write_text("another, much longer secret\n")
        self.reload(front)
        self.dovecot.deliver(user)
        clients[1].wait_untagged(rb"^\* 2 EXISTS")  # the feed's session stands
        self.wakes(clients[2])
        self.assertGreater(self.dovecot.logins(user), logins)
        self.wakes(clients[1])
        for client in clients:
            client.ok("NOOP")

    def test_an_empty_password_file_is_refused_with_its_line_and_changes_nothing(self):
        path = self.password_file("emptied", MASTER_PASSWORD)
        store = dovecot_store(self.dovecot, "proxy-authzid", master_password_file=str(path))
        del store["master_password"]
        front = self.roostd("emptied-front", [store])
        user = self.user()
        clients = [self.client(user, front=front) for _ in range(2)]
        for client in clients:
            client.idle()
        path.write_text("\n")
        self.configure(front, parking={"enabled": False})
        refusal = self.reload(front, 1)
        self.assertRegex(refusal, r"roost.yaml:\d+: stores\[0\].master_password_file: the first line holds no password")
        self.assertIn("reload_refused", front.log())
        self.wakes(clients[1])
        clients[1].idle()
        self.assert_sessions(user, 1)  # parking is as it was

    def test_the_authorities_of_a_store_are_read_anew(self):
        other = Authority(self.directory / "other", "other")
        path = self.directory / "store-ca.pem"
        shutil.copy(self.authority.ca_file, path)
        front = self.front_for("authorities", tls="starttls", ca_file=str(path))
        user = self.user()
        parked = self.client(user, front=front)
        parked.idle()
        shutil.copy(other.ca_file, path)
        self.reload(front)
        self.assertFalse(self.logs_in(front, self.user()))
        path.write_text("-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n")
        self.assertIn(str(path), self.reload(front, 1))
        self.assertFalse(self.logs_in(front, self.user()))  # as before
        os.remove(path)
        self.assertIn(f"cannot read {path}", self.reload(front, 1))
        shutil.copy(self.authority.ca_file, path)
        self.reload(front)
        self.assertTrue(self.logs_in(front, self.user()))
        self.dovecot.deliver(user)
        parked.wait_untagged(rb"^\* 1 EXISTS")  # over all of it
        self.wakes(parked)

    def test_bounds_timeouts_and_the_greeting_count_from_then_on(self):
        front = self.roostd("bounds", [dovecot_store(self.dovecot, max_sessions=1, queue_s=600)], {"shards": 1})
        self.client(self.user(), front=front)
        waiting = self.connect(front=front)
        tag = waiting.start(f"LOGIN {self.user()} {PASSWORD}")
        self.eventually(lambda: front.figures()["sessions_waiting"] == 1, "it waits for a place")
        self.configure(front, {"max_sessions": 20}, greeting="Hello again.")
        self.reload(front)
        self.assertEqual(waiting.finish(tag).status, "OK")
        self.assertIn(b"Hello again.", self.connect(front=front).greeting)

    def test_another_address_is_for_sessions_to_come(self):
        front = self.front_for("address", addresses=["127.0.0.1:1"])
        user = self.user()
        self.assertFalse(self.logs_in(front, user))
        self.configure(front, {"addresses": [f"localhost:{self.dovecot.imap_port}"]})
        self.reload(front)
        client = self.client(user, front=front)
        client.idle()
        self.configure(front, {"addresses": ["127.0.0.1:1"]})
        self.reload(front)
        self.assertFalse(self.logs_in(front, user))
        self.dovecot.deliver(user)
        client.wait_untagged(rb"^\* 1 EXISTS")  # the session stands where it was
        client.done()

    def test_what_needs_a_restart_is_named(self):
        front = self.front_for("left")
        self.configure(front, {"name": "renamed"}, shards=1, greeting="Hello again.",
                       route={"kind": "static", "store": "dovecot"})
        self.assertIn("no store 'dovecot'", self.reload(front, 1))
        self.configure(front, shards=1, greeting="Hello again.", log={"level": "debug", "format": "json"})
        self.assertIn("they need a restart: shards, log.format\n", self.reload(front))
        self.assertIn('reload_in_part needs_restart="shards, log.format"', front.log())
        self.assertIn(b"Hello again.", self.connect(front=front).greeting)


if __name__ == "__main__":
    main()
