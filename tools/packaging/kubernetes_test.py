#!/usr/bin/python3
"""k8s/: what kustomize makes of it is what k8s/rendered shows, the cluster's kinds have such fields, its parts fit
each other, and roostd takes its configuration.

  kubernetes_test.py --update    render anew; look at the difference before it is committed
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from packages import BIN, ROOT, run

try:
    import yaml
except ImportError:
    yaml = None
try:
    from kubernetes import client as models
except ImportError:
    models = None

from harness.certificates import Authority
from harness.roost import check_config

K8S = ROOT / "k8s"
RENDERED = {"base": "base", "node": "node", "monitoring": "monitoring", "aws": "overlays/aws", "gcp": "overlays/gcp",
            "azure": "overlays/azure", "proxy": "overlays/proxy"}
CLOUDS = ("aws", "gcp", "azure")
SECCOMP_DIRECTORY = "/var/lib/kubelet/seccomp/"
# What the kernel needs for an idle socket and Roost for a client alone in its mailbox, or one of four, in bytes;
# README.md says where they are from.
SOCKET, CLIENT, ONE_OF_FOUR = 3785, 1320, 566
# The autoscaler leaves a tenth above its target alone.
TOLERANCE = 1.1
# The shortest time after which a common balancer forgets a quiet connection (Azure), in seconds.
SHORTEST_BALANCER = 240


def render(directory):
    # Of two versions one warns that the other's dialect is old.
    return subprocess.run(["kubectl", "kustomize", str(directory)], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True).stdout


def unhashed(text):
    """Without the hash that kustomize ends generated names with: its versions do not agree on it."""
    return re.sub(r"(name: roost-seccomp)-[a-z0-9]{10}$", r"\1", text, flags=re.M)


def kept(name):
    return (K8S / "rendered" / f"{name}.yaml").read_text(encoding="utf-8")


def objects(text):
    """{(kind, name): object}; without the empty labels that an older kustomize leaves where it merged."""
    found = list(yaml.safe_load_all(text))
    for o in found:
        o["metadata"] = {key: value for key, value in o["metadata"].items() if value != {}}
    return {(o["kind"], o["metadata"]["name"]): o for o in found}


@unittest.skipUnless(yaml, "python3-yaml is not installed; tools/setup --test installs it")
class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base, cls.node = objects(unhashed(kept("base"))), objects(unhashed(kept("node")))
        cls.monitoring = objects(kept("monitoring"))
        cls.pod = cls.base["Deployment", "roost"]["spec"]["template"]
        cls.roostd = cls.pod["spec"]["containers"][0]
        cls.config_text = cls.base["ConfigMap", "roost"]["data"]["roost.yaml"]
        cls.config = yaml.safe_load(cls.config_text)


class RenderTest(Case):
    @unittest.skipUnless(shutil.which("kubectl"), "no kubectl; tools/setup --test installs one")
    def test_what_is_kept_is_what_kustomize_renders(self):
        for name in RENDERED:
            with self.subTest(name):
                now, then = objects(unhashed(render(K8S / RENDERED[name]))), objects(unhashed(kept(name)))
                self.assertEqual(now, then, f"render anew: {__file__} --update")

    def test_an_overlay_is_the_base_with_another_service_and_image(self):
        for name in (*CLOUDS, "proxy"):
            overlay = objects(kept(name))
            self.assertEqual(set(overlay), set(self.base))
            changed = {key for key in overlay if overlay[key] != self.base[key]}
            self.assertEqual(changed - {("ConfigMap", "roost")}, {("Service", "roost"), ("Deployment", "roost")})
            self.assertEqual(("ConfigMap", "roost") in changed, name == "proxy")
            image = overlay["Deployment", "roost"]["spec"]["template"]["spec"]["containers"][0]["image"]
            self.assertRegex(image, r"^\S+/roost:\d")

    def test_behind_the_proxy_protocol_only_the_listeners_differ_and_each_expects_it(self):
        overlay = objects(kept("proxy"))
        config = yaml.safe_load(overlay["ConfigMap", "roost"]["data"]["roost.yaml"])
        for listener in config["listeners"]:
            self.assertTrue(listener.pop("proxy_from"), listener)
        self.assertEqual(config, self.config)
        switches = {key: value for key, value in overlay["Service", "roost"]["metadata"]["annotations"].items()
                    if re.search("proxy-?protocol", key)}
        self.assertGreater(len(switches), 1)
        self.assertLessEqual(set(switches.values()), {"true", "v2"})
        for name in ("base", *CLOUDS):
            self.assertNotIn("proxy_from:", objects(kept(name))["ConfigMap", "roost"]["data"]["roost.yaml"])

    @unittest.skipUnless(shutil.which("kubectl"), "no kubectl; tools/setup --test installs one")
    def test_an_installation_made_as_the_readme_says_has_its_own_configuration(self):
        readme = (K8S / "README.md").read_text(encoding="utf-8")
        commands = re.search(r"^cp -r k8s/overlays/aws .*?(?=^editor )", readme, re.M | re.S).group(0)
        for name in (*CLOUDS, "proxy"):
            with self.subTest(name), tempfile.TemporaryDirectory(prefix="roost-k8s-") as directory:
                shutil.copytree(K8S, Path(directory) / "k8s")
                subprocess.run(["sh", "-e", "-c", commands.replace("overlays/aws", f"overlays/{name}")],
                               cwd=directory, check=True)
                mine = Path(directory) / "my-cluster"
                config = mine / "roost.yaml"
                config.write_text(config.read_text(encoding="utf-8").replace("imap.example.com", "imap.mine.example"),
                                  encoding="utf-8")
                expected = objects(kept(name))
                data = expected["ConfigMap", "roost"]["data"]
                data["roost.yaml"] = data["roost.yaml"].replace("imap.example.com", "imap.mine.example")
                self.assertEqual(objects(render(mine)), expected)


# Where the package's models are older than the manifests: the same fields under another name, and fields since then.
NEWER_KIND = {"autoscaling/v2": "autoscaling/v2beta2"}


class SchemaTest(Case):
    @unittest.skipUnless(models, "python3-kubernetes is not installed; tools/setup --test installs it")
    def test_every_field_is_one_of_its_kind_and_none_lacks(self):
        for name in RENDERED:
            for o in objects(kept(name)).values():
                if o["apiVersion"].startswith("monitoring.coreos.com/"):
                    continue  # the Prometheus operator's; its models are not there
                version = NEWER_KIND.get(o["apiVersion"], o["apiVersion"]).rpartition("/")[2]
                self.check(o, version[0].upper() + version[1:] + o["kind"], f"{name}: {o['kind']}")

    def check(self, value, kind, where):
        """Fails unless the value is of the kind: a model's name, list[kind], dict(str, kind), or a plain type."""
        element = re.fullmatch(r"list\[(.+)\]|dict\(str, (.+)\)", kind)
        if element and element.group(1):
            self.assertIsInstance(value, list, where)
            for at, item in enumerate(value):
                self.check(item, element.group(1), f"{where}[{at}]")
        elif element:
            self.assertIsInstance(value, dict, where)
            for key, item in value.items():
                self.check(item, element.group(2), f"{where}.{key}")
        elif kind in ("str", "int", "bool"):
            self.assertIs(type(value), {"str": str, "int": int, "bool": bool}[kind], where)
        elif kind == "object":  # quantities, and numbers or names of ports
            self.assertIn(type(value), (str, int), where)
        else:
            self.check_model(value, getattr(models, kind), where)

    def check_model(self, value, model, where):
        self.assertIsInstance(value, dict, where)
        attributes = {field: attribute for attribute, field in model.attribute_map.items()}
        for field, item in value.items():
            self.assertIn(field, attributes, f"{where}: {model.__name__} has no such field")
            self.check(item, model.openapi_types[attributes[field]], f"{where}.{field}")
        arguments = {attributes[field]: item for field, item in value.items()}
        try:
            model(**arguments)  # raises where one lacks that must be there, or is none of those that may be
        except ValueError as error:
            self.fail(f"{where}: {error}")


