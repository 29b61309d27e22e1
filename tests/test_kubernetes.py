"""The manifests: as Kubernetes' own schemas and KEDA's documents say. No cluster is needed."""

import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml

from pipeline.settings import BusSettings
from tests.containers import COMPOSE, ROOT, Container, image_environment, of_compose
from workers.bus import keys
from workers.cluster.layout import STAGES, parse_layout

FOLDER = ROOT / "workers" / "kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
OBJECTS = [found for name in KUSTOMIZATION["resources"] for found in yaml.safe_load_all((FOLDER / name).read_text())]
OF_KEDA = [found for found in OBJECTS if found["apiVersion"].startswith("keda.sh/")]
OF_KUBERNETES = [found for found in OBJECTS if found not in OF_KEDA]
DEPLOYMENTS = {found["metadata"]["name"]: found for found in OBJECTS if found["kind"] == "Deployment"}
(REDIS,) = [found for found in OBJECTS if found["kind"] == "StatefulSet"]
PODS = {found["metadata"]["name"]: found["spec"]["template"]["spec"] for found in [*DEPLOYMENTS.values(), REDIS]}


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
    layouts = [parse_layout(PODS[name]["containers"][0]["args"][1]) for name in DEPLOYMENTS]
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
    mounts = {mount["mountPath"]: mount["name"] for mount in only["volumeMounts"]}
    if name in DEPLOYMENTS:  # where health is noted
        assert {"name": mounts["/tmp"], "emptyDir": {}} in pod["volumes"]


def test_selectors_find_what_they_mean():
    for found in [*DEPLOYMENTS.values(), REDIS]:
        labels = found["spec"]["template"]["metadata"]["labels"]
        assert found["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for kind, select in (("Service", "selector"), ("NetworkPolicy", "podSelector")):
        (found,) = [thing["spec"][select] for thing in OBJECTS if thing["kind"] == kind]
        assert found.get("matchLabels", found).items() <= REDIS["spec"]["template"]["metadata"]["labels"].items()
    (policy,) = [thing for thing in OBJECTS if thing["kind"] == "NetworkPolicy"]
    (workers,) = [one["podSelector"] for one in policy["spec"]["ingress"][0]["from"] if "podSelector" in one]
    for found in DEPLOYMENTS.values():
        assert workers["matchLabels"].items() <= found["spec"]["template"]["metadata"]["labels"].items()


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


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_runs_what_compose_runs(name):
    """Those very commands are run in test_compose.py."""
    (found,) = PODS[name]["containers"]
    check = found["livenessProbe"]["exec"]["command"]
    assert found["startupProbe"]["exec"]["command"] == check
    environment = {variable["name"]: variable["value"] for variable in found["env"]}
    command = ["affectstream", *found["args"]]
    assert Container(name, command, image_environment() | environment, check) == of_compose(name)


def test_the_server_and_the_volume_are_those_of_compose():
    (server,) = PODS["redis"]["containers"]
    service = COMPOSE["services"]["redis"]
    assert server["args"] == service["command"]
    assert server["image"] == service["image"]
    assert "/data" in {mount["mountPath"] for mount in PODS["sink"]["containers"][0]["volumeMounts"]}
