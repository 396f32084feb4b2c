"""What the strings beneath a spec class' fields say, read from its source when somebody asks.

Pydantic's ``use_attribute_docstrings`` reads them as each class is made, which is half of the time that importing
the specs would take.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise

from zoo_spec.base import Spec


@cache
def attribute_docs(cls: type[Spec]) -> dict[str, str]:
    """The docstrings of the class' fields by name, inherited ones too; of fields that have one."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if issubclass(base, Spec):
            found |= _own(base)
    return found


def _own(cls: type[Spec]) -> dict[str, str]:
    try:
        source = inspect.getsource(cls)
    except OSError:  # A class that was typed into a console has none.
        return {}
    (definition,) = ast.parse(textwrap.dedent(source)).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
