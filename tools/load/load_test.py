#!/usr/bin/python3
"""roost-load as a program: against roost-store alone, and through roostd; what it finds, and what it must not miss."""

import json
import os
import re
import signal
import socketserver
import subprocess
import tempfile
import threading
import unittest
from datetime import datetime, timezone
from pathlib import Path

BIN = Path(os.environ.get("ROOST_BIN", "build/bin"))
SLOWNESS = float(os.environ.get("ROOST_TEST_SLOWNESS", "1"))  # of the programs of a sanitized build
DEADLINE_S = 60 * SLOWNESS


class Background:
    """A program that tells on one of its streams, line by line, when it is ready."""

    def __init__(self, arguments, stream, ready):
        self.process = subprocess.Popen(arguments, text=True, **{"stdout": subprocess.DEVNULL, stream: subprocess.PIPE})
        self.stream = getattr(self.process, stream)
        self.lines = []
        for line in self.stream:
            self.lines.append(line.rstrip("\n"))
            if ready in line:
                return
        raise RuntimeError("\n".join(self.lines))

    def stop(self):
        """Ends it; that it ends well is part of every test."""
        self.process.terminate()
        output, _ = self.process.communicate(timeout=DEADLINE_S)
        if self.process.returncode != 0:
            raise AssertionError(f"{self.process.args[0]} ended with {self.process.returncode}:\n{output}")


class Store(Background):
    def __init__(self, *arguments, tls="127.0.0.1:0"):
        super().__init__([BIN / "roost-store", "--listen=127.0.0.1:0", f"--listen=tls:{tls}", "--lmtp=127.0.0.1:0",
                           "--password=secret", "--print-ready", *arguments],
                         "stdout", "ready")
        found = re.findall(r"(imap|lmtp) (\S+)", self.lines[-1])
        imap = [address for kind, address in found if kind == "imap"]
        self.plain, self.tls = imap
        self.lmtp = dict(found)["lmtp"]


class Roostd(Background):
    def __init__(self, directory, store, dumpable=False):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", directory / "key.pem", "-out", directory / "certificate.pem"],
                       check=True, capture_output=True)
        (directory / "roost.yaml").write_text(json.dumps({  # JSON is YAML
            "listeners": [{"address": "127.0.0.1:0", "tls": tls} for tls in ("implicit", "starttls")],
            "certificates": [{"chain_file": "certificate.pem", "key_file": "key.pem"}],
            "stores": [{"name": "store", "addresses": [store.plain]}],
            "shards": 2,
            "dumpable": dumpable,
        }))
        super().__init__([BIN / "roostd", f"--config={directory / 'roost.yaml'}"], "stderr", "ready")
        self.implicit, self.starttls = [
            line.split()[-1] for line in self.lines if "listening on" in line]


class Stub:
    """An IMAP server with one empty mailbox; tells each client that idles of a first message that comes, once."""

    def __init__(self, mail=True, logins=1000, **answers):
        """mail: whether that message comes. logins: so many are accepted. answers: to a command by its first word,
        instead of OK; without its tag, or with, after other lines."""
        accepted = iter(range(logins))

        class Connection(socketserver.StreamRequestHandler):
            def handle(self):
                self.told = False
                self.say("* OK hello")
                for line in self.rfile:
                    self.answer(*line.decode().split(maxsplit=1))

            def say(self, line):
                self.wfile.write(f"{line}\r\n".encode())

            def answer(self, tag, command=""):
                word = command.split()[0] if command else tag
                if word == "LOGIN" and next(accepted, None) is None:
                    self.say(f"{tag} NO that is enough")
                    return
                if word == "SELECT":
                    self.say("* 0 EXISTS\r\n* OK [UIDNEXT 7] next")
                if word == "IDLE":
                    self.idle = tag
                    self.say("+ idling")
                    if mail and not self.told:
                        self.say("* 1 EXISTS")
                    self.told = True
                    return
                if word == "DONE":
                    tag = self.idle
                self.say(answers.get(word, "{tag} OK done").format(tag=tag))

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection)
        self.server.daemon_threads = True
        self.address = "{}:{}".format(*self.server.server_address)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def connections(established, failed=0):
    return {"asked": established + failed, "established": established, "failed": failed, "dropped": 0}