class FitTest(Case):
    def ports(self):
        return {port["name"]: port["containerPort"] for port in self.roostd["ports"]}

    def test_selectors_select_the_pods(self):
        labels = self.pod["metadata"]["labels"].items()
        for key, path in ((("Deployment", "roost"), ("selector", "matchLabels")),
                          (("Service", "roost"), ("selector",)),
                          (("PodDisruptionBudget", "roost"), ("selector", "matchLabels")),
                          (("NetworkPolicy", "roost"), ("podSelector", "matchLabels"))):
            selector = self.base[key]["spec"]
            for step in path:
                selector = selector[step]
            self.assertLessEqual(selector.items(), labels, key)
            self.assertTrue(selector, key)
        for spread in self.pod["spec"]["topologySpreadConstraints"]:
            self.assertLessEqual(spread["labelSelector"]["matchLabels"].items(), labels)
        target = self.base["HorizontalPodAutoscaler", "roost"]["spec"]["scaleTargetRef"]
        self.assertIn((target["kind"], target["name"]), self.base)
        service, monitor = (self.monitoring[kind, name] for kind, name in
                            (("Service", "roost-admin"), ("ServiceMonitor", "roost")))
        self.assertLessEqual(service["spec"]["selector"].items(), labels)
        wanted = monitor["spec"]["selector"]["matchLabels"]
        self.assertLessEqual(wanted.items(), service["metadata"]["labels"].items())
        self.assertFalse(wanted.items() <= self.base["Service", "roost"]["metadata"]["labels"].items())
        self.assertEqual(monitor["spec"]["endpoints"][0]["port"], service["spec"]["ports"][0]["name"])

    def test_ports_are_those_that_roostd_listens_on(self):
        ports = self.ports()
        listening = {l["tls"]: int(l["address"].rpartition(":")[2]) for l in self.config["listeners"]}
        self.assertEqual((ports["imaps"], ports["imap"]), (listening["implicit"], listening["starttls"]))
        self.assertEqual(ports["admin"], int(self.config["admin"]["address"].rpartition(":")[2]))
        service = {port["port"]: port["targetPort"] for port in self.base["Service", "roost"]["spec"]["ports"]}
        self.assertEqual(service, {993: "imaps", 143: "imap"})  # admin never on the balancer
        rules = self.base["NetworkPolicy", "roost"]["spec"]["ingress"]
        named = {p["port"]: "from" in rule for rule in rules for p in rule["ports"]}
        self.assertEqual(named, {"imaps": False, "imap": False, "admin": True})
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            self.assertIn(self.roostd[probe]["httpGet"]["port"], ports)
        self.assertLess(1024, min(ports.values()))

    def test_whatever_roostd_connects_to_may_be_reached(self):
        rules = self.base["NetworkPolicy", "roost"]["spec"]["egress"]
        allowed = {(port["port"], port["protocol"]) for rule in rules for port in rule["ports"]}
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        lookup = yaml.safe_load(re.search(r"^```yaml\n(# roost\.yaml\n[^`]*^lookup:[^`]*)^```$", readme, re.M).group(1))
        reached = [a for store in self.config["stores"] + lookup["stores"] for a in store["addresses"]]
        reached += lookup["lookup"]["servers"]
        self.assertGreater(len(reached), 3)
        for address in reached:
            self.assertIn((int(address.rpartition(":")[2]), "TCP"), allowed, address)
        self.assertLessEqual({(53, "UDP"), (53, "TCP")}, allowed)

    def test_the_pod_may_do_as_little_as_possible(self):
        spec = self.pod["spec"]
        self.assertTrue(spec["securityContext"]["runAsNonRoot"])
        self.assertGreater(spec["securityContext"]["runAsUser"], 0)
        self.assertFalse(spec["automountServiceAccountToken"])
        own = self.roostd["securityContext"]
        self.assertEqual((own["allowPrivilegeEscalation"], own["readOnlyRootFilesystem"]), (False, True))
        self.assertEqual(own["capabilities"], {"drop": ["ALL"]})
        self.assertEqual(self.base["Namespace", "roost"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
                         "restricted")

    def test_the_seccomp_profile_is_laid_where_the_pod_looks_for_it(self):
        profile = self.pod["spec"]["securityContext"]["seccompProfile"]
        self.assertEqual(profile["type"], "Localhost")
        node = self.node["DaemonSet", "roost-seccomp"]["spec"]["template"]["spec"]
        lay, place = node["initContainers"][0], node["volumes"][1]["hostPath"]["path"]
        self.assertIn(" /seccomp/roostd.json", lay["command"][-1])
        self.assertEqual(f"{place}/roostd.json", SECCOMP_DIRECTORY + profile["localhostProfile"])
        text = self.node["ConfigMap", "roost-seccomp"]["data"]["roostd.json"]
        self.assertEqual(text, (K8S / "node/roostd.json").read_text(encoding="utf-8"))
        images = {container["image"] for container in (*node["initContainers"], *node["containers"])}
        roostd = objects(kept("aws"))["Deployment", "roost"]["spec"]["template"]["spec"]["containers"][0]
        self.assertEqual(images, {roostd["image"]})

    def test_the_seccomp_profile_is_laid_anew_in_one_step(self):
        pod = self.node["DaemonSet", "roost-seccomp"]["spec"]["template"]["spec"]
        with tempfile.TemporaryDirectory() as directory:
            profile, laid = Path(directory, "profile"), Path(directory, "seccomp")
            profile.mkdir(), laid.mkdir()
            (laid / "roostd.json").write_text("old", encoding="utf-8")
            with (laid / "roostd.json").open(encoding="utf-8") as reader:
                (profile / "roostd.json").write_text("new", encoding="utf-8")
                shell, options, script = pod["initContainers"][0]["command"]
                for mounted in (profile, laid):
                    script = script.replace(f" /{mounted.name}/", f" {mounted}/")
                run(shell, options, script)
                self.assertEqual(reader.read(), "old")  # whoever reads it reads the whole of one
            self.assertEqual([path.name for path in laid.iterdir()], ["roostd.json"])
            self.assertEqual((laid / "roostd.json").read_text(encoding="utf-8"), "new")

    def test_files_of_the_configuration_are_mounted(self):
        mounts = {m["mountPath"]: m for m in self.roostd["volumeMounts"]}
        self.assertFalse(any("subPath" in m for m in mounts.values()))
        volumes = {v["name"]: v for v in self.pod["spec"]["volumes"]}
        self.assertEqual({m["name"] for m in mounts.values()}, set(volumes))
        for path in re.findall(r"(?<![\w*])/[\w./-]+", re.sub(r"#.*", "", self.config_text)):
            self.assertIn(str(Path(path).parent), mounts, path)
        self.assertFalse(mounts[str(Path(self.config["control_socket"]).parent)].get("readOnly", False))

    def test_a_drain_ends_before_the_pod_is_killed(self):
        drain = self.config["drain"]
        grace = self.pod["spec"]["terminationGracePeriodSeconds"]
        self.assertGreaterEqual(grace, drain["on_stop_s"] + 30)
        self.assertNotIn("lifecycle", self.roostd)  # a preStop would be waited for first
        self.assertLessEqual(drain["accept_s"] * 2, drain["on_stop_s"])  # else it is cut to that
        # Whoever sends clients must have noticed: the probe, and some seconds for all nodes to hear of it.
        probe = self.roostd["readinessProbe"]
        self.assertGreaterEqual(drain["accept_s"], probe["periodSeconds"] * probe["failureThreshold"] + 10)

    def test_a_rollout_empties_one_pod_after_another(self):
        # It does not wait for pods that end: only how long a new one has to be there before the next old one goes.
        spec = self.base["Deployment", "roost"]["spec"]
        self.assertEqual(spec["strategy"]["rollingUpdate"], {"maxSurge": 1, "maxUnavailable": 0})
        self.assertGreaterEqual(spec["minReadySeconds"], self.pod["spec"]["terminationGracePeriodSeconds"])
        self.assertGreaterEqual(spec["progressDeadlineSeconds"], spec["minReadySeconds"] + 300)

    def test_pods_go_slowly_and_come_at_once(self):
        behaviour = self.base["HorizontalPodAutoscaler", "roost"]["spec"]["behavior"]
        down = behaviour["scaleDown"]
        self.assertEqual(behaviour["scaleUp"]["stabilizationWindowSeconds"], 0)
        self.assertGreaterEqual(down["stabilizationWindowSeconds"], 1800)
        # One at a time, and the next when the one before is empty and its clients are at rest elsewhere.
        self.assertEqual([(p["type"], p["value"]) for p in down["policies"]], [("Pods", 1)])
        self.assertGreaterEqual(down["policies"][0]["periodSeconds"],
                                2 * self.pod["spec"]["terminationGracePeriodSeconds"])

    def test_heartbeats_come_before_a_balancer_forgets(self):
        self.assertLess(self.config["timeouts"]["heartbeat_s"], SHORTEST_BALANCER)

    def test_more_pods_come_before_those_there_are_full_and_whoever_is_let_in_fits_into_the_memory(self):
        memory = self.roostd["resources"]
        self.assertEqual(memory["limits"]["memory"], memory["requests"]["memory"])
        limit = int(memory["limits"]["memory"].removesuffix("Gi")) << 30
        targets = {m["resource"]["name"]: m["resource"]["target"]["averageUtilization"]
                   for m in self.base["HorizontalPodAutoscaler", "roost"]["spec"]["metrics"]}
        for client, sockets in ((CLIENT, 2), (ONE_OF_FOUR, 1.25)):
            everybody = self.config["limits"]["max_clients"] * (client + sockets * SOCKET)
            self.assertLess(everybody, 0.7 * limit)
            self.assertLess(limit * targets["memory"] / 100 * TOLERANCE, 0.8 * everybody)

    def test_clients_are_sent_away_before_the_kernel_ends_the_pod_and_not_while_they_rest(self):
        limit = int(self.roostd["resources"]["limits"]["memory"].removesuffix("Gi")) << 30
        limits = self.config["limits"]
        own = limits.get("max_memory_mib", 0) << 20
        self.assertLess(limits["max_clients"] * CLIENT, 0.85 * own)  # from there on Roost is sparing
        self.assertLessEqual(own + limits["max_clients"] * 2 * 4096, 0.9 * limit)
        self.assertIn(f"alone in their mailboxes {own >> 20}", (K8S / "README.md").read_text(encoding="utf-8"))

    def test_what_a_client_costs_is_what_the_readmes_say(self):
        for path in (ROOT / "README.md", K8S / "README.md"):
            text = path.read_text(encoding="utf-8")
            self.assertIn(f"{CLIENT:,} + 2 × {SOCKET:,}", text, path)
            self.assertIn(f"{100_000 * (CLIENT + 2 * SOCKET) / 1e9:.1f} GB", text, path)
            self.assertRegex(text, rf"\b{ONE_OF_FOUR}\b", path)

    def test_the_readme_says_how_many_system_calls_there_are(self):
        profile = json.loads((K8S / "node/roostd.json").read_text(encoding="utf-8"))
        allowed = {name for calls in profile["syscalls"] if calls["action"] == "SCMP_ACT_ALLOW" for name in calls["names"]}
        self.assertIn(f"only the {len(allowed)} that roostd", (K8S / "README.md").read_text(encoding="utf-8"))

    def test_alerts_ask_for_figures_that_there_are_and_say_what_to_do(self):
        reference = run(BIN / "roostd", "--metrics-reference")
        labels = {row[0]: row[1] for row in re.findall(r"^\| `(\w+)` \| \w+ \| ([^|]*)\|", reference, re.M)}
        rules = [rule for group in self.monitoring["PrometheusRule", "roost"]["spec"]["groups"] for rule in group["rules"]]
        self.assertGreater(len(rules), 4)
        for rule in rules:
            asked = re.findall(r"\b(roost_\w+)(?:{(\w+)=~?\"([\w|]+)\"})?", rule["expr"])
            self.assertTrue(asked, rule)
            for metric, label, values in asked:
                self.assertIn(metric, labels)
                for value in filter(None, values.split("|")):
                    self.assertRegex(labels[metric], rf"\b{label}: .*\b{value}\b")
            self.assertIn(rule["labels"]["severity"], ("critical", "warning"))
            self.assertGreater(len(rule["annotations"]["description"]), len(rule["annotations"]["summary"]))

    def test_clients_keep_their_address(self):
        for name in RENDERED.keys() - {"node", "monitoring"}:
            self.assertEqual(objects(kept(name))["Service", "roost"]["spec"]["externalTrafficPolicy"], "Local")

    def test_no_secret_is_in_here(self):
        for path in K8S.rglob("*"):
            if path.is_file():
                text = path.read_text(encoding="utf-8")
                self.assertNotIn("PRIVATE KEY", text, path)
                self.assertNotRegex(text, r"(?m)^kind: Secret$", path)


class ConfigurationTest(Case):
    def test_roostd_takes_it(self):
        with tempfile.TemporaryDirectory(prefix="roost-k8s-") as directory:
            place = Path(directory)
            chain, key = Authority(place / "ca").issue("roost")
            (place / "master-password").write_text("secret\n", encoding="utf-8")
            (place / "master-password").chmod(0o440)  # as the Secret is mounted
            run(BIN / "roostctl", "ticket-keys", place / "ticket-keys")
            text = self.config_text
            for path, there in (("/etc/roost-certificate/tls.crt", chain), ("/etc/roost-certificate/tls.key", key),
                                ("/etc/roost-store/", f"{place}/"), ("/etc/roost-tickets/", f"{place}/"),
                                ("/run/roost/", f"{place}/")):
                self.assertIn(path, text)
                text = text.replace(path, str(there))
            (place / "roost.yaml").write_text(text, encoding="utf-8")
            self.assertEqual(check_config(place / "roost.yaml"), (0, f"{place}/roost.yaml: ok\n"))


class ImageTest(Case):
    def test_it_is_debian_and_nobodys(self):
        text = (K8S / "Containerfile").read_text(encoding="utf-8")
        for image in re.findall(r"^FROM (\S+)", text, re.M):
            self.assertRegex(image, r"^docker\.io/library/debian:12(-slim)?$")
        self.assertNotRegex(text, r"\b(curl|wget|git clone|pip|npm)\b|^ADD ")
        security = self.pod["spec"]["securityContext"]
        self.assertIn(f"USER {security['runAsUser']}:{security['runAsGroup']}\n", text)
        self.assertIn("CMD " + str(self.roostd["args"]).replace("'", '"') + "\n", text)


def update():
    for name in RENDERED:
        (K8S / "rendered" / f"{name}.yaml").write_text(
            f"# kubectl kustomize k8s/{RENDERED[name]}\n" + unhashed(render(K8S / RENDERED[name])), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--update"]:
        update()
    else:
        unittest.main(verbosity=2)
