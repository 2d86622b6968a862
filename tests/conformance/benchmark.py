"""critest's benchmarks of pyrt and of containerd with runc, in one run and in turns."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import endpoints
from toolchain import program

from rootfs.recipes.critest import MIRRORED

_ROUNDS = 2
_SAMPLES = 15
"""Of each operation, a round."""
_IMAGES = [f"gcr.io/k8s-staging-cri-tools/test-image-{number}:latest" for number in (1, 2, 3)]

Times = dict[str, list[float]]
"""Milliseconds by operation."""


def run(json_file: Path | None) -> int:
    """0 if every operation is faster in pyrt, by its median."""
    times: dict[str, Times] = {"pyrt": defaultdict(list), "containerd": defaultdict(list)}
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(endpoints.scratch("crib"))
        url = stack.enter_context(endpoints.images(directory / "registry", "critest"))
        runtimes = []
        for start in (endpoints.pyrt, endpoints.containerd):
            home = directory / start.__name__
            home.mkdir()
            runtimes.append(stack.enter_context(start(home, url, MIRRORED)))
        for number in range(_ROUNDS):
            for runtime in runtimes:
                _measure(runtime, number, times[runtime.name])
    rows = _rows(times["pyrt"], times["containerd"])
    _print(rows)
    if json_file is not None:
        json_file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return int(any(row["ratio"] >= 1 for row in rows if str(row["metric"]).endswith("p50")))  # type: ignore[operator]


def _measure(runtime: endpoints.Runtime, number: int, times: Times) -> None:
    """One round of one runtime. The order of the benchmarks is the same for all."""
    results = runtime.directory / f"results-{number}"
    results.mkdir()
    parameters = runtime.directory / "parameters.json"  # which is YAML as well
    settings = {
        **{f"{what}Number": _SAMPLES for what in ("containers", "pods", "images")},
        **{f"{what}NumberParallel": 1 for what in ("containers", "pods", "images")},
        "imagePullingBenchmarkImage": _IMAGES[0],
        "imageListingBenchmarkImages": _IMAGES,
    }
    parameters.write_text(json.dumps(settings))
    command = [
        str(program("cri-tools", "sigs.k8s.io/cri-tools/cmd/critest", test=True)),
        *("-benchmark", "-ginkgo.seed=1", f"-ginkgo.skip={_UNMEASURED}"),
        *(f"-runtime-endpoint={runtime.endpoint}", f"-image-endpoint={runtime.endpoint}"),
        *(f"-benchmarking-params-file={parameters}", f"-benchmarking-output-dir={results}"),
    ]
    print(f"{runtime.name}: round {number + 1} of {_ROUNDS}", file=sys.stderr, flush=True)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=runtime.directory)
    if done.returncode:
        raise SystemExit(f"{runtime.name}: critest -benchmark: {(done.stdout + done.stderr)[-4000:]}")
    for file in sorted(results.glob("*.json")):
        document = json.loads(file.read_text())
        for point in document["datapoints"] or ():
            for operation, took in zip(document["operationsNames"], point["operationsDurationsNs"], strict=True):
                times[operation].append(took / 1e6)


_UNMEASURED = "start a container from scratch"
"""Prints a table of its own only, of operations that the others measure."""


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _rows(ours: Times, peers: Times) -> list[dict[str, object]]:
    """In the words of scripts/bench."""
    rows: list[dict[str, object]] = []
    for operation in ours:
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            value, peer = _quantile(ours[operation], share), _quantile(peers[operation], share)
            row = {"bench": "cri", "metric": f"{operation} {name}", "value": round(value, 2), "unit": "ms"}
            rows.append({**row, "peer": "containerd", "peer_value": round(peer, 2), "ratio": round(value / peer, 3)})
    return rows


def _print(rows: list[dict[str, object]]) -> None:
    print(f"{'OPERATION':24}{'PYRT ms':>10}{'CONTAINERD ms':>16}{'RATIO':>8}")
    for row in rows:
        print(f"{row['metric']:24}{row['value']:>10}{row['peer_value']:>16}{row['ratio']:>8}")
