"""`MiniRacer.proxy`: Python objects, mappings and sequences that JavaScript uses where they are; and scripts that want more of them."""

from __future__ import annotations

import asyncio
import collections
import gc
import sys
import types
import weakref
from typing import Any, NamedTuple

import pytest

from py_mini_racer import JSClosedException, JSEvalException, JSValueError, MiniRacer, PyProxy


@pytest.fixture
def ctx():
    with MiniRacer() as context:
        yield context


class Page:
    """An object as users have them."""

    shared = "of the class"

    def __init__(self) -> None:
        self.title = "Tea"
        self.views = 7
        self.tags = ["a", "b"]
        self._private = "hidden"
        self.secret = "s"

    @property
    def upper(self) -> str:
        return self.title.upper()

    @property
    def broken(self) -> str:
        raise ValueError("a getter's own error")

    def rename(self, title: str) -> Page:
        self.title = title
        return self

    def _hidden(self) -> None:
        raise AssertionError


class TestAttributes:
    def test_read(self, ctx):
        ctx.globals["p"] = ctx.proxy(Page(), ["title", "upper", "shared", "missing"])
        assert ctx.eval("[p.title, p.upper, p.shared].join()") == "Tea,TEA,of the class"
        assert ctx.eval("[p.secret, p._private, p.missing, p.views, p.rename].every(x => x === undefined)") is True
        assert (
            ctx.eval("['title' in p, 'secret' in p, 'missing' in p, '_private' in p].join()")
            == "true,false,false,false"
        )
        assert ctx.eval("Object.keys(p).join()") == "shared,title,upper"
        assert ctx.eval("JSON.stringify(p)") == '{"shared":"of the class","title":"Tea","upper":"TEA"}'
        assert ctx.eval("({ ...p }).title") == "Tea"

    def test_nothing_is_allowed_by_default(self, ctx):
        ctx.globals["p"] = ctx.proxy(Page())
        assert ctx.eval("Object.keys(p).length + Object.getOwnPropertyNames(p).length + Reflect.ownKeys(p).length") == 0
        assert ctx.eval("p.title === undefined && p.rename === undefined") is True

    def test_methods_and_what_they_return(self, ctx):
        page = Page()
        ctx.register_type(Page, to_js=lambda page: {"converted": page.title})
        ctx.globals["p"] = ctx.proxy(page, ["rename", "title", "tags"])
        assert ctx.eval("p.rename('Milk').converted") == "Milk"
        assert page.title == "Milk"
        assert ctx.eval("p.tags.push('c'); p.tags.length") == 2  # a copy, each time
        assert ctx.eval("p.rename === p.rename") is True
        assert ctx.eval("Object.keys(p).join()") == "tags,title"

    def test_write(self, ctx):
        page = Page()
        ctx.globals["p"] = ctx.proxy(page, ["title", "views"], write=["views"])
        assert ctx.eval("p.views += 1; p.views") == 8
        assert page.views == 8
        for code in (
            "p.title = 'x'",
            "p.secret = 1",
            "p.brand_new = 1",
            "p._private = 1",
            "p.__class__ = 1",
            "p.__proto__ = {}",
        ):
            with pytest.raises(JSEvalException, match="TypeError: .*cannot be set"):
                ctx.eval(code)
            assert ctx.eval(f"try {{ {code} }} catch (e) {{ e instanceof TypeError }}") is True, code
        assert vars(page).keys() == {"title", "views", "tags", "_private", "secret"}

    def test_write_all_that_is_allowed(self, ctx):
        page = Page()
        ctx.globals["p"] = ctx.proxy(page, ["title"], write=True)
        ctx.eval("p.title = 'x'")
        assert page.title == "x"
        with pytest.raises(JSEvalException, match="cannot be set"):
            ctx.eval("p.views = 1")

    def test_delete(self, ctx):
        page = Page()
        ctx.globals["p"] = ctx.proxy(page, ["title", "views"], write=["views"])
        assert ctx.eval("delete p.views && delete p.secret") is True
        assert not hasattr(page, "views")
        assert page.secret == "s"
        with pytest.raises(JSEvalException, match="cannot be deleted"):
            ctx.eval("delete p.title")

    def test_getters_that_raise(self, ctx):
        ctx.globals["p"] = ctx.proxy(Page(), ["broken", "title"])
        for code in ("p.broken", "'broken' in p", "Object.keys(p)", "JSON.stringify(p)", "({ ...p })"):
            with pytest.raises(JSEvalException, match="a getter's own error") as caught:
                ctx.eval(code)
            assert isinstance(caught.value.__cause__, ValueError)

    def test_call(self, ctx):
        def double(value):
            return 2 * value

        ctx.globals["f"] = ctx.proxy(double, ["note"], call=True)
        double.note = "n"  # type: ignore[attr-defined]
        assert ctx.eval("typeof f + f(4) + f.note + f.call(null, 1)") == "function8n2"
        with pytest.raises(JSEvalException, match="not a constructor"):
            ctx.eval("new f(1)")
        ctx.globals["g"] = ctx.proxy(double, ["note"])
        assert ctx.eval("typeof g") == "object"
        with pytest.raises(JSEvalException, match="not a function"):
            ctx.eval("g(1)")

    def test_a_coroutine_method(self):
        class Service:
            async def fetch(self, key: str) -> str:
                await asyncio.sleep(0)
                return key * 2

        async def main():
            with MiniRacer() as ctx:
                ctx.globals["s"] = ctx.proxy(Service(), ["fetch"])
                assert await ctx.eval("s.fetch('ab')") == "abab"

        asyncio.run(main())

    def test_length_and_iteration(self, ctx):
        ctx.globals["s"] = ctx.proxy(frozenset(["only"]))
        assert ctx.eval("s.length + [...s].join()") == "1only"
        ctx.globals["p"] = ctx.proxy(Page())
        with pytest.raises(JSEvalException, match="not iterable"):
            ctx.eval("[...p]")
        ctx.globals["d"] = ctx.proxy(collections.deque([1, 2]))
        assert ctx.eval("[...d].length") == 2

    def test_iterator(self, ctx):
        ctx.globals["i"] = ctx.proxy(iter([1, 2]))
        assert ctx.eval("[...i].join()") == "1,2"


