"""Mount options: from the words of an fstab to attributes, propagation, and what the file system gets to see."""

from __future__ import annotations

import functools

from pyrt.launch import constants as k
from pyrt.launch.errors import LaunchError
from pyrt.records import dataclass

# word -> (attributes to set, attributes to clear)
_ATTRIBUTES = {
    "ro": (k.MOUNT_ATTR_RDONLY, 0),
    "rw": (0, k.MOUNT_ATTR_RDONLY),
    "nosuid": (k.MOUNT_ATTR_NOSUID, 0),
    "suid": (0, k.MOUNT_ATTR_NOSUID),
    "nodev": (k.MOUNT_ATTR_NODEV, 0),
    "dev": (0, k.MOUNT_ATTR_NODEV),
    "noexec": (k.MOUNT_ATTR_NOEXEC, 0),
    "exec": (0, k.MOUNT_ATTR_NOEXEC),
    "nodiratime": (k.MOUNT_ATTR_NODIRATIME, 0),
    "diratime": (0, k.MOUNT_ATTR_NODIRATIME),
    "nosymfollow": (k.MOUNT_ATTR_NOSYMFOLLOW, 0),
    "symfollow": (0, k.MOUNT_ATTR_NOSYMFOLLOW),
    # mount_setattr(2): a value of the atime field is set with the whole field cleared.
    "relatime": (0, k.MOUNT_ATTR__ATIME),
    "norelatime": (k.MOUNT_ATTR_STRICTATIME, k.MOUNT_ATTR__ATIME),
    "noatime": (k.MOUNT_ATTR_NOATIME, k.MOUNT_ATTR__ATIME),
    "atime": (0, k.MOUNT_ATTR__ATIME),
    "strictatime": (k.MOUNT_ATTR_STRICTATIME, k.MOUNT_ATTR__ATIME),
    "nostrictatime": (0, k.MOUNT_ATTR__ATIME),
}
_RECURSIVE = {"r" + word: bits for word, bits in _ATTRIBUTES.items()}

_PROPAGATION = {
    "private": k.MS_PRIVATE,
    "slave": k.MS_SLAVE,
    "shared": k.MS_SHARED,
    "unbindable": k.MS_UNBINDABLE,
}

# Words that ask for what is the case anyway.
_NOTHING = frozenset(("defaults", "async", "nolazytime", "nomand", "loud", "nofail", "auto", "noauto", "remount"))

# Extensions that are not here yet: better refused than not honoured.
_UNSUPPORTED = frozenset(("tmpcopyup", "idmap", "ridmap", "copy-symlink", "src-nofollow"))


@dataclass(frozen=True, slots=True)
class MountOptions:
    """What a list of words means."""

    set: int = 0
    clear: int = 0
    recursive_set: int = 0
    recursive_clear: int = 0
    propagation: int = 0
    recursive_propagation: bool = False
    bind: bool = False
    recursive_bind: bool = False
    data: tuple[str, ...] = ()
    """For the file system: ``size=64m``."""


@functools.lru_cache(maxsize=512)
def parse(words: tuple[str, ...]) -> MountOptions:
    """Read mount options (config.md, "Linux mount options"). Of contradicting words the last wins."""
    set_ = clear = recursive_set = recursive_clear = propagation = 0
    recursive_propagation = bind = recursive_bind = False
    data: list[str] = []
    for word in words:
        if word in _ATTRIBUTES:
            on, off = _ATTRIBUTES[word]
            set_, clear = (set_ & ~off) | on, (clear & ~on) | off
        elif word in _RECURSIVE:
            on, off = _RECURSIVE[word]
            recursive_set, recursive_clear = (recursive_set & ~off) | on, (recursive_clear & ~on) | off
        elif word in _PROPAGATION or (word[:1] == "r" and word[1:] in _PROPAGATION):
            recursive_propagation = word not in _PROPAGATION
            propagation = _PROPAGATION[word[1:] if recursive_propagation else word]
        elif word in ("bind", "rbind"):
            bind, recursive_bind = True, word == "rbind"
        elif word in _UNSUPPORTED:
            raise LaunchError("not supported", operation=f"mount option {word}")
        elif word not in _NOTHING:
            data.append(word)
    return MountOptions(
        set_,
        clear,
        recursive_set,
        recursive_clear,
        propagation,
        recursive_propagation,
        bind,
        recursive_bind,
        tuple(data),
    )


def known() -> list[str]:
    """Every word that is understood, and not passed on to a file system."""
    propagation = [prefix + word for word in _PROPAGATION for prefix in ("", "r")]
    return sorted({*_ATTRIBUTES, *_RECURSIVE, *propagation, *_NOTHING, "bind", "rbind"})


def attributes_of_new(options: MountOptions) -> int:
    """MOUNT_ATTR_* of a file system that is mounted anew, where clearing means nothing."""
    return options.set | options.recursive_set
