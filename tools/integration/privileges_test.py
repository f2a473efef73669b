#!/usr/bin/python3
"""What roostd may do once it serves, and whom its control socket answers."""

import os
import pwd
import subprocess
import unittest
from pathlib import Path

from embedded_test import EmbeddedStoreCase
from harness.case import main, roost_only
from harness.dovecot import PASSWORD
from harness.process import DEADLINE, first_free

ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as control:
    control.settimeout(30)
    control.connect(sys.argv[1])
    try:
        control.sendall(b"status\\n")
        print(control.recv(65536).decode())
    except ConnectionError:
        pass
"""


@roost_only
@unittest.skipUnless(os.geteuid() == 0, "starts roostd as root: be root")
class PrivilegesTest(EmbeddedStoreCase):
    @classmethod
    def start_front(cls):
        """As root, and so it stays."""
        cls.directory.chmod(0o755)  # others may come as far as the control sockets
        return cls.roostd("front", cls.stores())

    @classmethod
    def stores(cls):
        return [{"name": "store", "addresses": [f"{cls.dovecot.host}:{cls.dovecot.imap_port}"]}]

    def become(self, account):
        """A roostd that listens on a low port and goes on as that account."""
        directory = self.directory / account.pw_name
        directory.mkdir()
        os.chown(directory, account.pw_uid, account.pw_gid)
        front = self.roostd(account.pw_name, self.stores(), {"user": account.pw_name})
        front.stop()
        front.plain_port = first_free(range(1023, 600, -1))
        for listener in front.config["listeners"][2::3]:
            listener["address"] = f"{listener['address'].rpartition(':')[0]}:{front.plain_port}"
        front.start()
        return front

    def ask(self, front, user):
        """What the control socket answers to that user, for whom its file is open."""
        path = Path(front.config["control_socket"])
        path.chmod(0o666)
        account = pwd.getpwnam(user)
        run = subprocess.run(["/usr/bin/python3", "-c", ASK, path], check=True, capture_output=True, text=True,
                             timeout=DEADLINE, cwd="/", user=account.pw_uid, group=account.pw_gid, extra_groups=[])
        return run.stdout.strip()

    def test_a_user_without_rights_in_every_thread(self):
        account = pwd.getpwnam("nobody")
        front = self.become(account)
        client = self.connect("plain", front)
        client.login(self.user(), PASSWORD)
        tasks = list(Path(f"/proc/{front.process.pid}/task").iterdir())
        self.assertGreater(len(tasks), 2)
        for task in tasks:
            lines = (task / "status").read_text(encoding="ascii").splitlines()
            status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
            if status["Name"][0].startswith("iou-"):
                continue  # the kernel's, who does each request with the rights of whoever made it
            self.assertEqual(status["Uid"], [str(account.pw_uid)] * 4, (task, status["Name"]))
            self.assertEqual(status["Gid"], [str(account.pw_gid)] * 4, task)
            self.assertEqual(set(status["Groups"]),
                             set(map(str, os.getgrouplist(account.pw_name, account.pw_gid))), task)
            for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                self.assertEqual(int(status[capabilities][0], 16), 0, (task, capabilities))
            self.assertEqual(status["NoNewPrivs"], ["1"], (task, status["Name"]))
        # Whoever it is now is answered, and root; nobody else.
        self.assertIn('"total"', self.ask(front, "nobody"))
        self.assertIn('"total"', self.ask(front, "root"))
        self.assertEqual(self.ask(front, "daemon"), "")

    def test_the_control_socket_of_root_answers_root_alone(self):
        self.assertIn('"total"', self.ask(self.front, "root"))
        self.assertEqual(self.ask(self.front, "nobody"), "")
        self.assertIn('"total"', self.ask(self.front, "root"))


if __name__ == "__main__":
    main()
