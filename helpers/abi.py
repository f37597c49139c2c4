"""Compares the three copies of the C ABI: the header, the package's ctypes table, the built library's symbols.

The header is parsed, and a small C program says how large its structs are and where their fields lie. The table must
name the same functions with arguments of the same kinds, and the same structs, field by field. A library, when one is
built, must export the functions that the header declares, and no others.

    python helpers/abi.py
"""

from __future__ import annotations

import argparse
import ctypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from pycparser import c_ast, c_parser

ROOT = Path(__file__).resolve().parent.parent
FRONTEND = ROOT / "src" / "v8_py_frontend"
LIBRARY = ROOT / "py_mini_racer" / "libmini_racer.so"

INTEGERS = {f"{sign}int{bits}_t": f"{sign or 'i'}{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
# What C's own names are on every platform that the library is for: 64 bits, LP64.
KINDS = {
    **INTEGERS,
    "int": "i32",
    "unsigned int": "u32",
    "size_t": "u64",
    "double": "f64",
    "void": "void",
    "char": "i8",
}
STDINT = "\n".join(
    f"typedef {'unsigned ' if name.startswith('u') else 'signed '}{base} {name};"
    for bits, base in ((8, "char"), (16, "short"), (32, "int"), (64, "long"))
    for name in (f"int{bits}_t", f"uint{bits}_t")
)
STDDEF = "typedef unsigned long size_t;\n#define NULL ((void *)0)\n"


class Function(NamedTuple):
    """The kinds of what a function gives and takes: i32, u64, pointer, void, ..."""

    result: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"({', '.join(self.arguments)}) -> {self.result}"


class Struct(NamedTuple):
    """Size in bytes, and each field's name, offset and size, in order."""

    size: int
    fields: tuple[tuple[str, int, int], ...]


class Header(NamedTuple):
    """What mini_racer.h declares."""

    functions: dict[str, Function]
    structs: dict[str, Struct]
    constants: dict[str, int]


def compiler() -> str:
    """The C compiler."""
    found = shutil.which(os.environ.get("CC", "cc"))
    if not found:
        raise SystemExit("abi: no C compiler is here: install gcc, or set CC.")
    return found


def run(*words: str | Path, text: str | None = None) -> str:
    """What a command prints."""
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"abi: {' '.join(map(str, words))} failed:\n{done.stderr}")
    return done.stdout


