"""Spec classes found by their ``kind``: blocks, models, tasks, data, optimizers, schedules, initializers.

A class that sets ``kind`` is registered when it is defined, so a plugin (entry-point group ``zoo.plugins``)
registers its own by being imported. A field is typed by a role's base class (``norm: Norm``), and a mapping
given for it is validated by the class that its ``kind`` names.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from functools import cache
from typing import ClassVar, Self

from pydantic import ModelWrapValidatorHandler, model_validator
from pydantic_core import PydanticCustomError

from zoo_spec.base import Spec
from zoo_spec.errors import EnvironmentFault
from zoo_spec.importing import load_entry
from zoo_spec.plugins import package_of, plugins, warn
from zoo_spec.shipped_kinds import import_all, import_named


class Registered(Spec):
    """Base of spec classes that are chosen by ``kind``.

    A class without a ``kind`` default is a *role* (``role`` names it in messages): validating a mapping
    against it looks the kind up among its registered subclasses.
    """

    kind: str
    """What the class is called by, one name a class; ``Literal["name"] = "name"`` in each."""
    role: ClassVar[str] = "spec"
    shipped_in: ClassVar[str] = ""
    """The module or package that has the role's own kinds; said by a root role, such as ``Block``."""
    default_kind: ClassVar[str | None] = None
    """The kind that stands where a mapping names none; None where a kind must be given."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        """Register a class that has a kind of its own."""
        kind = own_kind(cls)
        if kind is not None:
            _register(cls, kind)

    @model_validator(mode="wrap")
    @classmethod
    def _by_kind(cls, value: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(value, cls) or own_kind(cls) is not None:
            return handler(value)
        if isinstance(value, str):
            value = {"kind": value}
        if not isinstance(value, dict):
            raise PydanticCustomError(
                "mapping_expected", f"{article(cls.role)} is expected, a mapping with its kind"
            )
        kind = value.get("kind", cls.default_kind)
        if kind is None:
            raise PydanticCustomError(
                "kind_missing", f"the kind of {cls.role} is missing (one of: {', '.join(kinds(cls))})"
            )
        found = find(cls, kind).model_validate({**value, "kind": kind})
        assert isinstance(found, cls)
        return found


_classes: dict[str, dict[str, type[Registered]]] = {}
_broken: list[str] = []
"""Why plugins could not be imported, a line each."""
_disputed: dict[tuple[str, str], str] = {}
"""Kinds that two plugins claim, or one twice, by their root role; why a spec cannot have them."""


def own_kind(cls: type[Registered]) -> str | None:
    """The ``kind`` of a concrete class; None for a role."""
    field = cls.model_fields.get("kind")
    return field.default if field is not None and isinstance(field.default, str) else None


def article(noun: str) -> str:
    """``a norm``, ``an attention``."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def _noun(role: type[Registered]) -> str:
    """``attention block``, ``task``."""
    is_block = _family(role) == "Block" and role.role != "block"
    return f"{role.role} block" if is_block else role.role


@cache
def _root(cls: type[Registered]) -> type[Registered]:
    """The role within which kinds are unique: all blocks share one."""
    return [base for base in cls.__mro__ if issubclass(base, Registered) and base is not Registered][-1]


def _family(cls: type[Registered]) -> str:
    return _root(cls).__name__


def _register(cls: type[Registered], kind: str) -> None:
    known = _classes.setdefault(_family(cls), {})
    other = known.get(kind)
    if other is not None and not _is_anew(cls, other):
        why = f"kind {kind!r} is taken by {_named(other)}; give {_named(cls)} another"
        if not _ships(other):
            _disputed.setdefault((_family(cls), kind), why)
        raise ValueError(why)
    known[kind] = cls


def _ships(cls: type[Registered]) -> bool:
    return cls.__module__.partition(".")[0] == __name__.partition(".")[0]


