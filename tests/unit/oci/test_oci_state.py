"""What is kept of a container, and what is made of its configuration."""

import pytest

from pyrt import quickjson
from pyrt.cgroups.detect import Hierarchies, V1Hierarchy
from pyrt.oci import cgroup
from pyrt.oci.commands.features import document
from pyrt.oci.commands.update import bytes_of
from pyrt.oci.errors import NotFoundError, OciError
from pyrt.oci.example import example
from pyrt.oci.state import Directory, State, check_id, containers
from pyrt.oci.statistics import cpus
from pyrt.oci.status import STOPPED, status

V1 = Hierarchies(
    (V1Hierarchy("/c/cpu", frozenset(("cpu", "cpuacct"))), V1Hierarchy("/c/memory", frozenset(("memory",)))),
    None,
    frozenset(),
)
V2 = Hierarchies((), "/sys/fs/cgroup", frozenset(("cpu", "memory")))


@pytest.mark.parametrize("id_", ["", ".", "..", "a/b", "a b", "a\n", "ä", "a" * 2000])
def test_ids_that_are_no_file_names(id_):
    with pytest.raises(OciError):
        check_id(id_)


def test_a_state_is_written_and_read(tmp_path):
    directory = Directory.create(str(tmp_path), "a")
    state = State("a", "/b", "/b/rootfs", "1.2.0", {"k": "v"})
    state.pid, state.start_time = 1 << 30, 7
    directory.write(state)
    again = Directory.open(str(tmp_path), "a").read()
    assert again.encode() == state.encode()
    assert status(directory, again) == STOPPED  # there is no such process
    assert containers(str(tmp_path)) == ["a"]
    directory.remove()
    with pytest.raises(NotFoundError):
        Directory.open(str(tmp_path), "a")


def test_an_id_is_taken_once(tmp_path):
    Directory.create(str(tmp_path), "a")
    with pytest.raises(OciError, match="container with id exists"):
        Directory.create(str(tmp_path), "a")


def test_a_creation_that_came_to_nothing_is_no_container(tmp_path):
    with pytest.raises(NotFoundError, match="container does not exist"):
        Directory.create(str(tmp_path), "a").read()


def test_an_absolute_cgroup_path_counts_from_the_root():
    found = cgroup.locate("/x/y", "id", V1, {"cpu,cpuacct": "/me", "memory": "/elsewhere"})
    assert (found.path, found.parent) == ("x/y", {})


def test_a_relative_one_from_where_the_runtime_is():
    found = cgroup.locate("", "id", V1, {"cpu,cpuacct": "/", "memory": "/elsewhere"})
    assert (found.path, found.parent) == ("id", {"/c/memory": "/elsewhere"})


def test_on_v2_beside_the_runtime():
    found = cgroup.locate("x", "id", V2, {"": "/user/me"})
    assert (found.path, found.parent) == ("x", {"/sys/fs/cgroup": "/user"})


@pytest.mark.parametrize("path", ["/a/../b", "/"])
def test_no_cgroup_path(path):
    with pytest.raises(OciError, match="cgroupsPath"):
        cgroup.locate(path, "id", V2, {})


def test_json_there_and_back():
    value = {"a": [1, -2.5, True, None, "ü\n\x7f"], "b": {}, "c": []}
    assert quickjson.loads(quickjson.dumps(value)) == value
    assert quickjson.loads(quickjson.dumps(value, "  ")) == value


@pytest.mark.parametrize("text", ["", "{", "{} x", "nope"])
def test_no_json(text):
    with pytest.raises(ValueError, match=r"JSON|Expecting|delimiter|Unterminated|property"):
        quickjson.loads(text)


@pytest.mark.parametrize(
    ("text", "number"), [("64m", 64 << 20), ("1GiB", 1 << 30), ("5", 5), ("-1", -1), ("1.5k", 1536)]
)
def test_sizes(text, number):
    assert bytes_of(text, "memory") == number


def test_lists_of_cpus():
    assert cpus("0-2,5\n") == [0, 1, 2, 5]


def test_rootless_example_has_a_user_namespace_and_no_network():
    kinds = [namespace["type"] for namespace in example(rootless=True)["linux"]["namespaces"]]
    assert "user" in kinds
    assert "network" not in kinds


def test_features_name_only_what_is_understood():
    found = document()
    assert "idmap" not in found["mountOptions"]
    assert {"bind", "rro", "rprivate"} <= set(found["mountOptions"])
    assert set(found["linux"]["namespaces"]) >= {"time", "user", "cgroup"}