class RoostLoad(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def store(self, *arguments):
        store = Store(*arguments)
        self.addCleanup(store.stop)
        return store

    def roostd(self, store, **settings):
        roostd = Roostd(self.directory, store, **settings)
        self.addCleanup(roostd.stop)
        return roostd

    def stub(self, **answers):
        stub = Stub(**answers)
        self.addCleanup(stub.stop)
        return f"--server={stub.address}"

    def load(self, *arguments):
        """(exit status, output, result)"""
        file = self.directory / "result.json"
        run = subprocess.run([BIN / "roost-load", "--password=secret", f"--json={file}", *arguments],
                             text=True, capture_output=True, timeout=DEADLINE_S, check=False)
        result = json.loads(file.read_text()) if file.exists() else None
        return run.returncode, run.stdout + run.stderr, result

    def check_all_told(self, outcome, clients, messages, per_user):
        status, output, result = outcome
        self.assertEqual(status, 0, output)
        self.assertEqual(result["connections"], connections(clients))
        self.assertEqual(result["deliveries"], {"accepted": messages, "failed": 0})
        self.assertEqual(result["events"], {"expected": messages * per_user, "received": messages * per_user,
                                            "lost": 0, "excused": 0, "duplicated": 0, "unexpected": 0})
        latency = result["latency_us"]
        self.assertEqual(latency["count"], messages * per_user)
        self.assertTrue(0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p999"] <= latency["max"])

    def test_every_client_of_a_store_is_told_once(self):
        store = self.store()
        for server in ([f"--server={store.plain}", "--tls=none"], [f"--server={store.tls}"]):
            outcome = self.load(*server, f"--lmtp={store.lmtp}", "--clients=30", "--clients-per-user=3",
                                "--threads=2", "--deliver=40", "--hold=0")
            self.check_all_told(outcome, 30, 40, 3)

    def test_every_client_behind_roostd_is_told_once(self):
        store = self.store()
        roostd = self.roostd(store)
        for server in ([f"--server={roostd.implicit}", f"--lmtp={store.lmtp}"],
                       [f"--server={roostd.starttls}", "--tls=starttls", f"--store={store.plain}"]):
            outcome = self.load(*server, "--clients=60", "--clients-per-user=6", "--threads=2",
                                "--deliver=100", "--hold=1")
            self.check_all_told(outcome, 60, 100, 6)
            self.assertEqual(outcome[2]["handshakes"], 60)
            self.assertGreater(outcome[2]["handshakes_per_s"], 0)

    def test_events_that_come_too_late_are_lost_and_fail_the_run(self):
        store = self.store("--notify-delay-ms=30000")
        status, output, result = self.load(f"--server={store.tls}", f"--lmtp={store.lmtp}", "--clients=2",
                                           "--users=one", "--deliver=1", "--wait=1", "--hold=0")
        self.assertEqual(status, 1, output)
        self.assertEqual(result["events"]["lost"], 2)
        self.assertIn("2 lost", output)

    def test_refused_logins_fail_the_run_and_are_named(self):
        store = self.store()
        status, output, result = self.load(f"--server={store.tls}", "--clients=3", "--password=wrong", "--hold=0")
        self.assertEqual(status, 1, output)
        self.assertEqual(result["connections"], connections(0, failed=3))
        self.assertRegex(output, r"error \(3x\) client: refused: a1 NO")

    def test_nobody_there_is_a_failed_connection_and_no_store_a_failed_delivery(self):
        store = self.store()
        gone = self.store()
        gone.stop()
        status, output, result = self.load(f"--server={gone.tls}", "--clients=2", "--hold=0")
        self.assertEqual((status, result["connections"]["failed"]), (1, 2), output)
        status, output, result = self.load(f"--server={store.tls}", f"--lmtp={gone.lmtp}", "--deliver=50", "--hold=0")
        self.assertEqual((status, result["deliveries"]), (1, {"accepted": 0, "failed": 50}), output)

    def test_a_server_that_goes_away_drops_its_clients(self):
        store = Store()
        load = Background([BIN / "roost-load", "--password=secret", f"--server={store.tls}", "--clients=4",
                           "--show", "--hold=600"], "stdout", "clients are idle")
        store.stop()
        told = [load.stream.readline() for _ in range(4)]
        self.assertEqual(["BYE" in line for line in told], [True] * 4, told)
        load.process.send_signal(signal.SIGINT)
        output, _ = load.process.communicate(timeout=DEADLINE_S)
        self.assertEqual(load.process.returncode, 1, output)
        self.assertIn("4 idle, 0 failed, 4 lost later", output)

    def test_interrupting_it_still_prints_what_was_measured(self):
        store = self.store()
        load = Background([BIN / "roost-load", "--password=secret", f"--server={store.tls}", "--clients=4",
                           "--hold=600"], "stdout", "clients are idle")
        load.process.send_signal(signal.SIGINT)
        output, _ = load.process.communicate(timeout=DEADLINE_S)
        self.assertEqual(load.process.returncode, 0, output)
        self.assertIn("interrupted", output)
        self.assertIn("4 idle, 0 failed, 0 lost later", output)
        self.assertIn("connect to idle", output)

    def test_a_watched_process_shows_what_a_connection_costs(self):
        store = self.store()
        roostd = self.roostd(store, dumpable=True)
        status, output, bare = self.load("--bare=poll", "--clients=2000", "--hold=0")
        self.assertEqual((status, bare["connections"]["established"]), (0, 2000), output)
        # How many bytes is not for a test to say: the machine is not ours alone.
        self.assertAlmostEqual(bare["bare"]["kernel_bytes_per_pair"] / 2, bare["bare"]["kernel_bytes_per_end"], delta=1)
        self.assertGreaterEqual(bare["machine"]["kernel_uncertainty_bytes"], 0)
        (self.directory / "bare.json").write_text(json.dumps(bare))

        pids = [roostd.process.pid, store.process.pid]
        status, output, result = self.load(f"--server={roostd.implicit}", "--clients=200", "--clients-per-user=4",
                                           "--hold=0", f"--watch-pid={pids[0]}", f"--watch-pid={pids[1]}",
                                           f"--bare-run={self.directory / 'bare.json'}", "--settle=0")
        self.assertEqual(status, 0, output)
        self.assertEqual([(watched["pid"], watched["name"], watched["note"]) for watched in result["watched"]],
                         [(pids[0], "roostd", None), (pids[1], "roost-store", None)])
        for watched in result["watched"]:
            memory, cpu = watched["memory"], watched["cpu"]
            self.assertGreater(memory["peak_rss_bytes"], memory["pss_bytes"] * 0.8)  # the kernel counts it roughly
            self.assertAlmostEqual(memory["pss_bytes_per_connection"],
                                   (memory["pss_bytes"] - memory["pss_before_bytes"]) / 200, delta=1)
            self.assertIsNone(memory["kernel_bytes_per_connection"])  # of the machine, not of one of two
            self.assertGreaterEqual(min(cpu["user_s"], cpu["system_s"]), 0)
        # The kernel counts time in ticks: 200 handshakes take several, what the store does may take less than one.
        self.assertGreater(sum(result["watched"][0]["cpu"][kind] for kind in ("user_s", "system_s")), 0)
        self.assertAlmostEqual(result["machine"]["kernel_bytes_per_connection_with_client"] -
                               bare["bare"]["kernel_bytes_per_end"],
                               result["machine"]["kernel_bytes_per_connection"], delta=1)
        self.assertGreaterEqual(result["machine"]["kernel_uncertainty_bytes"],
                                bare["bare"]["kernel_uncertainty_bytes"])
        self.assertIn("that run had 2000 clients and this one 200", result["machine"]["kernel_method"])
        self.assertNotIn("memory", result)

        status, output, result = self.load(f"--server={roostd.implicit}", "--clients=4", "--hold=0", "--settle=0",
                                           f"--watch-pid={pids[0]}", f"--bare-run={self.directory / 'bare.json'}")
        self.assertEqual((status, result["memory"], result["cpu"]),
                         (0, result["watched"][0]["memory"], result["watched"][0]["cpu"]), output)
        self.assertIn("bare run", result["memory"]["kernel_method"])
        self.assertIn(f"process      {pids[0]} (roostd)", output)

    def test_what_cannot_be_watched_is_said_and_null(self):
        store = self.store()
        status, output, result = self.load(f"--server={store.tls}", f"--watch-pid={store.process.pid}", "--hold=0",
                                           "--settle=0")
        self.assertEqual(status, 0, output)
        self.assertIsNone(result["memory"]["kernel_bytes_per_connection"])  # no bare run
        gone = self.store()
        gone.stop()
        status, output, _ = self.load(f"--server={store.tls}", f"--watch-pid={gone.process.pid}")
        self.assertEqual((status, output),
                         (1, f"roost-load: cannot watch process {gone.process.pid}: there is none\n"))
        (self.directory / "bare.json").write_text("{}")
        status, output, _ = self.load(f"--server={store.tls}", f"--bare-run={self.directory / 'bare.json'}")
        self.assertEqual(status, 1)
        self.assertIn("--bare poll", output)

    def test_at_a_rate_time_is_counted_from_when_a_message_was_due(self):
        # All are due in the first moment, and each takes a new login, one after the other: the sender falls behind,
        # which the time from sending does not show and the time from being due must.
        store = self.store()
        _, output, result = self.load(f"--server={store.tls}", f"--store={store.plain}", "--users=one", "--clients=2",
                                      "--deliver=100", "--deliver-rate=1000000", "--couriers=1", "--hold=0")
        self.assertEqual(result["events"]["received"], 200, output)
        self.assertGreater(result["lateness_us"]["max"], 20 * result["delivery_us"]["p50"])
        self.assertGreater(result["latency_since_due_us"]["max"], result["lateness_us"]["max"])
        self.assertGreater(result["latency_since_due_us"]["p50"], 5 * result["latency_us"]["p50"])
        # At rest a message leaves when it is due, not when the sender happens to look.
        _, _, result = self.load(f"--server={store.tls}", f"--lmtp={store.lmtp}", "--deliver=40", "--deliver-rate=40",
                                 "--hold=0")
        self.assertLess(result["lateness_us"]["p50"], 8000)
        _, _, result = self.load(f"--server={store.tls}", f"--lmtp={store.lmtp}", "--deliver=3", "--hold=0")
        self.assertIsNone(result["latency_since_due_us"])  # no rate, no schedule

    def test_interrupted_on_the_way_it_delivers_nothing_and_tells_how_far_it_came(self):
        store = self.store()
        file = self.directory / "result.json"
        load = Background([BIN / "roost-load", "--password=secret", f"--server={store.tls}", "--clients=500",
                           "--rate=1", f"--lmtp={store.lmtp}", "--deliver=10", "--progress", f"--json={file}"],
                          "stderr", "ramp")
        load.process.send_signal(signal.SIGINT)
        output, _ = load.process.communicate(timeout=DEADLINE_S)
        self.assertEqual(load.process.returncode, 1, output)
        result = json.loads(file.read_text())
        self.assertTrue(result["interrupted"])
        self.assertLess(result["connections"]["established"], 500)
        self.assertEqual((result["connections"]["failed"], result["deliveries"]["accepted"]), (0, 0))

    def test_interrupted_while_it_delivers_it_tells_what_came(self):
        store = self.store()
        file = self.directory / "result.json"
        load = Background([BIN / "roost-load", "--password=secret", f"--server={store.tls}", "--users=one", "--show",
                           f"--lmtp={store.lmtp}", "--deliver=1000000", "--deliver-rate=100", f"--json={file}"],
                          "stdout", "3 EXISTS")
        load.process.send_signal(signal.SIGINT)
        output, _ = load.process.communicate(timeout=DEADLINE_S)
        result = json.loads(file.read_text())
        self.assertTrue(result["interrupted"])
        self.assertGreaterEqual(result["events"]["received"], 3)
        self.assertLess(result["deliveries"]["accepted"], 100000)
        self.assertIn("message due to EXISTS", output)
        times = [point[0] for point in result["series"]]
        self.assertEqual(times, sorted(times))
        self.assertEqual(result["series"][-1][1], 1)

    def test_clients_of_every_habit_are_told_once(self):
        store = self.store()
        roostd = self.roostd(store)
        for server in (store.tls, roostd.implicit):
            outcome = self.load(f"--server={server}", f"--lmtp={store.lmtp}", "--clients=100", "--clients-per-user=4",
                                "--threads=2", "--mix=idle=40,poll=20,fetch=20,slow=10,reconnect=10",
                                "--poll-interval=1", "--slow-pause=1", "--stay=1", "--away=0",
                                "--deliver=200", "--deliver-rate=100", "--hold=1")
            status, output, result = outcome
            self.assertEqual(status, 0, output)
            self.assertEqual(result["connections"], connections(100))
            events = result["events"]
            self.assertEqual((events["lost"], events["duplicated"], events["unexpected"]), (0, 0, 0), output)
            # Four for each message, less those who find it there when they reconnect.
            self.assertTrue(4 * 200 * 0.85 <= events["expected"] <= 4 * 200, events)
            self.assertEqual(events["received"], events["expected"])
            self.assertGreater(result["told_by_poll_us"]["count"], 100)
            self.assertGreater(result["told_slowly_us"]["count"], 50)
            self.assertGreater(result["wake_us"]["count"], 20)
            self.assertGreater(result["poll_us"]["count"], 20)
            self.assertEqual(result["refused"], 0)
            self.assertGreater(result["returns"]["idle_again"], 10)
            self.assertEqual(result["returns"]["failed"], 0)

    def test_refusals_fail_the_run_and_are_no_wakes(self):
        for habit, latency, server in (("poll", "poll_us", self.stub(NOOP="{tag} NO not now")),
                                       ("fetch", "wake_us", self.stub(UID="{tag} NO not now"))):
            status, output, result = self.load(server, "--tls=none", f"--mix={habit}=100", "--poll-interval=1",
                                               "--hold=2")
            self.assertEqual(status, 1, output)
            self.assertGreaterEqual(result["refused"], 1, output)
            self.assertIsNone(result[latency], output)

    def test_who_is_told_of_a_message_must_find_it(self):
        new = "* 1 FETCH (UID 7 FLAGS ())\r\n{tag} OK fetched"
        # Where the range begins behind the last message, that is the answer.
        old = "* 1 FETCH (UID 6 FLAGS ())\r\n{tag} OK fetched"
        for fetched, there in ((new, True), (old, False), ("{tag} OK nothing", False)):
            status, output, result = self.load(self.stub(UID=fetched), "--tls=none", "--mix=fetch=100", "--hold=1")
            self.assertEqual(status, 1, output)  # nobody delivered it
            self.assertEqual(result["wake_us"] is not None, there, output)
            self.assertEqual("error (1x) idle client: told of a message that is not there" in output, not there, output)

    def test_a_wrong_number_of_messages_fails_the_run_whenever_it_comes(self):
        selected = "* 2 EXISTS\r\n{tag} OK done\r\n"
        for answer, kind in ((selected + "* 2 EXISTS", "duplicated"), (selected + "* 1 EXISTS", "duplicated"),
                             (selected + "* 1 EXPUNGE", "unexpected")):
            status, output, result = self.load(self.stub(mail=False, SELECT=answer), "--tls=none", "--hold=0")
            self.assertEqual((status, result["events"][kind]), (1, 1), output)

    def test_a_message_that_came_with_the_last_answer_is_not_fetched_again(self):
        both = "* 2 EXISTS\r\n* 1 FETCH (UID 7 FLAGS ())\r\n* 2 FETCH (UID 8 FLAGS ())\r\n{tag} OK fetched"
        _, output, result = self.load(self.stub(UID=both), "--tls=none", "--mix=fetch=100", "--hold=1")
        self.assertEqual(result["wake_us"]["count"], 1, output)
        self.assertNotIn("not there", output)

    def test_all_leave_at_once_and_come_back(self):
        store = self.store()
        roostd = self.roostd(store)
        status, output, result = self.load(f"--server={roostd.implicit}", f"--lmtp={store.lmtp}", "--clients=120",
                                           "--clients-per-user=3", "--threads=2", "--storms=2", "--retries=5",
                                           "--deliver=80", "--hold=0")
        self.assertEqual(status, 0, output)
        self.assertEqual((result["returns"]["idle_again"], result["returns"]["failed"]), (240, 0))
        self.assertEqual(result["returns"]["first_try_to_idle_us"]["count"], 240)
        self.assertEqual(len(result["returns"]["storms_s"]), 2)
        longest_s = result["returns"]["first_try_to_idle_us"]["max"] / 1e6
        self.assertLessEqual(longest_s, max(result["returns"]["storms_s"]))
        self.assertEqual(result["events"]["received"], 240)
        self.assertIn("240 idle again, 0 failed", output)

    def test_lost_clients_come_back_when_the_server_does(self):
        store = Store()
        file = self.directory / "result.json"
        load = Background([BIN / "roost-load", "--password=secret", f"--server={store.tls}", "--clients=20",
                           "--return-lost", "--retries=1000", "--retry-ms=50", "--retry-longest=1", "--hold=600",
                           f"--json={file}"], "stdout", "clients are idle")
        store.stop()
        store = Store(tls=store.tls)
        self.addCleanup(store.stop)
        self.assertRegex(load.stream.readline(), r"20 of 20 clients are idle again, [\d.]+ s after the first was lost")
        load.process.send_signal(signal.SIGINT)
        output, _ = load.process.communicate(timeout=DEADLINE_S)
        result = json.loads(file.read_text())
        self.assertEqual((result["connections"]["dropped"], result["returns"]["idle_again"],
                          result["returns"]["failed"]), (20, 20, 0), output)
        self.assertGreater(result["returns"]["retries"], 0)
        self.assertEqual(len(result["returns"]["storms_s"]), 1)

    def test_who_is_not_back_in_the_end_has_not_returned(self):
        # The next try is half a minute away, and the run ends before.
        patient = ("--retry-ms=60000", "--retry-longest=60")
        for returning in (("--storms=1", "--ramp-limit=1"),
                          ("--mix=reconnect=100", "--stay=1", "--away=0", "--hold=3")):
            status, output, result = self.load(self.stub(mail=False, logins=1), "--tls=none", "--hold=0", *returning,
                                               *patient)
            self.assertEqual((status, result["returns"]["failed"]), (1, 1), output)
            self.assertIn("error (1x) client: not back in the end", output)
        store = Store()
        load = Background([BIN / "roost-load", "--password=secret", f"--server={store.tls}", "--clients=4",
                           "--return-lost", "--show", "--hold=600", *patient], "stdout", "clients are idle")
        store.stop()
        self.assertEqual(["BYE" in load.stream.readline() for _ in range(4)], [True] * 4)
        load.process.send_signal(signal.SIGINT)
        output, _ = load.process.communicate(timeout=DEADLINE_S)
        self.assertEqual(load.process.returncode, 1, output)
        self.assertIn("0 idle again, 4 failed", output)

    def test_a_storm_that_not_all_survive_is_told_as_one(self):
        # The only retry fails; or it is half a minute away when the limit is reached.
        for retry in (("--retries=1", "--retry-ms=1"), ("--retry-ms=60000", "--retry-longest=60", "--ramp-limit=1")):
            status, output, result = self.load(self.stub(mail=False, logins=1), "--tls=none", "--storms=1", "--hold=0",
                                               *retry)
            self.assertEqual((status, result["returns"]["storms_s"]), (1, []), output)
            self.assertEqual(len(result["returns"]["unfinished_storms_s"]), 1)
            self.assertRegex(output, r"storm +not all idle again after [\d.]+ s")

    def test_of_each_message_the_time_of_the_last_client_is_told(self):
        store = self.store()
        _, output, result = self.load(f"--server={store.tls}", f"--lmtp={store.lmtp}", "--clients=60",
                                      "--clients-per-user=20", "--deliver=30", "--hold=0")
        last, told = result["latency_of_last_us"], result["latency_us"]
        self.assertEqual((last["count"], told["count"]), (30, 600), output)
        self.assertEqual(last["max"], told["max"])
        for percentile in ("p50", "p90", "p99"):  # alike where all are told within a bucket of the histogram
            self.assertGreaterEqual(last[percentile], told[percentile], output)

    def test_clients_that_only_handshake_are_there_and_silent(self):
        store = self.store()
        status, output, result = self.load(f"--server={store.tls}", "--clients=20", "--handshake-only", "--resume=50",
                                           "--hold=0")
        self.assertEqual((status, result["connections"]["established"]), (0, 20), output)
        self.assertEqual((result["handshakes"], result["handshakes_resumed"], result["login_us"]), (20, 10, None))
        status, output, _ = self.load(f"--server={store.plain}", "--tls=none", "--handshake-only")
        self.assertEqual(status, 2)
        self.assertIn("--handshake-only is for --tls implicit", output)

    def test_the_rate_of_handshakes_is_that_of_the_first_arrivals(self):
        store = self.store()
        status, output, result = self.load(f"--server={store.tls}", "--clients=40", "--mix=reconnect=100", "--stay=1",
                                           "--away=0", "--hold=4")
        self.assertEqual(status, 0, output)
        self.assertGreater(result["handshakes"], 80)
        # Of all of them, in all that time, it would be about a third of this.
        self.assertGreater(result["handshakes_per_s"], 3 * result["handshakes"] / result["seconds"], output)

    def test_who_waits_for_his_turn_to_come_has_waited(self):
        store = self.store()
        status, output, result = self.load(f"--server={store.tls}", "--clients=50", "--entering=1", "--storms=1",
                                           "--hold=0")
        self.assertEqual(status, 0, output)
        came = result["arrivals"]["first_try_to_idle_us"]
        self.assertEqual((came["count"], result["returns"]["first_try_to_idle_us"]["count"]), (50, 50))
        # One after the other: the last waited for all others, of whom half took at least so long.
        self.assertGreater(came["max"], 20 * result["enter_us"]["p50"])
        self.assertIn("due to idle, retries too", output)

    def test_those_who_idle_anew_are_counted(self):
        store = self.store()
        status, output, result = self.load(f"--server={store.tls}", "--clients=4", "--re-idle=1", "--hold=3")
        self.assertEqual((status, result["connections"]["dropped"]), (0, 0), output)
        self.assertTrue(4 <= result["re_idled"] <= 16, result["re_idled"])

    def test_a_share_of_the_clients_resumes(self):
        store = self.store()
        roostd = self.roostd(store)
        for server in ([f"--server={roostd.implicit}"], [f"--server={roostd.starttls}", "--tls=starttls"],
                       [f"--server={store.tls}"]):
            status, output, result = self.load(*server, "--clients=100", "--resume=40", "--hold=0")
            self.assertEqual(status, 0, output)
            self.assertEqual((result["handshakes"], result["handshakes_resumed"]), (100, 40), output)
            self.assertEqual((result["handshake_us"]["count"], result["resumption_us"]["count"]), (60, 40))
        gone = self.store()
        gone.stop()
        status, output, _ = self.load(f"--server={gone.tls}", "--resume=40")
        self.assertEqual(status, 1)
        self.assertRegex(output, r"--resume: no ticket from 127.0.0.1:\d+: Connection refused")

    def test_scenarios_run_and_give_way_to_the_command_line(self):
        store = self.store()
        roostd = self.roostd(store)
        scenarios = sorted((Path(__file__).parent / "scenarios").glob("*.yaml"))
        self.assertEqual([file.stem for file in scenarios],
                         ["churn", "delivery-storm", "fan-out", "idle", "reconnect-storm", "slow-readers"])
        for scenario in scenarios:
            report = self.directory / f"{scenario.stem}.html"
            status, output, result = self.load("--clients=100", f"--server={roostd.implicit}", "--scenario", scenario,
                                               "--hold=0", "--settle=0", f"--lmtp={store.lmtp}", "--poll-interval=1",
                                               "--slow-pause=1", "--stay=1", "--deliver=20", "--deliver-rate=100/s",
                                               f"--html={report}")
            self.assertEqual(status, 0, f"{scenario}: {output}")
            self.assertEqual(result["connections"]["established"], 100)
            self.assertEqual(result["deliveries"]["accepted"], 20)
            self.assertEqual(result["events"]["lost"], 0)
            text = report.read_text()
            self.assertGreaterEqual(text.count("<svg"), 3, scenario)
            self.assertIn("--password=...", text)
            self.assertNotIn("secret", text)

    def test_where_results_cannot_go_is_said_before_anybody_connects(self):
        store = self.store()
        for kind in ("json", "html"):
            file = self.directory / "nowhere" / f"result.{kind}"
            status, output, _ = self.load(f"--server={store.tls}", f"--{kind}={file}")
            self.assertEqual((status, output),
                             (1, f"roost-load: cannot write {file}: No such file or directory\n"))
        self.assertEqual(os.listdir(self.directory), [])

    def test_a_result_that_cannot_be_written_takes_no_other_with_it(self):
        store = self.store()
        report = self.directory / "result.html"
        status, output, _ = self.load(f"--server={store.tls}", "--json=/dev/full", f"--html={report}", "--hold=0")
        self.assertEqual(status, 1, output)
        self.assertIn("1 idle, 0 failed", output)
        self.assertIn("cannot write /dev/full: No space left on device", output)
        self.assertIn("</html>", report.read_text())

    def test_an_older_result_stays_until_there_is_a_new_one(self):
        store = self.store()
        file = self.directory / "result.json"
        file.write_text("older, and longer than any result " * 1000)
        load = Background([BIN / "roost-load", "--password=secret", f"--server={store.tls}", "--hold=600",
                           f"--json={file}"], "stdout", "clients are idle")
        self.assertTrue(file.read_text().startswith("older"))
        load.stop()
        self.assertEqual(json.loads(file.read_text())["connections"]["established"], 1)
        self.assertEqual(os.listdir(self.directory), ["result.json"])

    def test_results_say_what_was_run(self):
        store = self.store()
        scenario = self.directory / "scenario.yaml"
        scenario.write_text("clients: 3\nstore-password: hush\nhold: 0\n")
        report = self.directory / "result.html"
        before = datetime.now(timezone.utc).replace(microsecond=0)
        status, output, result = self.load("--scenario", scenario, f"--server={store.tls}", f"--html={report}",
                                           "--users", "load%d")
        self.assertEqual(status, 0, output)
        self.assertEqual(result["run"]["arguments"],
                         ["--clients=3", "--store-password=...", "--hold=0", "--password=...",
                          f"--json={self.directory / 'result.json'}", f"--server={store.tls}", f"--html={report}",
                          "--users=load%d"])
        self.assertRegex(result["run"]["version"], r"^\d+\.\d+\.\d+")
        started = datetime.fromisoformat(result["run"]["started"].replace("Z", "+00:00"))
        self.assertTrue(before <= started <= datetime.now(timezone.utc), result["run"])
        page = report.read_text()
        self.assertIn("--clients=3", page)
        self.assertNotIn("hush", page)
        self.assertIn(result["run"]["started"], page)

    def test_the_fields_of_a_result_are_those_of_the_readme(self):
        store = self.store()
        _, _, bare = self.load("--bare=poll", "--clients=10", "--hold=0", "--settle=0")
        (self.directory / "bare.json").write_text(json.dumps(bare))
        _, _, watching = self.load(f"--server={store.tls}", "--hold=0", "--settle=0",
                                   f"--watch-pid={store.process.pid}", f"--bare-run={self.directory / 'bare.json'}")
        _, _, refused = self.load(f"--server={store.tls}", "--password=wrong", "--hold=0")
        told = set()
        for name, value in (item for result in (bare, watching, refused) for item in result.items()):
            if isinstance(value, list) and value and isinstance(value[0], dict):
                value = value[0]
            parts = isinstance(value, dict) and not name.endswith("_us")
            told |= {f"{name}.{part}" for part in value} if parts else {name}
        told.remove("errors")  # an empty list does not say what would be in it
        readme = (Path(__file__).parents[2] / "README.md").read_text().partition("The fields of `--json`")[2]
        rows = re.findall(r"^\| (?:`(\w+)`: )?((?:`\w+`(?:, )?)+) \|", readme.partition("\n## ")[0], re.M)
        explained = [f"{parent}.{part}" if parent else part
                     for parent, parts in rows for part in re.findall(r"\w+", parts)]
        self.assertEqual(sorted(explained), sorted(told))

    def test_a_foreign_target_is_refused(self):
        status, output, result = self.load("--server=192.0.2.1:993")
        self.assertEqual((status, result), (2, None))
        self.assertIn("--i-may-load-this-host", output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
