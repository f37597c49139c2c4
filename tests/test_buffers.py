"""Memory of JavaScript in Python without a copy: format and shape, life time, what detaches, resizes and is shared; and memory made for both."""

from __future__ import annotations

import contextlib
import gc
import threading

import numpy as np
import pytest

from py_mini_racer import JSClosedException, JSConversionException, JSEvalException, JSValueError, MiniRacer

MB = 1024 * 1024


@pytest.fixture
def ctx():
    with MiniRacer() as opened:
        yield opened


# --- out of JavaScript ---


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Int8Array", "b"),
        ("Uint8Array", "B"),
        ("Uint8ClampedArray", "B"),
        ("Int16Array", "h"),
        ("Uint16Array", "H"),
        ("Int32Array", "i"),
        ("Uint32Array", "I"),
        ("Float32Array", "f"),
        ("Float64Array", "d"),
    ],
)
def test_format_and_shape(ctx, name, kind):
    view = ctx.eval(f"globalThis.a = new {name}([1, 2, 3]); a")
    assert isinstance(view, memoryview)
    assert (view.format, view.shape, view.readonly, view.tolist()) == (kind, (3,), False, [1, 2, 3])
    view[1] = 7
    assert ctx.eval("a[1]") == 7
    ctx.eval("a[2] = 9")
    assert view[2] == 9
    empty = ctx.eval(f"new {name}(0)")
    assert (empty.format, empty.shape, empty.tolist()) == (kind, (0,), [])


def test_big_integers_and_bytes(ctx):
    view = ctx.eval("new BigInt64Array([-(2n ** 63n), 5n])")
    assert (view.format, view.tolist()) == ("q", [-(2**63), 5])
    view = ctx.eval("new BigUint64Array([2n ** 64n - 1n])")
    assert (view.format, view.tolist()) == ("Q", [2**64 - 1])
    for code in ("new ArrayBuffer(4)", "new SharedArrayBuffer(4)", "new DataView(new ArrayBuffer(8), 2, 4)"):
        view = ctx.eval(code)
        assert (view.format, view.shape, bytes(view)) == ("B", (4,), bytes(4))


@pytest.mark.needs("source")
def test_half_floats(ctx):
    view = ctx.eval("new Float16Array([1.5, -2])")
    assert (view.itemsize, view.shape) == (2, (2,))
    assert np.asarray(view).view("f2").tolist() == [1.5, -2]
    assert ctx.eval("a => a.constructor.name")(np.array([1.5], dtype="f2")) == "Float16Array"


def test_numpy_takes_it_without_a_copy(ctx):
    array = np.asarray(ctx.eval("globalThis.a = new Float32Array([1, 2, 3]); a"))
    assert array.dtype == np.float32
    array *= 2
    assert ctx.eval("a.join()") == "2,4,6"
    assert not array.flags.owndata


def test_a_view_into_a_buffer(ctx):
    view = ctx.eval("globalThis.b = new ArrayBuffer(16); new Int32Array(b, 4, 2)")
    view[:] = np.array([1, 2], dtype="i4").data
    assert ctx.eval("new Int32Array(b).join()") == "0,1,2,0"


def test_shared_memory(ctx):
    view = ctx.eval("globalThis.s = new SharedArrayBuffer(8); globalThis.v = new Uint8Array(s); s")
    view[3] = 255
    assert ctx.eval("v[3]") == 255


def test_inside_of_copies_and_properties(ctx):
    made = ctx.eval("({a: new Float64Array([0.5]), list: [new ArrayBuffer(2)]})", copy=True)
    assert made["a"].tolist() == [0.5]
    assert made["list"][0].shape == (2,)
    assert ctx.eval("({a: new Uint16Array(3)})")["a"].format == "H"


# --- how long it lives ---


def test_views_outlive_garbage_collections(ctx):
    views = [ctx.eval(f"new Uint32Array(1000).fill({n})") for n in range(50)]
    arrays = [np.asarray(view)[10:20] for view in views]
    slices = [view[5:9] for view in views]
    del views
    for _ in range(3):
        ctx.eval("for (let i = 0; i < 100; i++) new Uint32Array(100000).fill(1)")
        ctx.low_memory_notification()
        gc.collect()
    for n in range(50):
        assert set(arrays[n].tolist()) == set(slices[n].tolist()) == {n}


