"""The chart: what it renders to, who finds it valid, and what it must say."""
import json
import os
import re
import subprocess

import pytest
import yaml
from conftest import CHART, TOOLS, TREE, VALUES, helm_template, run
from service import STUB, Service, write_stub_data

OF_OTHERS = {"ServiceMonitor", "PrometheusRule", "ScaledObject"}  # their schemas are not Kubernetes'
WORKLOADS = ("Deployment", "StatefulSet", "Pod")


def pods(objects):
    """{(kind, name): pod specification}"""
    return {key: each["spec"].get("template", each)["spec"] for key, each in objects.items() if key[0] in WORKLOADS}


def containers(pod):
    return pod.get("initContainers", []) + pod["containers"]


def options_of(container):
    return dict(word.removeprefix("--").split("=", 1) for word in container["args"] if "=" in word)


# ---- who finds it valid ----


def test_helm_finds_no_fault(kind):
    done = run(TOOLS / "helm", "lint", CHART, "--strict", *VALUES[kind])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_every_object_is_one_of_kubernetes(kind, version):
    rendered = helm_template(*VALUES[kind]).stdout
    done = run(TOOLS / "kubernetes-validate", "-k", version, "--strict", "-", input=rendered)
    lines = (done.stdout + done.stderr).splitlines()
    unknown = {line.split(" kind ")[1].split()[0] for line in lines if "find schema" in line}
    passed = [line for line in lines if " passed for resource " in line]
    documents = [each for each in yaml.safe_load_all(rendered) if each]
    assert done.returncode == 0 and unknown <= OF_OTHERS, lines
    assert len(passed) == len([each for each in documents if each["kind"] not in OF_OTHERS])


def test_an_object_that_is_not_one_is_found():
    rendered = helm_template().stdout.replace("terminationGracePeriodSeconds", "terminationGraceSeconds", 1)
    assert run(TOOLS / "kubernetes-validate", "-k", "1.30", "--strict", "-", input=rendered).returncode != 0


def test_no_policy_of_checkov_is_broken():
    files = [word for file in ("deploy/kubernetes/cpu.yaml", "deploy/kubernetes/gpu.yaml", "Dockerfile") for word in ("--file", file)]
    done = run(TOOLS / "checkov", "--config-file", "tests/deploy/checkov.yaml", *files)
    assert done.returncode == 0, done.stdout


def test_the_dockerfile_is_clean():
    done = run(TOOLS / "hadolint", "Dockerfile")
    assert done.returncode == 0, done.stdout


def test_an_images_own_command_serves(tmp_path):
    commands = re.findall(r"^CMD (.*)$", (TREE / "Dockerfile").read_text(), re.M)
    assert len(commands) == 2  # of the image for CPUs and of the one for GPUs, of which there is none here
    for command in commands:
        word, *options = json.loads(re.sub(r":\d+", ":0", command.replace("cuda:0", "cpu")))
        assert word == "serve"
        service = Service(STUB, write_stub_data(tmp_path / str(len(options)), dlib_resnet={}), *options)
        assert service.get("/readyz", service.metrics_port).status == 200
        assert service.stop() == 0


def test_the_rendered_manifests_are_those_of_the_chart(tmp_path, kind):
    assert run("deploy/render", tmp_path).returncode == 0
    assert (TREE / "deploy" / "kubernetes" / f"{kind}.yaml").read_text() == (tmp_path / f"{kind}.yaml").read_text()


def test_kustomize_changes_the_image_of_the_rendered_manifests(tmp_path, kind):
    (tmp_path / "all.yaml").write_text((TREE / "deploy" / "kubernetes" / f"{kind}.yaml").read_text())
    image = {"cpu": "facepair", "gpu": "facepair-cuda"}[kind]
    (tmp_path / "kustomization.yaml").write_text(
        f"resources: [all.yaml]\nimages: [{{name: {image}, newName: registry.example/f, newTag: '7'}}]\n")
    done = run(TOOLS / "kubectl", "kustomize", tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"image: (\S+)", done.stdout)) == {"registry.example/f:7"}


# ---- what values may be ----


