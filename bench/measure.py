"""What the measuring programs in this folder share: a store with roostd in front, what a process uses, and a report.

Everything runs on loopback, with the programs of one build, and is ended by its own pid.
"""

import contextlib
import json
import os
import platform
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DEADLINE_S = 300  # and a second for every hundred clients
SUITE = "TLS_AES_128_GCM_SHA256"  # what roost-load and roostd agree on


def pss(pid):
    """Proportional set size, in bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no Pss in smaps_rollup")


def cpu_s(pid):
    """User and system seconds of all threads of a process, by its own clock (nanoseconds, not ticks)."""
    return time.clock_gettime(~pid << 3 | 2)  # what clock_getcpuclockid(3) makes of a pid


def host():
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), "unknown")
    return {"kernel": platform.release(), "cpu": model, "cores": os.cpu_count(),
            "load_average": list(os.getloadavg()), "date": time.strftime("%Y-%m-%d %H:%M:%S")}


def stay_awake(cpu, parent):
    os.sched_setaffinity(0, {cpu})
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while os.getppid() == parent:
        pass


@contextlib.contextmanager
def awake():
    """No CPU sleeps: each has something to do that yields to all else. A machine set to poll when idle is alike."""
    spinners = []
    try:
        for cpu in os.sched_getaffinity(0):
            spinners.append(subprocess.Popen(
                [sys.executable, "-c", f"import measure; measure.stay_awake({cpu}, {os.getpid()})"],
                cwd=Path(__file__).parent, stdin=subprocess.DEVNULL))
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


# What the kernel keeps of files: no socket needs it, and whoever reads files meanwhile makes it grow.
FILE_CACHES = {"buffer_head", "btrfs_inode", "ext4_inode_cache", "extent_status", "inode_cache", "jbd2_journal_head",
               "kernfs_node_cache", "ovl_inode", "proc_inode_cache", "radix_tree_node", "shmem_inode_cache", "xfs_inode"}


def file_cache_bytes():
    """Of the kernel's objects those that files need; 0 where /proc/slabinfo may not be read."""
    try:
        lines = Path("/proc/slabinfo").read_text().splitlines()
    except OSError:
        return 0
    pages = 0
    for line in lines:
        name, *numbers = line.split()
        if name in FILE_CACHES:  # objects, all, bytes, of a slab, pages of a slab : … : slabdata active, all, shared
            pages += int(numbers[4]) * int(numbers[-2])
    return pages * resource.getpagesize()


def kernel_bytes():
    """What the machine's kernel has for objects and TCP buffers, once connections that were closed are forgotten, and
    without what it keeps of files."""
    def sockets(what):
        words = next(line for line in Path("/proc/net/sockstat").read_text().splitlines()
                     if line.startswith("TCP:")).split()
        return int(words[words.index(what) + 1])

    def look():
        slab = int(re.search(r"Slab: +(\d+) kB", Path("/proc/meminfo").read_text()).group(1))
        return slab * 1024 - file_cache_bytes() + sockets("mem") * resource.getpagesize()

    end = time.monotonic() + 90
    while sockets("tw") > 100 and time.monotonic() < end:  # TIME_WAIT takes a minute
        time.sleep(1)
    looks = []
    for _ in range(9):
        time.sleep(0.3)
        looks.append(look())
    return statistics.median(looks)


def usable_cpus():
    return sorted(os.sched_getaffinity(0))


def placed(cpus, measured):
    """How a process is started on these: one that is measured has the first to itself, where there are two."""
    if len(cpus) < 2:
        return {}
    return {"preexec_fn": lambda: os.sched_setaffinity(0, cpus[:1] if measured else cpus[1:])}