def test_views_outlive_their_context():
    ctx = MiniRacer()
    view = ctx.eval("new Float64Array(100000).fill(2.5)")
    made = ctx.buffer("i", 1000)
    ctx.close()
    del ctx
    gc.collect()
    with MiniRacer() as other:
        other.eval("Array.from({length: 50}, () => new Float64Array(100000).fill(7))")
        assert set(view.tolist()) == {2.5}
        view[0] = 1
        made[999] = 4
        assert (view[0], made[999]) == (1, 4)


def test_views_give_back_what_they_held(ctx):
    before = ctx._ctx.value_count()
    view = ctx.eval("new Uint8Array(10)")
    array = np.asarray(view)[2:]
    assert ctx._ctx.value_count() == before + 1
    del view
    gc.collect()
    ctx.eval("1")
    assert ctx._ctx.value_count() == before + 1
    del array
    gc.collect()
    ctx.eval("1")
    assert ctx._ctx.value_count() == before
    for _ in range(300):  # 30 GB in all: it must go again
        ctx.eval("new Uint8Array(100_000_000)")


@pytest.mark.needs("source")
def test_a_detached_buffer_keeps_its_bytes_for_the_view(ctx):
    view = ctx.eval("globalThis.b = new ArrayBuffer(8); globalThis.v = new Uint8Array(b).fill(6); v")
    ctx.eval("globalThis.c = b.transfer()")
    assert ctx.eval("b.byteLength") == 0
    assert bytes(view) == b"\6" * 8
    for _ in range(5):
        ctx.eval("for (let i = 0; i < 100; i++) new Uint8Array(1000000)")
        ctx.low_memory_notification()
    assert bytes(view) == b"\6" * 8
    assert ctx.eval("x => x.length")(view) in (0, 8)
    detached = ctx.eval("b")
    assert detached.nbytes == 0
    assert ctx.eval("v").nbytes == 0
    assert ctx.eval("[b, v]", copy=True)[1].nbytes == 0


@pytest.mark.needs("source")
def test_resizable_buffers_come_as_copies(ctx):
    view = ctx.eval(
        "globalThis.r = new ArrayBuffer(8, {maxByteLength: 65536}); globalThis.rv = new Uint8Array(r).fill(3); rv"
    )
    assert bytes(view) == b"\3" * 8
    ctx.eval("r.resize(65536); rv.fill(4); r.resize(0)")
    ctx.low_memory_notification()
    assert bytes(view) == b"\3" * 8
    view[0] = 1
    ctx.eval("r.resize(8)")
    assert ctx.eval("rv[0]") == 0
    assert ctx.eval("x => x === rv")(view) is False
    out_of_bounds = ctx.eval("globalThis.w = new Uint8Array(r, 4, 4); r.resize(2); w")
    assert out_of_bounds.nbytes == 0
    grown = ctx.eval("new SharedArrayBuffer(4, {maxByteLength: 8})")
    assert bytes(grown) == bytes(4)


def test_memory_of_webassembly(ctx):
    view = ctx.eval("globalThis.m = new WebAssembly.Memory({initial: 1, maximum: 100}); m.buffer")
    first = bytes(view[:16])
    ctx.eval("m.grow(10); new Uint8Array(m.buffer).fill(9)")
    assert bytes(view[:16]) in (first, b"\x09" * 16)  # kept bytes or the same memory: never a stray read
    assert ctx.eval("m.buffer").nbytes == 11 * 65536


def test_a_gigabyte(ctx):
    view = ctx.eval("globalThis.g = new ArrayBuffer(2 ** 30); g")
    assert view.nbytes == 2**30
    view[2**30 - 1] = 5
    assert ctx.eval("new Uint8Array(g, 2 ** 30 - 1)[0]") == 5
    del view
    ctx.eval("g = null")
    ctx.low_memory_notification()
    made = ctx.buffer(2**30)
    assert ctx.eval("b => b.byteLength")(made) == 2**30
    del made
    gc.collect()
    ctx.low_memory_notification()
    assert ctx.eval("a => a.length")(np.zeros(2**30, dtype="u1")) == 2**30


def test_a_script_that_asks_for_too_much(ctx):
    for code in ("new ArrayBuffer(2 ** 53)", "new Float64Array(2 ** 40)", "new ArrayBuffer(-1)"):
        with pytest.raises(JSEvalException, match="RangeError"):
            ctx.eval(code)
    assert ctx.eval("1 + 1") == 2