@pytest.mark.parametrize("value, word", [
    ("serve.device=cuda:0", "gpus"),
    ("serve.device=tpu", "device"),
    ("models.source=image", "source"),
    ("serve.repliacs=3", "repliacs"),
    ("options.serve.listen=0.0.0.0:1", "listen"),
    ("options.serve.FACEPAIR_TIMEOUT=5000", "FACEPAIR_TIMEOUT"),
    ("options.serve.FACEPAIR_LOCKOUT=on", "FACEPAIR_LOCKOUT"),
    ("networkPolicy.clients=[]", "clients"),
    ("control.clients=[]", "clients"),
    ("image.digest=sha256:abc", "digest"),
    ("control.data.size=ten", "size"),
])
def test_a_value_that_cannot_be_meant_is_refused(value, word):
    done = helm_template("--set-json" if value.endswith("]") else "--set", value)
    assert done.returncode != 0 and word in done.stderr


def test_what_a_cluster_lacks_can_be_left_out():
    told = (TREE / "deploy" / "README.md").read_text()
    left_out = ["monitoring.serviceMonitor=false,monitoring.prometheusRule=false", "autoscaling.enabled=false",
                "models.source=image,control.enabled=false"]
    assert all(values in told for values in left_out)
    done = helm_template(*(word for values in left_out for word in ("--set", values)))
    kinds = {each["kind"] for each in yaml.safe_load_all(done.stdout) if each}
    assert done.returncode == 0 and not kinds & (OF_OTHERS | {"HorizontalPodAutoscaler", "PersistentVolumeClaim"})


def test_models_of_the_image_need_no_volume():
    done = helm_template("--set", "models.source=image,control.enabled=false")
    kinds = [each["kind"] for each in yaml.safe_load_all(done.stdout) if each]
    assert done.returncode == 0 and "PersistentVolumeClaim" not in kinds and "StatefulSet" not in kinds
    assert "--data=/usr/share/facepair" in done.stdout and "initContainers" not in done.stdout


def test_pods_may_fill_an_empty_volume_at_the_same_time(tmp_path):
    done = helm_template("--set", "models.source=volume,control.enabled=false")
    objects = [each for each in yaml.safe_load_all(done.stdout) if each]
    rendered = {each["metadata"]["name"]: each for each in objects if each["kind"] == "Deployment"}
    script = rendered["facepair"]["spec"]["template"]["spec"]["initContainers"][0]["command"][2]
    image, volume = tmp_path / "image", tmp_path / "volume"
    for name in ("face", "models/one", "models/other"):
        (image / name).mkdir(parents=True)
        for number in range(20):
            (image / name / str(number)).write_bytes(os.urandom(50_000))
    script = script.replace("/usr/share/facepair", str(image)).replace("/shared", str(volume))
    for _ in range(10):
        volume.mkdir()
        crowd = [subprocess.Popen(["bash", "-euc", script], env=os.environ | {"HOSTNAME": f"pod-{number}"}) for number in range(6)]
        assert [pod.wait() for pod in crowd] == [0] * 6
        assert run("diff", "-r", image, volume).returncode == 0
        run("rm", "-r", volume)


# ---- what it must say ----


def test_every_option_is_one_of_the_program_and_has_no_effect_only_where_the_chart_says_it(objects):
    values = json.loads((CHART / "values.schema.json").read_text())["properties"]["options"]["properties"]
    for part, command in (("serve", "serve"), ("control", "serve"), ("trainer", "trainer")):
        known = set(re.findall(r"^  --([a-z-]+)", run(STUB, command, "--help").stdout, re.M)) - {"help"}
        kind = "StatefulSet" if part == "control" else "Deployment"
        name = "facepair" if part == "serve" else f"facepair-{part}"
        words = pods(objects)[kind, name]["containers"][0]["args"][1:]
        said = {word.removeprefix("--").split("=")[0] for word in words}
        assert said <= known
        void = {name for name in known if name.startswith("lockout")} if "--lockout=off" in words else set()
        variables = {"FACEPAIR_" + name.upper().replace("-", "_") for name in known - said - void}
        assert set(values[part]["propertyNames"]["enum"]) == variables


def test_every_pod_is_restricted(objects):
    for pod in pods(objects).values():
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False
        for container in containers(pod):
            assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                    "capabilities": {"drop": ["ALL"]}}
            assert {"cpu", "memory"} <= set(container["resources"]["limits"]) & set(container["resources"]["requests"])


def test_a_pod_has_time_to_leave(objects):
    pod = pods(objects)["Deployment", "facepair"]
    serve = pod["containers"][0]
    pause = int(serve["lifecycle"]["preStop"]["exec"]["command"][1])
    longest = 60 + 10  # the longest X-Request-Timeout-Ms, and what its answer may take beyond it
    assert pod["terminationGracePeriodSeconds"] >= pause + int(options_of(serve)["drain-delay"]) + longest
    # Balancers learn that it leaves while it still answers: endpoints within the pause, probes within the delay.
    assert int(options_of(serve)["drain-delay"]) > serve["readinessProbe"]["periodSeconds"]


