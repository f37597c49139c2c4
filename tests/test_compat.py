"""What code of earlier releases imports and expects: py-mini-racer 0.6's submodule, and mini-racer 0.14's API by name and signature."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import py_mini_racer
from py_mini_racer import py_mini_racer as old

NAMES_OF_0_6 = (
    "MiniRacer",
    "StrictMiniRacer",
    "JSObject",
    "JSFunction",
    "JSSymbol",
    "MiniRacerBaseException",
    "JSParseException",
    "JSEvalException",
    "JSOOMException",
    "JSTimeoutException",
    "JSConversionException",
    "WrongReturnTypeException",
)


@pytest.mark.parametrize("name", NAMES_OF_0_6)
def test_the_submodule_of_0_6(name):
    assert getattr(old, name) is getattr(py_mini_racer, name)


def test_the_rest_of_0_6():
    assert old.is_unicode("x")
    assert not old.is_unicode(b"x")
    assert Path(old.EXTENSION_PATH).is_file()
    assert Path(old.EXTENSION_PATH).name == old.EXTENSION_NAME
    with old.MiniRacer() as ctx:
        ctx.eval("function add(a, b) { return a + b }")
        assert ctx.call("add", 1, 2) == 3
        assert ctx.execute("({a: [1, null]})") == {"a": [1, None]}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("eval", ["code", "timeout", "timeout_sec", "max_memory"]),
        ("execute", ["expr", "timeout", "timeout_sec", "max_memory"]),
        ("call", ["expr", "args", "encoder", "timeout", "timeout_sec", "max_memory"]),
        ("eval_cancelable", ["code"]),
        ("wrap_py_function", ["func"]),
        ("set_hard_memory_limit", ["limit"]),
        ("set_soft_memory_limit", ["limit"]),
        ("was_hard_memory_limit_reached", []),
        ("was_soft_memory_limit_reached", []),
        ("low_memory_notification", []),
        ("heap_stats", []),
        ("heap_snapshot", []),
        ("close", []),
    ],
)
def test_the_methods_of_0_14(method, arguments):
    named = list(inspect.signature(getattr(py_mini_racer.MiniRacer, method)).parameters)
    assert named[: len(arguments) + 1] == ["self", *arguments]


def test_memory_of_0_14():
    with py_mini_racer.mini_racer() as ctx:
        stats = ctx.heap_stats()
        assert {
            "total_physical_size",
            "total_heap_size_executable",
            "total_heap_size",
            "used_heap_size",
            "heap_size_limit",
        } <= set(stats)
        assert 0 < stats["used_heap_size"] <= stats["total_heap_size"]
        assert ctx.heap_snapshot()["nodes"]
        ctx.low_memory_notification()


def test_memory_limits_of_0_14():
    with py_mini_racer.MiniRacer() as ctx:
        ctx.set_soft_memory_limit(20_000_000)
        ctx.set_hard_memory_limit(60_000_000)
        assert not ctx.was_hard_memory_limit_reached()
        with pytest.raises(py_mini_racer.JSOOMException) as caught:
            ctx.eval("const all = []; while (true) all.push(new Array(1000).fill(1.5))", timeout_sec=60)
        assert str(caught.value) == "JavaScript memory limit reached"
        assert ctx.was_soft_memory_limit_reached()
        assert ctx.was_hard_memory_limit_reached()
        ctx.set_hard_memory_limit(0)
        assert not ctx.was_hard_memory_limit_reached()
        assert ctx.eval("1 + 1") == 2


def test_the_aliases_are_there_at_run_time():
    assert str in py_mini_racer.PythonJSConvertedTypes.__args__
    assert py_mini_racer.PyJsFunctionType is not None
    with pytest.raises(AttributeError):
        py_mini_racer.NoSuchName  # noqa: B018
