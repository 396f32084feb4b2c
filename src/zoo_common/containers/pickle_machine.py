"""What the opcodes of a pickle do here: a stack of data, and stand-ins for whatever is no data."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import IO, TypeAlias

from zoo_common.containers.inert import Global, Scalar, StandIn
from zoo_common.containers.windows import Span, Window

Call: TypeAlias = Callable[[tuple[object, ...]], object]
Calls: TypeAlias = Mapping[tuple[str, str], Call]
"""What this reader makes of a class, or a function, by module and name, from the arguments; ValueError if they do not
fit."""

MOST_PARTS = 2_000_000
"""The most opcodes of a pickle."""
_MOST_KEPT = 64 << 20
_MOST_IN_PLACE = 4096
_MOST_BYTES_OF_A_NUMBER = 64
_MOST_MARKS = 100_000
_OF_A_HOLDER = 4


class Stateful(ABC):
    """What this reader's own code makes, and BUILD gives a state."""

    @abstractmethod
    def set_state(self, state: object) -> None:
        """Take what BUILD gives; ValueError if it does not fit."""


class Machine:
    """The stack, the memo and the marks of one pickle, and what the opcodes do with them.

    Raises ValueError for what the pickle asks that no data need, and IndexError or KeyError where it is damaged.
    """

    def __init__(self, window: Window, calls: Calls, persistent: Call | None) -> None:
        self.window, self.calls, self.persistent = window, {**_PLAIN, **calls}, persistent
        self.stack: list[object] = []
        self.below: list[list[object]] = []
        self.memo: dict[int, object] = {}
        self.kept = self.spent = 0

    def argument(self, reader: Callable[[IO[bytes]], object]) -> object:
        """An argument as ``pickletools`` reads it."""
        found = reader(self.window)  # type: ignore[arg-type]
        if isinstance(found, int) and found.bit_length() > 8 * _MOST_BYTES_OF_A_NUMBER:
            raise ValueError("a whole number that is too long")
        if isinstance(found, str | bytes):
            self.keep(len(found))
        return found

    def put(self, index: object) -> None:
        """Keep the topmost value in the memo."""
        if not isinstance(index, int) or index < 0:
            raise ValueError("a place in the memo is no number")
        self.memo[index] = self.stack[-1]

    def get(self, index: object) -> None:
        """Push a value of the memo."""
        if not isinstance(index, int):
            raise ValueError("a place in the memo is no number")
        self.stack.append(self.memo[index])

    def length(self, form: str) -> int:
        """The length that comes next, in the form of ``struct``."""
        length: int = struct.unpack(form, self.window.read(struct.calcsize(form)))[0]
        if length < 0:
            raise ValueError("a length below zero")
        return length

    def data(self, form: str, coding: str | None) -> None:
        """Push text or bytes, or where they lie if they are long; ``coding`` is that of text."""
        size = self.length(form)
        if size > _MOST_IN_PLACE:
            start = self.window.skip(size)
            self.stack.append(Span(start, start + size, "text" if coding == "utf-8" else "bytes"))
            return
        self.keep(size)
        data = self.window.read(size)
        self.stack.append(data if coding is None else data.decode(coding, "surrogatepass"))

    def long(self, form: str) -> None:
        """Push a whole number of so many bytes."""
        size = self.length(form)
        if size > _MOST_BYTES_OF_A_NUMBER:
            raise ValueError("a whole number that is too long")
        self.stack.append(int.from_bytes(self.window.read(size), "little", signed=True))

    def push(self, value: object) -> None:
        """Push a value."""
        self.stack.append(value)

    def hold(self, value: object) -> None:
        """Push what holds others, which takes more room and time than a number or a text does."""
        self.spend(_OF_A_HOLDER)
        self.stack.append(value)

    def set_of(self, values: list[object]) -> set[Scalar]:
        """A set of these."""
        return set(map(_key, values))

    def keep(self, size: int) -> None:
        """Count text that is kept."""
        self.kept += size
        if self.kept > _MOST_KEPT:
            raise ValueError(f"more than {_MOST_KEPT >> 20} MiB of text")

    def spend(self, parts: int) -> None:
        """Count what takes the room of so many opcodes."""
        self.spent += parts
        if self.spent > MOST_PARTS:
            raise ValueError(f"its pickle has more than {MOST_PARTS:,} parts")

    def mark(self) -> None:
        """Begin anew above what there is."""
        if len(self.below) >= _MOST_MARKS:
            raise ValueError("it is nested too deeply")
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[object]:
        """Take what came since the last mark."""
        found = self.stack
        self.stack = self.below.pop()
        return found

    def pop(self) -> None:
        """Throw away the topmost value, or the last mark."""
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    def pop_mark(self) -> None:
        """Throw away what came since the last mark."""
        self.since_mark()

    def last(self, size: int) -> None:
        """Make a tuple of the topmost values."""
        if len(self.stack) < size:
            raise IndexError
        made = tuple(self.stack[-size:])
        del self.stack[-size:]
        self.hold(made)

    def append(self, values: list[object]) -> None:
        """Put values into the list or set below them."""
        into = self.stack[-1]
        if isinstance(into, StandIn):
            into.elements = into.elements or []
            into = into.elements
        if isinstance(into, list):
            into.extend(values)
        elif isinstance(into, set):
            into.update(_key(value) for value in values)
        else:
            raise ValueError("elements for what is no list")

    def set_items(self, pairs: list[object]) -> None:
        """Put keys and values, by turns, into the mapping below them."""
        into = self.stack[-1]
        if isinstance(into, StandIn):
            into.items = {} if into.items is None else into.items
            into = into.items
        if not isinstance(into, dict):
            raise ValueError("items for what is no mapping")
        into.update(items(pairs))

    def set_item(self) -> None:
        """Put a key and a value into the mapping below them."""
        pair = self.stack[-2:]
        del self.stack[-2:]
        self.set_items(pair)

    def found(self) -> None:
        """Push the global whose names come next."""
        module, name = (self.window.readline()[:-1].decode("utf-8") for _ in range(2))
        self.keep(len(module) + len(name))
        self.stack.append(Global.of(module, name))

    def stack_global(self) -> None:
        """Push the global whose names are topmost."""
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("names a global by what is no text")
        self.stack.append(Global.of(module, name))

    def call(self, what: object, arguments: object) -> None:
        """Push what stands for the result of a call."""
        if not isinstance(what, Global):
            raise ValueError("it calls what it has made itself, which no data need")
        if not isinstance(arguments, tuple):
            raise ValueError(f"it calls {what} with no tuple")
        self.charge(arguments)
        made = self.calls.get((what.module, what.name))
        if made is None and what.acts:
            raise ValueError(f"it calls {what}, which is no data; nothing was run, and nothing is read of it")
        self.hold(made(arguments) if made else StandIn(what, arguments))

    def charge(self, arguments: tuple[object, ...]) -> None:
        """Count what a call may copy: a list that the file has once may be passed on often."""
        copied = (len(each) for each in arguments if isinstance(each, list | tuple))
        self.spend(len(arguments) + sum(copied))

    def reduce(self) -> None:
        """Call what lies below its arguments."""
        arguments, what = self.stack.pop(), self.stack.pop()
        self.call(what, arguments)

    def new_object_with_keywords(self) -> None:
        """Call what lies below its arguments and keywords."""
        keywords, arguments, what = self.stack.pop(), self.stack.pop(), self.stack.pop()
        if not isinstance(arguments, tuple):
            raise ValueError("it calls something with no tuple")
        self.charge(arguments)
        self.call(what, (*arguments, keywords))

    def instance(self) -> None:
        """Call the global whose names come next with what came since the mark."""
        self.found()
        what = self.stack.pop()
        self.call(what, tuple(self.since_mark()))

    def object(self) -> None:
        """Call what lies at the mark with what came since."""
        what, *arguments = self.since_mark()
        self.call(what, tuple(arguments))

    def build(self) -> None:
        """Give the value below its state."""
        state = self.stack.pop()
        into = self.stack[-1]
        if isinstance(into, Stateful):
            into.set_state(state)
        elif isinstance(into, StandIn):
            into.state = state
        elif not isinstance(
            into, dict
        ):  # A mapping's attributes, such as a state_dict's _metadata, are no items.
            raise ValueError("a state for what takes none")

    def persistent_id(self) -> None:
        """Push what the reader has for something outside the pickle."""
        what = self.stack.pop()
        if self.persistent is None or not isinstance(what, tuple):
            raise ValueError("it asks for an object outside the file")
        self.stack.append(self.persistent(what))

    def version(self) -> None:
        """The protocol, of which all are read."""
        version = self.length("<B")
        if version > 5:
            raise ValueError(f"protocol {version} is not known here")

    def frame(self) -> None:
        """A length that a fast reader would read at once."""
        if self.length("<Q") > self.window.left:
            raise ValueError("a frame that goes beyond the file")