class TestMappings:
    def test_items(self, ctx):
        data: dict[Any, Any] = {"a": 1, 5: "five", "_x": 2, (1, 2): 3, "nested": {"b": [1]}, None: 4, -3: "minus"}
        ctx.globals["d"] = ctx.proxy(data)
        assert ctx.eval("Object.keys(d).join()") == "a,5,nested,-3"
        assert (
            ctx.eval("[d.a, d[5], d['-3'], d._x, d.missing, d.nested.b[0], 'a' in d, '_x' in d].join()")
            == "1,five,minus,,,1,true,false"
        )
        assert ctx.eval("JSON.stringify(d)") == '{"a":1,"5":"five","nested":{"b":[1]},"-3":"minus"}'
        data["a"] = 10
        assert ctx.eval("d.a") == 10
        assert ctx.eval("Object.fromEntries(d).a + Object.entries(d).length + new Map(d).size") == 18

    def test_read_only(self, ctx):
        data = {"a": 1}
        ctx.globals["d"] = ctx.proxy(data)
        for code in ("d.a = 2", "d.b = 2", "delete d.a", "Object.assign(d, { a: 3 })"):
            with pytest.raises(JSEvalException, match="TypeError"):
                ctx.eval(code)
        assert data == {"a": 1}

    def test_write(self, ctx):
        data: dict[Any, Any] = {"a": 1, 5: "five", "c": 3}
        ctx.globals["d"] = ctx.proxy(data, write=True)
        ctx.eval("d.b = [1]; d[5] = 'six'; delete d.a; d['7'] = 1")
        assert data.pop("b").copy() == [1]
        assert data == {5: "six", "c": 3, "7": 1}
        with pytest.raises(JSEvalException, match="cannot be set"):
            ctx.eval("d._x = 1")
        with pytest.raises(JSEvalException, match="cannot be set"):
            ctx.eval("d.__proto__ = 1")

    def test_some_keys(self, ctx):
        data = {"a": 1, "b": 2, "c": 3}
        ctx.globals["d"] = ctx.proxy(data, ["a", "b"], write=["b"])
        assert ctx.eval("Object.keys(d).join() + d.c") == "a,bundefined"
        ctx.eval("d.b = 5")
        for code in ("d.a = 1", "d.c = 1", "delete d.a"):
            with pytest.raises(JSEvalException, match="cannot be"):
                ctx.eval(code)
        assert data == {"a": 1, "b": 5, "c": 3}

    def test_other_mappings(self, ctx):
        ctx.globals["m"] = ctx.proxy(types.MappingProxyType({"a": 1}), write=True)
        assert ctx.eval("m.a") == 1
        with pytest.raises(JSEvalException, match="does not support item assignment"):
            ctx.eval("m.a = 2")
        made: dict[str, list[int]] = collections.defaultdict(list)
        ctx.globals["m"] = ctx.proxy(made)
        assert ctx.eval("m.a") is ctx.eval("undefined")
        assert not made
        ctx.globals["m"] = ctx.proxy(collections.ChainMap({"a": 1}, {"b": 2}))
        assert ctx.eval("m.a + m.b") == 3

    def test_one_that_raises(self, ctx):
        class Bad(dict):  # type: ignore[type-arg]
            def __contains__(self, _key):
                raise RuntimeError("no")

        ctx.globals["m"] = ctx.proxy(Bad(a=1))
        with pytest.raises(JSEvalException, match="RuntimeError: no"):
            ctx.eval("m.a")

    def test_keys_named_as_javascript_names_things(self, ctx):
        ctx.globals["m"] = ctx.proxy({"constructor": 1, "then": 2, "toString": 3, "length": 4, "hasOwnProperty": 5})
        assert ctx.eval("[m.constructor, m.then, m.toString, m.length, m.hasOwnProperty].join()") == "1,2,3,4,5"


