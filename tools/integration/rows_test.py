#!/usr/bin/python3
"""roostctl clients, feeds and backends, as tables and as JSON, of a roostd with clients of every sort."""

import json
import re
import subprocess

from embedded_test import EmbeddedStoreCase
from harness.case import dovecot_store, main, roost_only
from harness.dovecot import PASSWORD
from harness.imap import quoted
from harness.process import wait_until
from harness.roost import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


@roost_only
class RowsTest(EmbeddedStoreCase):
    login = "proxy-authzid"

    @classmethod
    def start_front(cls):
        return cls.roostd("front", [dovecot_store(cls.dovecot, cls.login)])

    def rows(self, what, *options):
        answer = json.loads(self.front.ctl(what, "--json", *options, status=0).stdout)
        self.assertEqual(answer["end"], "limit" if "--limit" in options else "all")
        return answer[what]

    def idle(self, user, mailbox="INBOX"):
        client = self.client(user, mailbox)
        client.idle()
        return client

    def test_of_one_user(self):
        user, other = self.user(), self.user()
        self.dovecot.deliver(user, count=3)
        parked = [self.idle(user), self.idle(user)]
        self.client(user)
        self.idle(other)
        self.assert_sessions(user, 2)
        wait_until(lambda: sum(row["asleep"] for row in self.rows("clients", "--user", user)) == 2,
                   "two are asleep")
        clients = self.rows("clients", "--user", user)
        self.assertEqual({row["user"] for row in clients}, {user})
        self.assertEqual(sorted(row["state"] for row in clients), ["attached", "parked", "parked"])
        for row in clients:
            self.assertEqual(row["address"], "127.0.0.1")
            self.assertEqual(row["store"], "dovecot")
            self.assertEqual(row["owed"], 0)
            self.assertEqual(row["mailbox"], "INBOX" if row["state"] == "parked" else "")
            self.assertEqual(row["idling"], row["state"] == "parked")
        self.assertEqual(len({row["shard"] for row in clients}), 1)
        self.assertEqual(len({row["port"] for row in clients}), 3)
        self.assertIn(parked[0].socket.getsockname()[1], {row["port"] for row in clients})
        feeds = self.rows("feeds", "--user", user)
        self.assertEqual(len(feeds), 1)
        expected = {"user": user, "driver": "idle", "recovering": False, "clients": 2, "messages": 3,
                    "log_events": 0, "store": "dovecot", "mailbox": "INBOX", "shard": clients[0]["shard"]}
        self.assertLess(expected.items(), feeds[0].items())

    def test_tables(self):
        user = self.user()
        self.idle(user)
        wait_until(lambda: self.rows("feeds", "--user", user), "the mailbox is watched")
        head, line = self.front.ctl("feeds", "--user", user, status=0).stdout.splitlines()
        self.assertEqual(head.split()[:4], ["user", "driver", "recovering", "clients"])
        self.assertEqual(line.split()[:2], [user, "idle"])
        self.assertTrue(line.endswith("  INBOX"), line)
        self.assertEqual(self.front.ctl("clients", "--user", "nobody").stdout, "")

    def test_no_more_than_the_limit(self):
        for _ in range(3):
            self.idle(self.user(), None)
        self.assertEqual(len(self.rows("clients", "--limit", "2")), 2)
        run = self.front.ctl("clients", "--limit=1")
        self.assertEqual(len(run.stdout.splitlines()), 2)
        self.assertIn("there are more", run.stderr)
        for wrong in (("clients", "--limit", "many"), ("backends", "--user", "ann"), ("kick", "ann", "--limit", "3")):
            self.assertIn("\nusage: roostctl " + wrong[0], self.front.ctl(*wrong, status=2).stderr)

    def test_many_in_slices(self):
        users = [self.user() for _ in range(20)]
        clients = [self.front.client("plain") for _ in range(700)]
        try:
            for user, client in zip(users, clients):
                client.login(user, PASSWORD)
            rows = self.rows("clients")
            self.assertGreaterEqual(len(rows), 700)
            self.assertGreaterEqual({row["user"] for row in rows}, set(users) | {""})
            self.assertEqual(len({(row["address"], row["port"]) for row in rows}), len(rows))
        finally:
            for client in clients:
                client.close()

    def test_any_name_is_told(self):
        user = self.user()
        client = self.client(user)
        name = 'a "b" \\ c'
        client.ok(f"CREATE {quoted(name)}")
        client.select(name)
        client.idle()
        wait_until(lambda: self.rows("feeds", "--user", user), "the mailbox is watched")
        self.assertEqual(self.rows("feeds", "--user", user)[0]["mailbox"], name)
        self.assertIn(name, self.front.ctl("feeds", "--user", user).stdout)

    def test_top(self):
        user = self.user()
        run = subprocess.Popen(self.front.ctl_command("top", "--json", "--every", "1"), stdout=subprocess.PIPE,
                               text=True)
        try:
            logins = 0
            while logins < 2:
                self.connect().login(user, PASSWORD)
                top = json.loads(run.stdout.readline())
                self.assertGreater(top["seconds"], 0.5)
                self.assertEqual(len(top["shards"]), 2)
                self.assertGreaterEqual(top["total"]["clients"], 1)
                logins += round(top["total"]["logins_per_s"] * top["seconds"])
        finally:
            run.terminate()
            run.wait()
            run.stdout.close()
        table = self.front.ctl("top", "--once", "--every=1", status=0)
        lines = table.stdout.splitlines()
        self.assertEqual([line.split()[0] for line in lines], ["clients", "total", "shard", "shard"])
        self.front.ctl("top", "--every", "0", status=2)

    def test_backends(self):
        user = self.user()
        before = self.rows("backends")[0]
        self.assertEqual(before["store"], "dovecot")
        self.connect().no(f"LOGIN {user} wrong{PASSWORD}")
        self.client(user)
        wait_until(lambda: self.rows("backends")[0]["lost_refused"] == before["lost_refused"] + 1,
                   "a refused login is counted")
        after = self.rows("backends")[0]
        self.assertGreaterEqual(after["open"], 1)
        self.assertGreaterEqual(after["opened"], before["opened"] + 2)
        self.assertIn("lost_timeout", self.front.ctl("backends").stdout.splitlines()[0])

    def test_the_readme_has_every_figure_and_column_and_no_other(self):
        chapter = README.partition("\n## What roostctl shows\n")[2].partition("\n## ")[0]
        told = {"status": [], "clients": [], "feeds": [], "backends": []}
        for of, names in re.findall(r"^\| (?:(\w+) \| )?(`\w+`(?:, `\w+`)*) \|", chapter, re.M):
            told[of or "status"] += re.findall(r"\w+", names)
        user = self.user()
        self.idle(user)
        wait_until(lambda: self.rows("feeds", "--user", user), "the mailbox is watched")
        shown = {what: list(self.rows(what)[0]) for what in ("clients", "feeds", "backends")}
        shown["status"] = list(self.front.figures())
        for what, names in shown.items():
            self.assertEqual(sorted(told[what]), sorted(names), what)

    def test_the_readme_has_every_key_that_programs_read(self):
        chapter = README.partition("\n## What programs read\n")[2].partition("\n## ")[0]
        told = {}
        for of, names in re.findall(r"^\| (\w+(?:, \w+)*) \| ([^|]*) \|", chapter, re.M):
            for command in of.split(", "):
                told.setdefault(command, set()).update(re.findall(r"`(\w+)`", names))
        top = json.loads(self.front.ctl("top", "--json", "--once", "--every=1", status=0).stdout)
        shown = {"top": top.keys() | top["total"].keys()}
        address = f"127.0.0.1:{self.dovecot.imap_port}"
        for words in (("status",), ("clients",), ("feeds",), ("backends",), ("reload",), ("kick", "nobody"),
                      ("store", "drain", "dovecot", address), ("store", "undrain", "dovecot", address)):
            answer = json.loads(self.front.ctl(*words, "--json", status=0).stdout)
            shown.setdefault(words[0], set()).update(answer)
        lists = {"clients", "feeds", "backends"}
        for what in lists:
            self.assertEqual(told[what] - lists, shown[what] - {what}, what)
            self.assertIn(what, told[what] & shown[what])
        for what in shown.keys() - lists:
            self.assertEqual(told[what], shown[what], what)

    def test_the_readme_has_every_reason_for_not_parking(self):
        source = (ROOT / "core/client/relay_idle.cc").read_text(encoding="utf-8")
        body = source.partition("Relay::KeptName(")[2].partition("\n}\n")[0]
        chapter = README.partition("\n### Why a client in IDLE is not parked\n")[2].partition("\n## ")[0]
        self.assertEqual(re.findall(r"^\| `(\w+)` \| (?!it )", chapter, re.M), re.findall(r'return "(\w+)";', body))


if __name__ == "__main__":
    main()
