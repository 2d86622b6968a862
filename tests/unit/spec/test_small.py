"""What a short-lived program reads a configuration with reads the same as msgspec does."""

import json
import subprocess
import sys

import pytest

from pyrt import spec
from pyrt.launch.seccomp_default import runtime_default
from pyrt.oci.example import example

READ = """
import sys
from pyrt import records
records.SHORT_LIVED = True
from pyrt import spec
try:
    sys.stdout.buffer.write(spec.encode(spec.decode(sys.stdin.buffer.read())))
except spec.SpecError as error:
    sys.stdout.write(str(error))
else:
    assert not {"msgspec", "dataclasses", "typing", "enum"} & set(sys.modules), "imported after all"
"""


def small(document: bytes) -> str:
    done = subprocess.run([sys.executable, "-S", "-c", READ], input=document, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def with_everything() -> dict:
    document = example()
    document["linux"]["seccomp"] = json.loads(spec.encode(runtime_default(())))
    document["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}
    document["linux"]["timeOffsets"] = {"monotonic": {"secs": 1}}
    document["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 1000, "size": 10}]
    document["linux"]["resources"]["memory"] = {"limit": -1, "disableOOMKiller": False}
    document["hooks"] = {"poststop": [{"path": "/bin/true", "timeout": 3}], "prestart": None}
    document["annotations"] = {"a": "ü"}
    document["vendor"] = {"unknown": [1, 2.5, None]}
    return document


@pytest.mark.parametrize("document", [example(), example(rootless=True), with_everything(), {"mounts": None}])
def test_the_same_configuration(document):
    data = json.dumps(document).encode()
    assert spec.decode(small(data).encode()) == spec.decode(data)


@pytest.mark.parametrize(
    "document",
    [
        '{"process": {"user": {"uid": "0"}}}',
        '{"process": {"user": {"uid": -1}}}',
        '{"process": {"terminal": 1}}',
        '{"process": {"args": "sh"}}',
        '{"mounts": [{"source": "x"}]}',
        '{"linux": {"sysctl": {"a": 1}}}',
        '{"hooks": {"prestart": [{"path": "/a", "timeout": 1.5}]}}',
        "[]",
    ],
)
def test_the_same_refusal(document):
    with pytest.raises(spec.SpecError) as refused:
        spec.decode(document.encode())
    assert small(document.encode()) == str(refused.value).replace(" | null", "")


@pytest.mark.parametrize("document", ["", "{", "nope", "[" * 100000])
def test_what_is_not_json(document):
    assert "not JSON" in small(document.encode())