class TestSequences:
    def test_it_is_an_array(self, ctx):
        rows = [3, 1, 2]
        ctx.globals["l"] = ctx.proxy(rows)
        assert ctx.eval("Array.isArray(l) && l instanceof Array") is True
        assert (
            ctx.eval("[l.length, l[0], l[3], l[-1], l.indexOf(1), l.includes(2), 1 in l, 3 in l].join()")
            == "3,3,,,1,true,true,false"
        )
        assert ctx.eval("l.map(x => 2 * x).filter(x => x > 2).join() + [...l].length + l.slice(1).join('')") == "6,4312"
        assert (
            ctx.eval("JSON.stringify(l) + Object.keys(l) + l.concat([9]).length + [0].concat(l).length")
            == "[3,1,2]0,1,244"
        )
        assert ctx.eval("Reflect.ownKeys(l).join()") == "0,1,2,length"
        assert ctx.eval("const [a, ...b] = l; a + b.length") == 5
        rows.append(4)
        assert ctx.eval("l.length + l.at(-1)") == 8

    def test_read_only(self, ctx):
        rows = [3, 1, 2]
        ctx.globals["l"] = ctx.proxy(rows)
        for code in (
            "l[0] = 1",
            "l.push(1)",
            "l.pop()",
            "l.sort()",
            "l.length = 0",
            "l.reverse()",
            "l.shift()",
            "l.splice(0, 1)",
            "l.fill(0)",
        ):
            with pytest.raises(JSEvalException, match="TypeError"):
                ctx.eval(code)
        assert rows == [3, 1, 2]
        ctx.globals["t"] = ctx.proxy((1, 2), write=True)
        with pytest.raises(JSEvalException, match="cannot be set"):
            ctx.eval("t[0] = 5")

    def test_write(self, ctx):
        rows: list[Any] = [3, 1, 2]
        ctx.globals["l"] = ctx.proxy(rows, write=True)
        for code, left in [
            ("l[0] = 5", [5, 1, 2]),
            ("l.push(7, 8)", [5, 1, 2, 7, 8]),
            ("l.pop()", [5, 1, 2, 7]),
            ("l.shift()", [1, 2, 7]),
            ("l.unshift(9)", [9, 1, 2, 7]),
            ("l.sort()", [1, 2, 7, 9]),
            ("l.reverse()", [9, 7, 2, 1]),
            ("l.splice(1, 2, 'x')", [9, "x", 1]),
            ("l.length = 1", [9]),
            ("l[1] = 4; delete l[0]", [None, 4]),
            ("l.fill(6)", [6, 6]),
            ("l.copyWithin(0, 1); l.length = 0", []),
        ]:
            ctx.eval(code)
            assert rows == left, code
        for code in ("l[5] = 1", "l.length = 3", "l.length = -1", "l.length = 'x'", "l.name = 1"):
            with pytest.raises(JSEvalException, match="TypeError|RangeError"):
                ctx.eval(code)
        assert rows == []

    def test_one_that_changes_while_it_is_iterated(self, ctx):
        rows = [1, 2, 3]
        ctx.globals["l"] = ctx.proxy(rows)
        ctx.globals["drop"] = lambda: rows.pop() and None
        ctx.globals["add"] = lambda: rows.append(0)
        assert ctx.eval("let n = 0; for (const x of l) { drop(); n++ } n") == 2
        assert ctx.eval("n = 0; l.forEach(() => { add(); n++ }); n") == 1
        assert ctx.eval("l.map(x => { drop(); return x }).length") == 2

    def test_attributes_of_a_sequence(self, ctx):
        class Point(NamedTuple):
            x: int
            y: int

        ctx.globals["p"] = ctx.proxy(Point(1, 2), ["x"])
        assert ctx.eval("[p.x, p.y, p[1], p.length].join()") == "1,,2,2"

    def test_huge(self, ctx):
        ctx.globals["r"] = ctx.proxy(range(2**40))
        assert ctx.eval("r.length") == 2**40
        assert ctx.eval("r[5] + r[2 ** 39]") == 5 + 2**39
        with pytest.raises(JSEvalException, match="too many to be listed"):
            ctx.eval("Object.keys(r)")
        ctx.globals["r"] = ctx.proxy(range(10**30))
        with pytest.raises(JSEvalException):
            ctx.eval("r.length")

    def test_lying(self, ctx):
        class Liar(collections.UserList):  # type: ignore[type-arg]
            def __len__(self):
                return 5

            def __getitem__(self, index):
                if index == 3:
                    raise KeyError(index)
                return [index]

        ctx.globals["l"] = ctx.proxy(Liar())
        assert ctx.eval("l[2][0]") == 2
        with pytest.raises(JSEvalException, match="KeyError"):
            ctx.eval("JSON.stringify(l)")


