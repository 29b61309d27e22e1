"""The manifests: as Kubernetes' own schemas and KEDA's documents say. No cluster is needed."""

import shutil
import subprocess
import urllib.error
import urllib.request

import kubernetes_validate
import pytest
import yaml

from pipeline.settings import BusSettings
from tests import rtsp
from tests.containers import COMPOSE, ROOT, Container, host, image_environment, of_compose
from tests.redis_server import Server, newest
from workers.bus import keys
from workers.cluster.layout import STAGES, parse_layout

FOLDER = ROOT / "workers" / "kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
OBJECTS = [found for name in KUSTOMIZATION["resources"] for found in yaml.safe_load_all((FOLDER / name).read_text())]
OF_KEDA = [found for found in OBJECTS if found["apiVersion"].startswith("keda.sh/")]
OF_KUBERNETES = [found for found in OBJECTS if found not in OF_KEDA]
DEPLOYMENTS = {found["metadata"]["name"]: found for found in OBJECTS if found["kind"] == "Deployment"}
(REDIS,) = [found for found in OBJECTS if found["kind"] == "StatefulSet"]
TEMPLATES = {found["metadata"]["name"]: found["spec"]["template"] for found in [*DEPLOYMENTS.values(), REDIS]}
PODS = {name: template["spec"] for name, template in TEMPLATES.items()}
WORKERS = {name for name in DEPLOYMENTS if PODS[name]["containers"][0]["args"][0] == "worker"}


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("thing", OF_KUBERNETES, ids=lambda thing: f"{thing['kind']}-{thing['metadata']['name']}")
def test_is_what_kubernetes_understands(thing, version):
    kubernetes_validate.validate(thing, version, strict=True)


def test_a_misspelt_field_would_be_noticed():
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(REDIS | {"spec": REDIS["spec"] | {"replica": 1}}, "1.30", strict=True)