def test_probes_stand_outside_the_limits_of_the_public_listener(objects):
    for key in (("Deployment", "facepair"), ("StatefulSet", "facepair-control")):
        container = pods(objects)[key]["containers"][0]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["port"] == "metrics"
        assert options_of(container)["metrics-listen"] == "0.0.0.0:9090"


def test_a_rollout_takes_no_pod_away_before_another_is_ready(objects):
    strategy = objects["Deployment", "facepair"]["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}}
    assert objects["PodDisruptionBudget", "facepair"]["spec"]["maxUnavailable"] == 1


def test_only_control_writes_models_and_only_it_has_the_admin_api(objects):
    serve = pods(objects)["Deployment", "facepair"]["containers"][0]
    assert all(mount["readOnly"] for mount in serve["volumeMounts"])
    assert "--role=serve" in serve["args"] and not any("admin" in word for word in serve["args"])
    control = pods(objects)["StatefulSet", "facepair-control"]["containers"][0]
    assert "--role=control" in control["args"] and "--no-trainer" in control["args"]
    assert objects["StatefulSet", "facepair-control"]["spec"]["replicas"] == 1


def test_the_operators_table_restarts_whatever_has_the_keys(objects):
    """The program reads token keys as it starts, and nobody sends a pod SIGHUP."""
    mounting = {f"{kind}/{name}".lower() for (kind, name), pod in pods(objects).items()
                if any(volume["name"] == "keys" for volume in pod.get("volumes", []))}
    [row] = [line for line in (TREE / "deploy" / "README.md").read_text().splitlines() if line.startswith("| changes of keys |")]
    assert set(re.search(r"kubectl rollout restart ([^`]*)`", row)[1].split()) == mounting


def test_nobody_is_called_and_few_may_call(objects):
    rules = {name: each["spec"] for (kind, name), each in objects.items() if kind == "NetworkPolicy"}
    assert all("Ingress" in policy["policyTypes"] for policy in rules.values())
    assert [port["port"] for port in rules["facepair-all"]["egress"][0]["ports"]] == [53, 53]
    assert not any("egress" in policy for name, policy in rules.items() if name != "facepair-all")
    assert rules["facepair-control"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": "admin"}]
    assert rules["facepair-all"]["ingress"][0]["from"][0]["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "monitoring"}


def test_the_number_of_pods_follows_the_load(objects, kind):
    if kind == "cpu":
        metric = objects["HorizontalPodAutoscaler", "facepair"]["spec"]["metrics"][0]["resource"]
        assert metric == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}
    else:
        trigger = objects["ScaledObject", "facepair"]["spec"]["triggers"][0]
        assert trigger["metadata"]["threshold"] == "0.6" and trigger["metricType"] == "AverageValue"
        assert "rate(facepair_worker_busy_seconds_total{" in trigger["metadata"]["query"]
    assert "replicas" not in objects["Deployment", "facepair"]["spec"]  # else each rollout would undo the autoscaler's work


def test_gpus_are_asked_for_where_they_are_used(objects, kind):
    limits = pods(objects)["Deployment", "facepair"]["containers"][0]["resources"]["limits"]
    assert limits.get("nvidia.com/gpu") == (1 if kind == "gpu" else None)


def test_prometheus_finds_the_metrics(objects):
    wanted = objects["ServiceMonitor", "facepair"]["spec"]["selector"]["matchLabels"].items()
    services = {name: each for (kind, name), each in objects.items()
                if kind == "Service" and wanted <= each["metadata"]["labels"].items()}
    assert set(services) == {"facepair-serve-metrics", "facepair-control-metrics"}
    monitor = objects["ServiceMonitor", "facepair"]["spec"]
    assert monitor["jobLabel"] == "app.kubernetes.io/name"  # job="facepair" in rules
    assert monitor["endpoints"] == [{"port": "metrics", "path": "/metrics", "interval": "15s", "relabelings": [{
        "sourceLabels": ["__meta_kubernetes_service_label_app_kubernetes_io_component"], "targetLabel": "component"}]}]
    for service in services.values():
        assert [port["name"] for port in service["spec"]["ports"]] == ["metrics"]