class TestDeep:
    def test_nested(self, ctx):
        page = Page()
        data = {"rows": [{"n": 1}], "page": page, "text": "t", "made": b"x"}
        ctx.globals["d"] = ctx.proxy(data, deep=True, write=True)
        ctx.eval("d.rows[0].n = 5; d.rows.push({}); d.page.title === undefined")
        assert data["rows"][0]["n"] == 5  # type: ignore[index]
        assert len(data["rows"]) == 2  # type: ignore[arg-type]
        assert ctx.eval("d.rows === d.rows && d.rows[0] === d.rows[0]") is True
        assert ctx.eval("d.page") is page
        assert ctx.eval("d.text + d.made.length") == "t1"
        assert ctx.eval("[...d.rows][0].n") == 5

    def test_objects_in_objects_have_the_same_list(self, ctx):
        outer, inner = Page(), Page()
        outer.tags, inner.title = inner, "inside"  # type: ignore[assignment]
        ctx.globals["p"] = ctx.proxy(outer, ["tags", "title"], deep=True)
        assert ctx.eval("p.tags.title + p.tags.secret") == "insideundefined"


class TestIdentity:
    def test_back_in_python(self, ctx):
        for thing in (Page(), {"a": 1}, [1], (1,)):
            ctx.globals["x"] = ctx.proxy(thing)
            assert ctx.eval("x") is thing
            assert ctx.eval("({ deep: [x] })", copy=True)["deep"][0] is thing
            seen: list[Any] = []
            ctx.globals["see"] = seen.append
            ctx.eval("see(x)")
            assert seen[0] is thing

    def test_in_javascript(self, ctx):
        page = Page()
        same = ctx.eval("(a, b) => a === b")
        assert same(ctx.proxy(page), ctx.proxy(page)) is True
        assert same(ctx.proxy(page, ["title"]), ctx.proxy(page, ["title"])) is True
        assert same(ctx.proxy(page, ["title"]), ctx.proxy(page)) is False
        assert same(ctx.proxy(page), ctx.proxy(Page())) is False

    def test_a_thrown_one(self, ctx):
        page = Page()
        ctx.globals["x"] = ctx.proxy(page)
        with pytest.raises(JSEvalException) as caught:
            ctx.eval("throw x")
        assert caught.value.value is page

    def test_in_two_contexts(self, ctx):
        page = Page()
        proxy = ctx.proxy(page, ["title"])
        with MiniRacer() as other:
            other.globals["p"] = proxy
            ctx.globals["p"] = proxy
            assert other.eval("p.title") == ctx.eval("p.title") == "Tea"