def _key(value: object) -> Scalar:
    # Others would be hashed, which a small file can make take forever; a whole number of any size likewise.
    if isinstance(value, int) and value.bit_length() > 64:
        raise ValueError("a key is a whole number that is too long")
    if value is None or isinstance(value, str | bytes | int | float):
        return value
    raise ValueError(f"a key is a {type(value).__name__}, and keys are text and numbers here")


def items(pairs: list[object]) -> dict[Scalar, object]:
    """A mapping of keys and values by turns; ValueError where they are odd, or a key is no text or number."""
    if len(pairs) % 2:
        raise ValueError("a key without its value")
    return {_key(key): value for key, value in zip(pairs[::2], pairs[1::2], strict=True)}


def _mapping(arguments: tuple[object, ...]) -> object:
    # An OrderedDict of Python 2 is given its pairs, a defaultdict what makes its values; both get items else.
    pairs = arguments[0] if arguments and isinstance(arguments[0], list | tuple) else ()
    flat: list[object] = []
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError("a mapping of what are no pairs")
        flat += pair
    return items(flat)


def _sequence(make: Callable[[list[object]], object]) -> Call:
    def call(arguments: tuple[object, ...]) -> object:
        values = arguments[0] if arguments else []
        if len(arguments) > 1 or not isinstance(values, list | tuple):
            raise ValueError("a sequence of what is none")
        return make(list(values))

    return call


_PLAIN: Calls = {
    ("collections", "OrderedDict"): _mapping,
    ("collections", "defaultdict"): _mapping,
    ("builtins", "tuple"): _sequence(tuple),
    ("builtins", "list"): _sequence(list),
    ("builtins", "set"): _sequence(lambda values: set(map(_key, values))),
    ("builtins", "frozenset"): _sequence(lambda values: frozenset(map(_key, values))),
}