def parse(header: Path) -> c_ast.FileAST:
    """The header's declarations, with system headers of three lines in place of the machine's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "stdint.h").write_text(STDINT + "\n")
        Path(folder, "stddef.h").write_text(STDDEF)
        text = run(compiler(), "-E", "-P", "-nostdinc", f"-I{folder}", "-D__attribute__(x)=", header)
    return c_parser.CParser().parse(text, str(header))


def kind(node: Any, names: dict[str, Any]) -> str:
    """The kind of a C type: all pointers are one, an enum is an int."""
    if isinstance(node, (c_ast.PtrDecl, c_ast.ArrayDecl, c_ast.FuncDecl)):
        return "pointer"
    if isinstance(node, c_ast.TypeDecl):
        return kind(node.type, names)
    if isinstance(node, c_ast.Enum):
        return "i32"
    if isinstance(node, c_ast.IdentifierType):
        name = " ".join(node.names)
        if name in KINDS:
            return KINDS[name]
        if name in names:
            return kind(names[name], names)
    raise SystemExit(f"abi: {type(node).__name__} in the header is a type that no binding here can pass by value.")


def layouts(
    header: Path, structs: dict[str, list[str]], constants: list[str]
) -> tuple[dict[str, Struct], dict[str, int]]:
    """Asks the compiler for sizes, offsets and the values of constants."""
    lines = []
    for name, fields in structs.items():
        lines.append(f'  printf("{name} %zu\\n", sizeof({name}));')
        lines += [
            f'  printf("{name}.{field} %zu %zu\\n", offsetof({name}, {field}), sizeof((({name} *)0)->{field}));'
            for field in fields
        ]
    lines += [f'  printf("#{name} %lld\\n", (long long){name});' for name in constants]
    includes = f'#include "{header}"\n#include <stdio.h>\n#include <stddef.h>\n'
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "layouts")
        body = includes + "int main(void) {\n" + "\n".join(lines) + "\n  return 0;\n}\n"
        run(compiler(), "-x", "c", "-std=c11", f"-I{header.parent}", "-o", program, "-", text=body)
        words = [line.split() for line in run(program).splitlines()]
    found = {name: Struct(int(size[0]), ()) for name, *size in words if "." not in name and name[0] != "#"}
    for name, *numbers in words:
        struct, dot, field = name.partition(".")
        if dot:
            old = found[struct]
            found[struct] = old._replace(fields=(*old.fields, (field, int(numbers[0]), int(numbers[1]))))
    return found, {name[1:]: int(value) for name, value in (line for line in words if line[0][0] == "#")}


def read_header(header: Path) -> Header:
    """Everything that the header promises."""
    names: dict[str, Any] = {}
    functions: dict[str, Function] = {}
    structs: dict[str, list[str]] = {}
    constants = re.findall(r"^#define (MR_\w+) \d+u", header.read_text(), re.MULTILINE)
    for node in parse(header).ext:
        if isinstance(node, c_ast.Typedef):
            names[node.name] = node.type
            declared = getattr(node.type, "type", None)
            if isinstance(declared, c_ast.Struct) and declared.decls:
                structs[node.name] = [field.name for field in declared.decls]
            elif isinstance(declared, c_ast.Enum):
                constants += [one.name for one in declared.values.enumerators]
        elif isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.FuncDecl):
            given = node.type.args.params if node.type.args else []
            kinds = tuple(kind(one.type, names) for one in given)
            functions[node.name] = Function(kind(node.type.type, names), () if kinds == ("void",) else kinds)
    return Header(functions, *layouts(header, structs, constants))


def ctypes_kind(declared: Any) -> str:
    """The kind of a ctypes type."""
    if declared is None:
        return "void"
    simple = getattr(declared, "_type_", None)
    if isinstance(simple, str) and simple not in "zZPO":
        signs = {"d": "f64", "f": "f32", "?": "u8", "c": "i8"}
        sign = "u" if simple.isupper() else "i"
        return signs.get(simple, f"{sign}{ctypes.sizeof(declared) * 8}")
    if isinstance(declared, type) and issubclass(declared, ctypes.Structure):
        return f"struct {declared.__name__} by value"
    return "pointer"


def plain(name: str) -> str:
    """mr_init_options, MrInitOptions and InitOptions are one name."""
    return name.replace("_", "").lower().removeprefix("mr")


def table_structs(table: ModuleType) -> dict[str, type[ctypes.Structure]]:
    """The ctypes structs of the table, by plain name."""
    found = (one for one in vars(table).values() if isinstance(one, type) and issubclass(one, ctypes.Structure))
    return {plain(one.__name__): one for one in found if one is not ctypes.Structure}


def compare_functions(header: Header, table: ModuleType) -> Iterator[str]:
    """Names and kinds of the functions."""
    mine: dict[str, tuple[Any, list[Any]]] = table.FUNCTIONS
    yield from (f"{name}: in the header, not in the ctypes table" for name in sorted(header.functions.keys() - mine))
    yield from (f"{name}: in the ctypes table, not in the header" for name in sorted(mine.keys() - header.functions))
    for name in sorted(header.functions.keys() & mine):
        result, arguments = mine[name]
        bound = Function(ctypes_kind(result), tuple(map(ctypes_kind, arguments)))
        if bound != header.functions[name]:
            yield f"{name}: the header has {header.functions[name]}, the ctypes table {bound}"


def compare_structs(header: Header, table: ModuleType) -> Iterator[str]:
    """Sizes, and every field by name, offset and size. ctypes may lay an array open: fields that fill it exactly."""
    mine = table_structs(table)
    for name, struct in header.structs.items():
        bound = mine.get(plain(name))
        if bound is None:
            yield f"{name}: the ctypes table has no Structure of this name"
            continue
        descriptors = ((field[0], getattr(bound, field[0])) for field in bound._fields_)
        fields = {field: (one.offset, one.size) for field, one in descriptors}
        if ctypes.sizeof(bound) != struct.size:
            yield f"{name}: C has {struct.size} bytes, ctypes {ctypes.sizeof(bound)}"
        for field, offset, size in struct.fields:
            place = fields.pop(field, None)
            inside = {one: (at, long) for one, (at, long) in fields.items() if offset <= at < offset + size}
            if place is None and inside and fills(sorted(inside.values()), offset, size):
                fields = {one: at for one, at in fields.items() if one not in inside}
            elif place != (offset, size):
                yield f"{name}.{field}: C has offset {offset} and {size} bytes, ctypes {place or 'no such field'}"
        yield from (f"{name}.{field}: in ctypes, not in C" for field in fields)


def fills(places: list[tuple[int, int]], offset: int, size: int) -> bool:
    """Do these (offset, size) follow one another without a gap, from the first byte to the last?"""
    for at, long in places:
        if at != offset:
            return False
        offset, size = at + long, size - long
    return size == 0


def compare_constants(header: Header, table: ModuleType) -> Iterator[str]:
    """The ABI's version, the statuses and the flags, where the table has them (without the prefix MR_)."""
    theirs = {plain(name): (name, value) for name, value in header.constants.items()}
    for name, value in vars(table).items():
        if isinstance(value, int) and plain(name) in theirs and theirs[plain(name)][1] != int(value):
            yield f"{name}: C has {theirs[plain(name)][1]}, the ctypes table {int(value)}"


# The door of the fast lane: for the package beside the library alone, and no part of the ABI.
PRIVATE = "mr_python_"


def compare_symbols(header: Header, library: Path) -> Iterator[str]:
    """What the library exports."""
    lines = run("nm", "-D", "--defined-only", library).splitlines()
    exported = {line.split()[-1].partition("@")[0] for line in lines}
    yield from (f"{name}: in the header, not exported" for name in sorted(header.functions.keys() - exported))
    others = {name for name in exported - header.functions.keys() if not name.startswith(PRIVATE)}
    yield from (f"{name}: exported, not in the header" for name in sorted(others))


def differences(header: Header, table: ModuleType, library: Path | None) -> list[str]:
    """Everything in which the copies differ; empty when they agree."""
    found = [
        *compare_functions(header, table),
        *compare_structs(header, table),
        *compare_constants(header, table),
    ]
    return found + (list(compare_symbols(header, library)) if library else [])


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Compares header, ctypes table and exported symbols.")
    parser.add_argument("--library", type=Path, default=LIBRARY, help="the built library (default: the checkout's)")
    library: Path = parser.parse_args().library
    sys.path.insert(0, str(ROOT))
    from py_mini_racer import _dll

    header = read_header(FRONTEND / "mini_racer.h")
    wrong = differences(header, _dll, library if library.exists() else None)
    for line in wrong:
        print(f"abi: {line}", file=sys.stderr)
    symbols = f"and symbols of {library.name} " if library.exists() else "(no library is built) "
    counts = f"{len(header.functions)} functions, {len(header.structs)} structs, {len(header.constants)} constants"
    print(f"abi: header, ctypes table {symbols}{'differ' if wrong else 'agree'}: {counts}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