class TestArguments:
    def test_names(self, ctx):
        for allow in (["_x"], ["__class__"], ["ok", "_"]):
            with pytest.raises(JSValueError, match="underscore"):
                ctx.proxy(Page(), allow)
            with pytest.raises(JSValueError, match="underscore"):
                ctx.proxy({}, write=allow)
        with pytest.raises(TypeError, match=r"allow=\['title'\]"):
            ctx.proxy(Page(), "title")
        with pytest.raises(TypeError, match="takes names"):
            ctx.proxy(Page(), [1])
        with pytest.raises(JSValueError, match="write= names what allow= does not: views"):
            ctx.proxy(Page(), ["title"], write=["views"])
        with pytest.raises(JSValueError, match="cannot be called"):
            ctx.proxy(Page(), call=True)

    @pytest.mark.parametrize("value", [None, 5, True, 1.5, "s", b"b", memoryview(b"m")])
    def test_what_needs_none(self, ctx, value):
        with pytest.raises(JSValueError, match="pass the value itself"):
            ctx.proxy(value)
        with pytest.raises(JSValueError, match="needs no proxy"):
            ctx.proxy(ctx.eval("({})"))

    def test_repr(self, ctx):
        assert repr(ctx.proxy(Page())) == "<PyProxy of Page>"
        assert isinstance(ctx.proxy(Page()), PyProxy)


