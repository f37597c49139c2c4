"""What the package shows: names, docstrings, types, and what its import costs."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import py_mini_racer
from tests.child import output_of

# What programs for mini-racer 0.14 import, as far as it is here.
NAMES = {
    "DEFAULT_V8_FLAGS",
    "JSArray",
    "JSArrayIndexError",
    "JSConversionException",
    "JSEvalException",
    "JSFunction",
    "JSKeyError",
    "JSMappedObject",
    "JSOOMException",
    "JSObject",
    "JSParseException",
    "JSPromise",
    "JSPromiseError",
    "JSSymbol",
    "JSTerminatedException",
    "JSTimeoutException",
    "JSUndefined",
    "JSUndefinedType",
    "JSValueError",
    "LibAlreadyInitializedError",
    "LibNotFoundError",
    "MiniRacer",
    "StrictMiniRacer",
    "WrongReturnTypeException",
    "init_mini_racer",
}

public = pytest.mark.parametrize("name", py_mini_racer.__all__)


@public
def test_names_can_be_imported(name):
    assert hasattr(py_mini_racer, name)


def test_all_is_complete():
    names = py_mini_racer.__all__
    assert len(names) == len(set(names))
    assert set(names) >= NAMES
    shown = {
        name
        for name, value in vars(py_mini_racer).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name not in ("annotations", "TYPE_CHECKING")
    }
    assert shown <= set(names)


@public
def test_docstrings(name):
    value = getattr(py_mini_racer, name)
    if not inspect.isclass(value) and not inspect.isroutine(value):
        return  # a constant
    assert value.__doc__
    for method_name, method in vars(value).items() if inspect.isclass(value) else ():
        if not method_name.startswith("_") and (inspect.isroutine(method) or isinstance(method, property)):
            assert method.__doc__, f"{name}.{method_name}"


def test_the_package_and_its_modules_say_what_they_own():
    for path in Path(py_mini_racer.__file__).parent.glob("*.py"):
        if path.name != "_version.py":
            assert path.read_text().startswith('"""'), path.name


def test_types_are_shipped():
    assert (Path(py_mini_racer.__file__).parent / "py.typed").is_file()


def test_version():
    major, minor, *_ = py_mini_racer.__version__.split(".")
    assert major.isdigit()
    assert minor.isdigit()


def test_the_import_is_light():
    """Each of these costs milliseconds, and most programs need none."""
    code = """
        import sys
        before = set(sys.modules)
        import py_mini_racer
        print(*sorted({"asyncio", "json", "typing", "re", "inspect", "logging"} & (set(sys.modules) - before)))
    """
    assert output_of(code) == ""


def test_an_evaluation_is_light():
    code = """
        import sys
        before = set(sys.modules)
        from py_mini_racer import MiniRacer
        with MiniRacer() as ctx:
            ctx.eval("'text' + 1")
            ctx.eval("({})")
        print(*sorted({"asyncio", "json", "typing", "re", "datetime"} & (set(sys.modules) - before)))
    """
    assert output_of(code) == ""


def test_the_import_starts_nothing():
    code = """
        import os
        from pathlib import Path
        import py_mini_racer
        print(len(os.listdir("/proc/self/task")), "libmini_racer" in Path("/proc/self/maps").read_text())
    """
    assert output_of(code) == "1 False"
