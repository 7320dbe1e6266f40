"""Questions: each once, in the order of its conversation, whatever REST and handlers do."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import unittest
from typing import Any, Dict, List
from unittest import mock

import harness
from test_refused import CONNECTED, Fake, frame
import aiwm_chat as a

TOKEN = harness.token("agent", "a1")


def asked(seq: int, conversation: str = "c", content: str = "", **more: Any) -> Dict[str, Any]:
    return {"id": f"{conversation}{seq}", "conversationId": conversation, "seq": seq, "participantType": "user", "content": content or str(seq), **more}


class Rest:
    """REST of no good: what it answers to each request, in turn; the last one for ever. None never answers."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.paths = answers, []  # type: ignore[var-annotated]

    async def __aenter__(self) -> "Rest":
        self.server = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        self.url = "http://127.0.0.1:%d" % self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.server.close()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.paths.append(head.split()[1].decode())
        answer = self.answers[min(len(self.paths), len(self.answers)) - 1]
        if answer is None:
            await reader.read()
            return writer.close()
        status, body, cut = answer if isinstance(answer, tuple) else (200, answer, 0)
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(text) + cut) + text)
        writer.close()


class Asked(unittest.IsolatedAsyncioTestCase):
    async def got(self, frames: List[str], n: int, rest: Rest, wait: float = 0.0) -> List[a.Message]:
        async def server(ws: Any) -> None:
            await ws.send(CONNECTED)
            for text in frames:
                await ws.send(text)
            async for text in ws:
                f = json.loads(text)
                if f["action"] == "join":
                    await ws.send(frame("conversation:joined", {"lastSeq": 0}, f["id"]))

        async with rest, Fake(server) as fake:
            async with a.Agent(fake.url, TOKEN, rest_url=rest.url, look_back=0) as agent:
                with mock.patch.object(a.backoff, "__defaults__", (0.01, 0.05, lambda: 1.0)):
                    await asyncio.sleep(wait)
                    return [await asyncio.wait_for(agent.__anext__(), harness.PATIENCE) for _ in range(n)]

    async def test_long_ones_keep_their_place(self) -> None:
        """What is asked while a long question is read comes after it; other conversations do not wait."""
        frames = [frame("message:from-user", m) for m in (asked(1, truncated=True), asked(2), asked(1, "d"))]
        got = await self.got(frames, 3, Rest(asked(1, content="long")))
        self.assertEqual([(m.conversation_id, m.content) for m in got], [("d", "1"), ("c", "long"), ("c", "2")])

    async def test_deleted_while_read(self) -> None:
        frames = [frame("message:from-user", asked(1, truncated=True)), frame("message:deleted", {"messageId": "c1", "conversationId": "c"}),
                  frame("message:from-user", asked(2))]
        got = await self.got(frames, 1, Rest(asked(1, content="long")), wait=0.5)
        self.assertEqual([m.content for m in got], ["2"])

    async def test_rest_breaks_off(self) -> None:
        """An answer of REST that is cut, or rubbish, is asked for again."""
        deep = b"[" * 100_000
        for broken in ((200, {"id": "c1"}, 50), (200, deep, 0), (200, b"{", 0), (200, [], 0), (503, {}, 0), (500, b"<html>", 0)):
            got = await self.got([frame("message:from-user", asked(1, truncated=True))], 1, Rest(broken, broken, asked(1, content="long")))
            self.assertEqual(got[0].content, "long", broken)

    async def test_backlog(self) -> None:
        """A backlog that cannot be read for a while is read later; a cursor that leads nowhere is no loop."""
        page = {"data": [asked(1)], "pagination": {"hasMore": True, "cursor": "x"}}
        rest = Rest(*[(503, {}, 0)] * 30, page)
        got = await self.got([frame("backlog", {"more": True, "cursor": "x"})], 1, rest)
        self.assertEqual(got[0].content, "1")
        rest = Rest(page)
        await self.got([frame("backlog", {"more": True, "cursor": "x"})], 1, rest, wait=1.0)
        self.assertLess(len(rest.paths), 4)

    async def test_backlog_waits(self) -> None:
        """Of a backlog no more is read than is asked for; all of it comes."""
        pages = [
            {"data": [asked(10 * n + i // 10 + 1, f"c{i % 10}") for i in range(100)], "pagination": {"hasMore": n < 9, "cursor": str(n)}} for n in range(10)
        ]
        rest = Rest(*pages)
        with mock.patch.object(a, "AHEAD", 250):
            got = await self.got([frame("backlog", {"more": True, "cursor": "x"})], 100, rest, wait=1.5)
            self.assertLess(len(rest.paths), 6)
            got = await self.got([frame("backlog", {"more": True, "cursor": "x"})], 1000, Rest(*pages))
            self.assertEqual(len({m.id for m in got}), 1000)

    async def test_deleted_while_it_waits(self) -> None:
        """What was deleted while the one before it was answered is not asked any more."""
        async def server(ws: Any) -> None:
            await ws.send(CONNECTED)
            for seq in (1, 2, 3):
                await ws.send(frame("message:from-user", asked(seq)))
            async for _ in ws:
                await ws.send(frame("message:deleted", {"messageId": "c2", "conversationId": "c"}))

        done: List[str] = []

        async def handler(m: a.Message) -> None:
            await asyncio.sleep(0.3)
            done.append(m.content)

        async with Fake(server) as fake:
            async with a.Agent(fake.url, TOKEN, rest_url="http://127.0.0.1:9", look_back=0) as agent:
                running = asyncio.ensure_future(agent.run(handler))
                await harness.until(lambda: self.so(len(done) > 1))
                running.cancel()
                await asyncio.wait({running})
        self.assertEqual(done[:2], ["1", "3"])

    async def so(self, it: bool) -> bool:
        return it

    async def test_many(self) -> None:
        """Twenty thousand that wait are no work for the loop."""
        agent = a.Agent("ws://h/ws", TOKEN)
        agent._changed = asyncio.Event()
        agent._over = False
        took = time.process_time()
        for i in range(20_000):
            agent._put(a._message(agent, asked(i + 1, f"c{i % 5000}")))  # type: ignore[arg-type]
        for i in range(20_000):
            await agent.__anext__()
        took = time.process_time() - took
        self.assertLess(took, 3)

    async def test_handler_is_cancelled(self) -> None:
        """A cancellation that a handler made itself is an error like others: its conversation goes on."""
        async def server(ws: Any) -> None:
            await ws.send(CONNECTED)
            for seq in (1, 2):
                await ws.send(frame("message:from-user", asked(seq)))
            await ws.wait_closed()

        done: List[str] = []

        async def handler(m: a.Message) -> None:
            if m.seq == 1:
                raise asyncio.CancelledError
            done.append(m.content)

        async with Fake(server) as fake:
            async with a.Agent(fake.url, TOKEN, rest_url="http://127.0.0.1:9", look_back=0) as agent:
                running = asyncio.ensure_future(agent.run(handler))
                await harness.until(lambda: self.so(bool(done)), 20)
                running.cancel()
                await asyncio.wait({running})
                self.assertEqual(done, ["2"])
                with self.assertRaisesRegex(ValueError, "concurrency"):
                    await asyncio.wait_for(agent.run(handler, concurrency=0), 1)

    async def test_ends_while_rest_hangs(self) -> None:
        """A program ends at once, also where REST does not answer."""
        code = """if True:
            import asyncio, sys
            from aiwm_chat import Agent
            async def main():
                asyncio.get_running_loop().slow_callback_duration = 60
                async with Agent(*sys.argv[1:3], rest_url=sys.argv[3], look_back=0) as agent:
                    asyncio.ensure_future(agent.history("c"))
                    await asyncio.sleep(0.3)
            asyncio.run(main(), debug=True)"""

        async def greet(ws: Any) -> None:
            await ws.send(CONNECTED)
            await ws.wait_closed()

        async with Rest(None) as rest, Fake(greet) as fake:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-X", "dev", "-c", code, fake.url, TOKEN, rest.url, stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(harness.CLIENT), os.environ.get("PYTHONPATH", "")])},
            )
            try:
                _, said = await asyncio.wait_for(process.communicate(), 20)
            except asyncio.TimeoutError:
                process.kill()
                self.fail("it does not end")
            self.assertEqual((process.returncode, said.decode()), (0, ""))


if __name__ == "__main__":
    unittest.main()
