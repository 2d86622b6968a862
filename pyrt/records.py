"""``dataclass`` and ``field`` of the standard library, for modules that a short-lived program imports.

``dataclasses`` writes and compiles the source of every class's methods when the class is made, and imports a good part
of the library to do so: for a program such as ``pyrt-oci``, that is most of its life. Here the methods are the same
functions for all classes; one that makes many objects gets an ``__init__`` of its own in time. What
``dataclasses.replace``, ``fields`` and ``is_dataclass`` ask for is there when they ask.
"""

from __future__ import annotations

SHORT_LIVED = False
"""Whether this is a program that is started for one step and ends: it says so before it imports anything else."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from typing import Any

    MISSING: Any
    Default: Any

    def initialize(self: Any, *args: Any, **kwargs: Any) -> None: ...  # noqa: D103
    def equal(self: Any, other: object) -> bool: ...  # noqa: D103
    def hash_of(self: Any) -> int: ...  # noqa: D103
    def show(self: Any) -> str: ...  # noqa: D103

else:
    MISSING = object()
    _MANY = 256
    """Objects, after which a class is worth a function of its own."""

    class field:  # noqa: N801 - as it is named there
        """A default that is made anew for each object, or a field that is not compared."""

        __slots__ = ("compare", "default", "default_factory", "repr")

        def __init__(self, *, default=MISSING, default_factory=MISSING, compare=True, repr=True):  # noqa: A002
            self.default = default
            self.default_factory = default_factory
            self.compare = compare
            self.repr = repr

    Default = field

    class _Fields:
        """``__dataclass_fields__``, made when the standard library looks for it."""

        def __get__(self, _instance, cls):
            import dataclasses

            found = {}
            for name, default in cls._record_.items():
                options = {"compare": default.compare, "repr": default.repr}
                if default.default is not MISSING:
                    options["default"] = default.default
                if default.default_factory is not MISSING:
                    options["default_factory"] = default.default_factory
                made = dataclasses.field(**options)
                made.name, made._field_type, made.type = name, dataclasses._FIELD, cls.__annotations__.get(name)
                found[name] = made
            return found

    class _Params:
        __slots__ = ("eq", "frozen", "init", "order", "repr", "unsafe_hash")

        def __init__(self, frozen):
            self.init = self.repr = self.eq = True
            self.order = self.unsafe_hash = False
            self.frozen = frozen

    def initialize(self, *args, **kwargs):
        """``__init__`` of every class."""
        cls = type(self)
        cls._made_[0] += 1
        if cls._made_[0] == _MANY:
            cls.__init__ = _own_init(cls)
        fields = cls._record_
        if len(args) > len(fields):
            raise TypeError(f"{cls.__name__} has {len(fields)} fields, got {len(args)} arguments")
        given = len(args)
        set_ = object.__setattr__
        position = 0
        for name, default in fields.items():
            if position < given:
                value = args[position]
                position += 1
                if kwargs and name in kwargs:
                    raise TypeError(f"{cls.__name__} got multiple values for {name!r}")
            elif kwargs and name in kwargs:
                value = kwargs.pop(name)
            elif default.default is not MISSING:
                value = default.default
            elif default.default_factory is not MISSING:
                value = default.default_factory()
            else:
                raise TypeError(f"{cls.__name__} needs {name!r}")
            set_(self, name, value)
        if kwargs:
            raise TypeError(f"{cls.__name__} has no field {next(iter(kwargs))!r}")

    def _own_init(cls):
        names, lines, scope = [], [], {"_set": object.__setattr__, "_missing": MISSING}
        for name, default in cls._record_.items():
            value = name
            if default.default is not MISSING:
                scope[f"_d_{name}"] = default.default
                names.append(f"{name}=_d_{name}")
            elif default.default_factory is not MISSING:
                scope[f"_f_{name}"] = default.default_factory
                names.append(f"{name}=_missing")
                value = f"_f_{name}() if {name} is _missing else {name}"
            else:
                names.append(name)
            lines.append(f"    _set(self, {name!r}, {value})")
        source = f"def __init__(self, {', '.join(names)}):\n" + ("\n".join(lines) or "    pass")
        exec(source, scope)
        return scope["__init__"]

    def show(self):
        """``__repr__``."""
        shown = (f"{name}={getattr(self, name)!r}" for name, field_ in self._record_.items() if field_.repr)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _key(self):
        return tuple([getattr(self, name) for name in self._compared_])

    def equal(self, other):
        """``__eq__``."""
        return _key(self) == _key(other) if type(other) is type(self) else NotImplemented

    def hash_of(self):
        """``__hash__``."""
        return hash(_key(self))

    def _refuse_set(self, name, value):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_delete(self, name):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _getstate(self):
        return [getattr(self, name) for name in self._record_]

    def _setstate(self, state):
        for name, value in zip(self._record_, state, strict=True):
            object.__setattr__(self, name, value)

    def dataclass(cls=None, /, *, frozen=False, slots=False):
        """As ``dataclasses.dataclass``, of which it knows these two options."""
        if cls is None:
            return lambda found: dataclass(found, frozen=frozen, slots=slots)
        fields = {}
        for base in reversed(cls.__mro__[1:]):
            fields.update(base.__dict__.get("_record_", {}))
        namespace = dict(cls.__dict__)
        own = []
        for name, annotation in namespace.get("__annotations__", {}).items():
            if str(annotation).startswith(("ClassVar", "typing.ClassVar")):
                continue
            default = namespace.pop(name, MISSING) if slots else namespace.get(name, MISSING)
            fields[name] = default if isinstance(default, field) else field(default=default)
            own.append(name)
        namespace.pop("__dict__", None)
        namespace.pop("__weakref__", None)
        if slots:
            inherited = {name for base in cls.__mro__[1:] for name in base.__dict__.get("_record_", {})}
            namespace["__slots__"] = tuple(name for name in own if name not in inherited)
            namespace.update(__getstate__=_getstate, __setstate__=_setstate)
        namespace.update(
            _record_=fields,
            _compared_=tuple(name for name, found in fields.items() if found.compare),
            _made_=[0],
            __match_args__=tuple(fields),
            __dataclass_fields__=_Fields(),
            __dataclass_params__=_Params(frozen),
            __init__=initialize,
            __eq__=equal,
            __hash__=hash_of if frozen else None,
        )
        if "__repr__" not in cls.__dict__:
            namespace["__repr__"] = show
        if frozen:
            namespace.update(__setattr__=_refuse_set, __delattr__=_refuse_delete)
        made = type(cls)(cls.__name__, cls.__bases__, namespace)
        made.__qualname__ = cls.__qualname__
        return made
