from __future__ import annotations

import pytest

from pyrt.launch import LaunchError
from pyrt.launch import constants as k
from pyrt.launch.options import parse


def test_attributes_and_data():
    options = parse(("nosuid", "ro", "size=1m", "mode=755", "defaults"))
    assert options.set == k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_RDONLY
    assert options.data == ("size=1m", "mode=755")


def test_the_last_word_wins():
    assert parse(("ro", "rw")).set == 0
    assert parse(("ro", "rw")).clear == k.MOUNT_ATTR_RDONLY
    assert parse(("rw", "ro")).set == k.MOUNT_ATTR_RDONLY
    assert parse(("rw", "ro")).clear == 0


def test_recursive_words():
    options = parse(("rbind", "rro", "rslave"))
    assert options.recursive_bind
    assert options.recursive_set == k.MOUNT_ATTR_RDONLY
    assert (options.propagation, options.recursive_propagation) == (k.MS_SLAVE, True)


def test_access_times_are_one_field():
    """mount_setattr(2): setting any of them clears the whole field."""
    assert parse(("noatime",)).set == k.MOUNT_ATTR_NOATIME
    assert parse(("noatime",)).clear & k.MOUNT_ATTR__ATIME
    assert parse(("noatime", "relatime")).set == 0


@pytest.mark.parametrize("word", ["idmap", "tmpcopyup"])
def test_unsupported_words_are_refused(word):
    with pytest.raises(LaunchError, match=f"mount option {word}"):
        parse((word,))