def test_the_same_object_again_and_again(ctx):
    """The last one that Python let go of is remembered, and held by nobody."""
    ctx.eval("""globalThis.gone = 0; globalThis.registry = new FinalizationRegistry(() => { gone++; });
        globalThis.fresh = () => { const a = new Uint8Array(2 * 1024 * 1024); registry.register(a, 0); return a; };
        globalThis.kept = new Uint8Array(2 * 1024 * 1024)""")
    kept, fresh, same = ctx.eval("() => kept"), ctx.eval("fresh"), ctx.eval("a => a === kept")
    for _ in range(3):
        assert same(kept())
        view = kept()
        view[1] += 1
        del view
    assert kept()[1] == 3
    for _ in range(10):
        assert not same(fresh())
    for _ in range(20):
        ctx.low_memory_notification()
        if ctx.eval("gone") == 10:
            break
    assert ctx.eval("gone") == 10
    assert ctx.eval("kept.buffer.transfer ? kept.buffer.transfer().byteLength : 0") in (0, 2 * MB)


def test_views_from_many_threads(ctx):
    ctx.eval("function make(n) { return new Int32Array(1000).fill(n); }")
    make = ctx.eval("make")
    wrong = []

    def work(n):
        for _ in range(100):
            view = make(n)
            if set(view.tolist()) != {n}:
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# --- back into JavaScript ---


def test_a_view_goes_back_as_the_object_that_it_is_of(ctx):
    view = ctx.eval("globalThis.a = new Float32Array([1, 2, 3]); a")
    same = ctx.eval("x => x === a")
    assert same(view) is True
    assert same(view[:]) is True
    assert same(np.asarray(view)) is True
    assert same(np.asarray(view).reshape(3, 1)) is True
    assert ctx.eval("x => x.deep[0] === a")({"deep": [view]}) is True
    # what is not all of it, or of other elements, is a copy
    for other in (
        view[1:],
        view[::-1],
        np.asarray(view)[1:],
        view.cast("B"),
        np.asarray(view).view("i4"),
        np.array(view),
    ):
        assert same(other) is False
    assert ctx.eval("x => x.constructor.name + x")(view[::-1]) == "Float32Array3,2,1"
    empty = ctx.eval("globalThis.a = new Uint8Array(0); a")
    assert same(empty) is True


def test_identity_ends_with_the_context():
    with MiniRacer() as one:
        view = one.eval("new Uint8Array([1, 2])")
        with MiniRacer() as two:
            assert two.eval("x => (x[0] = 9, x.join())")(view) == "9,2"
        assert view.tolist() == [1, 2]
    with MiniRacer() as three:
        assert three.eval("x => x.join()")(view) == "1,2"


# --- memory for both ---


def test_a_buffer_of_bytes(ctx):
    memory = ctx.buffer(16)
    assert (memory.format, memory.shape, bytes(memory)) == ("B", (16,), bytes(16))
    ctx.globals["memory"] = memory
    assert ctx.eval("memory instanceof ArrayBuffer && memory.byteLength") == 16
    ctx.eval("new Uint8Array(memory)[3] = 8")
    assert memory[3] == 8
    assert ctx.buffer(0).nbytes == 0


@pytest.mark.parametrize(
    ("arguments", "kind", "shape", "name"),
    [
        (("f", 6), "f", (6,), "Float32Array"),
        (("d", (2, 3)), "d", (2, 3), "Float64Array"),
        ((("f", (2, 3)),), "f", (2, 3), "Float32Array"),
        (("i", [2, 3, 4]), "i", (2, 3, 4), "Int32Array"),
        (("uint8", 6), "B", (6,), "Uint8Array"),
        (("float64", 6), "d", (6,), "Float64Array"),
        ((np.dtype("int16"), 6), "h", (6,), "Int16Array"),
        ((np.dtype("int64"), 6), "q", (6,), "BigInt64Array"),
        (("Q", 2), "Q", (2,), "BigUint64Array"),
        (("f", ()), "f", (), "Float32Array"),
        (("f", (0, 3)), "f", (0,), "Float32Array"),
    ],
)
def test_a_buffer_of_elements(ctx, arguments, kind, shape, name):
    memory = ctx.buffer(*arguments)
    assert memory.format == kind
    assert memory.shape == shape or (shape == () and memory.nbytes == 4)
    assert ctx.eval("a => a.constructor.name + a.length")(memory) == f"{name}{memory.nbytes // memory.itemsize}"


