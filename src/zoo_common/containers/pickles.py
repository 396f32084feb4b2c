"""Pickles read as data: a machine for their opcodes that calls, imports and looks up nothing.

Of the opcodes (Python's ``pickletools`` has the table), those that hold or arrange data do so here. Those that
would call something (GLOBAL, STACK_GLOBAL, INST, OBJ, NEWOBJ, NEWOBJ_EX, REDUCE, BUILD) make stand-ins of words
(``inert.StandIn``), save for the few classes in the reader's table, whose values are made by our own code. EXT1,
EXT2, EXT4 (a registry of code), PERSID, NEXT_BUFFER and READONLY_BUFFER (objects from outside the file) are refused.

What a file can make this use is bounded: each opcode makes one object at the most, and there are limits on their
number, on the text that is kept and on whole numbers. Long texts and bytes stay in the file.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable
from typing import IO, NoReturn, TypeAlias

from zoo_common.containers.pickle_machine import MOST_PARTS, Call, Calls, Machine, items
from zoo_common.containers.windows import Window
from zoo_spec.errors import InputError

_MOST_TOLD = 300
_REFUSED = {
    "EXT1": "an object of a registry that the file does not hold",
    "EXT2": "an object of a registry that the file does not hold",
    "EXT4": "an object of a registry that the file does not hold",
    "PERSID": "an object outside the file by a name",
    "NEXT_BUFFER": "a buffer that the file does not hold",
    "READONLY_BUFFER": "a buffer that the file does not hold",
}


def read_pickle(window: Window, calls: Calls, persistent: Call | None = None) -> object:
    """The one value of the pickle that begins here; the window is left behind its end.

    ``persistent`` makes a value of what stands for one outside the pickle. Raises InputError, with the file's name,
    for what is damaged, is beyond a limit, or would do something.
    """
    machine, read = Machine(window, calls, persistent), window.read
    for _ in range(MOST_PARTS):
        code = read(1)
        if code == b".":
            break
        name, act = _ACTIONS.get(code, _UNKNOWN)
        try:
            act(machine)
        except InputError:
            raise
        except (IndexError, KeyError):
            _refuse(window, name, "needs what is not there: a damaged pickle")
        except (ValueError, struct.error) as error:
            _refuse(window, name, str(error)[:_MOST_TOLD])
    else:
        window.refuse(f"its pickle has more than {MOST_PARTS:,} parts")
    if len(machine.stack) != 1 or machine.below:
        window.refuse("its pickle ends without a value, or with several")
    return machine.stack[0]


def _refuse(window: Window, opcode: str, reason: str) -> NoReturn:
    window.refuse(f"{opcode} before byte {window.position:,} of a pickle: {reason}")


Action: TypeAlias = Callable[[Machine], None]


def _reading(then: Callable[[Machine, object], None], reader: Callable[[IO[bytes]], object]) -> Action:
    return lambda machine: then(machine, machine.argument(reader))


def _with_argument(opcode: pickletools.OpcodeInfo) -> Action | None:
    """What one does whose argument ``pickletools`` reads: a number or a text to push, or a place in the memo."""
    if opcode.arg is None:
        return None
    then: dict[str, Callable[[Machine, object], None]]
    then = {"PUT": Machine.put, "BINPUT": Machine.put, "LONG_BINPUT": Machine.put}
    then |= {"GET": Machine.get, "BINGET": Machine.get, "LONG_BINGET": Machine.get}
    then |= dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG"), Machine.push)
    then |= dict.fromkeys(("FLOAT", "BINFLOAT", "STRING", "UNICODE"), Machine.push)
    return _reading(then[opcode.name], opcode.arg.reader) if opcode.name in then else None


def _refusing(reason: str) -> Action:
    def refuse(machine: Machine) -> None:
        raise ValueError(reason)

    return refuse


_OUTSIDE = "it asks for {}, and nothing outside of the file is looked up"
_DOING: dict[str, Action] = {
    "PROTO": Machine.version,
    "FRAME": Machine.frame,
    "MARK": Machine.mark,
    "POP": Machine.pop,
    "POP_MARK": Machine.pop_mark,
    "DUP": lambda machine: machine.push(machine.stack[-1]),
    "MEMOIZE": lambda machine: machine.put(len(machine.memo)),
    "NONE": lambda machine: machine.push(None),
    "NEWTRUE": lambda machine: machine.push(True),
    "NEWFALSE": lambda machine: machine.push(False),
    "SHORT_BINUNICODE": lambda machine: machine.data("<B", "utf-8"),
    "BINUNICODE": lambda machine: machine.data("<I", "utf-8"),
    "BINUNICODE8": lambda machine: machine.data("<Q", "utf-8"),
    "SHORT_BINSTRING": lambda machine: machine.data("<B", "latin-1"),
    "BINSTRING": lambda machine: machine.data("<i", "latin-1"),
    "SHORT_BINBYTES": lambda machine: machine.data("<B", None),
    "BINBYTES": lambda machine: machine.data("<I", None),
    "BINBYTES8": lambda machine: machine.data("<Q", None),
    "BYTEARRAY8": lambda machine: machine.data("<Q", None),
    "LONG1": lambda machine: machine.long("<B"),
    "LONG4": lambda machine: machine.long("<i"),
    "EMPTY_TUPLE": lambda machine: machine.push(()),
    "EMPTY_LIST": lambda machine: machine.hold([]),
    "EMPTY_DICT": lambda machine: machine.hold({}),
    "EMPTY_SET": lambda machine: machine.hold(machine.set_of([])),
    "TUPLE": lambda machine: machine.hold(tuple(machine.since_mark())),
    "LIST": lambda machine: machine.hold(machine.since_mark()),
    "DICT": lambda machine: machine.hold(items(machine.since_mark())),
    "FROZENSET": lambda machine: machine.hold(frozenset(machine.set_of(machine.since_mark()))),
    "TUPLE1": lambda machine: machine.last(1),
    "TUPLE2": lambda machine: machine.last(2),
    "TUPLE3": lambda machine: machine.last(3),
    "APPEND": lambda machine: machine.append([machine.stack.pop()]),
    "APPENDS": lambda machine: machine.append(machine.since_mark()),
    "ADDITEMS": lambda machine: machine.append(machine.since_mark()),
    "SETITEM": Machine.set_item,
    "SETITEMS": lambda machine: machine.set_items(machine.since_mark()),
    "GLOBAL": Machine.found,
    "STACK_GLOBAL": Machine.stack_global,
    "INST": Machine.instance,
    "OBJ": Machine.object,
    "REDUCE": Machine.reduce,
    "NEWOBJ": Machine.reduce,
    "NEWOBJ_EX": Machine.new_object_with_keywords,
    "BUILD": Machine.build,
    "BINPERSID": Machine.persistent_id,
    **{name: _refusing(_OUTSIDE.format(what)) for name, what in _REFUSED.items()},
}
_UNKNOWN = ("a byte", _refusing("it is no opcode"))
_ACTIONS: dict[bytes, tuple[str, Action]] = {
    opcode.code.encode("latin-1"): (
        opcode.name,
        _DOING.get(opcode.name) or _with_argument(opcode) or _refusing("it is not known here"),
    )
    for opcode in pickletools.opcodes
}
