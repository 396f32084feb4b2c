"""From a source's records to the examples that a task learns from, registered on the task's class.

A plugin does so with its own, ``@make_examples.register``, and says in the task's ``learns_from`` which records these
are; any source of them, its own or not, will do.
"""

from __future__ import annotations

from functools import singledispatch

from zoo_common.data.base import Dataset
from zoo_common.data.reader import Wanted, open_data, unread
from zoo_spec.data import Data
from zoo_spec.errors import EnvironmentFault
from zoo_spec.tasks.base import Task


@singledispatch
def make_examples(task: Task, wanted: Wanted) -> Dataset:
    """The examples of a task; InputError for records that it cannot learn from.

    Raises EnvironmentFault for a kind of task that nobody has registered.
    """
    raise EnvironmentFault(
        f"nothing makes examples for the task {task.kind!r}: whoever brings it registers that with "
        "zoo_common.data.examples.make_examples"
    )


@open_data.register
def _records(data: Data, wanted: Wanted) -> Dataset:
    """Any source of records."""
    if data.gives is None:
        raise unread(data)
    return make_examples(wanted.spec.task, wanted)