def test_numpy_and_javascript_see_the_same(ctx):
    memory = ctx.buffer(("f", (2, 3)))
    array = np.asarray(memory)
    assert array.shape == (2, 3)
    ctx.globals["a"] = array
    array[1, 2] = 1.5
    assert ctx.eval("a[5]") == 1.5
    ctx.eval("a.set([9], 0)")
    assert array[0, 0] == memory[0, 0] == 9
    assert ctx.eval("x => x === a")(memory) is True


@pytest.mark.parametrize(
    ("arguments", "raised", "error"),
    [
        ((-1,), JSValueError, "size of -1"),
        (("f", (2, -3)), JSValueError, "size of -3"),
        ((2**62,), JSValueError, "more than JavaScript can have"),
        (("d", (2**40, 2**40)), JSValueError, "more than JavaScript can have"),
        ((2**52,), JSEvalException, "RangeError"),
        (("d", 2**45), JSEvalException, "RangeError"),
        ((1.5,), TypeError, "the size of a buffer is an int"),
        (("f",), TypeError, "the size of a buffer is an int"),
        ((True,), TypeError, "the size of a buffer is an int"),
        ((None,), TypeError, "the size of a buffer is an int"),
        (("f", "x"), TypeError, "the size of a buffer is an int"),
        (("x", 1), JSValueError, "'x' is no format"),
        (("", 1), JSValueError, "no format"),
        (("complex64", 1), JSValueError, "no format"),
        ((None, 1), JSValueError, "no format"),
        ((3, 4), JSValueError, "no format"),
    ],
)
def test_buffers_that_cannot_be(ctx, arguments, raised, error):
    with pytest.raises(raised, match=error):
        ctx.buffer(*arguments)
    assert ctx.eval("1 + 1") == 2


def test_a_buffer_of_a_closed_context():
    ctx = MiniRacer()
    ctx.close()
    with pytest.raises(JSClosedException):
        ctx.buffer(3)


# --- what a view is of ---


def test_views_go_back_as_the_arrays_that_they_are_of(ctx):
    view, same = ctx.eval("var a = new Float64Array(4); a"), ctx.eval("(function (b) { return a === b; })")
    assert same(view) is True
    assert same(memoryview(view)) is True
    assert same(view[:]) is True
    assert same(view.cast("B").cast("d", (2, 2))) is True
    assert same(np.asarray(view)) is True
    for part in (view[1:], view[::-1], view[::2], view.cast("B"), bytes(view)):
        assert same(part) is False
    with MiniRacer() as other:
        assert other.eval("(function (b) { return b.length; })")(view) == 4


def test_a_view_of_a_realm_goes_back(ctx):
    realm = ctx.new_realm()
    view = realm.eval("var a = new Int16Array(4); a")
    view[2] = 5
    assert realm.eval("a[2]") == 5
    assert realm.eval("(function (b) { return a === b; })")(view) is True


def test_converters_come_first(ctx):
    view = ctx.eval("new Uint8Array(4)")
    ctx.register_type(memoryview, to_js=lambda value: len(value) * 100)
    assert ctx.eval("(function (b) { return b; })")(view) == 400


def test_a_released_view_is_an_error(ctx):
    view = ctx.eval("new Uint8Array(4)")
    view.release()
    with pytest.raises(JSConversionException, match="released"):
        ctx.eval("(function (b) { return b; })")(view)


def test_nobody_makes_memory(ctx):
    made = type(ctx.eval("new Uint8Array(4)").obj)()
    with contextlib.suppress(BufferError):  # in the ctypes lane it is a ctypes array
        assert len(memoryview(made)) == 4


def test_views_live_longer_than_the_context():
    ctx = MiniRacer()
    small, large = ctx.eval("new Uint8Array([1, 2])"), ctx.eval("new Uint8Array(4_000_000).fill(7)")
    array = np.asarray(large)
    ctx.close()
    del large
    gc.collect()
    assert small.tolist() == [1, 2]
    assert int(array.sum()) == 7 * 4_000_000


def test_views_in_a_cycle_are_collected(ctx):
    for _ in range(3):
        cycle: list[object] = [ctx.eval("new Uint8Array(1000)")]
        cycle.append(cycle)
        del cycle
    gc.collect()
    ctx.eval("0")
    assert ctx._ctx.value_count() == 0
