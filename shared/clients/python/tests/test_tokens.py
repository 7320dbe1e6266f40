"""Tokens: whoever gives them may fail, hang or have another clock, and they are for one server alone."""

from __future__ import annotations

import asyncio
import http
import time
import unittest
from typing import Any, List

import harness
from test_ends import agent
from test_refused import CONNECTED, Fake
from websockets.server import serve
import aiwm_chat as a

TOKEN = harness.token("agent", "a1")


class Tokens(unittest.IsolatedAsyncioTestCase):
    async def test_redirect(self) -> None:
        """A redirection is not followed: the token is for nobody else."""
        other = Fake(self.greet)
        async with other:
            async def away(path: str, headers: Any) -> Any:
                return http.HTTPStatus.FOUND, [("Location", other.url)], b""

            server = await serve(self.greet, "127.0.0.1", 0, process_request=away)
            url = "ws://127.0.0.1:%d/ws" % list(server.sockets)[0].getsockname()[1]
            with self.assertRaises(a.ConnectFailed):
                async with agent(url):
                    pass
            server.close()
            self.assertEqual(other.opened, 0)

    async def later(self, *answers: Any) -> List[float]:
        """Connections that end at once; the token comes as told."""
        asked: List[float] = []

        async def get() -> str:
            asked.append(time.monotonic())
            what = answers[min(len(asked), len(answers)) - 1]
            return await what() if callable(what) else what

        async with Fake(self.hang_up) as fake:
            async with agent(fake.url, get, connect_timeout=0.3, backoff_cap=0.1):
                end = time.monotonic() + 5
                while fake.opened < 2 and time.monotonic() < end:
                    await asyncio.sleep(0.02)
            self.assertGreater(fake.opened, 1)
        return asked

    async def test_hangs(self) -> None:
        """One that never comes is asked for again."""
        await self.later(TOKEN, lambda: asyncio.sleep(3600), TOKEN)
        with self.assertRaisesRegex(a.ConnectFailed, "token"):
            async with agent("ws://127.0.0.1:9/ws", lambda: asyncio.sleep(3600), connect_timeout=0.2):
                pass

    async def test_raises(self) -> None:
        async def broken() -> str:
            raise RuntimeError("no issuer")

        async def cancelled() -> str:
            raise asyncio.CancelledError

        with self.assertLogs("aiwm_chat", "WARNING"):
            await self.later(TOKEN, broken, TOKEN)
        await self.later(TOKEN, cancelled, TOKEN)

    async def test_clock_ahead(self) -> None:
        """Where the clock is ahead every token seems to be over: it is not asked for again and again."""
        asked = 0

        def fresh() -> str:
            nonlocal asked
            asked += 1
            return harness.token("agent", "a1", -7200 + asked)

        async with Fake(self.greet) as fake:
            async with agent(fake.url, fresh):
                await asyncio.sleep(2)
        self.assertEqual(asked, 1)

    async def greet(self, ws: Any) -> None:
        await ws.send(CONNECTED)
        await ws.wait_closed()

    async def hang_up(self, ws: Any) -> None:
        await ws.send(CONNECTED)
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    unittest.main()
