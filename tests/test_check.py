"""`make check` finds what it is for: each rule is shown something that breaks it."""

from __future__ import annotations

import check
import pytest


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A small repository in place of ours."""
    monkeypatch.setattr(check, "ROOT", tmp_path)
    monkeypatch.setattr(check, "FRONTEND", tmp_path / "src" / "v8_py_frontend")
    check.FRONTEND.mkdir(parents=True)
    (tmp_path / "tests" / "native").mkdir(parents=True)
    monkeypatch.setattr(check, "repository", lambda: tuple(path for path in tmp_path.rglob("*") if path.is_file()))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "finds"),
    [
        ("mr_lock.c", "#include <v8.h>\n", "mr_lock.c:1: #include <v8.: V8 belongs into mrv8_* alone"),
        ("mr_lock.c", '\n#include "v8-isolate.h"\n', "mr_lock.c:2"),
        ("mr_any.h", "using v8::Local;\n", "mr_any.h:1: v8::"),
        ("mrv8_run.cc", "#include <Python.h>\n", "free of Python's headers"),
        ("mrv8_run.cc", "#include <v8.h>\nv8::Isolate *isolate;\n", ""),
        ("mr_lock.c", "/* in front of\n * v8::Locker */\nint x; // v8::Isolate\n", ""),
    ],
)
def test_walls(repository, name, text, finds):
    (check.FRONTEND / name).write_text(text)
    found = check.walls()
    assert finds in found
    assert bool(found) == bool(finds)


@pytest.mark.parametrize("line", ["v.ToLocalChecked()", "v.FromJust ()", "o->Set(c, k, v).Check();", "m.ToChecked( )"])
def test_crash_on_empty(repository, line):
    (check.FRONTEND / "mrv8_run.cc").write_text(f"{line}\n")
    assert "mrv8_run.cc:1" in check.crash_on_empty()


def test_crash_on_empty_lets_others_be(repository):
    (check.FRONTEND / "mrv8_run.cc").write_text("if (!v.ToLocal(&l)) return;\nm.FromMaybe(false); // not Check()\n")
    assert check.crash_on_empty() == ""


@pytest.mark.parametrize(
    ("text", "finds"),
    [
        ("see /ro" + "ot/.cache\n", "of one machine only"),
        ("cp ../sha" + "red/x .\n", "of one machine only"),
        ("curl https://py" + "pi.org/simple\n", "of one machine only"),
        ("blank \n", "a.txt:1: blanks at the end"),
        ("no newline", "newline"),
        ("two\n\n", "newline"),
        ("src/root/x and usr/lib/home/y, ~/.cache/mini-racer\n", ""),
    ],
)
def test_texts(repository, text, finds):
    (repository / "a.txt").write_text(text)
    found = check.texts()
    assert finds in found
    assert bool(found) == bool(finds)


def test_the_header_alone_must_be_clean(repository):
    (check.FRONTEND / "mr_wire.h").write_text("#include <stdint.h>\ntypedef uint8_t mr_tag;\n")
    (check.FRONTEND / "mini_racer.h").write_text("int mr_eval();\n")
    assert "mini_racer.h" in check.header()


def test_a_failed_check_fails_the_run(monkeypatch, capsys):
    monkeypatch.setattr(check, "CHECKS", {"good": lambda: "", "bad": lambda: "a line\n" * 100})
    monkeypatch.setattr("sys.argv", ["check.py"])
    assert check.main() == 1
    printed = capsys.readouterr().out
    assert "1 passed, 1 failed, 0 skipped" in printed
    assert "40 more lines" in printed


def test_a_check_that_breaks_has_failed(monkeypatch):
    def breaks():
        raise RuntimeError("no compiler")

    monkeypatch.setattr(check, "CHECKS", {"breaks": breaks})
    assert check.outcome("breaks")[1::2] == ("failed", "RuntimeError: no compiler")


def test_an_unknown_check(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["check.py", "spelling"])
    with pytest.raises(SystemExit):
        check.main()
    assert "there is no check spelling; there are: ruff" in capsys.readouterr().err
