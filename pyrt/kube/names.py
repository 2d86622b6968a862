"""What names may look like, in the API server's words. Each check returns the rules that a value breaks."""

from __future__ import annotations

import re
from ipaddress import ip_address

_LABEL_FORM = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_FORM = rf"{_LABEL_FORM}(\.{_LABEL_FORM})*"
_UNDERSCORED_FORM = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_UNDERSCORED_SUBDOMAIN_FORM = rf"{_UNDERSCORED_FORM}(\.{_UNDERSCORED_FORM})*"
_KEY_FORM = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE_FORM = f"({_KEY_FORM})?"
_SYSCTL_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
SYSCTL_FORM = rf"({_SYSCTL_SEGMENT}[\./])*{_SYSCTL_SEGMENT}"
SYSCTL_MAX = 253

_LABEL = re.compile(_LABEL_FORM)
_SUBDOMAIN = re.compile(_SUBDOMAIN_FORM)
_UNDERSCORED_SUBDOMAIN = re.compile(_UNDERSCORED_SUBDOMAIN_FORM)
_KEY = re.compile(_KEY_FORM)
_VALUE = re.compile(_VALUE_FORM)
_SYSCTL = re.compile(SYSCTL_FORM)
_PORT_CHARACTERS = re.compile("[-a-z0-9]+")
_CONFIG_KEY_FORM = "[-._a-zA-Z0-9]+"
_CONFIG_KEY = re.compile(_CONFIG_KEY_FORM)

_ENDS = "and must start and end with an alphanumeric character"
_LABEL_RULE = f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ENDS}"
_SUBDOMAIN_RULE = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ENDS}"
)
_UNDERSCORED_RULE = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', {_ENDS}"
)
_KEY_RULE = f"must consist of alphanumeric characters, '-', '_' or '.', {_ENDS}"
_VALUE_RULE = f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {_ENDS}"
_CONFIG_KEY_RULE = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
_ENV_RULE = "a valid environment variable name must consist only of printable ASCII characters other than '='"


def _form(rule: str, form: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{rule} (e.g. {shown}regex used for validation is '{form}')"


def _too_long(most: int, unit: str = "characters") -> str:
    return f"must be no more than {most} {unit}"


def dns_label(value: str) -> list[str]:
    """A DNS-1123 label: names of containers and volumes, hostnames."""
    if len(value) <= 63 and _LABEL.fullmatch(value):
        return []
    problems = [_too_long(63)] if len(value) > 63 else []
    if not _LABEL.fullmatch(value):
        dots = _SUBDOMAIN.fullmatch(value) is not None
        problems.append("must not contain dots" if dots else _form(_LABEL_RULE, _LABEL_FORM, "my-name", "123-abc"))
    return problems


def dns_subdomain(value: str) -> list[str]:
    """A DNS-1123 subdomain: names of most objects."""
    problems = [_too_long(253)] if len(value) > 253 else []
    if not _SUBDOMAIN.fullmatch(value):
        problems.append(_form(_SUBDOMAIN_RULE, _SUBDOMAIN_FORM, "example.com"))
    return problems


def dns_subdomain_underscored(value: str) -> list[str]:
    """A DNS-1123 subdomain whose labels may have underscores: DNS search paths."""
    problems = [_too_long(253)] if len(value) > 253 else []
    if not _UNDERSCORED_SUBDOMAIN.fullmatch(value):
        problems.append(_form(_UNDERSCORED_RULE, _UNDERSCORED_SUBDOMAIN_FORM, "example.com"))
    return problems


def generated(value: str) -> str:
    """The prefix ``generateName`` as it will stand in a name: a final dash may be followed by something."""
    return value[:-1] + "a" if value.endswith("-") else value


def label_key(value: str) -> list[str]:
    """A qualified name: keys of labels and annotations, finalizers, resources; an optional DNS prefix and a slash."""
    if "/" not in value and len(value) <= 63 and _KEY.fullmatch(value):
        return []
    prefix, slash, name = value.rpartition("/")
    form = _form(_KEY_RULE, _KEY_FORM, "MyName", "my.name", "123-abc")
    if "/" in prefix:
        return [f"a valid label key {form} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    problems = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif slash:
        problems += [f"prefix part {problem}" for problem in dns_subdomain(prefix)]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > 63:
        problems.append("name part " + _too_long(63, "bytes"))
    if not _KEY.fullmatch(name):
        problems.append(f"name part {form}")
    return problems


def label_value(value: str) -> list[str]:
    """The value of a label."""
    problems = [_too_long(63, "bytes")] if len(value) > 63 else []
    if not _VALUE.fullmatch(value):
        problems.append(_form(_VALUE_RULE, _VALUE_FORM, "MyValue", "my_value", "12345"))
    return problems


def port_name(value: str) -> list[str]:
    """An IANA service name: the name of a port."""
    problems = [_too_long(15)] if len(value) > 15 else []
    if not _PORT_CHARACTERS.fullmatch(value):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not any("a" <= c <= "z" for c in value):
        problems.append("must contain at least one letter (a-z)")
    if "--" in value:
        problems.append("must not contain consecutive hyphens")
    if value[:1] == "-" or value[-1:] == "-":
        problems.append("must not begin or end with a hyphen")
    return problems


def env_name(value: str) -> list[str]:
    """The name of an environment variable: printable ASCII but for ``=`` (KEP-4369)."""
    return [] if all(" " <= c <= "~" and c != "=" for c in value) else [_ENV_RULE]


def config_key(value: str) -> list[str]:
    """A key in the data of a Secret or ConfigMap: it can be the name of a file."""
    problems = [_too_long(253)] if len(value) > 253 else []
    if not _CONFIG_KEY.fullmatch(value):
        problems.append(_form(_CONFIG_KEY_RULE, _CONFIG_KEY_FORM, "key.name", "KEY_NAME", "key-name"))
    if value in (".", ".."):
        problems.append(f"must not be '{value}'")
    elif value.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def in_range(value: int, low: int, high: int) -> list[str]:
    """``low`` <= ``value`` <= ``high``."""
    return [] if low <= value <= high else [f"must be between {low} and {high}, inclusive"]


def port_number(value: int) -> list[str]:
    """1 to 65535."""
    return in_range(value, 1, 65535)


def user_id(value: int) -> list[str]:
    """A user or group id: 0 to 2147483647."""
    return in_range(value, 0, 2**31 - 1)


def is_sysctl(value: str) -> bool:
    """``kernel.shm_rmid_forced``, ``net/ipv4/tcp_syncookies``."""
    return len(value) <= SYSCTL_MAX and _SYSCTL.fullmatch(value) is not None


def ip(value: str) -> list[str]:
    """An IPv4 or IPv6 address."""
    try:
        ip_address(value)
    except ValueError:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return []
