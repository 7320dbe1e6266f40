"""How things end: what was written is committed whoever cancels, and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import unittest
from typing import Any, Callable, List, Set

import harness
from test_refused import CONNECTED, Fake, frame
from test_writer import Streams
import aiwm_chat as a

TOKEN = harness.token("agent", "a1")


def agent(url: str, token: Any = TOKEN, **options: Any) -> a.Agent:
    return a.Agent(url, token, rest_url="http://127.0.0.1:9", **{"look_back": 0, "backoff_base": 0.01, **options})


class Cancelled(unittest.IsolatedAsyncioTestCase):
    async def ends(self, trouble: Any, act: Callable[[Any, "asyncio.Task[Any]", a.Answer], Any]) -> Any:
        """Write in a task, do something to it, and return what became of it."""
        streams = Streams(trouble)
        async with Fake(streams) as fake:
            async with agent(fake.url, ack_timeout=0.5, abort_timeout=2.0) as one:
                out = one.stream("c")

                async def body() -> None:
                    async with out:
                        await out.write("half")
                        await out.write(" and half")

                task = asyncio.ensure_future(body())
                await act(streams, task, out)
                await asyncio.wait({task}, timeout=5)
                return streams, task, out

    async def test_while_it_is_committed(self) -> None:
        """Who cancels while the end is on its way finds the answer ended, and not left to a lease."""

        async def act(streams: Streams, task: "asyncio.Task[Any]", out: a.Answer) -> None:
            while not streams.of("end"):
                await asyncio.sleep(0.01)
            task.cancel()

        for reply, status in (("lost", "failed"), ("unanswered", "sent")):
            streams, task, out = await self.ends(lambda s, f, n, reply=reply: reply if f["state"] == "end" else None, act)
            self.assertTrue(task.cancelled())
            self.assertEqual((streams.text, list(streams.ended.values())[0]["status"]), ("half and half", status))
            self.assertEqual(out.sent and out.sent.status, status)

    async def test_at_every_step(self) -> None:
        """Cancelled after any number of steps: either it was never begun, or it has ended."""
        for steps in range(0, 60, 2):
            async def act(streams: Streams, task: "asyncio.Task[Any]", out: a.Answer, steps: int = steps) -> None:
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()

            streams, task, out = await self.ends(lambda *_: None, act)
            await asyncio.sleep(0)
            begun = {f["streamId"] for f in streams.of("start")}
            self.assertTrue(not begun or out.sent is not None, steps)
            if streams.ended and task.cancelled():
                self.assertIn(out.sent.status, ("failed", "sent", "dropped"))

    async def test_stop_and_somebody_else(self) -> None:
        """Who cancels in the same moment as a stop is not swallowed, whichever comes first and whatever the body does."""
        for stop_first in (True, False):
            for catches in (True, False):
                streams = Streams(lambda *_: None)
                async with Fake(streams) as fake:
                    async with agent(fake.url) as one:
                        begun = asyncio.Event()

                        async def body() -> None:
                            async with one.stream("c") as out:
                                self.out = out
                                await out.write("text")
                                begun.set()
                                try:
                                    await asyncio.sleep(30)
                                except asyncio.CancelledError:
                                    if not catches:
                                        raise
                            await asyncio.sleep(30)

                        task = asyncio.ensure_future(body())
                        await begun.wait()
                        for act in (self.out._stop, task.cancel) if stop_first else (task.cancel, self.out._stop):
                            act()
                        await asyncio.wait({task}, timeout=3)
                        if hasattr(task, "cancelling") and not catches:
                            self.assertTrue(task.cancelled(), (stop_first, catches))
                        task.cancel()
                        self.assertEqual(streams.text, "text")

    async def test_everything_is_cancelled(self) -> None:
        """Ctrl-C before Python 3.11 cancels the connection's tasks, too: nobody waits for another one."""
        streams = Streams(lambda *_: None)
        async with Fake(streams) as fake:
            before = asyncio.all_tasks()
            begun = asyncio.Event()

            async def program() -> None:
                async with agent(fake.url, abort_timeout=60.0) as one:
                    async with one.stream("c") as out:
                        await out.write("text")
                        begun.set()
                        await asyncio.sleep(60)

            task = asyncio.ensure_future(program())
            await begun.wait()
            mine = [t for t in asyncio.all_tasks() - before if t is task or "aiwm_chat" in repr(t)]
            self.assertGreater(len(mine), 3)
            for t in mine:
                t.cancel()
            await asyncio.wait({task}, timeout=20)
            self.assertTrue(task.cancelled())

    async def test_closed_while_it_is_begun(self) -> None:
        """The agent is closed before an answer has begun: that says so, and cancels nobody."""
        streams = Streams(lambda s, f, n: "lost" if f["state"] == "start" else None)
        async with Fake(streams) as fake:
            async with agent(fake.url) as one:
                async def body() -> None:
                    async with one.stream("c"):
                        self.fail("it has begun")

                task = asyncio.ensure_future(body())
                while not streams.frames:
                    await asyncio.sleep(0.01)
            await asyncio.wait({task}, timeout=10)
            self.assertIsInstance(task.exception(), a.ChatError)

    async def test_not_begun(self) -> None:
        """What is written outside of the block is refused, not lost."""
        async with Fake(Streams(lambda *_: None)) as fake:
            async with agent(fake.url) as one:
                out = one.stream("c")
                with self.assertRaisesRegex(RuntimeError, "async with"):
                    await out.write("lost")


