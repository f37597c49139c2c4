"""The system provider: Debian's libnode in a private prefix, and our library compiled against it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import native
import pytest
import v8_system

from tests.providers import HAS_APT, PLAIN_SOURCE, V8_SOURCE, Provider, path_without, write_frontend, write_script

needs_apt = pytest.mark.skipif(not HAS_APT, reason="Debian's libnode is unpacked by apt and dpkg")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Provider:
    """A cache with libnode unpacked and a small frontend installed: made once, then only read and copied."""
    folder = tmp_path_factory.mktemp("system")
    frontend = write_frontend(folder / "frontend", V8_SOURCE)
    provider = Provider("v8_system.py", folder, "--libnode", "private", "--frontend", str(frontend))
    provider.works()
    return provider


@pytest.fixture
def tool(shared: Provider, tmp_path: Path) -> Provider:
    """A frontend and a target of the test's own, with the shared cache."""
    frontend = write_frontend(tmp_path / "frontend", V8_SOURCE)
    provider = Provider("v8_system.py", tmp_path, "--libnode", "private", "--frontend", str(frontend))
    provider.cache = shared.cache
    return provider


def v8_version_of(library: Path) -> str:
    """Loaded in a process of its own, as the package would, without any search path."""
    code = (
        "import ctypes, sys; f = ctypes.CDLL(sys.argv[1]).mr_version; f.restype = ctypes.c_char_p; print(f().decode())"
    )
    return native.output_of([sys.executable, "-c", code, library]).strip()


@needs_apt
def test_the_library_and_all_it_needs_are_installed(shared):
    manifest = json.loads((shared.into / native.MANIFEST).read_text())
    assert manifest["provider"] == "system"
    assert v8_version_of(shared.into / native.LIBRARY).startswith(manifest["v8_version"])
    assert native.exported_symbols(shared.into / native.LIBRARY) == ["mr_version"]
    [libnode] = shared.into.glob("libnode.so.*")
    assert v8_system.missing_libraries(libnode, shared.into) == set()
    assert set(manifest["files"]) == {path.name for path in shared.into.glob("*.so*")}
    assert any("libnode" in path.name for path in (shared.into / "licenses").iterdir())
    assert not any(str(shared.cache) in value for value in manifest["flags"].values())


@needs_apt
def test_nothing_changed_takes_no_download_and_no_compilation(shared):
    shown = shared.works(APT_CONFIG="/nowhere")  # an apt that cannot run
    assert "apt" not in shown
    assert "already up to date" in shown


@needs_apt
def test_a_changed_source_is_compiled(tool, tmp_path):
    tool.works()
    (tmp_path / "frontend/frontend.cc").write_text(V8_SOURCE.replace("v8::V8::GetVersion()", '"mine"'))
    tool.works()
    assert v8_version_of(tool.into / native.LIBRARY) == "mine"


@needs_apt
def test_a_machine_without_package_lists_gets_private_ones(tmp_path):
    (tmp_path / "lists/partial").mkdir(parents=True)
    config = tmp_path / "apt.conf"
    config.write_text(f'Dir::State::Lists "{tmp_path / "lists"}";\nDir::Cache "{tmp_path / "aptcache"}";\n')
    frontend = write_frontend(tmp_path / "frontend", V8_SOURCE)
    provider = Provider("v8_system.py", tmp_path, "--libnode", "private", "--frontend", str(frontend))
    shown = provider.works(APT_CONFIG=str(config))
    assert "the machine's lists do not serve; fetching private ones" in shown
    assert "installed: V8 " in shown


@needs_apt
def test_no_network_says_what_was_tried(tmp_path):
    config = tmp_path / "apt.conf"
    (tmp_path / "lists/partial").mkdir(parents=True)
    config.write_text(
        f'Dir::State::Lists "{tmp_path / "lists"}";\nDir::Cache "{tmp_path / "aptcache"}";\n'
        'Acquire::http::Proxy "http://127.0.0.1:9";\nAcquire::https::Proxy "http://127.0.0.1:9";\nAcquire::Retries "0";\n'
    )
    provider = Provider("v8_system.py", tmp_path, "--libnode", "private")
    message = provider.fails(APT_CONFIG=str(config), http_proxy="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9")
    assert "cannot download libnode-dev" in message
    assert "build with V8=source" in message


@needs_apt
def test_an_unpacking_that_was_killed_starts_again(shared, tmp_path):
    """The downloads are there, the prefix is half unpacked under its temporary name."""
    cache = tmp_path / "cache"
    shutil.copytree(shared.cache / "downloads", cache / "downloads")
    part = cache / f"libnode-{native.this_machine().name}.part"
    (part / "usr/include").mkdir(parents=True)
    provider = Provider("v8_system.py", tmp_path, *shared.options)
    assert "installed: " in provider.works()
    assert not part.exists()


@needs_apt
def test_a_killed_compilation_goes_on(tool, tmp_path):
    slow = write_script(tmp_path / "bin/slow-g++", 'case "$*" in *-c*) sleep 0.7;; esac; exec g++ "$@"')
    compilers = {"CC": "gcc", "CXX": str(slow)}
    root = v8_system.work_folder(tool.cache, tmp_path / "frontend")
    tool.kill_when((root / "out/slow-g++/build.ninja").exists, **compilers)
    assert tool.has_nothing()
    assert "installed: " in tool.works(**compilers)


