"""Properties read and written at once, without the script's code and without letting go of the GIL: nobody can tell, but by the time it takes."""

from __future__ import annotations

import gc
import math
import os
import threading

import pytest

from py_mini_racer import JSEvalException, JSKeyError, JSOOMException, JSTimeoutException, JSUndefined, MiniRacer

TIMES = 100  # after one that took the long way, so many are not tried at once


def fill(obj):
    """Writes a gigabyte into it."""
    for number in range(1_000_000):
        obj[f"k{number}"] = "x" * 1000


@pytest.fixture
def ctx():
    with MiniRacer() as opened:
        yield opened


@pytest.mark.parametrize(
    "value",
    [
        0,
        1,
        -1,
        2**30,
        2**31 - 1,
        -(2**31),
        2.0**31,
        1e300,
        1.5,
        -0.0,
        math.inf,
        True,
        False,
        None,
        JSUndefined,
        "",
        "text",
        "ä",
        "€",
        "𝄞",
        "x" * 1024,
        "x" * 1025,
    ],
    ids=repr,
)
def test_values_there_and_back(ctx, value):
    obj, same = ctx.eval("var o = {x: 0}; o"), ctx.eval("(function (v) { return Object.is(o.x, v); })")
    for _ in range(3):
        obj["x"] = value
        assert same(value) is True
        assert obj["x"] == value or (value is JSUndefined and obj["x"] is value)
        assert type(obj["x"]) is type(value)
        assert repr(obj["x"]) == repr(value)


def test_nan(ctx):
    obj = ctx.eval("({x: 0})")
    obj["x"] = math.nan
    assert math.isnan(obj["x"])


@pytest.mark.parametrize(
    "key",
    [
        "x",
        "",
        "ä",
        "€",
        "a name of more than twenty-three letters",
        "5",
        "-1",
        "__proto__x",
        5,
        0,
        -1,
        2**31,
        2**40,
        1.5,
    ],
)
def test_keys(ctx, key):
    obj, names = ctx.eval("var o = {}; o"), ctx.eval("(() => Object.keys(o).join())")
    for number in range(4):
        obj[key] = number
        assert obj[key] == number
    assert names() == str(key)
    del obj[key]
    with pytest.raises(JSKeyError):
        obj[key]
    assert names() == ""


def test_the_prototype_is_set_as_before(ctx):
    obj = ctx.eval("var o = {}; o")
    obj["__proto__"] = 5  # no object: nothing changes
    assert ctx.eval("Object.getPrototypeOf(o) === Object.prototype && Object.keys(o).length === 0")


def test_accessors_run_once_each_time(ctx):
    obj = ctx.eval(
        "var gets = 0, sets = []; var o = {plain: 1, get x() { return ++gets; }, set x(v) { sets.push(v); }}; o"
    )
    for number in range(1, TIMES):
        assert obj["x"] == number
        obj["x"] = number
        assert obj["plain"] == 1
    assert ctx.eval("gets") == TIMES - 1
    assert ctx.eval("sets.join()") == ",".join(map(str, range(1, TIMES)))


def test_an_accessor_that_comes_later(ctx):
    obj = ctx.eval("var o = {x: 1}; o")
    for _ in range(5):
        obj["x"] = 2
        assert obj["x"] == 2
    ctx.eval("var seen = []; Object.defineProperty(o, 'x', {get() { return 'got'; }, set(v) { seen.push(v); }})")
    obj["x"] = 3
    assert obj["x"] == "got"
    assert ctx.eval("seen.join()") == "3"


