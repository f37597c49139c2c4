"""The three copies of the C ABI agree, and the comparison sees it when they do not."""

from __future__ import annotations

import ctypes
import types

import abi
import pytest

from py_mini_racer import _dll


@pytest.fixture(scope="module")
def header():
    return abi.read_header(abi.FRONTEND / "mini_racer.h")


def found_with(header, **changes):
    """What is found when names of the real table are changed, beyond what is found without."""
    copy = types.ModuleType("table")
    vars(copy).update({name: value for name, value in vars(_dll).items() if not name.startswith("__")}, **changes)
    before = abi.differences(header, _dll, None)
    return [line for line in abi.differences(header, copy, None) if line not in before]


def test_header_table_and_symbols_agree(header):
    assert abi.LIBRARY.exists(), "run `make build` first"
    assert abi.differences(header, _dll, abi.LIBRARY) == []


def test_the_header_is_read_in_full(header):
    declared = (abi.FRONTEND / "mini_racer.h").read_text().count("\nMR_API ")
    assert len(header.functions) == declared
    assert header.functions["mr_context_count"] == abi.Function("u64", ())
    assert header.constants["MR_TIMEOUT"] == -1


def test_a_missing_function(header):
    functions = {name: types for name, types in _dll.FUNCTIONS.items() if name != "mr_eval"}
    assert found_with(header, FUNCTIONS=functions) == ["mr_eval: in the header, not in the ctypes table"]


def test_a_function_too_many(header):
    functions = {**_dll.FUNCTIONS, "mr_fly": (None, [])}
    assert found_with(header, FUNCTIONS=functions) == ["mr_fly: in the ctypes table, not in the header"]


def test_a_narrow_argument(header):
    functions = {**_dll.FUNCTIONS, "mr_context_close": (ctypes.c_int32, [ctypes.c_uint32])}
    (line,) = found_with(header, FUNCTIONS=functions)
    assert line == "mr_context_close: the header has (u64) -> i32, the ctypes table (u32) -> i32"


def test_a_field_that_moved(header):
    fields = {field[0]: field for field in _dll.InitOptions._fields_}
    order = [*fields][:-2] + [*fields][:-3:-1]

    class InitOptions(ctypes.Structure):
        _fields_ = tuple(fields[name] for name in order)

    found = found_with(header, InitOptions=InitOptions)
    assert sorted(line.split(":")[0] for line in found) == sorted(f"mr_init_options.{name}" for name in order[-2:])


def test_a_struct_that_grew(header):
    class InitOptions(ctypes.Structure):
        _fields_ = (*_dll.InitOptions._fields_, ("more", ctypes.c_uint64))

    size = ctypes.sizeof(_dll.InitOptions)
    assert found_with(header, InitOptions=InitOptions) == [
        f"mr_init_options: C has {size} bytes, ctypes {size + 8}",
        "mr_init_options.more: in ctypes, not in C",
    ]


def test_a_field_laid_open_with_a_hole(header):
    class Result(ctypes.Structure):
        _fields_ = (*_dll.Result._fields_[:5], ("tag", ctypes.c_ubyte), ("rest", ctypes.c_ubyte * 94))

    found = found_with(header, Result=Result)
    assert "mr_result.inline_data: C has offset 32 and 96 bytes, ctypes no such field" in found


def test_another_status(header):
    (line,) = found_with(header, TIMEOUT=-2)
    assert line == "TIMEOUT: C has -1, the ctypes table -2"


def test_another_library(header, tmp_path):
    source, library = tmp_path / "other.c", tmp_path / "other.so"
    source.write_text(
        "int mr_eval(void); int mr_eval(void) { return 0; }\nint loose(void); int loose(void) { return 0; }\n"
    )
    abi.run(abi.compiler(), "-shared", "-fPIC", "-o", library, source)
    found = abi.differences(header, _dll, library)
    assert "loose: exported, not in the header" in found
    assert "mr_call: in the header, not exported" in found
    assert not any(line.startswith("mr_eval") for line in found)
