"""What a pod runs, with dist_train.sh replaced; and the manifest beside the operator's published schema."""

import os
import shutil
import signal
import subprocess
import time

import pytest
import yaml
from helpers import ROOT

#: Fields of PyTorchJob v1 (kubeflow/training-operator, manifests/base/crds/kubeflow.org_pytorchjobs.yaml).
SPEC = {'elasticPolicy', 'nprocPerNode', 'pytorchReplicaSpecs', 'runPolicy'}
RUN_POLICY = {
    *('activeDeadlineSeconds', 'backoffLimit', 'cleanPodPolicy', 'managedBy', 'schedulingPolicy'),
    *('suspend', 'ttlSecondsAfterFinished'),
}
REPLICA = {'replicas', 'restartPolicy', 'template'}
DIST = """#!/usr/bin/env bash
echo "$NNODES $NODE_RANK $PORT $MASTER_ADDR: $*"
trap 'exit 75' TERM
touch begun
[ "$2" = 0 ] || for i in $(seq 200); do sleep 0.05; done
exit ${STATUS:-0}
"""


@pytest.fixture
def pod(tmp_path):
    shutil.copy(ROOT / 'tools/kubernetes_pod.sh', tmp_path)
    (tmp_path / 'dist_train.sh').write_text(DIST)
    (tmp_path / 'dist_train.sh').chmod(0o755)

    def start(*arguments, **variables):
        known = dict(WORLD_SIZE='4', RANK='2', MASTER_ADDR='mmgreen-master-0', MASTER_PORT='23456')
        return subprocess.Popen(
            [tmp_path / 'kubernetes_pod.sh', *arguments],
            cwd=tmp_path,
            env=os.environ | known | variables,
            stdout=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.mark.parametrize(('status', 'seen'), [(0, 0), (1, 1), (2, 2), (75, 143), (137, 137)])
def test_the_operator_is_told_what_to_do(pod, status, seen):
    """A status above 127 starts the pod again, and others end the job."""
    process = pod('config.py', '0', '--resume', STATUS=str(status))
    assert process.communicate()[0] == '4 2 23456 mmgreen-master-0: config.py 0 --resume\n'
    assert process.returncode == seen


def test_a_pod_that_is_taken_away_saves_and_goes_on(pod, tmp_path):
    process = pod('config.py', '8')
    while not (tmp_path / 'begun').exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143


def test_without_arguments_it_says_how_it_is_used():
    done = subprocess.run([ROOT / 'tools/kubernetes_pod.sh'], capture_output=True, text=True)
    assert done.returncode == 2
    assert 'kubernetes_pod.sh CONFIG GPUS' in done.stdout


def test_the_manifest_is_one_of_the_operators():
    job = yaml.safe_load((ROOT / 'tools/kubernetes_train.yaml').read_text())
    assert (job['apiVersion'], job['kind']) == ('kubeflow.org/v1', 'PyTorchJob')
    spec = job['spec']
    assert set(spec) <= SPEC
    assert set(spec['runPolicy']) <= RUN_POLICY
    replicas = spec['pytorchReplicaSpecs']
    assert set(replicas) == {'Master', 'Worker'}
    assert replicas['Master']['replicas'] == 1
    for replica in replicas.values():
        assert set(replica) <= REPLICA
        assert replica['restartPolicy'] == 'ExitCode'
        (container,) = replica['template']['spec']['containers']
        assert container['name'] == 'pytorch'
        script, config = container['command'][0], container['args'][0]
        assert (ROOT / script).is_file()
        assert (ROOT / config).is_file()
        machines = sum(each['replicas'] for each in replicas.values())
        assert f'_{machines}x{container["args"][1]}x' in config
        assert container['resources']['limits']['nvidia.com/gpu'] == int(container['args'][1])
        mounted = {mount['name'] for mount in container['volumeMounts']}
        assert mounted == {volume['name'] for volume in replica['template']['spec']['volumes']}
