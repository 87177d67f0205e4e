"""A fleet of the size that the largest organisations have, and one on a Dask cluster that loses a worker."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from tests import organisation

GRANT = organisation.GRANT


def verify(file: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "grantproof.cli", "verify", str(GRANT), "--fleet", str(file), *arguments]
    return subprocess.Popen(  # noqa: S603 - our own
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=file.parent
    )


def journal(file: Path) -> list[dict[str, object]]:
    path = file.parent / "reports" / "fleet-1-of-1.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def test_two_thousand_accounts_and_a_hundred_thousand_roles(tmp_path: Path) -> None:
    """Every deployment is judged, in bounded memory: the largest process stays under 600 MB."""
    file = organisation.write(tmp_path, 2_000, 50)
    done = verify(file)
    out, err = done.communicate()
    assert done.returncode == 0, out + err
    assert "VERIFIED  2,000 of 2,000 deployments\n  100,000 roles read" in out
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 600_000


@pytest.mark.parametrize("lost", [False, True], ids=["all workers stay", "one worker is killed"])
def test_a_dask_cluster_gives_the_same_verdict(tmp_path: Path, lost: bool) -> None:
    file = organisation.write(tmp_path, 200, 10)
    export = sorted(tmp_path.glob("1*.json"))[100]
    export.write_text(export.read_text(encoding="utf-8").replace("parameter/db", "parameter/*"), encoding="utf-8")
    with LocalCluster(n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        done = verify(file, "--scheduler", cluster.scheduler_address)
        if lost:
            while len(journal(file)) < 20:
                assert done.poll() is None, done.communicate()
                time.sleep(0.05)
            with Client(cluster) as client:
                os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
            assert len(journal(file)) < 200, "the worker was killed too late to show anything"
        out, err = done.communicate(timeout=600)
    assert done.returncode == 1, err
    assert f"NOT VERIFIED  good owner={export.stem}" in out
    assert "NOT VERIFIED  199 of 200 deployments" in out
    assert sorted(line["judgement"]["line"] for line in journal(file)) == list(range(1, 201))  # type: ignore[index]


def test_a_scheduler_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    file = organisation.write(tmp_path, 1, 1)
    done = verify(file, "--scheduler", "tcp://127.0.0.1:9")
    _, err = done.communicate()
    assert done.returncode == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in err
    assert "Traceback" not in err