@needs_apt
def test_two_builds_at_once_wait_for_each_other(tool, tmp_path):
    slow = write_script(tmp_path / "bin/slow-g++", 'case "$*" in *-c*) sleep 1;; esac; exec g++ "$@"')
    compilers = {"CC": "gcc", "CXX": str(slow)}
    both = [tool.start(**compilers), tool.start(**compilers)]
    shown = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert any(
        "waiting for another build" in text for text in shown
    )  # both, while somebody else builds on this machine
    assert sum("installed: " in text for text in shown) == 1


@needs_apt
def test_a_sanitized_library(tool):
    tool.works("--sanitize", "address,undefined")
    symbols = native.output_of(["nm", "-D", "--undefined-only", tool.into / native.LIBRARY])
    assert "__asan_init" in symbols
    done = tool.run("--sanitize", "memory")
    assert done.returncode == 2
    assert "choose from address, thread, undefined" in done.stderr


@needs_apt
def test_a_library_that_exports_more_is_refused(tool, tmp_path):
    write_frontend(tmp_path / "frontend", PLAIN_SOURCE.replace("mr_version", "version"), "{ global: version; };\n")
    assert "exports 1 symbols that do not begin with mr_ (version)" in tool.fails()
    assert tool.has_nothing()


@needs_apt
def test_an_undefined_symbol_fails_at_the_link_and_not_at_import(tool, tmp_path):
    write_frontend(
        tmp_path / "frontend", "int nobody_has_this();\n" + PLAIN_SOURCE.replace('"none"', "nobody_has_this() ? 0 : 0")
    )
    done = tool.run()
    assert done.returncode == 1
    assert "nobody_has_this" in done.stdout
    assert tool.has_nothing()


# --- which V8 -------------------------------------------------------------------------------------------------------


def small_v8(folder: Path, header: str, library: str | None) -> tuple[Path, Path]:
    """Headers that declare one version, a library that answers another, and a compiler that knows where it is."""
    numbers = zip(("MAJOR_VERSION", "MINOR_VERSION", "BUILD_NUMBER", "PATCH_LEVEL"), header.split("."), strict=True)
    text = "".join(f"#define V8_{name} {number}\n" for name, number in numbers)
    native.write_if_changed(folder / "include/v8-version.h", text.encode())
    found = "libnode.so"
    if library:
        found = str(folder / "libnode.so")
        (folder / "v8.cc").write_text(
            "namespace v8 { struct V8 { static const char *GetVersion(); };\n"
            f'const char *V8::GetVersion() {{ return "{library}"; }} }}\n'
        )
        subprocess.run(["c++", "-shared", "-fPIC", "-o", found, folder / "v8.cc"], check=True)
    return folder / "include", write_script(folder / "g++", f"echo {found}")


def test_headers_and_library_of_one_version_are_used(tmp_path):
    headers, compiler = small_v8(tmp_path, "11.3.244.8", "11.3.244.8-node.20")
    found = v8_system.installed_v8(compiler, headers)
    assert found == v8_system.SystemV8("11.3.244.8", headers, tmp_path / "libnode.so")


def test_headers_without_their_library_are_not(tmp_path):
    headers, compiler = small_v8(tmp_path, "11.3.244.8", None)
    assert "there is no libnode.so beside them" in str(v8_system.installed_v8(compiler, headers))
    assert "no V8 headers" in str(v8_system.installed_v8(compiler, tmp_path / "nowhere"))


def test_headers_of_another_version_are_not(tmp_path):
    headers, compiler = small_v8(tmp_path, "11.3.244.8", "10.2.154.26-node.36")
    message = str(v8_system.installed_v8(compiler, headers))
    assert "is of V8 11.3.244.8" in message
    assert "of 10.2.154.26" in message


def test_a_v8_that_is_too_old_is_told(tmp_path):
    headers, compiler = small_v8(tmp_path, "9.4.146.26", "9.4.146.26")
    with pytest.raises(native.BuildError, match=r"holds V8 9.4.146.26: install one with V8 10.2 or newer"):
        v8_system.installed_v8(compiler, headers)


def test_without_apt_and_libnode_it_says_what_to_do(tmp_path):
    path = path_without(tmp_path / "bin", ["apt-get"])
    message = Provider("v8_system.py", tmp_path, "--libnode", "private").fails(PATH=path)
    assert "there is no apt to download Debian's" in message
    assert "build with V8=source" in message


def test_a_missing_compiler_is_named_with_the_line_that_installs_it(tmp_path):
    path = path_without(tmp_path / "bin", ["g++", "clang++"])
    message = Provider("v8_system.py", tmp_path).fails(PATH=path, CC="", CXX="")
    assert "a C++ compiler is missing" in message
    assert "apt-get install --yes --no-install-recommends g++" in message
    assert "there are no such programs" in Provider("v8_system.py", tmp_path).fails(CC="no-cc", CXX="no-c++")


def test_a_compiler_that_is_too_old_is_told(tmp_path):
    old = write_script(tmp_path / "old-g++", "echo 4.9.2")
    message = Provider("v8_system.py", tmp_path).fails(CC="gcc", CXX=str(old))
    assert f"a C++ compiler 4.9.2 ({old}) is too old: 7 or newer is needed" in message
