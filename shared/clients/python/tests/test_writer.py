"""What an answer does with each refusal, against a server that keeps pieces as the real one does."""

from __future__ import annotations

import asyncio
import json
import unittest
from typing import Any, Callable, Dict, List, Optional
from unittest import mock

import harness
from test_refused import CONNECTED, Fake, frame
import aiwm_chat as a

TOKEN = harness.token("agent", "a1")


class Streams:
    """One connection's streams. ``trouble`` may answer a frame in place of it; "lost" is no answer, and nothing done."""

    def __init__(self, trouble: Callable[["Streams", Dict[str, Any], int], Any]) -> None:
        self.trouble = trouble
        self.frames: List[Dict[str, Any]] = []
        self.parts: Dict[str, List[str]] = {}
        self.ended: Dict[str, Dict[str, Any]] = {}

    async def __call__(self, ws: Any) -> None:
        await ws.send(CONNECTED)
        async for text in ws:
            f = json.loads(text)
            if f["action"] != "stream":
                await ws.send(frame("pong", {"rooms": []}, f["id"]))
                continue
            f["at"] = asyncio.get_running_loop().time()
            self.frames.append(f)
            n = sum(1 for g in self.frames if g["state"] == f["state"]) - 1
            reply = self.trouble(self, f, n)
            if reply == "lost":
                continue
            if not isinstance(reply, dict):
                done = self.take(f)
                reply = None if reply == "unanswered" else done
            if reply:
                await ws.send(json.dumps({**reply, "id": f["id"]}))

    def next(self) -> Dict[str, int]:
        return {"content": 0, **{name: len(pieces) for name, pieces in self.parts.items()}}

    def take(self, f: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        state, stream = f["state"], f["streamId"]
        if stream in self.ended:
            return error("conflict", **self.ended[stream])
        if state == "start":
            return {"event": "stream:started", "data": {"streamId": stream, "next": self.next()}}
        if state == "append" and "index" in f:
            pieces = self.parts.setdefault(f["part"], [])
            if f.get("whole") and f["index"] >= len(pieces):
                pieces[:] = [""] * f["index"] + [f["text"]]
            elif f["index"] == len(pieces):
                pieces.append(f["text"])
            elif f["index"] > len(pieces):
                return error("conflict", next=self.next())
        if state == "end" and "pieces" in f and any(self.next().get(k, 0) != v for k, v in f["pieces"].items()):
            return error("conflict", next=self.next())
        if state in ("end", "abort"):
            status = "sent" if state == "end" else "cancelled" if f.get("cancelled") else "failed"
            text = f.get("content") or "".join(self.parts.get("content", []))
            self.ended[stream] = {"messageId": "m2", "seq": 2, "status": status}
            self.text = text
            return {"event": "message:sent", "data": {**self.ended[stream], "messageId": "m2"}}
        return None

    def of(self, state: str) -> List[Dict[str, Any]]:
        return [f for f in self.frames if f["state"] == state]


def error(code: str, **details: Any) -> Dict[str, Any]:
    return {"event": "error", "error": {"code": code, "message": "no", "retryable": code in ("unavailable", "rate_limited"), "details": details}}


def at(state: str, n: int, reply: Any) -> Callable[[Streams, Dict[str, Any], int], Any]:
    return lambda s, f, i: reply if f["state"] == state and i == n else None


PIECES = ["The sea", " is quiet", " 🌊", " today", "."] * 4
TEXT = "".join(PIECES)


class Writer(unittest.IsolatedAsyncioTestCase):
    async def write(self, trouble: Any, pieces: List[str] = PIECES, fails: Optional[Exception] = None, **attach: Any) -> Any:
        streams = Streams(trouble)
        async with Fake(streams) as fake:
            async with a.Agent(fake.url, TOKEN, look_back=0, ack_timeout=2.0, rest_url="http://127.0.0.1:9") as agent:
                out = agent.stream("c")
                try:
                    async with out:
                        for piece in pieces:
                            await out.write(piece)
                            await asyncio.sleep(0.05)
                        out.attach(**attach)
                        if fails:
                            raise fails
                except Exception as e:
                    return streams, out, e
                return streams, out, None

    async def test_as_usual(self) -> None:
        streams, out, e = await self.write(lambda *_: None)
        self.assertEqual((streams.text, out.sent.status, e), (TEXT, "sent", None))
        appends = [f for f in streams.of("append") if "index" in f]
        self.assertEqual([f["index"] for f in appends], list(range(len(appends))))
        self.assertEqual("".join(f["text"] for f in appends), TEXT)
        self.assertTrue(2 < len(appends) < len(PIECES), len(appends))
        self.assertEqual(streams.of("end")[0]["content"], TEXT)

    async def test_refusals(self) -> None:
        def forgets(s: Streams, f: Dict[str, Any], n: int) -> Any:
            if f["state"] == "append" and n == 3:
                s.parts.clear()
                return error("not_found", streamId=f["streamId"])
            return None

        def gives_up(s: Streams, f: Dict[str, Any], n: int) -> Any:
            if f["state"] == "append" and n == 3:
                s.ended[f["streamId"]] = {"messageId": "m1", "seq": 1, "status": "failed"}
                s.parts.clear()
            return None

        def ends_it(s: Streams, f: Dict[str, Any], n: int) -> Any:
            if f["state"] == "end" and n == 0:  # another connection writes it
                return error("conflict")
            if f["state"] == "start" and n == 1:
                s.ended[f["streamId"]] = {"messageId": "m1", "seq": 1, "status": "sent"}
            return None

        def stopped(s: Streams, f: Dict[str, Any], n: int) -> Any:
            if f["state"] == "append" and n == 3:
                s.ended[f["streamId"]] = {"messageId": "m1", "seq": 1, "status": "cancelled"}
                s.text = ""
            return None

        limited = error("rate_limited", retryAfterMs=300, part="content", index=2)
        cases: List[Any] = [
            ("a piece is lost", at("append", 2, "lost"), "sent", 1),
            ("a piece is limited", at("append", 2, limited), "sent", 1),
            ("a piece is not taken", at("append", 2, error("unavailable", part="content", index=2)), "sent", 1),
            ("an error without details", at("append", 2, error("internal")), "sent", 1),
            ("the stream is lost", forgets, "sent", 2),
            ("it is broken off", gives_up, "sent", 2),
            ("it is stopped", stopped, "cancelled", 1),
            ("somebody else has ended it", ends_it, "elsewhere", 2),
            ("the end is not answered", at("end", 0, "unanswered"), "sent", 1),
            ("the end is lost", at("end", 0, "lost"), "sent", 1),
            ("the start is lost", at("start", 0, "lost"), "sent", 2),
            ("the start is busy", at("start", 0, error("conflict")), "sent", 2),
            ("the end is early", at("end", 0, error("conflict", next={"content": 3})), "sent", 1),
            ("the end finds nothing", at("end", 0, error("not_found")), "sent", None),
            ("another connection", at("append", 3, error("conflict")), "sent", 2),
        ]
        found = await asyncio.gather(*(self.write(trouble) for _, trouble, _, _ in cases))
        for (name, _, status, starts), (streams, out, e) in zip(cases, found):
            with self.subTest(name):
                self.assertIsNone(e)
                self.assertEqual(out.sent.status, status)
                if status == "sent":
                    self.assertEqual(streams.text, TEXT)
                if starts is not None:
                    self.assertEqual(len(streams.of("start")), starts)
                if name == "a piece is limited":
                    appends = [f for f in streams.of("append") if "index" in f]
                    # One more may have been on its way; then it waits as long as it was told.
                    self.assertGreaterEqual(max(g["at"] - f["at"] for f, g in zip(appends[2:], appends[3:])), 0.18)

    async def test_more_than_a_frame(self) -> None:
        """The end says how many pieces there are; what is lost of them follows."""
        text = "🌊\n" * 9000
        streams, out, e = await self.write(at("append", 0, "lost"), [text[i : i + 3000] for i in range(0, len(text), 3000)])
        self.assertEqual((streams.text == text, out.sent.status), (True, "sent"))
        self.assertTrue(all("content" not in f for f in streams.of("end")))
        self.assertTrue(all(len(a.encode(f)) < a.MAX_FRAME for f in streams.frames))

    async def test_abort_is_not_doubled(self) -> None:
        """The reply to an abort is lost: what is found then is one's own, and not begun anew."""
        for reply in ("unanswered", "lost", None):
            streams, out, e = await self.write(at("abort", 0, reply), fails=RuntimeError("secret"))
            self.assertIsInstance(e, RuntimeError)
            self.assertEqual((streams.text, out.sent.status, len({f["streamId"] for f in streams.frames})), (TEXT, "failed", 1))
            self.assertNotIn("secret", json.dumps(streams.frames))

    async def test_refused_end(self) -> None:
        """What else an answer has may be refused: the text stays, and the author hears of it."""
        streams, out, e = await self.write(lambda s, f, n: error("validation_failed", toolCalls="no") if f["state"] == "end" else None, tool_calls=[{}])
        self.assertIsInstance(e, a.ChatError)
        self.assertEqual((streams.text, out.sent.status), (TEXT, "failed"))
        streams, out, e = await self.write(lambda *_: None, tool_calls=[{"x": "y" * 40_000}])
        self.assertEqual((e.code, streams.text, out.sent.status), ("payload_too_large", TEXT, "failed"))
        streams, out, e = await self.write(lambda *_: None, tool_calls=[{"x": float("nan")}])
        self.assertIsInstance(e, ValueError)
        self.assertEqual((streams.text, out.sent.status), (TEXT, "failed"))

    async def test_halves_of_characters(self) -> None:
        """What a tool says may be no text: it is mended like the answer's own."""
        streams, out, e = await self.write(lambda *_: None, tool_calls=[{"x": ["\ud83c", "\ud83c\udf0a"]}])
        self.assertIsNone(e)
        self.assertEqual(streams.of("end")[0]["toolCalls"], [{"x": ["\ufffd", "🌊"]}])

    async def test_refused_tool(self) -> None:
        """A piece of a tool that is refused for good fails the answer, and what was said is not held up by it."""
        streams = Streams(lambda s, f, n: error("payload_too_large", part=f["part"], index=f["index"]) if f.get("part", "").startswith("tool:") else None)
        async with Fake(streams) as fake:
            async with a.Agent(fake.url, TOKEN, look_back=0, ack_timeout=2.0, abort_timeout=5.0, rest_url="http://127.0.0.1:9") as agent:
                with self.assertRaisesRegex(a.ChatError, "payload_too_large"):
                    async with agent.stream("c") as out:
                        await out.write("said")
                        for i in range(60):
                            await out.tool(f"t{i}", "x")
                        await asyncio.sleep(30)
        self.assertEqual((streams.text, out.sent.status if out.sent else ""), ("said", "failed"))

    async def test_others_write(self) -> None:
        """Who waits for another process looks whether that still writes: it may have ended just then, with a message or without."""
        for message in (True, False):
            streams = Streams(lambda s, f, n: error("conflict") if f["state"] == "start" and f["streamId"] == "s" and "s" not in s.ended else None)

            async def over(self: Any, conversation: str, stream: str) -> bool:
                if message:
                    streams.ended["s"] = {"messageId": "m1", "seq": 1, "status": "sent"}
                return stream == "s"

            with mock.patch.object(a, "OVER_AFTER", 0.2), mock.patch.object(a.Agent, "_is_over", over):
                async with Fake(streams) as fake:
                    async with a.Agent(fake.url, TOKEN, look_back=0, rest_url="http://127.0.0.1:9") as agent:
                        async with agent.stream("c", stream_id="s") as out:
                            await out.write("mine")
                            await asyncio.sleep(0.1)
            self.assertEqual(out.sent.status if out.sent else "", "elsewhere" if message else "sent")
            self.assertEqual({f["streamId"] for f in streams.frames}, {"s"} if message else {"s", "s-again-2"})

    async def test_refused_for_good(self) -> None:
        """A stream that may not be written cancels the body and says why."""
        streams, out, e = await self.write(at("append", 2, error("forbidden")))
        self.assertEqual(e.code, "forbidden")
        streams, out, e = await self.write(at("start", 0, error("forbidden")))
        self.assertEqual(e.code, "forbidden")
        for code in ("not_found", "conversation_closed"):
            streams, out, e = await self.write(at("start", 0, error(code)))
            self.assertEqual((e, out.sent.status, len(streams.frames)), (None, "dropped", 1))


if __name__ == "__main__":
    unittest.main()
