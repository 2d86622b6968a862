from __future__ import annotations

import pytest

from pyrt import spec
from pyrt.launch import capabilities as caps
from pyrt.launch.process import grant


def test_masks_and_names():
    assert caps.mask(("CAP_CHOWN", "CAP_KILL", "CAP_FLY")) == 0b100001
    assert caps.names(0b100001) == ["CAP_CHOWN", "CAP_KILL"]
    assert caps.unknown(("CAP_KILL", "CAP_FLY")) == ["CAP_FLY"]


@pytest.mark.parametrize(
    ("add", "drop", "has", "lacks"),
    [
        (["NET_ADMIN"], [], {"CAP_NET_ADMIN", "CAP_CHOWN"}, set()),
        ([], ["ALL"], set(), {"CAP_CHOWN"}),
        (["NET_BIND_SERVICE"], ["ALL"], {"CAP_NET_BIND_SERVICE"}, {"CAP_CHOWN"}),
        (["ALL"], ["SYS_ADMIN"], {"CAP_NET_ADMIN"}, {"CAP_SYS_ADMIN"}),
        ([], ["CAP_CHOWN"], {"CAP_KILL"}, {"CAP_CHOWN"}),
        (["sys_time"], [], {"CAP_SYS_TIME"}, set()),
    ],
)
def test_adjusted(add, drop, has, lacks):
    chosen = set(caps.adjusted(add, drop))
    assert has <= chosen
    assert not lacks & chosen


def test_granted_are_those_the_runtime_has():
    names = ("CAP_CHOWN", "CAP_SYS_RESOURCE", "CAP_FLY")
    asked = spec.LinuxCapabilities(bounding=names, effective=names, permitted=names)
    sets, warnings = grant(asked, caps.mask(("CAP_CHOWN",)))
    assert sets.bounding == sets.permitted == sets.effective == 1
    assert warnings == ("capabilities this machine does not give: CAP_SYS_RESOURCE", "unknown capabilities: CAP_FLY")


def test_ambient_must_be_permitted_and_inheritable():
    one = ("CAP_CHOWN",)
    sets, _ = grant(spec.LinuxCapabilities(bounding=one, permitted=one, ambient=one), caps.ALL)
    assert sets.ambient == 0
    sets, _ = grant(spec.LinuxCapabilities(bounding=one, permitted=one, inheritable=one, ambient=one), caps.ALL)
    assert sets.ambient == 1
