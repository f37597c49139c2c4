"""Long strings on their way to JavaScript: what arrives, that JavaScript reads them where Python has them, and when it lets go of them."""

from __future__ import annotations

import gc
import sys
import threading

import pytest

from py_mini_racer import JSOOMException, MiniRacer, Snapshot
from tests.child import run_python

MB = 1024 * 1024
LEAST = 32768  # characters from which on the fast lane does not copy


@pytest.fixture
def ctx():
    with MiniRacer() as opened:
        yield opened


def until_released(ctx, references, count):
    """Collects until Python alone has a text."""
    for _ in range(20):
        ctx.low_memory_notification()
        if references() == count:
            return True
    return False


KINDS = {
    "ascii": "abc",
    "latin-1": "äbc",
    "bmp": "a€c",
    "astral": "a\U0001f600c",
    "surrogates": "a\ud800\udc00\udfff",
    "nul": "a\0c",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [LEAST - 1, LEAST, LEAST + 1, 100_000])
def test_what_arrives_is_what_was_sent(ctx, kind, length):
    unit = KINDS[kind]
    text = (unit * (length // len(unit) + 1))[:length]
    units = text.encode("utf-16-le", "surrogatepass")
    code_units = ctx.eval("""s => { let sum = 0; for (let i = 0; i < s.length; i++) sum = (sum * 31 + s.charCodeAt(i)) % 1000003;
        return [s.length, sum].join() }""")
    expected = 0
    for i in range(0, len(units), 2):
        expected = (expected * 31 + units[i] + units[i + 1] * 256) % 1000003
    assert code_units(text) == f"{len(units) // 2},{expected}"
    back = ctx.eval("s => s")(text)
    assert back.encode("utf-16-le", "surrogatepass") == units
    assert ctx.eval("(a, b) => a === b[0] && b[1].x === a")(text, [text, {"x": text}])
    ctx.globals["text"] = text
    assert ctx.eval("text.length") == len(units) // 2
    ctx.globals["o"] = ctx.eval("({})")
    ctx.globals["o"]["text"] = text
    assert ctx.eval("o.text === text")
    ctx.globals["answer"] = lambda: text
    assert ctx.eval("answer() === text")


def test_the_last_character_alone_makes_a_difference(ctx):
    last = ctx.eval("s => s.charCodeAt(s.length - 1)")
    for character in ("x", "ÿ", "Ā", "\ud800", "x"):
        assert last("x" * LEAST + character) == ord(character)
    latin1 = "é" * LEAST + "x"
    assert last(latin1) == ord("x")
    latin1.encode()
    print(latin1[:0], end="")
    assert last(latin1) == ord("x")


def test_what_scripts_do_with_them(ctx):
    text = '{"key": "' + "v" * MB + '"}'
    assert ctx.eval("s => JSON.parse(s).key.length")(text) == MB
    assert ctx.eval("s => (s + s).length")(text) == 2 * len(text)
    assert ctx.eval("s => s.slice(3, -3) + ''")(text) == text[3:-3]
    assert ctx.eval("s => s.replace(/v/g, 'wé').length")(text) == len(text) + MB
    assert ctx.eval("s => ({[s]: 1})[s]")(text) == 1  # a name of a property, which V8 has once
    assert ctx.eval("s => Object.keys({[s]: 1})[0]")(text) == text
    assert ctx.eval("s => new Map([[s, 5]]).get(s)")(text) == 5
    assert ctx.eval("s => eval(s)")("'" + "y" * MB + "'.length") == MB
    assert ctx.eval("s => new Function(s)()")("return 7;" + " " * MB) == 7
    assert ctx.eval("s => { try { throw new Error(s) } catch (e) { return e.message.length } }")(text) == len(text)
    assert ctx.eval("s => encodeURIComponent(s.slice(0, 100)).length")(text) > 100
    assert ctx.eval("s => [...s.slice(0, 10)].join('')")(text) == text[:10]


def test_pythons_text_may_change_its_name(ctx):
    """`+=` writes into a str that nobody else has."""
    length = ctx.eval("s => { globalThis.kept = s; return s.length }")
    text = "x" * LEAST
    assert length(text) == LEAST
    for _ in range(10):
        text += "y" * 1000
    assert ctx.eval("kept === 'x'.repeat(kept.length) && kept.length") == LEAST
    del text
    gc.collect()
    assert ctx.eval("kept === 'x'.repeat(kept.length) && kept.length") == LEAST


@pytest.mark.needs("fast lane")
@pytest.mark.parametrize("how", ["argument", "property", "nested"])
def test_one_text_is_one_string_and_is_let_go(ctx, how):
    text = "".join(["x" * MB, how])
    before = sys.getrefcount(text)
    keep = ctx.eval("globalThis.kept = []; s => { kept.push(s.s || s) }")
    for i in range(100):
        if how == "property":
            ctx.globals[f"text{i % 3}"] = text
        else:
            keep(text if how == "argument" else {"s": text})
    assert sys.getrefcount(text) == before + 1
    assert ctx.heap_stats()["used_heap_size"] < 50 * MB  # a hundred copies would not fit
    ctx.eval("kept = []; text0 = text1 = text2 = 0")
    assert until_released(ctx, lambda: sys.getrefcount(text), before)
    keep(text)
    assert sys.getrefcount(text) == before + 1
    ctx.close()
    assert sys.getrefcount(text) == before


@pytest.mark.needs("fast lane")
def test_what_was_not_taken_is_given_back(ctx):
    text = "".join(["x" * MB, "y"])
    before = sys.getrefcount(text)
    f = ctx.eval("() => { throw new Error('no') }")
    for wrong in (object(), 10**400, MiniRacer().eval("({})")):
        with pytest.raises(Exception, match=r".") as info:
            f(text, wrong)
        del info
    ctx.close()
    with pytest.raises(Exception, match="closed"):
        f(text)
    gc.collect()
    assert sys.getrefcount(text) == before


def test_the_limit_holds():
    with MiniRacer(max_memory=64 * MB) as ctx:
        keep = ctx.eval("globalThis.kept = []; (s, keep) => { if (keep) kept.push(s) }")
        for i in range(500):  # what is dropped is collected
            keep("x" * MB + str(i), False)

        def keep_all():
            for i in range(500):
                keep("x" * MB + str(i), True)

        with pytest.raises(JSOOMException):
            keep_all()
        assert 10 < ctx.eval("kept.length") < 150
        ctx.eval("kept = []")
        ctx.low_memory_notification()
        for i in range(20):
            keep("x" * MB + str(i), True)
        assert ctx.eval("kept.length") == 20


def test_many_threads_and_contexts():
    failed = []

    def work(number):
        try:
            with MiniRacer() as ctx:
                keep = ctx.eval("globalThis.kept = []; s => { kept[kept.length % 7] = s; return s.length }")
                shared = "s" * MB
                for i in range(150):
                    text = f"{number}" * LEAST + str(i)
                    assert keep(text) == len(text)
                    assert keep(shared) == MB
                    if i % 40 == 0:
                        ctx.low_memory_notification()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_snapshots_have_texts_of_their_own():
    text = "snap" * LEAST
    snapshot = Snapshot.create(lambda ctx: ctx.globals.__setitem__("text", text))
    with MiniRacer(snapshot=snapshot) as ctx:
        assert ctx.eval("text") == text


def test_texts_that_are_held_at_the_end():
    done = run_python("""
        from py_mini_racer import MiniRacer
        ctx, other = MiniRacer(), MiniRacer()
        for one in (ctx, other):
            one.eval("globalThis.kept = []; s => { kept.push(s) }")("x" * 1000000 + "y")
        other.close()
        print(ctx.eval("kept[0].length"))
    """)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "1000001", "")


@pytest.mark.needs("fork")
def test_a_child_goes_on_reading():
    done = run_python("""
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from py_mini_racer import MiniRacer
        ctx = MiniRacer()
        keep = ctx.eval("globalThis.kept = []; s => kept.push(s)")
        keep("x" * 1000000)
        child = os.fork()
        keep("y" * 1000000)
        assert ctx.eval("kept[0].length + kept[1].length") == 2000000
        ctx.eval("kept = []")
        ctx.low_memory_notification()
        assert keep("z" * 1000000) == 1
        ctx.close()
        if child:
            assert os.waitpid(child, 0)[1] == 0
            print("both")
    """)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "both", "")
