"""Python objects that JavaScript uses where they are: what may be seen, and what each question about it answers.

All that is allowed is decided here, for each question anew; the native side only asks. On the thread that runs JavaScript and has the context's lock.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence, Sequence
from collections.abc import Set as AbstractSet

from py_mini_racer import _wire
from py_mini_racer._exc import JSValueError
from py_mini_racer._functions import running_loop
from py_mini_racer._host import RefusedError
from py_mini_racer._iterators import host_iterator
from py_mini_racer._types import JSObject, PyProxy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterable
    from typing import Any

    from py_mini_racer._context import Context

# mr_wire.h: MR_HOST_*
OBJECT, SEQUENCE, CALLABLE = range(3)
ITERABLE, ASYNC_ITERABLE = 8, 16

_LISTED = 2**24  # the longest sequence whose indexes are listed
_MISSING = object()


def make(target: Any, allow: Iterable[str] | None, *, write: Iterable[str] | bool, call: bool, deep: bool) -> PyProxy:
    """Checks what `MiniRacer.proxy` was given."""
    if isinstance(target, (JSObject, PyProxy)):
        msg = f"{target!r} needs no proxy: it is JavaScript's, or one, already"
        raise JSValueError(msg)
    if target is None or isinstance(target, (bool, int, float, str, bytes, bytearray, memoryview)):
        msg = f"a proxy is for an object with attributes, items or elements, not for {type(target).__name__}: pass the value itself"
        raise JSValueError(msg)
    if call and not callable(target):
        msg = f"call=True, but {type(target).__name__} cannot be called"
        raise JSValueError(msg)
    read = None if allow is None else _names("allow", allow)
    may_write: frozenset[str] | bool = write if isinstance(write, bool) else _names("write", write)
    if not isinstance(target, (Mapping, Sequence)) and isinstance(may_write, frozenset):
        beyond = may_write - (read or frozenset())
        if beyond:
            msg = f"write= names what allow= does not: {', '.join(sorted(beyond))}"
            raise JSValueError(msg)
    return PyProxy(target, read, may_write, call=call, deep=deep)


def _names(what: str, names: Iterable[Any]) -> frozenset[str]:
    if isinstance(names, str):
        msg = f"{what}= takes several names: write {what}=[{names!r}]"
        raise TypeError(msg)
    made = frozenset(names)
    for name in made:
        if not isinstance(name, str):
            msg = f"{what}= takes names, not {name!r}"
            raise TypeError(msg)
        if name.startswith("_"):
            msg = f"{what}=: {name!r} starts with an underscore: no such name is ever seen by JavaScript"
            raise JSValueError(msg)
    return made


def host_object(proxy: PyProxy, context: Context) -> tuple[int, int]:
    """The number and the flags of a proxy on its way to JavaScript."""
    target = proxy.target
    kind = type(target)
    is_data = isinstance(target, (Mapping, Sequence))
    if not is_data and hasattr(kind, "__next__") and not proxy.read:
        return host_iterator(target, context)
    answers = InJS if not is_data else MappingInJS if isinstance(target, Mapping) else SequenceInJS
    flags = SEQUENCE if answers is SequenceInJS else CALLABLE if proxy.call else OBJECT
    if answers is not SequenceInJS and (hasattr(kind, "__iter__") or hasattr(kind, "__next__")):
        flags |= ITERABLE
    if hasattr(kind, "__aiter__"):
        flags |= ASYNC_ITERABLE
    loop = running_loop() or context.event_loop
    key = "proxy", id(target), proxy.read, proxy.write, proxy.call, proxy.deep, id(loop)
    return context.host.register(key, lambda: answers(proxy, loop)), flags


class InJS:
    """A Python object with its attributes."""

    plain = None

    def __init__(self, proxy: PyProxy, loop: AbstractEventLoop | None) -> None:
        self.key: object = None
        self.target = proxy.target
        self.loop = loop
        self.proxy = proxy

    def ask(self, _context: Context, values: list[Any]) -> Any:
        """Answers one of MR_ASK_*."""
        return _ANSWERS[values[0]](self, *values[1:])

    # What there is. Subclasses say it for items and elements. `_MISSING`: nothing that may be seen.

    def read(self, key: str) -> Any:
        """The value of a property."""
        if self.proxy.read is not None and key in self.proxy.read:
            return getattr(self.target, key, _MISSING)
        if key == "length" and hasattr(type(self.target), "__len__"):
            return len(self.target)
        return _MISSING

    def write(self, key: str, value: Any) -> None:
        """Sets a property that may be set."""
        setattr(self.target, key, value)

    def remove(self, key: str) -> None:
        """Deletes a property that may be set and is there."""
        delattr(self.target, key)

    def names(self) -> list[str]:
        """The names of all properties."""
        return [name for name in sorted(self.proxy.read or ()) if self.read(name) is not _MISSING]

    def may_write(self, key: str) -> bool:
        """Whether it is one of those that JavaScript may set."""
        allowed = self.proxy.write
        return key in ((self.proxy.read or ()) if allowed is True else allowed or ())

    def iterate(self) -> Any:
        """The iterator of what there is."""
        if hasattr(type(self.target), "__iter__"):
            return self._each(iter(self.target))
        return self.target  # it has __next__ alone

    # The questions.

    def get(self, key: str) -> Any:
        """MR_ASK_GET."""
        value = self.read(key)
        return _wire.HOLE_VALUE if value is _MISSING else self.shown(value)

    def set(self, key: str, value: Any) -> bool:
        """MR_ASK_SET."""
        if not self.may_write(key):
            raise RefusedError(
                f"{key!r} of this Python {_kind(self.target)} cannot be set from JavaScript: it is not allowed by write="
            )
        self.write(key, value)
        return True

    def has(self, key: str) -> bool:
        """MR_ASK_HAS."""
        return self.read(key) is not _MISSING

    def delete(self, key: str) -> bool:
        """MR_ASK_DELETE."""
        if self.read(key) is _MISSING:
            return True
        if not self.may_write(key):
            raise RefusedError(
                f"{key!r} of this Python {_kind(self.target)} cannot be deleted from JavaScript: it is not allowed by write="
            )
        self.remove(key)
        return True

    def describe(self, key: str) -> Any:
        """MR_ASK_DESCRIBE."""
        value = self.read(key)
        if value is _MISSING:
            return _wire.HOLE_VALUE
        return [self.shown(value), self.may_write(key), not callable(value) and key in self.names()]

    def call(self, _this: Any, *arguments: Any) -> Any:
        """MR_ASK_CALL."""
        if not self.proxy.call:
            raise RefusedError(
                f"this Python {_kind(self.target)} cannot be called from JavaScript: call=True allows it"
            )
        return self.target(*arguments)

    def shown(self, value: Any) -> Any:
        """What JavaScript gets of a value: with `deep`, a proxy in its turn."""
        if not self.proxy.deep or not _goes_deeper(value):
            return value
        proxy = self.proxy
        return PyProxy(value, proxy.read, proxy.write, call=False, deep=True)

    def _each(self, iterator: Any) -> Any:
        return map(self.shown, iterator) if self.proxy.deep else iterator


class MappingInJS(InJS):
    """A mapping with its items. Its keys are those that are str, and ints as decimal text."""

    def read(self, key: str) -> Any:
        """The item."""
        return _MISSING if self._hidden(key) else self._item(key)

    def _hidden(self, key: str) -> bool:
        return key.startswith("_") or (self.proxy.read is not None and key not in self.proxy.read)

    def _item(self, key: str) -> Any:
        target = self.target
        for known in (key, _number(key)):
            if known is not None and known in target:
                try:
                    return target[known]
                except KeyError:  # it went this moment
                    continue
        return _MISSING

    def _key(self, key: str) -> str | int:
        """The key of an item that is there under the text."""
        number = _number(key)
        return key if number is None or key in self.target or number not in self.target else number

    def write(self, key: str, value: Any) -> None:
        """Sets the item."""
        self.target[self._key(key)] = value

    def remove(self, key: str) -> None:
        """Deletes the item."""
        del self.target[self._key(key)]

    def names(self) -> list[str]:
        """The keys, in the order of the mapping."""
        texts = (key if isinstance(key, str) else str(key) for key in list(self.target) if _is_key(key))
        return list(dict.fromkeys(text for text in texts if not self._hidden(text)))

    def may_write(self, key: str) -> bool:
        """Whether the item may be set."""
        return not self._hidden(key) and (self.proxy.write is True or key in (self.proxy.write or ()))

    def describe(self, key: str) -> Any:
        """MR_ASK_DESCRIBE."""
        value = self.read(key)
        return _wire.HOLE_VALUE if value is _MISSING else [self.shown(value), self.may_write(key), True]

    def iterate(self) -> Any:
        """Pairs of keys and values, as a Map has them."""
        return iter([(name, self.shown(self.read(name))) for name in self.names()])


class SequenceInJS(InJS):
    """A sequence with its elements: an array to JavaScript, with an array's methods."""

    def read(self, key: str) -> Any:
        """The element, the length, or an attribute that is allowed."""
        if _is_index(key):
            try:
                return self.target[int(key)]
            except IndexError:
                return _MISSING
        return super().read(key)

    def write(self, key: str, value: Any) -> None:
        """Sets the element; the one behind the last appends."""
        target = self.target
        if key == "length":
            self._cut(value)
        elif not _is_index(key):
            setattr(target, key, value)
        elif int(key) == len(target):
            target.append(value)
        elif int(key) < len(target):
            target[int(key)] = value
        else:
            raise RefusedError(
                f"element {key} is beyond the end of this Python {_kind(target)} of {len(target)}, which cannot have gaps"
            )

    def _cut(self, length: Any) -> None:
        if not isinstance(length, int) or not 0 <= length <= len(self.target):
            raise RefusedError(f"this Python {_kind(self.target)} of {len(self.target)} cannot be made {length!r} long")
        while len(self.target) > length:
            del self.target[-1]

    def remove(self, key: str) -> None:
        """What `delete` leaves in a place of an array is a gap; here it is None. Array methods do this before they shorten the array."""
        if _is_index(key):
            self.target[int(key)] = None
        else:
            raise RefusedError(f"{key!r} of this Python {_kind(self.target)} cannot be deleted from JavaScript")

    def names(self) -> list[str]:
        """The indexes, and "length"."""
        count = len(self.target)
        if count > _LISTED:
            raise RefusedError(f"the indexes of a sequence of {count} elements are too many to be listed")
        return [*map(str, range(count)), "length", *super().names()]

    def may_write(self, key: str) -> bool:
        """Whether elements may be set, or an attribute."""
        if _is_index(key) or key == "length":
            return self.proxy.write is True and isinstance(self.target, MutableSequence)
        return super().may_write(key)

    def describe(self, key: str) -> Any:
        """MR_ASK_DESCRIBE."""
        value = self.read(key)
        if value is _MISSING:
            return _wire.HOLE_VALUE
        return [self.shown(value), key == "length" or self.may_write(key), _is_index(key)]


