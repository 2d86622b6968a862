from __future__ import annotations

import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from pyrt.config import Bytes, Config, ConfigError, api_socket, default_config, dump_config, for_instance, load_config
from pyrt.config import parse_config as parse
from pyrt.config.images import Mirror, Registry
from pyrt.config.section import Section

ROOT = Path(__file__).parents[3]


def test_nothing_written_is_the_default() -> None:
    assert parse("") == default_config() == Config()


def test_what_is_dumped_is_read_back() -> None:
    for config in (Config(), for_instance(Path("/var/tmp/x"), "some test[4]"), parse(EVERYTHING)):
        assert parse(dump_config(config)) == config


EVERYTHING = """
[node]
labels = { "example.com/disk" = "ssd", "quote\\"d" = "a\\\\b" }
[images]
insecure_registries = ["localhost:5000"]
max_layer_bytes = "10Gi"
[images.mirrors."docker.io"]
url = "http://127.0.0.1:5000"
[images.mirrors."registry.k8s.io"]
layout = "/srv/images"
[images.registries."registry.example:5000"]
ca_file = "/etc/ssl/example.pem"
username = "robot"
password_file = "/etc/pyrt/robot"
[api]
socket = "/run/other.sock"
"""


def test_sizes_are_numbers_or_quantities() -> None:
    assert parse(EVERYTHING).images.max_layer_bytes == 10 * 2**30
    assert parse("logs.max_size = 100000").logs.max_size == 100000
    assert Bytes.parse("2M") == 2_000_000


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("netwrk.mtu = 1", "netwrk: unknown key; did you mean network?"),
        ('[cri]\nstream_address = "localhost"', "cri.stream_address: expected an IP address, got 'localhost'"),
        ("[cri]\nstream_port = 65536", "cri.stream_port: expected 0 to 65535, got 65536"),
        (
            '[cri]\nstream_tls_cert = "/x"',
            "cri.stream_tls_key: expected stream_tls_cert and stream_tls_key, or neither",
        ),
        (
            "[cri]\nstream_creation_timeout_seconds = 0",
            "cri.stream_creation_timeout_seconds: expected 1 or more, got 0",
        ),
        ("[network]\nmut = 3", "network.mut: unknown key; did you mean mtu?"),
        ("[logs]\nx = 3", "logs.x: unknown key; expected one of max_size, max_files"),
        ("network = 3", "network: expected a table"),
        ('[network]\nmtu = "big"', "network.mtu: expected int, got str"),
        ("[network]\nmtu = 900", "network.mtu: expected 0 or 1280 to 65535, got 900"),
        ('[network]\nipv4_cidr = "10.0.0.0/30"', "network.ipv4_cidr: expected a prefix of /29 or shorter, got /30"),
        ('[network]\nipv4_cidr = "10.0.0.1/24"', "network.ipv4_cidr: expected an IPv4 CIDR such as"),
        ('[network]\nipv4_cidr = "169.254.0.0/17"', "network.ipv4_cidr: 169.254.0.0/17 overlaps the reserved"),
        ('[network]\nipv6_cidr = "fe80::/64"', "network.ipv6_cidr: fe80::/64 overlaps the reserved fe80::/10"),
        ('[network]\nipv6_cidr = "fd00::/126"', "network.ipv6_cidr: expected a prefix of /125 or shorter"),
        ('[network]\nipv4_cidr = ""\nipv6_cidr = ""', "network.ipv4_cidr: expected a CIDR, as ipv6_cidr is empty"),
        ('[network]\ninterface_prefix = "veth-pod"', "network.interface_prefix: expected 1 to 7 letters and digits"),
        ('[network]\nnft_table = "a b"', "network.nft_table: expected letters, digits"),
        ('[cgroup]\ndriver = "x"', "cgroup.driver: expected one of auto, cgroupfs, systemd"),
        ('[cgroup]\nparent = "/pyrt"', "cgroup.parent: expected a relative cgroup path"),
        ('[cgroup]\nparent = "a/../b"', "cgroup.parent: expected a relative cgroup path"),
        ('[paths]\nroot = "lib"', "paths.root: expected an absolute path, got 'lib'"),
        ('[paths]\nroot = "/run/pyrt"', "paths.run: /run/pyrt is paths.root too; expected another directory"),
        ('[paths]\nlogs = "/var/../logs"', "paths.logs: expected a path without '..'"),
        ("[paths]\nroot = 3", "paths.root: expected a path, as a string"),
        (f'[paths]\nrun = "/{"x" * 100}"', "paths.run: expected a shorter path: the API socket"),
        ('[images.mirrors."docker.io"]\nurl = 3', 'images.mirrors."docker.io".url: expected str, got int'),
        ('[images.mirrors."docker.io"]', 'images.mirrors."docker.io".url: expected exactly one of url and layout'),
        ('[images.mirrors."docker.io"]\nurl = "h"', 'images.mirrors."docker.io".url: expected http://host'),
        ('[images.mirrors."a b"]\nurl = "http://h"', "images.mirrors: expected registry hosts, got 'a b'"),
        ('[images.registries.r]\nusername = "u"', "images.registries.r.username: expected username and password_file"),
        ("[images]\nparallel_downloads = 0", "images.parallel_downloads: expected 1 to 32, got 0"),
        ('[logs]\nmax_size = "3Q"', 'logs.max_size: expected a number of bytes, or a string such as "10Mi"'),
        ("[logs]\nmax_size = 3", "logs.max_size: expected at least 64Ki"),
        ("[logs]\nmax_files = 1", "logs.max_files: expected 2 to 1000, got 1"),
        ("[runtime]\ncrash_loop_max_seconds = 301", "runtime.crash_loop_max_seconds: expected 1 to 300, got 301"),
        ('[runtime]\nallowed_unsafe_sysctls = ["a b"]', "runtime.allowed_unsafe_sysctls: expected sysctl names"),
        ("[api]\nmode = 0o1777", "api.mode: expected permission bits such as 0o600, got 0o1777"),
        ('[node]\nname = "Big_Host"', "node.name: expected a DNS name"),
        ('[node]\ncluster_dns = ["dns.example"]', "node.cluster_dns: expected IP addresses"),
        ("x =", "not valid TOML: "),
        ("[logs]\nmax_files = 2\nmax_files = 3", "not valid TOML: "),
    ],
)
def test_an_error_names_file_key_and_what_was_expected(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "/etc/pyrt/config.toml")
    assert str(caught.value).startswith(f"config /etc/pyrt/config.toml: {error}")


