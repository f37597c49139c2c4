"""Realms: globals of their own on one heap."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from py_mini_racer import (
    JSClosedException,
    JSEvalException,
    JSFunction,
    JSOOMException,
    JSParseException,
    JSTimeoutException,
    MiniRacer,
)


@pytest.fixture
def ctx():
    with MiniRacer() as opened:
        yield opened


def test_globals_are_apart(ctx):
    one, other = ctx.new_realm(), ctx.new_realm()
    one.eval("var name = 'one'; let secret = 1; Array.prototype.extra = 1; globalThis.Object = 5")
    other.eval("var name = 'other'")
    assert one.eval("name") == "one"
    assert other.eval("name + typeof secret + [].extra + typeof Object") == "otherundefinedundefinedfunction"
    assert ctx.eval("typeof name") == "undefined"
    assert one.globals["name"] == "one"
    assert "name" not in ctx.globals
    assert one.execute("{a: name}") == {"a": "one"}
    assert one.call("String", 5) == "5"


def test_every_way_in_is_the_realms(ctx):
    realm = ctx.new_realm()
    realm.eval("var here = 1")
    assert realm.eval("here") == realm.eval("here", timeout_sec=10) == realm.eval("here", copy=True) == 1
    assert realm.eval("'\ud800' + here") == "\ud8001"
    assert asyncio.run(realm.eval_async("here")) == 1
    with pytest.raises(JSParseException, match=r"there\.js:1"):
        realm.eval("(", filename="there.js")
    with pytest.raises(JSEvalException, match="boom"):
        realm.eval("throw new Error('boom')")


def test_python_functions_are_of_the_realm(ctx):
    realm = ctx.new_realm()
    realm.globals["double"] = lambda x: 2 * x
    assert realm.eval("double(21)") == 42
    assert ctx.eval("typeof double") == "undefined"
    realm.eval("globalThis.marked = true")
    assert realm.eval("double.constructor('return globalThis')().marked") is True

    @realm.function(name="tools.half")
    def half(x):
        return x / 2

    assert realm.eval("tools.half(42)") == 21
    assert ctx.eval("typeof tools") == "undefined"


def test_objects_can_be_passed(ctx):
    one, other = ctx.new_realm(), ctx.new_realm()
    rows = one.eval("[1, 2, 3]")
    total = other.eval("(rows) => rows.reduce((a, b) => a + b)")
    assert isinstance(total, JSFunction)
    assert total(rows) == 6
    ctx.globals["rows"] = rows
    assert ctx.eval("rows.length + ',' + (rows instanceof Array) + ',' + Array.isArray(rows)") == "3,false,true"
    assert other.eval("(g) => g.Array")(one.globals) is not None


def test_timers_and_promises(ctx):
    realm = ctx.new_realm()
    assert realm.eval("new Promise((resolve) => setTimeout(() => resolve(globalThis.x = 5), 1))").get(timeout=60) == 5
    assert ctx.eval("typeof x") == "undefined"
    assert realm.eval("x") == 5


def test_limits_are_shared(ctx):
    realm = ctx.new_realm()
    with pytest.raises(JSTimeoutException):
        realm.eval("for (;;);", timeout_sec=0.05)
    ctx.set_hard_memory_limit(50_000_000)
    with pytest.raises(JSOOMException):
        realm.eval("var a = []; for (;;) a.push(new Array(1000).fill(1.5))", max_memory=50_000_000)
    assert realm.eval("a = null; 1") == ctx.eval("1") == 1


def test_close(ctx):
    realm = ctx.new_realm()
    held = realm.eval("var z = 26; () => z")
    realm.close()
    realm.close()
    for use in (realm.new_realm, lambda: realm.eval("1"), lambda: realm.globals):
        with pytest.raises(JSClosedException):
            use()
    assert held() == 26
    assert ctx.eval("1") == 1
    orphan = ctx.new_realm()
    ctx.close()
    with pytest.raises(JSClosedException):
        orphan.eval("1")
    with pytest.raises(JSClosedException):
        ctx.new_realm()


def test_modules_are_the_first_realms(ctx):
    with pytest.raises(NotImplementedError, match="first realm"):
        ctx.new_realm().import_module("x")


def test_realms_come_and_go(ctx):
    for _ in range(300):
        ctx.new_realm().eval("var big = new Array(10000).fill(0); 1")
    gc.collect()
    ctx.low_memory_notification()
    before = ctx.heap_stats()["used_heap_size"]
    for _ in range(300):
        ctx.new_realm().eval("var big = new Array(10000).fill(0); 1")
    gc.collect()
    ctx.low_memory_notification()
    assert ctx.heap_stats()["used_heap_size"] < before + 2_000_000


def test_from_many_threads(ctx):
    realms = [ctx.new_realm() for _ in range(8)]
    answers = {}

    def work(number):
        realms[number].eval(f"var mine = {number}")
        answers[number] = {realms[number].eval("mine") for _ in range(200)}

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: {number} for number in range(8)}