class Left(unittest.IsolatedAsyncioTestCase):
    async def nothing(self, before: Set[Any]) -> None:
        self.assertEqual(asyncio.all_tasks() - before, set())

    async def test_failed_to_enter(self) -> None:
        async def silent(ws: Any) -> None:
            await ws.wait_closed()

        async with Fake(silent) as fake:
            before = asyncio.all_tasks()
            with self.assertRaises(a.ConnectFailed):
                async with agent(fake.url, connect_timeout=0.3):
                    pass
            mine = {t for t in asyncio.all_tasks() - before if "Agent" in repr(t) or "_Link" in repr(t) or "_wait" in repr(t) or "Event.wait" in repr(t)}
            self.assertEqual(mine, set())

    async def test_closed_while_connections_change(self) -> None:
        """All of an agent's connections end with it: an old one that drains, and one that was just replaced."""
        for rooms in (True, False):
            opened: List[Any] = []

            async def serve(ws: Any) -> None:
                opened.append(ws)
                await ws.send(CONNECTED)
                async for text in ws:
                    f = json.loads(text)
                    if f["action"] != "join" or len(opened) == 1:
                        await ws.send(frame("conversation:joined", {"lastSeq": 0}, f["id"]))

            async with Fake(serve) as fake:
                one = agent(fake.url, max_age=0.4, max_age_jitter=0.0, conversations=["c"] if rooms else [])
                async with one:
                    while len(opened) < 2:
                        await asyncio.sleep(0.01)
                    await asyncio.sleep(0.05)
                self.assertEqual([ws.open for ws in opened], [False] * len(opened))

    async def test_used_at_the_wrong_time(self) -> None:
        """Before and after the block everything says so at once."""
        one = agent("ws://127.0.0.1:9/ws")
        for call in (lambda: one.send("c", "x"), lambda: one.__anext__(), lambda: one.run(print), lambda: one.stream("c").__aenter__()):  # type: ignore[arg-type, list-item]
            with self.assertRaisesRegex(RuntimeError, "async with"):
                await asyncio.wait_for(call(), 1)  # type: ignore[arg-type, misc]
        await one.close()
        async with Fake(self.greet) as fake:
            one = agent(fake.url)
            async with one:
                pass
            with self.assertRaisesRegex(a.ChatError, "closed"):
                await asyncio.wait_for(one.send("c", "x"), 1)
            self.assertEqual([m async for m in one], [])
            await one.close()

    async def greet(self, ws: Any) -> None:
        await ws.send(CONNECTED)
        await ws.wait_closed()


if __name__ == "__main__":
    unittest.main()
