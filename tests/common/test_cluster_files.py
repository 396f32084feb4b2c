"""The files for Slurm and Kubernetes tell each replica who it is, as far as can be seen without either."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from zoo_common.replicas import Environment

FILES = Path(__file__).parents[2] / "examples" / "clusters"

SRUN = """#!/bin/bash
[ "$1" = --kill-on-bad-exit=1 ] || exit 64
shift
status=0
for rank in 0 1 2 3; do
    SLURM_PROCID=$rank SLURM_NTASKS=4 SLURM_LOCALID=$((rank % 2)) "$@" || status=$?
done
exit $status
"""
SCONTROL = """#!/bin/bash
case "$1 $2" in
    "show hostnames") printf 'node7\\nnode8\\n' ;;
    requeue*) echo "$2" >> requeued ;;
esac
"""
ZOO = f"""#!{sys.executable}
import json, os, sys
with open("told", "a") as file:
    print(json.dumps([dict(os.environ), sys.argv[1:]]), file=file)
sys.exit(int(os.environ["ENDS"]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Slurm's jobs are bash")
@pytest.mark.parametrize(("ends", "requeued"), [(0, False), (143, True), (2, False)])
def test_a_slurm_job_starts_a_replica_a_task_and_is_queued_again_where_it_was_ended(ends, requeued, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL), ("zoo", ZOO)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    slurm = {"SLURM_JOB_NODELIST": "node[7-8]", "SLURM_JOB_ID": "123456", "ENDS": str(ends)}
    done = subprocess.run(
        ["bash", FILES / "train.sbatch", "--spec", "two words"],
        env={**os.environ, **slurm, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
        cwd=tmp_path,
    )
    assert done.returncode == ends
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert [given for _, given in told] == [["train", "--spec", "two words"]] * 4
    found = [Environment.read(variables) for variables, _ in told]
    assert [(each.rank, each.size, each.local_rank, each.first) for each in found] == [
        (rank, 4, rank % 2, "node7:23456") for rank in range(4)
    ]
    assert (tmp_path / "requeued").exists() == requeued


def test_the_parts_of_the_kubernetes_manifest_fit_together():
    service, job = yaml.safe_load_all((FILES / "kubernetes.yaml").read_text(encoding="utf-8"))
    assert (service["apiVersion"], service["kind"], service["spec"]["clusterIP"]) == ("v1", "Service", "None")
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    name = job["metadata"]["name"]
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": name}
    assert (pod["subdomain"], spec["completionMode"]) == (service["metadata"]["name"], "Indexed")
    assert [
        rule.get("onExitCodes", {}).get("containerName") for rule in spec["podFailurePolicy"]["rules"]
    ] == [
        None,
        container["name"],
    ]
    assert pod["restartPolicy"] == "Never"  # As podFailurePolicy demands.
    variables = {each["name"]: each.get("value") for each in container["env"]}
    index = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    assert container["env"][0] == {"name": "RANK", "valueFrom": {"fieldRef": {"fieldPath": index}}}
    last = Environment.read({**variables, "RANK": str(spec["completions"] - 1)})
    assert (last.size, last.local_rank) == (spec["completions"], 0) == (spec["parallelism"], 0)
    assert last.first == f"{name}-0.{service['metadata']['name']}:29500"
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