def places_for(sockets):
    """How many shards so many sockets need, each with a table as large as RLIMIT_NOFILE."""
    # Of a shard's descriptors: users are spread over shards unevenly.
    room = resource.getrlimit(resource.RLIMIT_NOFILE)[1] * 0.8
    return -(-sockets // int(room))


class World:
    """A store and a roostd in front of it.

    options: bin, clients (for deadlines), shards, store_tls. settings: more of roostd's configuration; a mapping in
    it is added to what is there. pin: what is measured has a CPU of its own, away from all else, where there are two.
    """

    def __init__(self, options, store_arguments=(), settings=None, pin=False):
        self.options = options
        self.cpus = usable_cpus() if pin else []
        self.bin = Path(options.bin)
        self.stack = contextlib.ExitStack()
        self.directory = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="roost-bench-")))
        self.loads = []
        self.results = 0
        try:
            self._start_store(store_arguments)
            self._start_roostd(settings or {})
        except BaseException:
            self.close()
            raise

    def spawn(self, arguments, ready, stream, measured=False, **more):
        """Starts a program; returns it and what it said up to the line that has `ready` in it."""
        process = subprocess.Popen([str(a) for a in arguments], text=True, **{stream: subprocess.PIPE},
                                   **placed(self.cpus, measured), **more)
        self.stack.callback(self._end, process)
        lines = []
        for line in getattr(process, stream):
            lines.append(line)
            if ready in line:
                return process, "".join(lines)
        raise RuntimeError(f"{arguments[0]}: " + "".join(lines))

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start_store(self, arguments):
        self.store, said = self.spawn(
            [self.bin / "roost-store", "--listen=127.0.0.1:0", "--listen=tls:127.0.0.1:0", "--lmtp=127.0.0.1:0",
             "--control=127.0.0.1:0", "--print-ready", "--master-user=master", "--master-password=master",
             f"--threads={self.options.shards}", "--descriptors=direct",
             f"--sockets-per-thread={resource.getrlimit(resource.RLIMIT_NOFILE)[1]}", *arguments],
            "ready", "stdout")
        # store_more: of listeners that were asked for beside these two.
        self.store_plain, self.store_tls, *self.store_more = re.findall(r"imap (\S+)", said)
        self.lmtp = re.search(r"lmtp (\S+)", said).group(1)
        self.store_control = re.search(r"control (\S+)", said).group(1)

    def _start_roostd(self, settings):
        tls = getattr(self.options, "store_tls", False)
        self.make_certificate()
        self.control = self.directory / "control"
        self.config = {
            "shards": self.options.shards,
            "descriptors": "direct",
            "dumpable": True,
            "control_socket": str(self.control),
            "listeners": [{"address": "127.0.0.1:0", "tls": "implicit"}],
            "certificates": [{"chain_file": "certificate.pem", "key_file": "key.pem"}],
            "log": {"level": "error"},
            "stores": [{
                "name": "main", "addresses": [self.store_tls if tls else self.store_plain], "login": "proxy-authzid",
                "tls": "implicit" if tls else "none", **({"verify": False} if tls else {}),
                "master_user": "master", "master_password": "master",
                "max_logins_in_progress": 200,
                "notify": getattr(self.options, "notify", False),
                "source_addresses": [f"127.3.0.{i}" for i in range(1, 21)],
            }],
        }
        self.configure(settings)
        self.start_again()

    def make_certificate(self):
        """Another than before, if there was one."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", self.directory / "key.pem",
                        "-out", self.directory / "certificate.pem"], check=True, capture_output=True)

    def configure(self, settings):
        """More of roostd's configuration, for its next start or reload; a mapping is added to what is there."""
        for key, value in settings.items():
            self.config[key] = {**self.config.get(key, {}), **value} if isinstance(value, dict) else value
        (self.directory / "roost.yaml").write_text(json.dumps(self.config))  # JSON is YAML

    def start_again(self):
        """roostd, at the same address as the one before if there was one."""
        self.roostd, said = self.spawn([self.bin / "roostd", f"--config={self.directory / 'roost.yaml'}"],
                                       "roostd: ready", "stderr", measured=True)
        self.address = re.search(r"listening on (\S+)", said).group(1)
        self.configure({"listeners": [{**self.config["listeners"][0], "address": self.address}]})
        self.empty = self.pss()

    def start_haproxy(self):
        """HAProxy that ends TLS in front of the same store, where it is installed; its address."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        pem, config = self.directory / "haproxy.pem", self.directory / "haproxy.cfg"
        pem.write_text((self.directory / "certificate.pem").read_text() + (self.directory / "key.pem").read_text())
        config.write_text(haproxy_config(port, pem, self.store_plain, self.options.clients, self.options.shards))
        process = subprocess.Popen([haproxy(), "-db", "-f", config], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, **placed(self.cpus, True))
        self.stack.callback(self._end, process)
        end = time.monotonic() + 10
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return f"127.0.0.1:{port}"
            time.sleep(0.05)
        raise RuntimeError("haproxy does not accept connections")

    # ---- What is there

    def ctl(self, *command):
        """roostctl, to its end."""
        return subprocess.run([self.bin / "roostctl", f"--socket={self.control}", *command], check=False,
                              capture_output=True, text=True)

    def status(self):
        """What roostctl status tells; shards under load may not answer in time, and are asked again."""
        end = time.monotonic() + DEADLINE_S
        while True:
            answer = self.ctl("status", "--json")
            if answer.returncode == 0:
                return json.loads(answer.stdout)["total"]
            if time.monotonic() >= end:
                raise RuntimeError(answer.stderr)
            time.sleep(0.2)

    def await_status(self, wanted, what):
        deadline_s = DEADLINE_S + self.options.clients / 100
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            status = self.status()
            if wanted(status):
                return status
            time.sleep(0.2 + self.options.clients / 20_000)  # an answer walks through all there is
        raise RuntimeError(f"{what}: not after {deadline_s:.0f} s; {status}")

    def store_commands(self):
        """How often each command was given to the store since it began."""
        host_name, port = self.store_control.rsplit(":", 1)
        with socket.create_connection((host_name, int(port)), timeout=60) as connection:
            connection.sendall(b"counts\r\n")
            said = b""
            while not said.endswith(b"\n\n"):
                part = connection.recv(65536)
                if not part:
                    raise RuntimeError("the store's control connection ended")
                said += part
        return {name: int(count) for name, count in re.findall(r"^command (.+) (\d+)$", said.decode(), re.MULTILINE)}

    def pss(self):
        return pss(self.roostd.pid)

    def settled_pss(self):
        """Shards give back what they have at hand each 5 s, and the allocator what is free in the 5 s that follow: no
        longer less than it was 12 s ago."""
        looks = [self.pss()]
        for _ in range(30):
            time.sleep(2)
            looks.append(self.pss())
            if len(looks) > 6 and looks[-1] > looks[-7] - 128 * 1024:
                break
        return looks[-1]

    # ---- Who comes

    def load(self, *arguments, server=None):
        """Runs roost-load to its end; its result. Not by default: anything lost, refused or told twice."""
        self.results += 1
        result = self.directory / f"result{self.results}.json"
        bare = any(str(a).startswith("--bare=") for a in arguments)  # it has a server of its own
        run = subprocess.run(
            [str(a) for a in (self.bin / "roost-load", *([] if bare else [f"--server={server or self.address}"]),
                              f"--json={result}", *arguments)],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **placed(self.cpus, False))
        if run.returncode != 0:
            raise RuntimeError(f"roost-load {' '.join(map(str, arguments))}:\n{run.stdout[-4000:]}")
        return json.loads(result.read_text())

    def begin(self, clients, *arguments, server=None, stdin=subprocess.DEVNULL):
        """Clients who stay until `finish`; returns when all are there. What they do then they do unwatched."""
        self.results += 1
        result = self.directory / f"result{self.results}.json"
        load, said = self.spawn(
            [self.bin / "roost-load", f"--server={server or self.address}", f"--clients={clients}", "--hold=86400",
             f"--json={result}", *arguments], "clients are idle", "stdout", stderr=subprocess.STDOUT, stdin=stdin)
        if not said.splitlines()[-1].startswith(f"{clients} of {clients} "):
            load.send_signal(signal.SIGINT)
            raise RuntimeError(said + load.communicate(timeout=60)[0])
        return load, result

    @staticmethod
    def await_events(begun):
        """Until those who were begun with mail to deliver have been told of all of it, or have waited enough."""
        for line in begun[0].stdout:
            if "events have come" in line:
                return
        raise RuntimeError("roost-load ended early")

    @staticmethod
    def finish(begun, sent_away=False):
        """What those measured who were begun. None of them was lost, unless they were to be sent away."""
        load, result = begun
        load.send_signal(signal.SIGINT)
        said = load.communicate(timeout=120)[0]
        if load.returncode != 0 and not sent_away:
            raise RuntimeError(said[-4000:])
        return json.loads(result.read_text())

    def cpu_s(self):
        return cpu_s(self.roostd.pid)

    def settled_cpu_s(self):
        """When roostd has nothing to do any more."""
        end = time.monotonic() + DEADLINE_S
        before = self.cpu_s()
        while time.monotonic() < end:
            time.sleep(0.5)
            now = self.cpu_s()
            if now - before < 0.002:
                return now
            before = now
        raise RuntimeError("roostd never came to rest")

    def park(self, clients, per_user=1, first_user=1):
        """More clients, who stay until `leave`; when they are parked."""
        before = self.status()["parked"]
        load = subprocess.Popen(
            [self.bin / "roost-load", f"--server={self.address}", f"--clients={clients}",
             f"--clients-per-user={per_user}", f"--first-user={first_user}",
             f"--threads={max(2, clients // 12_000)}", "--hold=86400", "--entering=200", "--retries=5"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **placed(self.cpus, False))
        self.stack.callback(self._end, load)
        self.loads.append(load)
        return self.await_status(lambda s: s["parked"] >= before + clients and s["asleep"] >= before + clients,
                                 f"{clients} clients")

    def leave(self):
        for load in self.loads:
            load.send_signal(signal.SIGINT)
        for load in self.loads:
            load.wait(timeout=60)
        self.loads.clear()
        self.await_status(lambda s: s["clients"] == 0 and s["feeds"] == 0 and s["sessions_open"] == 0, "all gone")

    def close(self):
        self.stack.close()


class Report:
    """Lines of a value, or of the median of several with the least and the most, beside what is promised."""

    def __init__(self, check):
        self.check, self.failed = check, False
        self.rows = []
        self.raw = {}
        self.before = host()

    def title(self, text):
        print(f"\n{text}" if self.rows else text, flush=True)

    def line(self, what, values, promised=None, unit="B", digits=0, least=False):
        """promised: the most that may be, or with `least` the least."""
        values = list(values) if isinstance(values, (list, tuple)) else [values]
        value = statistics.median(values)
        mark, good = "", True
        if promised is not None:
            good = value >= promised if least else value <= promised
            mark = f"   (promised: {promised:,})" + ("" if good else "  BELOW" if least else "  ABOVE")
            self.failed = self.failed or not good
        spread = f" ({min(values):,.{digits}f} to {max(values):,.{digits}f})" if len(values) > 1 else ""
        print(f"  {what:<58}{value:>12,.{digits}f} {unit}{spread}{mark}", flush=True)
        self.rows.append({"what": what, "unit": unit, "median": value, "values": values, "promised": promised,
                          "good": good})
        return value

    def rounds(self, parts, options):
        """options.rounds times each of options.parts, in turns; then what each has to tell of its runs.

        parts: name to (a round: options to its figures; the telling: report, figures of each round, options)."""
        runs = {part: [] for part in options.parts}
        for number in range(options.rounds):
            warm_up = number == 0 and options.rounds > 1
            for part in options.parts:
                run = parts[part][0](options)
                if not warm_up:
                    runs[part].append(run)
            print(f"round {number + 1} of {options.rounds}{' (warm-up)' if warm_up else ''}", file=sys.stderr, flush=True)
        for part in options.parts:
            parts[part][1](self, runs[part], options)
        self.raw["runs"] = runs

    def machine(self):
        """Where and beside what it was measured; for the end."""
        load = host()["load_average"][0]
        print(f"\n{self.before['cpu']}, {self.before['cores']} cores, Linux {self.before['kernel']}; load average "
              f"{self.before['load_average'][0]:.2f} before, {load:.2f} after", flush=True)

    def write(self, path, options):
        """Every row, and all that was kept in `raw`."""
        Path(path).write_text(json.dumps(
            {"command": sys.argv, "options": {k: str(v) for k, v in vars(options).items()}, "host": self.before,
             "host_after": host(), "rows": self.rows, "raw": self.raw}, indent=1))

    def status(self):
        return 1 if self.check and self.failed else 0

    def end(self, options):
        self.machine()
        if options.json:
            self.write(options.json, options)
        return self.status()


def haproxy():
    """The program, or None."""
    return shutil.which("haproxy", path="/usr/sbin:/usr/bin")


def haproxy_config(port, pem, store, most, threads):
    """TLS ended in front of a store: its configuration. pem: chain and key in one; most: connections."""
    return f"""
global
  maxconn {most + 100}
  nbthread {threads}
  ssl-default-bind-ciphersuites {SUITE}
  ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
  mode tcp
  timeout connect 30s
  timeout client 1h
  timeout server 1h
listen imaps
  bind 127.0.0.1:{port} ssl crt {pem}
  server store {store}
"""


def common_options(parser):
    parser.add_argument("--bin", default=os.environ.get("ROOST_BIN", "build/bin"), help="build/bin")
    parser.add_argument("--check", action="store_true", help="end with 1 where it is worse than promised")
    parser.add_argument("--json", metavar="FILE", help="every figure of every run")