def test_every_file_is_part_of_the_kustomization():
    assert {path.name for path in FOLDER.glob("*.yaml")} == {"kustomization.yaml", *KUSTOMIZATION["resources"]}
    assert [image["name"] for image in KUSTOMIZATION["images"]] == ["affectstream"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on this machine")
def test_a_cell_is_a_namespace_of_its_own(tmp_path):
    """The overlay that the page shows."""
    page = (FOLDER / "README.md").read_text()
    overlay = page[page.index("```yaml\n") + 8 :]
    overlay = yaml.safe_load(overlay[: overlay.index("```")])
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    cell = tmp_path / "cell"
    cell.mkdir()
    overlay["resources"] = ["../kubernetes"]
    (cell / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    command = ["kubectl", "kustomize", cell]
    rendered = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    found = list(yaml.safe_load_all(rendered))
    assert len(found) == len(OBJECTS)
    assert {thing["metadata"]["namespace"] for thing in found} == {overlay["namespace"]}
    (scaled,) = [thing for thing in found if thing["kind"] == "ScaledObject"]
    assert scaled["spec"]["triggers"][0]["metadata"]["address"] == f"redis.{overlay['namespace']}:6379"
    for thing in found:
        if thing not in (scaled,):
            kubernetes_validate.validate(thing, "1.30", strict=True)


def test_the_workers_do_every_stage_once_and_no_frame_crosses_the_network():
    layouts = [parse_layout(PODS[name]["containers"][0]["args"][1]) for name in WORKERS]
    assert sorted(stage for layout in layouts for stage in layout.stages) == sorted(STAGES)
    assert ("ingest", "tracker") in [layout.chain for layout in layouts]


@pytest.mark.parametrize("name", PODS)
def test_every_pod_is_confined(name):
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert pod["terminationGracePeriodSeconds"] >= 30
    (only,) = pod["containers"]
    assert only["securityContext"]["readOnlyRootFilesystem"]
    assert not only["securityContext"]["allowPrivilegeEscalation"]
    assert only["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert set(only["resources"]["requests"]) == {"cpu", "memory"}
    assert only["resources"]["limits"]["memory"]
    mounts = {mount["mountPath"]: mount["name"] for mount in only.get("volumeMounts", ())}
    if name in WORKERS:  # where health is noted
        assert {"name": mounts["/tmp"], "emptyDir": {}} in pod["volumes"]


def chosen(selector):
    """Return the names of the pods whose labels a selector asks for."""
    return {name for name, template in TEMPLATES.items() if selector.items() <= template["metadata"]["labels"].items()}


def test_selectors_find_what_they_mean():
    for found in [*DEPLOYMENTS.values(), REDIS]:
        assert chosen(found["spec"]["selector"]["matchLabels"]) == {found["metadata"]["name"]}
    for kind, select in (("Service", "selector"), ("NetworkPolicy", "podSelector")):
        found = {thing["metadata"]["name"]: thing["spec"][select] for thing in OBJECTS if thing["kind"] == kind}
        assert set(found) == {"redis", "page"}
        for name, selector in found.items():
            assert chosen(selector.get("matchLabels", selector)) == {name}


def test_what_asks_for_no_password_is_reached_by_those_who_need_it():
    policies = {thing["metadata"]["name"]: thing["spec"] for thing in OBJECTS if thing["kind"] == "NetworkPolicy"}
    for name, pods in (("redis", set(DEPLOYMENTS)), ("page", set())):
        assert policies[name]["policyTypes"] == ["Ingress"]
        (rule,) = policies[name]["ingress"]
        (let_in,) = rule["ports"]
        (container,) = PODS[name]["containers"]
        assert let_in["port"] in {port["name"] for port in container["ports"]}
        selectors = [one["podSelector"]["matchLabels"] for one in rule["from"] if "podSelector" in one]
        assert {pod for selector in selectors for pod in chosen(selector)} == pods
        assert all(selector["matchLabels"] for one in rule["from"] for selector in one.values())  # else it is anybody


def test_secrets_come_from_the_environment_of_what_reads_the_cameras():
    (ingest,) = PODS["ingest-tracker"]["containers"]
    assert ingest["envFrom"] == [{"secretRef": {"name": "cameras", "optional": True}}]
    assert "kind: Secret" not in "".join(path.read_text() for path in FOLDER.glob("*.yaml"))


def test_inference_is_scaled_by_what_nobody_has_taken():
    """Fields as in https://keda.sh/docs/latest/scalers/redis-streams and .../reference/scaledobject-spec."""
    (scaled,) = OF_KEDA
    assert (scaled["apiVersion"], scaled["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    spec = scaled["spec"]
    assert set(spec) <= {"scaleTargetRef", "minReplicaCount", "maxReplicaCount", "advanced", "triggers"}
    assert set(spec["advanced"]) == {"horizontalPodAutoscalerConfig"}
    assert spec["scaleTargetRef"]["name"] in DEPLOYMENTS
    assert "replicas" not in DEPLOYMENTS[spec["scaleTargetRef"]["name"]]["spec"]
    assert 1 <= spec["minReplicaCount"] < spec["maxReplicaCount"]
    (trigger,) = spec["triggers"]
    assert trigger["type"] == "redis-streams"
    metadata = trigger["metadata"]
    assert set(metadata) == {"address", "stream", "consumerGroup", "lagCount", "activationLagCount"}
    assert all(isinstance(value, str) for value in metadata.values())  # what is not a string, KEDA refuses
    assert metadata["stream"] == keys.FACES
    assert metadata["consumerGroup"] == keys.GROUP
    # One source alone must be able to show a lag that asks for more members.
    assert 0 < 2 * int(metadata["lagCount"]) <= BusSettings().pending
    assert metadata["address"] == f"redis.{KUSTOMIZATION['namespace']}:6379"


def of_pod(name, check=()):
    """Return the container of a pod."""
    (found,) = PODS[name]["containers"]
    environment = {variable["name"]: variable["value"] for variable in found["env"]}
    return Container(name, ["affectstream", *found["args"]], image_environment() | environment, check)


@pytest.mark.parametrize("name", sorted(WORKERS))
def test_runs_what_compose_runs(name):
    """Those very commands are run in test_compose.py."""
    (found,) = PODS[name]["containers"]
    check = found["livenessProbe"]["exec"]["command"]
    assert found["startupProbe"]["exec"]["command"] == check
    assert of_pod(name, check) == of_compose(name)


def test_the_page_is_asked_as_kubernetes_asks_and_not_restarted_for_want_of_redis(tmp_path):
    (found,) = PODS["page"]["containers"]
    (port,) = found["ports"]
    (service,) = [thing for thing in OBJECTS if (thing["kind"], thing["metadata"]["name"]) == ("Service", "page")]
    assert [one["targetPort"] for one in service["spec"]["ports"]] == [port["name"]]
    probes = {kind: found[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {get["port"] for get in probes.values()} == {port["name"]}
    told = TEMPLATES["page"]["metadata"]["annotations"]
    assert (told["prometheus.io/scrape"], told["prometheus.io/port"]) == ("true", str(port["containerPort"]))
    probes["prometheus"] = {"path": told["prometheus.io/path"]}

    here = rtsp.free_port()

    def status(who):
        url = f"http://127.0.0.1:{here}{probes[who]['path']}"
        request = urllib.request.Request(url, headers={"Host": f"10.244.1.7:{port['containerPort']}"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except urllib.error.URLError:
            return None  # it does not listen yet

    words = {f":{port['containerPort']}": f":{here}"}
    with Server(tmp_path, newest()) as server, host(server.url, tmp_path, words) as running:
        running.start(of_pod("page"))
        running.wait(lambda: status("startup") is not None)
        assert {who: status(who) for who in probes} == dict.fromkeys(probes, 200)
        server.kill()
        running.wait(lambda: (status("readiness"), status("prometheus")) == (503, 503))  # what is fresh is told again
        assert (status("startup"), status("liveness")) == (200, 200)


def test_the_server_and_the_volume_are_those_of_compose():
    (server,) = PODS["redis"]["containers"]
    service = COMPOSE["services"]["redis"]
    assert server["args"] == service["command"]
    assert server["image"] == service["image"]
    assert "/data" in {mount["mountPath"] for mount in PODS["sink"]["containers"][0]["volumeMounts"]}
