"""Servers of no good: each is one sentence, and no loop."""

from __future__ import annotations

import asyncio
import http
import json
import sys
import types
import unittest
from typing import Any, Awaitable, Callable, Dict, List
from unittest import mock

import harness
import aiwm_chat as a
from websockets.exceptions import InvalidHandshake
from websockets.server import serve

TOKEN = harness.token("agent", "a1")


class Fake:
    """A server that does with each connection what it is told."""

    def __init__(self, handle: Callable[[Any], Awaitable[None]], status: int = 0) -> None:
        self.handle, self.status, self.opened = handle, status, 0

    async def __aenter__(self) -> "Fake":
        async def process(path: str, headers: Any) -> Any:
            self.opened += 1
            self.headers = headers
            return (http.HTTPStatus(self.status), [], b"no\n") if self.status else None

        self.server = await serve(self.handle, "127.0.0.1", 0, subprotocols=["bearer"], process_request=process, close_timeout=1)  # type: ignore[arg-type, list-item]
        self.url = "ws://127.0.0.1:%d/ws" % list(self.server.sockets)[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.server.close()
        await self.server.wait_closed()


def frame(event: str, data: Any, name: str = "") -> str:
    return json.dumps({"event": event, "data": data, **({"id": name} if name else {})})


CONNECTED = frame("connected", {"connectionId": "C", "type": "agent", "agentId": "a1"})


class Refused(unittest.IsolatedAsyncioTestCase):
    def agent(self, url: str, token: Any = TOKEN, **options: Any) -> a.Agent:
        return a.Agent(url, token, rest_url="http://127.0.0.1:9", **{"connect_timeout": 1.0, "backoff_base": 0.01, "look_back": 0, **options})

    async def raises(self, kind: type, text: str, url: str, token: Any = TOKEN) -> None:
        with self.assertRaisesRegex(kind, text) as caught:
            async with self.agent(url, token):
                self.fail("it is connected")
        self.assertNotIn("\n", str(caught.exception))

    async def test_handshake(self) -> None:
        async def never(ws: Any) -> None:
            raise AssertionError

        for status, kind, text in [
            (401, a.Unauthorized, "refuses the token"), (403, a.ConnectFailed, "no chat at .* or it is not for this token"), (429, a.TooManyConnections, "too many connections"),
            (404, a.ConnectFailed, "no chat"), (200, a.ConnectFailed, ""), (500, a.ConnectFailed, "not available"),
        ]:
            async with Fake(never, status) as fake:
                await self.raises(kind, text, fake.url)
                self.assertEqual(fake.opened, 1, status)

    async def test_wrong_address(self) -> None:
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await self.raises(a.ConnectFailed, "no WebSocket", f"ws://127.0.0.1:{port}/ws")
        server.close()
        await server.wait_closed()
        await self.raises(a.ConnectFailed, "nothing answers", f"ws://127.0.0.1:{port}/ws")
        await self.raises(a.ConnectFailed, "nothing answers", "ws://nowhere.invalid/ws")
        for url in ("ws:///ws", "ws://h:99999/ws"):
            with self.assertRaises(a.ConnectFailed):
                async with self.agent(url):
                    pass

    async def test_no_token(self) -> None:
        async def broken() -> str:
            raise RuntimeError("no issuer")

        for token in ("", "two words", "a\r\nX: y"):
            await self.raises(a.Unauthorized, "not a JWT", "ws://127.0.0.1:9/ws", token)
        with self.assertRaisesRegex(RuntimeError, "no issuer"):
            async with self.agent("ws://127.0.0.1:9/ws", broken):
                pass

    async def test_another_protocol(self) -> None:
        """What sends rubbish is said to speak something else."""

        async def rubbish(ws: Any) -> None:
            for text in RUBBISH:
                await ws.send(text)
            async for _ in ws:
                pass

        with self.assertLogs("aiwm_chat", "WARNING"):
            async with Fake(rubbish) as fake:
                await self.raises(a.ConnectFailed, "does not speak this protocol", fake.url)
                self.assertEqual(fake.opened, 1)

    async def test_a_user(self) -> None:
        async def user(ws: Any) -> None:
            await ws.send(frame("connected", {"connectionId": "C", "type": "user", "userId": "u"}))
            await ws.wait_closed()

        async with Fake(user) as fake:
            await self.raises(a.Unauthorized, "an agent's is needed", fake.url)

    async def test_rubbish_between(self) -> None:
        """After rubbish of every kind a question still comes, and another connection is made where one ends at once."""
        questions = []

        async def server(ws: Any) -> None:
            await ws.send(CONNECTED)
            for text in RUBBISH:
                await ws.send(text)
            n = len(questions)
            questions.append(n)
            await ws.send(frame("message:from-user", {"id": f"m{n}", "conversationId": "c", "seq": 1, "participantType": "user", "content": str(n)}))
            if n < 2:
                await ws.send(frame("message:from-user", {"id": f"m{n}", "conversationId": "c", "seq": 1, "participantType": "user", "content": "again"}))
                await asyncio.sleep(0.05)
                await ws.close(1011)
                return
            await ws.wait_closed()

        with self.assertLogs("aiwm_chat", "WARNING"):
            async with Fake(server) as fake:
                async with self.agent(fake.url) as agent:
                    got = [await asyncio.wait_for(agent.__anext__(), 30) for _ in range(3)]
                self.assertEqual([m.content for m in got], ["0", "1", "2"])
                self.assertIn("aiwm.v2", fake.headers["Sec-WebSocket-Protocol"])

    async def test_refused_later(self) -> None:
        """A token that is refused when the connection is restored ends what waits, with one exception."""
        fake = Fake(self._hang_up)
        async with fake:
            async with self.agent(fake.url) as agent:
                fake.status = 401
                with self.assertRaises(a.Unauthorized):
                    await asyncio.wait_for(agent.__anext__(), 30)
                with self.assertRaises(a.Unauthorized):
                    await asyncio.wait_for(agent.send("c", "hello"), 30)
                self.assertEqual(fake.opened, 2)

    async def test_too_many_later(self) -> None:
        """Connections that are gone may still count: it is tried three times."""
        fake = Fake(self._hang_up)
        async with fake:
            async with self.agent(fake.url) as agent:
                fake.status = 429
                with self.assertRaises(a.TooManyConnections):
                    await asyncio.wait_for(agent.__anext__(), 30)
                self.assertEqual(fake.opened, 4)

    async def _hang_up(self, ws: Any) -> None:
        await ws.send(CONNECTED)
        await asyncio.sleep(0.2)

    async def test_backs_off(self) -> None:
        """A server that ends each connection at once is asked ever less often."""
        fake = Fake(self._greet_and_go)
        async with fake:
            async with self.agent(fake.url, backoff_base=0.2, backoff_cap=0.5) as agent:
                with mock.patch("random.random", lambda: 1.0), mock.patch.object(a.backoff, "__defaults__", (0.3, 20.0, lambda: 1.0)):
                    await asyncio.sleep(2)
            self.assertLess(fake.opened, 8)

    async def _greet_and_go(self, ws: Any) -> None:
        await ws.send(CONNECTED)

    async def test_repeats(self) -> None:
        """What is not acknowledged is sent again under the same id; who is limited waits as long as told; a message counts as its reply."""
        got: List[Dict[str, Any]] = []

        async def server(ws: Any) -> None:
            await ws.send(CONNECTED)
            async for text in ws:
                f = json.loads(text)
                if f["action"] != "send":
                    continue
                got.append(f)
                at = asyncio.get_running_loop().time()
                f["at"] = at
                if f["content"] == "limited" and len(got) == 1:
                    await ws.send(json.dumps({"event": "error", "id": f["id"], "error": {
                        "code": "rate_limited", "message": "wait", "retryable": True, "details": {"retryAfterMs": 700}}}))
                elif f["content"] == "gateway" and len(got) == 1:
                    await ws.send(json.dumps({"message": "Internal server error", "connectionId": "C", "requestId": "r"}))
                elif f["content"] == "message":
                    await ws.send(frame("message:new", {
                        "id": "m9", "conversationId": "c", "seq": 9, "participantType": "agent", "participantId": "a1", "status": "sent",
                        "clientMessageId": f["clientMessageId"]}))
                elif len(got) > 1:
                    await ws.send(frame("message:sent", {"messageId": "m1", "seq": 4}, f["id"]))

        async with Fake(server) as fake:
            async with self.agent(fake.url, ack_timeout=1.5) as agent:
                for text, n in [("silence", 2), ("limited", 2), ("gateway", 2), ("message", 1)]:
                    got.clear()
                    sent = await asyncio.wait_for(agent.send("c", text), 30)
                    self.assertTrue(sent.message_id, text)
                    self.assertEqual(len(got), n, text)
                    self.assertEqual(len({f["clientMessageId"] for f in got}), 1)
                    if text == "limited":
                        self.assertGreaterEqual(got[1]["at"] - got[0]["at"], 0.65)

    async def test_dead_network(self) -> None:
        """Who answers pings and falls silent is dead; who never did is not."""
        for answers in (True, False):
            opened = 0

            async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                nonlocal opened
                opened += 1
                head = await reader.readuntil(b"\r\n\r\n")
                key = [line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")][0]
                import base64, hashlib
                accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
                writer.write(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
                text = CONNECTED.encode()
                writer.write(b"\x81\x7e" + len(text).to_bytes(2, "big") + text)
                try:
                    if answers:
                        data = await reader.read(100)  # a ping of four bytes, masked
                        mask, body = data[2:6], data[6 : 6 + (data[1] & 127)]
                        body = bytes(b ^ mask[i % 4] for i, b in enumerate(body))
                        writer.write(b"\x8a" + bytes([len(body)]) + body)
                    while await reader.read(100):
                        pass
                finally:
                    writer.close()

            fake = await asyncio.start_server(server, "127.0.0.1", 0)
            url = f"ws://127.0.0.1:{fake.sockets[0].getsockname()[1]}/ws"
            async with self.agent(url, keep_alive=0.2):
                end = asyncio.get_running_loop().time() + (20 if answers else 1.5)
                while opened < 2 and asyncio.get_running_loop().time() < end:
                    await asyncio.sleep(0.05)
            self.assertEqual(opened > 1, answers)
            fake.close()

    async def test_closed_before_it_is_read(self) -> None:
        """A connection whose end nobody has read yet is over for who writes: trying again at once would never let it be read."""

        class Closed:
            async def send(self, text: str) -> None:
                raise a.ConnectionClosed(None, None)

        agent = self.agent("ws://h/ws")
        link = a._Link(agent, Closed(), TOKEN)
        agent._link = link
        agent._over, agent._changed = False, asyncio.Event()
        with self.assertRaises(a._LinkLost):
            await link.request({"action": "ping"})
        self.assertTrue(link.ended.is_set())
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(agent._ready(), 0.3)

    async def test_newer_library(self) -> None:
        """With websockets 13 and later headers have another name, and errors another form."""
        seen: Dict[str, Any] = {}

        class InvalidStatus(InvalidHandshake):
            response = types.SimpleNamespace(status_code=401)

        class Connect:
            def __init__(self, url: str, **options: Any) -> None:
                seen.update(options)

            def __await__(self) -> Any:
                raise InvalidStatus

        client = types.ModuleType("websockets.asyncio.client")
        client.connect = Connect  # type: ignore[attr-defined]
        with mock.patch.dict(sys.modules, {"websockets.asyncio": types.ModuleType("websockets.asyncio"), "websockets.asyncio.client": client}):
            import importlib.util

            spec = importlib.util.spec_from_file_location("aiwm_chat_new", harness.CLIENT / "aiwm_chat.py")
            assert spec and spec.loader
            new = importlib.util.module_from_spec(spec)
            sys.modules["aiwm_chat_new"] = new
            spec.loader.exec_module(new)
        with self.assertRaises(new.Unauthorized):
            async with new.Agent("ws://h/ws", TOKEN, headers={"X-Proxy": "1"}):
                pass
        self.assertEqual(seen["additional_headers"], {"X-Proxy": "1"})
        self.assertEqual(seen["subprotocols"], ["aiwm.v2", "bearer", TOKEN])


RUBBISH: List[Any] = [
    "", "{", "[]", "null", "1", '"x"', b"\x00\xff", "{}", '{"event":1}', '{"event":"error"}', '{"event":"error","error":{"details":[]}}',
    '{"event":"messages:history","data":{"conversationId":1,"messages":[1,{},{"seq":"x"}]}}', '{"event":"message:new","data":{"seq":1}}',
    '{"event":"message:from-user","data":[]}', '{"event":"stream:stop","data":{}}', '{"event":"pong","data":{"rooms":[1]}}',
    '{"event":"backlog","data":{"more":true,"cursor":{}}}', '{"event":"message:from-user","data":{"id":"x","conversationId":"c","seq":true}}',
    "[" * 5000, '{"message":1}', '{"event":"conversation:left","data":{"conversationId":{}}}',
]


if __name__ == "__main__":
    unittest.main()
