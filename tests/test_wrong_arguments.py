"""Whatever is passed where something else was meant: an exception that is meant to be seen, never one from the inside of the package, and no crash."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from ctypes import ArgumentError
from typing import Any

import pytest

from py_mini_racer import JSClosedException, JSValueError, MiniRacer, MiniRacerPool, Snapshot

WRONG: tuple[Any, ...] = (
    None,
    1,
    -1,
    2**70,
    1.5,
    float("nan"),
    float("inf"),
    "x",
    b"x",
    [],
    {},
    object(),
    len,
    "\ud800",
)

OBJECTS: dict[str, Callable[[MiniRacer], Any]] = {
    "context": lambda ctx: ctx,
    "object": lambda ctx: ctx.eval("({a: 1})"),
    "array": lambda ctx: ctx.eval("[1, 2]"),
    "function": lambda ctx: ctx.eval("() => 1"),
    "promise": lambda ctx: ctx.eval("Promise.resolve(1)"),
    "symbol": lambda ctx: ctx.eval("Symbol('a')"),
    "realm": lambda ctx: ctx.new_realm(),
    "script": lambda ctx: ctx.compile("1"),
}
MAKERS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "MiniRacer": (MiniRacer, {}),
    "MiniRacerPool": (MiniRacerPool, {}),
    "Snapshot.create": (Snapshot.create, {"prepare": "1"}),
    "Snapshot": (Snapshot, {}),
}


def attempt(function: Callable[..., Any], /, *values: Any, **options: Any) -> None:
    """Calls it, and awaits what it returns when it can be. Any exception will do, but for those that only a mistake within the package raises."""

    async def wait(made: Any) -> None:
        await asyncio.wait_for(made, 5)

    try:
        made = function(*values, **options)
        if inspect.iscoroutine(made):
            asyncio.run(wait(made))
        elif isinstance(made, (MiniRacer, MiniRacerPool)):
            made.close()
    except (AttributeError, NameError, AssertionError, SystemError, ArgumentError):
        raise
    except Exception:
        return


def keywords(function: Callable[..., Any]) -> Iterator[str]:
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            yield name


@pytest.mark.parametrize("name", MAKERS)
def test_where_something_is_made(name):
    make, others = MAKERS[name]
    for keyword in keywords(make):
        for value in WRONG:
            attempt(make, **{**others, keyword: value})


@pytest.mark.parametrize("name", OBJECTS)
def test_methods(name):
    with MiniRacer(timeout_sec=5) as ctx:
        thing = OBJECTS[name](ctx)
        for method in (method for method in dir(thing) if not method.startswith("_") and method != "close"):
            function = getattr(thing, method)
            if not callable(function):
                continue
            for value in WRONG:
                attempt(function, value)
                attempt(function, "1", value)
                for keyword in keywords(function):
                    attempt(function, **{keyword: value})
                    attempt(function, "1", **{keyword: value})
        assert isinstance(thing, MiniRacer) or ctx.eval("6 * 7") == 42


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"snapshot": b"x"}, r"snapshot must be a Snapshot, not bytes: .*Snapshot\(bytes\)"),
        ({"context": "1 + 1"}, "context must be another MiniRacer's context, not str"),
        ({"unhandled_rejection": "log"}, "unhandled_rejection must be a function of one argument, not str"),
        ({"uncaught_exception": 1}, "uncaught_exception must be a function of one argument, not int"),
    ],
)
def test_what_is_said(options, text):
    with pytest.raises(TypeError, match=text):
        MiniRacer(**options)


def test_a_limit_that_is_none_leaves_the_old_one():
    with MiniRacer() as ctx:
        for set_limit in (ctx.set_hard_memory_limit, ctx.set_soft_memory_limit):
            with pytest.raises(TypeError):
                set_limit("64 MB")  # type: ignore[arg-type]
            with pytest.raises(JSValueError, match="at least 1"):
                set_limit(-1)
        assert ctx.eval("6 * 7") == 42
    with pytest.raises(JSClosedException):
        ctx.set_soft_memory_limit(1)
