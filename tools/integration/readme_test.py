#!/usr/bin/python3
"""What README tells operators to write, as it stands there: roostd takes its configurations, and a Dovecot that is set
up by it serves as store, for clients and for the master user."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

try:
    import yaml
except ImportError:
    yaml = None

from harness import dovecot
from harness.certificates import Authority
from harness.dovecot import PASSWORD, Dovecot
from harness.process import wait_until
from harness.roost import ROOT, Roostd, check_config

NAME = "store.example.org"


def blocks():
    """All that stands in README between fences, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```\w*\n(.*?)^```$", text, re.M | re.S)


def block(*holds):
    """The one block that holds all of these."""
    found = [each for each in blocks() if all(part in each for part in holds)]
    if len(found) != 1:
        raise AssertionError(f"README has {len(found)} blocks with {holds}")
    return found[0]


def put(text, places):
    """The text with what is here in place of what README names; each must be there."""
    for name, place in places.items():
        if name not in text:
            raise AssertionError(f"README no longer says {name}")
        text = text.replace(name, str(place))
    return text


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="roost-readme-")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = Path(directory.name)
        cls.authority = Authority(cls.directory / "ca")


class ConfigurationTest(Case):
    def test_roostd_takes_each_once_its_files_are_there(self):
        for name, file in zip(("chain.pem", "key.pem"), self.authority.issue("imap.example.org")):
            (self.directory / name).symlink_to(file)
        (self.directory / "store-ca.pem").symlink_to(self.authority.ca_file)
        for name, text in (("master-password", "secret\n"), ("lookup-headers", "X-Auth-Key: secret\n")):
            (self.directory / name).write_text(text, encoding="utf-8")
            (self.directory / name).chmod(0o640)
        first = block("listeners:", "stores:", "control_socket:")
        lookup = block("route: {kind: http}")
        listeners = re.search(r"^listeners:.*?(?=^stores:)", first, re.M | re.S).group(0)
        load = block("# load.yaml", "stores:")
        here = {"/etc/roost/": f"{self.directory}/"}
        for text in (put(put(first, {"/run/roost/": "/etc/roost/"}), here), put(listeners + lookup, here), load):
            path = self.directory / "roost.yaml"
            path.write_text(text, encoding="utf-8")
            status, said = check_config(path)
            self.assertEqual(status, 0, said)
            self.assertTrue(said.endswith(f"{path}: ok\n"), said)  # perhaps after a warning


@unittest.skipUnless(yaml, "python3-yaml is not installed; tools/setup --test installs it")
@unittest.skipUnless(dovecot.installed(), "Dovecot is not installed; tools/setup --test installs it")
@unittest.skipUnless(os.geteuid() == 0, "gives files to Dovecot's account: be root")
class DovecotTest(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        masters = cls.directory / "master-users"
        commands = put(block("doveadm pw"), {"/etc/dovecot/master-users": masters})
        done = subprocess.run(["sh", "-eu"], input=commands, capture_output=True, text=True, check=True)
        password = cls.directory / "master-password"
        password.write_text(done.stdout, encoding="utf-8")
        password.chmod(0o640)
        cls.directory.chmod(0o711)
        snippet = put(block("# /etc/dovecot/local.conf"),
                      {"/etc/dovecot/master-users": masters, "192.0.2.1/32": "127.0.0.0/8"})
        cls.dovecot = Dovecot(cls.directory / "dovecot", cls.authority.issue("store", [NAME]), snippet)
        cls.addClassCleanup(cls.dovecot.stop)
        store = yaml.safe_load(put(block("listeners:", "stores:", "control_socket:"), {
            "192.0.2.10:143": f"{cls.dovecot.host}:{cls.dovecot.imap_port}",
            "/etc/roost/store-ca.pem": cls.authority.ca_file, "/etc/roost/master-password": password}))["stores"][0]
        cls.front = Roostd(cls.directory / "front", cls.authority, [store], {"shards": 1})
        cls.addClassCleanup(cls.front.stop)

    def idling(self, user):
        client = self.front.client()
        self.addCleanup(client.close)
        client.login(user, PASSWORD)
        client.select()
        client.idle()
        return client

    def test_a_mailbox_is_watched_for_two_and_again_once_its_session_was_lost(self):
        clients = [self.idling("u000"), self.idling("u000")]
        wait_until(lambda: self.front.figures()["parked"] == 2, "both clients are parked")
        self.dovecot.wait_sessions("u000", 1)
        self.dovecot.deliver("u000")
        for client in clients:
            client.wait_untagged(rb"^\* 1 EXISTS")
        session = self.dovecot.sessions("u000")[0]
        subprocess.run(["doveadm", "-c", self.dovecot.config, "kick", "u000"], check=True, capture_output=True)
        wait_until(lambda: self.dovecot.sessions("u000") not in ([], [session]), "the master user has logged in")
        wait_until(lambda: self.front.figures()["recovered"] == 1, "the feed has its session")
        self.dovecot.deliver("u000")
        for client in clients:
            client.wait_untagged(rb"^\* 2 EXISTS")
        self.assertNotIn("proxy_login_refused", self.front.log())
        self.assertIn("feed_without_session", self.front.log())  # which README tells to look for

    def test_the_store_knows_the_clients_address_and_session(self):
        client = self.front.client()
        self.addCleanup(client.close)
        client.login("u001", PASSWORD)
        session = re.search(r" login .*session=(\w+).* user=u001 ", self.front.log()).group(1)
        wait_until(lambda: f"session=<{session}>" in self.dovecot.log(), "Dovecot logs the session by its name")


if __name__ == "__main__":
    unittest.main(verbosity=2)
