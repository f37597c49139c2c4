"""Finding, checking and starting the native library. V8 starts once in a process, so each of these has its own."""

from __future__ import annotations

import inspect
import shutil
import subprocess
from pathlib import Path

import pytest

from py_mini_racer import DEFAULT_V8_FLAGS, LibAlreadyInitializedError, LibNotFoundError, MiniRacer, init_mini_racer
from tests.child import PACKAGE, V8_FLAGS, copy_package, output_of

LIBRARY = "libmini_racer.so"
BLOBS = ("icudtl.dat", "snapshot_blob.bin")

START = """
    from py_mini_racer import MiniRacer, MiniRacerBaseException
    try:
        print(MiniRacer().eval("6 * 7"))
    except MiniRacerBaseException as error:
        print(type(error).__name__, error, sep=": ")
"""


def compile_library(path: Path, code: str, *options: str) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        pytest.skip("no C compiler on this machine")
    path.unlink(missing_ok=True)
    source = path.with_suffix(".c")
    source.write_text(code)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(path), str(source), *options], check=True)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return copy_package(tmp_path / "copy")


def start(package: Path) -> str:
    return output_of(START, root=package.parent)


def test_a_copy_works(package):
    assert start(package) == "42"


# --- the library ---


def test_no_library(package):
    (package / LIBRARY).unlink()
    said = start(package)
    assert said.startswith(f"LibNotFoundError: Native library or dependency not available at {package / LIBRARY}: ")
    assert "make build" in said


def test_a_library_of_another_abi(package):
    compile_library(package / LIBRARY, "unsigned mr_abi_version(void) { return 999; }\n")
    said = start(package)
    assert said.startswith(f"LibIncompatibleError: {package / LIBRARY} speaks version 999 of the ABI, ")
    assert "make build" in said


def test_a_library_that_is_another_one(package):
    compile_library(package / LIBRARY, "int something_else(void) { return 1; }\n")
    said = start(package)
    assert said.startswith(f"LibIncompatibleError: {package / LIBRARY} cannot be used as mini-racer's native library (")
    assert "mr_abi_version" in said


def test_a_library_that_needs_one_that_is_missing(package, tmp_path):
    compile_library(tmp_path / "libgone.so", "int gone(void) { return 1; }\n")
    code = "int gone(void); unsigned mr_abi_version(void) { return (unsigned)gone(); }\n"
    compile_library(package / LIBRARY, code, str(tmp_path / "libgone.so"))
    (tmp_path / "libgone.so").unlink()
    said = start(package)
    assert said.startswith("LibIncompatibleError: ")
    assert "libgone.so" in said


def test_a_library_for_another_machine(package):
    compile_library(package / LIBRARY, "unsigned mr_abi_version(void) { return 1; }\n")
    data = bytearray((package / LIBRARY).read_bytes())
    data[18:20] = b"\xff\x7f"  # the ELF header's machine
    (package / LIBRARY).write_bytes(data)
    assert start(package).startswith(f"LibIncompatibleError: {package / LIBRARY} cannot be used as ")


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"no library\n" * 1000], ids=["empty", "head", "text"])
def test_a_library_that_is_none(package, content):
    (package / LIBRARY).unlink()
    (package / LIBRARY).write_bytes(content)
    assert start(package).startswith(f"LibIncompatibleError: {package / LIBRARY} cannot be used as ")


def test_a_folder_in_its_place(package):
    (package / LIBRARY).unlink()
    (package / LIBRARY).mkdir()
    assert start(package).startswith("LibIncompatibleError: ")


def test_an_unsupported_platform(package):
    said = output_of("import py_mini_racer, sys\nsys.platform = 'sunos5'\n" + _dedented(START), root=package.parent)
    assert said.startswith("LibIncompatibleError: mini-racer has no native library for sunos5: ")


def _dedented(code: str) -> str:
    return "\n".join(line[4:] for line in code.split("\n"))


def test_a_library_that_comes_later(package):
    (package / LIBRARY).unlink()
    code = """
        import os, sys
        from py_mini_racer import LibNotFoundError, MiniRacer
        try:
            MiniRacer()
        except LibNotFoundError:
            os.symlink(sys.argv[1], sys.argv[2])
        print(MiniRacer().eval("'found'"))
    """
    assert output_of(code, str(PACKAGE / LIBRARY), str(package / LIBRARY), root=package.parent) == "found"


def test_folders_with_unusual_names(tmp_path):
    for name in ("with space", "größe 中", "quote'\"", "percent%s"):
        assert start(copy_package(tmp_path / name)) == "42"


# --- ICU data and snapshot ---