@pytest.mark.parametrize(
    "code",
    [
        "({get x() { throw new Error('mine'); }, set x(v) { throw new Error('mine'); }})",
        "new Proxy({}, {get() { throw new Error('mine'); }, set() { throw new Error('mine'); }})",
        "Object.create(new Proxy({}, {get() { throw new Error('mine'); }, set() { throw new Error('mine'); }}))",
        "Object.create(Object.create({get x() { throw new Error('mine'); }, set x(v) { throw new Error('mine'); }}))",
        "new Proxy({}, {get get() { throw new Error('mine'); }, get set() { throw new Error('mine'); }})",
        "new (class { get x() { throw new Error('mine'); } set x(v) { throw new Error('mine'); } })()",
    ],
)
def test_what_code_throws(ctx, code):
    obj = ctx.eval(code)
    for _ in range(3):
        with pytest.raises(JSEvalException, match="mine"):
            obj["x"]
        with pytest.raises(JSEvalException, match="mine"):
            obj["x"] = 5


@pytest.mark.parametrize("code", ["get x() { for (;;); }", "set x(v) { for (;;); }"])
def test_code_has_its_limits(code):
    with MiniRacer(timeout_sec=0.1) as ctx:
        obj = ctx.eval(f"({{plain: 1, {code}}})")
        for _ in range(2):
            assert obj["plain"] == 1
            with pytest.raises(JSTimeoutException):
                obj["x"] if "get" in code else obj.__setitem__("x", 5)


@pytest.mark.parametrize("make", ["Object.freeze", "Object.seal", "Object.preventExtensions"])
def test_objects_that_cannot_change(ctx, make):
    obj = ctx.eval(f"var o = {make}({{x: 1}}); o")
    for _ in range(3):
        obj["x"] = 5
        obj["y"] = 6
        assert obj["x"] == (1 if make == "Object.freeze" else 5)
        assert "y" not in obj


def test_python_functions_as_accessors(ctx):
    seen: list[int] = []
    ctx.globals["get"] = lambda: len(seen)
    ctx.globals["set"] = seen.append
    obj = ctx.eval("var o = {plain: 1}; Object.defineProperty(o, 'x', {get, set}); o")
    for number in range(TIMES):
        obj["x"] = number
        assert obj["x"] == number + 1
        assert obj["plain"] == 1
    assert seen == list(range(TIMES))


def test_python_objects_in_the_chain_of_prototypes(ctx):
    class Owner:
        x = 5

    ctx.globals["owner"] = ctx.proxy(Owner(), ["x"])
    obj = ctx.eval("Object.create(owner)")
    for _ in range(3):
        assert obj["x"] == 5


@pytest.mark.parametrize(
    "setter", ["console.log", "setTimeout", "clearTimeout", "queueMicrotask", "Array", "eval", "Function"]
)
def test_builtins_as_accessors(ctx, setter):
    obj = ctx.eval(f"var o = {{plain: 1}}; Object.defineProperty(o, 'x', {{get: {setter}, set: {setter}}}); o")
    for _ in range(3):
        try:
            obj["x"] = 5
        except JSEvalException as error:
            assert "TypeError" in str(error)  # noqa: PT017  (some throw, some do not)
        assert obj["plain"] == 1
    assert ctx.eval("1 + 1") == 2


def test_what_a_setter_leaves_to_do_is_done(ctx):
    obj = ctx.eval("var done = 0; var o = {plain: 1, set x(v) { Promise.resolve(v).then(v => { done = v; }); }}; o")
    for number in range(5):
        obj["x"] = number
        assert ctx.eval("done") == number


def test_arrays(ctx):
    array = ctx.eval("var a = [1, 2.5, 'x', null, , {}]; a")
    for _ in range(3):
        assert array[0] == 1
        assert array[1] == 2.5
        assert array[2] == "x"
        assert array[3] is None
        assert array[-1] == array[5]
    for number in range(5):
        array[0] = number
        array[1] = 0.5
    assert ctx.eval("a.join()") == "4,0.5,x,,,[object Object]"
    array.append(7)
    assert len(array) == 7
    with pytest.raises(IndexError):
        array[7]


def test_a_loop_sees_what_is_written_in_it(ctx):
    array = ctx.eval("Array.from({length: 100}, (_, i) => i)")
    seen: list[int] = []
    for element in array:
        seen.append(element)
        if element < 99:
            array[element + 1] = element + 1
        if element == 50:
            array[60] = "new"
            break
    assert array[60] == "new"
    assert seen == list(range(51))