ATTACKS = [
    "p.__class__",
    "p.__dict__",
    "p.__init__",
    "p.rename.__globals__",
    "p.rename.__self__",
    "p.rename.__func__",
    "p._private",
    "p._hidden",
    "p['__class__']",
    "p['\\u005f_class__']",
    "Reflect.get(p, '__class__')",
    "Reflect.get(p, '_private', {})",
    "Object.getOwnPropertyDescriptor(p, '_private')",
    "Object.getOwnPropertyDescriptor(p, 'secret')",
    "Object.getOwnPropertyDescriptors(p).secret",
    "Object.create(p).secret",
    "new Proxy(p, {}).secret",
    "({ __proto__: p }).secret",
    "(class extends Object { constructor() { return p } secret2 = super.secret }, p.secret)",
    "p?.secret",
    "(({ secret }) => secret)(p)",
    "p.constructor.__init__",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks(ctx, attack):
    ctx.globals["p"] = ctx.proxy(Page(), ["title", "rename"])
    assert ctx.eval(attack) is ctx.eval("undefined")


def test_attacks_that_throw(ctx):
    ctx.globals["p"] = ctx.proxy(Page(), ["title"], write=["title"])
    for code in (
        "Object.setPrototypeOf(p, null)",
        "Object.defineProperty(p, 'title', { get() { return 1 } })",
        "Object.defineProperty(p, '__class__', { value: 1 })",
        "Object.freeze(p)",
        "Object.preventExtensions(p)",
        "p[Symbol('s')] = 1; 'use strict'; (function () { 'use strict'; p[Symbol('s')] = 1 })()",
        "p.__defineGetter__('title', () => 1)",
        "class C extends p {}",
    ):
        with pytest.raises(JSEvalException, match="TypeError"):
            ctx.eval(code)
    assert ctx.eval("p.title") == "Tea"


def test_polluted_prototypes_see_nothing(ctx):
    ctx.eval("""
        var leaked = [];
        for (const trap of ["get", "set", "has", "apply", "construct", "ownKeys", "deleteProperty", "defineProperty", "getPrototypeOf",
                            "getOwnPropertyDescriptor", "isExtensible", "preventExtensions", "setPrototypeOf"])
            Object.defineProperty(Object.prototype, trap,
                { __proto__: null, configurable: true, writable: true, value: function () { leaked.push(trap, this) } });
        globalThis.Proxy = globalThis.Reflect = function () { leaked.push(arguments) };
    """)
    data = {"a": 1}
    ctx.globals["p"] = ctx.proxy(data, write=True)
    ctx.globals["f"] = ctx.proxy(len, call=True)
    assert ctx.eval(
        "p.a = 2; delete p.b; 'a' in p; Object.keys(p).join() + f('four') + Object.isExtensible(p) + (Object.getPrototypeOf(p) === Object.prototype)"
    ) == ("a4truetrue")
    assert ctx.eval("leaked.length") == 0
    assert data == {"a": 2}


def test_stack_traces_leak_nothing(ctx):
    """A script that looks at the frames of an error may find a trap and its handler: they give what the proxy gives."""
    ctx.eval("""
        var found = [];
        function look() {
          const before = Error.prepareStackTrace;
          Error.prepareStackTrace = (error, sites) => { for (const s of sites) { try { found.push(s.getThis(), s.getFunction()) } catch {} } return '' };
          try { new Error().stack } finally { Error.prepareStackTrace = before }
        }
    """)
    look = ctx.eval("look")

    class Watched:
        @property
        def title(self):
            look()
            return "t"

        secret = "s"

    ctx.globals["p"] = ctx.proxy(Watched(), ["title"])
    assert ctx.eval("p.title") == "t"
    outcome = ctx.eval("""
        found = found.filter(x => x && (typeof x === 'object' || typeof x === 'function') && x !== globalThis);
        const seen = [];
        for (const x of found) for (const key of ["get", "has", "secret", "__class__", "_private"]) {
          try { const v = x[key]; seen.push(String(typeof v === "function" ? v.call(x, {}, "secret") : v)) } catch (e) {}
        }
        seen.filter(text => text === "s").length
    """)
    assert outcome == 0


class TestLifetimes:
    def settle(self, ctx: MiniRacer) -> int:
        for _ in range(3):
            gc.collect()
            ctx.low_memory_notification()
            ctx.eval("0")
        return ctx._open().host.held()

    def test_let_go(self, ctx):
        page = Page()
        gone = weakref.ref(page)
        ctx.eval("p => p.title")(ctx.proxy(page, ["title"]))
        del page
        assert self.settle(ctx) == 0
        assert gone() is None

    def test_many(self, ctx):
        read = ctx.eval("p => p.a")
        for number in range(2000):
            assert read(ctx.proxy({"a": number})) == number
        assert self.settle(ctx) == 0

    def test_the_function_for_iteration_keeps_it(self, ctx):
        ctx.eval("p => { globalThis.iterate = p[Symbol.iterator] }")(ctx.proxy({"a": 1}))
        assert self.settle(ctx) == 1
        assert ctx.eval("[...{ [Symbol.iterator]: iterate }][0].join()") == "a,1"
        ctx.eval("delete globalThis.iterate")
        assert self.settle(ctx) == 0

    def test_identity_after_a_collection(self, ctx):
        page = Page()
        for _ in range(3):
            ctx.globals["p"] = ctx.proxy(page, ["title"])
            assert ctx.eval("p.title") == "Tea"
            ctx.eval("delete globalThis.p")
            assert self.settle(ctx) == 0

    def test_deep_walks_leave_nothing(self, ctx):
        data: dict[str, Any] = {"rows": [{"n": n} for n in range(300)]}
        ctx.globals["d"] = ctx.proxy(data, deep=True)
        assert ctx.eval("let s = 0; for (let i = 0; i < 5; i++) for (const row of d.rows) s += row.n; s") == 5 * sum(
            range(300)
        )
        ctx.eval("delete globalThis.d")
        assert self.settle(ctx) == 0

    def test_references_stay_as_they_were(self, ctx):
        page = Page()
        before = sys.getrefcount(page)
        ctx.globals["p"] = ctx.proxy(page, ["title"])
        ctx.eval("for (let i = 0; i < 100; i++) p.title; delete globalThis.p")
        assert self.settle(ctx) == 0
        assert sys.getrefcount(page) == before

    def test_after_close(self):
        ctx = MiniRacer()
        ctx.globals["close"] = ctx.close
        page = Page()
        gone = weakref.ref(page)
        ctx.globals["p"] = ctx.proxy(page, ["title"])
        with pytest.raises(JSClosedException):
            ctx.eval("close(); p.title; while (true) {}")
        del page, ctx
        gc.collect()
        assert gone() is None
        closed = MiniRacer()
        closed.close()
        with pytest.raises(JSClosedException):
            closed.proxy({})