def _named(cls: type[Registered]) -> str:
    return f"{cls.__module__}.{cls.__qualname__} (package {package_of(cls.__module__)})"


def _is_anew(cls: type[Registered], other: type[Registered]) -> bool:
    """Whether a notebook's cell, or a module, ran again, and made the same class once more."""
    spec = getattr(sys.modules.get(cls.__module__), "__spec__", None)
    is_first_run = getattr(spec, "_initializing", False)
    same = (other.__module__, other.__qualname__) == (cls.__module__, cls.__qualname__)
    return same and not is_first_run


@cache
def _load() -> None:
    for root in Registered.__subclasses__():
        if root.shipped_in:
            import_all(root.shipped_in)
    for plugin in plugins():
        before = {family: dict(known) for family, known in _classes.items()}
        try:
            load_entry(plugin, "the plugin")
        except EnvironmentFault as error:
            _broken.append(str(error))
            _forget(plugin.module, before)


def _forget(module: str, before: Mapping[str, Mapping[str, type[Registered]]]) -> None:
    """Take back what a plugin has registered before it failed: half of it would be there."""
    top = module.partition(".")[0]
    for family, known in _classes.items():
        for kind, cls in [*known.items()]:
            if cls.__module__.partition(".")[0] == top and before.get(family, {}).get(kind) is not cls:
                del known[kind]


def _tell_broken() -> None:
    for line in _broken:
        warn(line)


def classes(role: type[Registered]) -> dict[str, type[Registered]]:
    """All registered classes of a role by kind, sorted.

    Those of a plugin that cannot be imported are missing, and a warning says so.
    """
    found = _known(role)
    _tell_broken()
    return found


def _known(role: type[Registered]) -> dict[str, type[Registered]]:
    _load()
    known = _classes.get(_family(role), {})
    return {kind: cls for kind, cls in sorted(known.items()) if issubclass(cls, role)}


def class_of(role: type[Registered], kind: str) -> type[Registered] | None:
    """The class of this kind if the role has it, importing no more than it takes to find it if it ships."""
    root = _root(role)
    known = _classes.setdefault(root.__name__, {})
    if kind not in known and root.shipped_in:
        import_named(root.shipped_in, kind)
    if kind not in known and root.shipped_in:
        import_all(root.shipped_in)
    found = known.get(kind)
    if found is None:
        return _known(role).get(kind)  # A plugin's, or nobody's.
    return found if issubclass(found, role) else None


def kinds(role: type[Registered]) -> list[str]:
    """All kinds of a role, sorted."""
    return list(_known(role))


def find(role: type[Registered], kind: object) -> type[Registered]:
    """The class of this kind; raises a pydantic error, with a suggestion, if there is none in the role.

    Raises EnvironmentFault instead if it may be a plugin's that cannot be imported.
    """
    found = class_of(role, kind) if isinstance(kind, str) else None
    why = _disputed.get((_family(role), str(kind)))
    if why is not None:
        raise EnvironmentFault(f"{why}; or uninstall one of the two")
    if found is not None:
        return found
    known = _known(role)
    if _broken:
        raise EnvironmentFault(f"no {_noun(role)} of kind {kind!r} is known, but {'; '.join(_broken)}")
    if kind == "gelu":
        hint = (
            " (the two forms of GELU differ by up to 4.7e-4 and frameworks disagree on the default: "
            "say 'gelu_erf' or 'gelu_tanh')"
        )
    else:
        near = difflib.get_close_matches(str(kind), known, n=1)
        elsewhere = _classes.get(_family(role), {}).get(str(kind))
        if near:
            hint = f" (did you mean {near[0]!r}?)"
        elif elsewhere is not None:
            hint = f" ({kind!r} is {article(_noun(elsewhere))}; one of: {', '.join(known)})"
        else:
            hint = f" (one of: {', '.join(known)})"
    raise PydanticCustomError("unknown_kind", f"no {_noun(role)} of kind {kind!r}{hint}".replace("{", "{{"))