def test_only_the_default_file_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = str(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match=f"^config {missing}: No such file or directory$"):
        load_config(missing)
    monkeypatch.setenv("PYRT_CONFIG", missing)
    with pytest.raises(ConfigError):
        load_config()
    with pytest.raises(ConfigError):
        api_socket()
    monkeypatch.delenv("PYRT_CONFIG")
    monkeypatch.setattr("pyrt.config.load.DEFAULT_CONFIG_FILE", missing)
    monkeypatch.setattr("pyrt.config.load.config_file", lambda explicit: missing)
    assert load_config() == Config()


def test_the_file_is_the_argument_or_the_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "1.toml", tmp_path / "2.toml"
    first.write_text("logs.max_files = 3")
    second.write_text("logs.max_files = 4")
    monkeypatch.setenv("PYRT_CONFIG", str(first))
    assert load_config().logs.max_files == 3
    assert load_config(second).logs.max_files == 4


@pytest.mark.parametrize(
    "text",
    ["", "logs.max_files = 3", "# run, socket", '[paths]\nrun = "/run/x"', EVERYTHING, 'api.socket = "/x/y.sock"'],
)
def test_the_light_way_to_the_socket_agrees_with_the_typed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.delenv("PYRT_SOCKET", raising=False)
    file = tmp_path / "config.toml"
    file.write_text(text)
    assert api_socket(str(file)) == str(load_config(file).api_socket)


def test_the_environment_names_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYRT_SOCKET", "/run/elsewhere.sock")
    assert api_socket() == "/run/elsewhere.sock"


def test_the_command_line_does_not_pay_for_the_types() -> None:
    program = "import sys; from pyrt.config import api_socket; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"msgspec", "tomllib", "ipaddress", "pathlib"} & set(done.stdout.split())


def test_instances_do_not_meet() -> None:
    one, other = (for_instance(Path("/var/tmp/x"), name) for name in ("one", "other"))
    assert for_instance(Path("/var/tmp/x"), "one") == one
    for section, keys in {
        "paths": (),
        "network": ("ipv4_cidr", "ipv6_cidr", "interface_prefix", "nft_table"),
        "cgroup": ("parent",),
    }.items():
        for key in keys:
            assert getattr(getattr(one, section), key) != getattr(getattr(other, section), key)
    ours, default = one.network.ipv4, Config().network.ipv4
    assert ours is not None
    assert default is not None
    assert not ours.overlaps(default)


def _keys(section: type[Section], prefix: str) -> list[str]:
    found: list[str] = []
    for name, kind in typing.get_type_hints(section).items():
        if name.startswith("__"):
            continue
        if isinstance(kind, type) and issubclass(kind, Section):
            found += _keys(kind, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def test_every_key_is_documented() -> None:
    page = (ROOT / "docs/user-guide/configuration.md").read_text()
    keys = _keys(Config, "")
    keys += [f'images.mirrors."HOST".{key}' for key in Mirror.__struct_fields__]
    keys += [f'images.registries."HOST".{key}' for key in Registry.__struct_fields__]
    assert [key for key in keys if f"`{key}`" not in page] == []


def test_the_example_names_every_key_with_its_default() -> None:
    text = (ROOT / "packaging/config.toml").read_text()
    assert parse(text) == Config()
    uncommented = re.sub(r"^#(\[|[a-z0-9_]+ = )", r"\1", text, flags=re.M)
    filled = parse(uncommented)
    for key in _keys(Config, ""):
        value: object = filled
        default: object = Config()
        for part in key.split("."):
            value, default = getattr(value, part), getattr(default, part)
        assert f"{key.rsplit('.', 1)[-1]}" in text
        if default not in (None, {}, []) and key != "api.socket":
            assert value == default, key