_ANSWERS: tuple[Callable[..., Any], ...] = (
    lambda asked, key: asked.get(key),
    lambda asked, key, value: asked.set(key, value),
    lambda asked, key: asked.has(key),
    lambda asked, key: asked.delete(key),
    lambda asked: asked.names(),
    lambda asked, key: asked.describe(key),
    lambda asked, *arguments: asked.call(*arguments),
    lambda asked: asked.iterate(),
)


def _is_index(key: str) -> bool:
    """Whether it is the text of an array's index, as JavaScript writes it."""
    return key.isdecimal() and key.isascii() and (key == "0" or key[0] != "0") and len(key) < 16


def _number(key: str) -> int | None:
    """The int whose decimal text it is."""
    return int(key) if _is_index(key.removeprefix("-")) and key != "-0" else None


def _is_key(key: object) -> bool:
    return isinstance(key, str) or (isinstance(key, int) and not isinstance(key, bool))


def _goes_deeper(value: Any) -> bool:
    if isinstance(value, (Mapping, AbstractSet)):
        return True
    if isinstance(value, Sequence):
        return not isinstance(value, (str, bytes, bytearray, memoryview))
    kind = type(value)
    if hasattr(kind, "__members__"):  # an Enum
        return False
    return (
        kind.__module__ != "builtins"
        and not isinstance(value, (JSObject, PyProxy))
        and not callable(value)
        and hasattr(value, "__dict__")
    )


def _kind(target: object) -> str:
    return type(target).__name__


__all__ = ["host_object", "make"]