@pytest.mark.needs("blobs")
@pytest.mark.parametrize("name", BLOBS)
class TestBlobs:
    def test_missing(self, package, name):
        (package / name).unlink()
        assert start(package).startswith(
            f"LibNotFoundError: Native library or dependency not available at {package / name}: "
        )

    @pytest.mark.parametrize("change", ["empty", "cut", "cut by one", "grown", "first byte", "last byte", "other file"])
    def test_foreign(self, package, name, change):
        data = bytearray((PACKAGE / name).read_bytes())
        if change == "empty":
            data = bytearray()
        elif change == "cut":
            del data[len(data) // 2 :]
        elif change == "cut by one":
            del data[-1]
        elif change == "grown":
            data += b"\0"
        elif change == "other file":
            (other,) = set(BLOBS) - {name}
            data = bytearray((PACKAGE / other).read_bytes())
        else:
            data[0 if change == "first byte" else -1] ^= 1
        (package / name).unlink()
        (package / name).write_bytes(data)
        said = start(package)
        assert said.startswith(f"LibIncompatibleError: {package / name} is cut, damaged or of another build than ")
        assert "make build" in said

    def test_a_folder(self, package, name):
        (package / name).unlink()
        (package / name).mkdir()
        assert start(package).startswith("Lib")

    def test_repaired(self, package, name):
        (package / name).unlink()
        code = """
            import os, sys
            from py_mini_racer import LibNotFoundError, MiniRacer
            for _ in range(3):
                try:
                    MiniRacer()
                except LibNotFoundError:
                    print("missing")
            os.symlink(sys.argv[1], sys.argv[2])
            print(MiniRacer().eval("'repaired'"))
        """
        said = output_of(code, str(PACKAGE / name), str(package / name), root=package.parent)
        assert said.split() == ["missing"] * 3 + ["repaired"]


# --- the start ---


def test_init_twice():
    init_mini_racer(ignore_duplicate_init=True)
    with pytest.raises(LibAlreadyInitializedError) as caught:
        init_mini_racer()
    assert str(caught.value) == "MiniRacer was already initialized before the call to init_mini_racer"
    with pytest.raises(LibAlreadyInitializedError):
        init_mini_racer(flags=["--expose-gc"])
    assert init_mini_racer(ignore_duplicate_init=True) is init_mini_racer(ignore_duplicate_init=True)
    with MiniRacer() as ctx:
        assert ctx.eval("1") == 1


def test_init_first():
    code = """
        from py_mini_racer import LibAlreadyInitializedError, MiniRacer, init_mini_racer
        init_mini_racer()
        try:
            init_mini_racer()
        except LibAlreadyInitializedError:
            init_mini_racer(ignore_duplicate_init=True)
            print(MiniRacer().eval("'runs'"))
    """
    assert output_of(code) == "runs"


def test_a_context_starts_it():
    code = """
        from py_mini_racer import LibAlreadyInitializedError, MiniRacer, init_mini_racer
        context = MiniRacer()
        try:
            init_mini_racer()
        except LibAlreadyInitializedError:
            print("runs")
    """
    assert output_of(code) == "runs"


@pytest.mark.parametrize(
    ("flags", "code", "value"),
    [
        ([], "typeof gc", "undefined"),
        (["--expose-gc"], "typeof gc", "function"),
        (["--single-threaded", "--expose-gc"], "typeof gc", "function"),
        (["--no-opt"], "let n = 0; for (let i = 0; i < 1e6; i++) n += i; n", 499999500000.0),
        (["--use-strict"], "(function () { return typeof this })()", "undefined"),
        (["--stack-trace-limit=1"], "Error.stackTraceLimit", 1),
        (["--allow-natives-syntax"], "typeof %GetOptimizationStatus(() => 1)", "number"),
    ],
    ids=str,
)
def test_flags(flags, code, value):
    script = """
        import sys
        from py_mini_racer import MiniRacer, init_mini_racer
        init_mini_racer(flags=sys.argv[2:])
        with MiniRacer() as ctx:
            print(repr(ctx.eval(sys.argv[1])))
    """
    assert output_of(script, code, *flags) == repr(value)


def test_default_flags():
    """The name that mini-racer 0.x has for them stays, and they mean no threads of V8's; the default is none."""
    assert DEFAULT_V8_FLAGS == ("--single-threaded",)
    assert not inspect.signature(init_mini_racer).parameters["flags"].default or V8_FLAGS


def test_many_threads_start_it_at_once():
    code = """
        import threading
        from py_mini_racer import MiniRacer
        barrier, results = threading.Barrier(8), []
        def run():
            barrier.wait()
            with MiniRacer() as ctx:
                results.append(ctx.eval("6 * 7"))
        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(results)
    """
    assert output_of(code) == str([42] * 8)


# --- PyInstaller ---


def test_pyinstaller(tmp_path):
    package = copy_package(tmp_path / "archive", natives=False)
    unpacked = copy_package(tmp_path / "unpacked")
    code = "import sys\nsys._MEIPASS = sys.argv[1]\n" + _dedented(START)
    assert output_of(code, str(unpacked.parent), root=package.parent) == "42"
    (unpacked / LIBRARY).unlink()
    assert output_of(code, str(unpacked.parent), root=package.parent).startswith(
        f"LibNotFoundError: Native library or dependency not available at {unpacked / LIBRARY}: "
    )


def test_the_error_names_the_path():
    assert "/some/path.so" in str(LibNotFoundError(Path("/some/path.so")))