def test_typed_arrays_and_boxes(ctx):
    obj = ctx.eval(
        "({bytes: new Uint8Array([1, 2]), date: new Date(0), big: 2n ** 70n, symbol: Symbol('s'), nested: {a: [1]}, f: () => 5, text: new String('t')})"
    )
    for _ in range(3):
        assert list(obj["bytes"]) == [1, 2]
        assert obj["date"].year == 1970
        assert obj["big"] == 2**70
        assert obj["nested"]["a"][0] == 1
        assert obj["nested"] == obj["nested"]
        assert obj["f"]() == 5
        assert obj["text"][0] == "t"


def test_a_long_string_is_put_together(ctx):
    obj = ctx.eval("({x: 'ab'.repeat(1000) + 'c'.repeat(1000), short: 'a'.repeat(20) + 'b'.repeat(20)})")
    assert obj["x"] == "ab" * 1000 + "c" * 1000
    assert obj["short"] == "a" * 20 + "b" * 20


def test_the_heap_is_limited():
    with MiniRacer(max_memory=30_000_000) as ctx:
        obj = ctx.eval("({})")
        with pytest.raises(JSOOMException):
            fill(obj)
        del obj
        gc.collect()
        assert ctx.eval("1 + 1") == 2


def test_a_call_memory_limit_is_looked_at(ctx):
    ctx.set_hard_memory_limit(20_000_000)
    obj = ctx.eval("({})")
    with pytest.raises(JSOOMException):
        fill(obj)


def test_after_close():
    ctx = MiniRacer()
    obj = ctx.eval("({x: 1})")
    assert obj["x"] == 1
    ctx.close()
    with pytest.raises(Exception, match="closed"):
        obj["x"]
    with pytest.raises(Exception, match="closed"):
        obj["x"] = 1


def test_threads_share_an_object(ctx):
    obj = ctx.eval("var o = {x: 0}; o")
    wrong = []

    def work(number):
        for count in range(2000):
            obj[f"own{number}"] = count
            if obj[f"own{number}"] != count:
                wrong.append((number, count))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert ctx.eval("[o.own0, o.own1, o.own2, o.own3].join()") == "1999,1999,1999,1999"


def test_within_a_callback(ctx):
    obj = ctx.eval("var o = {x: 1}; o")

    def callback():
        obj["x"] = obj["x"] + 1
        return obj["x"]

    ctx.globals["callback"] = callback
    assert ctx.eval("callback() + o.x + callback()") == 2 + 2 + 3
    assert obj["x"] == 3


def test_while_another_thread_runs_a_script(ctx):
    obj = ctx.eval("var o = {x: 1}; o")
    started = threading.Event()
    ctx.globals["started"] = started.set
    thread = threading.Thread(
        target=lambda: ctx.eval("started(); const end = Date.now() + 200; while (Date.now() < end); o.x = 2")
    )
    thread.start()
    started.wait()
    assert obj["x"] == 2
    thread.join()


def test_realms(ctx):
    realm = ctx.new_realm()
    obj = realm.eval("var o = {x: 1, make: () => ({})}; o")
    for number in range(3):
        obj["x"] = number
        assert obj["x"] == number
        assert realm.eval("o.x") == number
    assert ctx.eval("typeof o") == "undefined"


def test_collections_meanwhile(ctx):
    obj = ctx.eval("({x: 0})")
    for number in range(300_000):
        obj["x"] = number + 0.5
    assert obj["x"] == 299_999.5


@pytest.mark.needs("fork")
def test_in_a_child(ctx):
    obj = ctx.eval("({x: 1})")
    obj["x"] = 2
    child = os.fork()
    if not child:
        obj["x"] = obj["x"] + 1
        os._exit(obj["x"])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert obj["x"] == 2
