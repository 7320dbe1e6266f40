"""Reactions, edits, deletions and marks, on the local server."""

from __future__ import annotations

import asyncio
import time
import unittest
from typing import Any, Dict, List

from harness import AgentTest, Network, until
import aiwm_chat as a


class Changes(AgentTest):
    async def message(self, c: str, seq: int) -> Dict[str, Any]:
        return (await self.user.log(c))[seq - 1]

    async def reads(self, c: str) -> Dict[str, int]:
        return {m["id"]: m["seq"] for m in (await self.user.call("GET", f"/conversations/{c}/reads"))["data"]}

    async def unread(self, agent: a.Agent, c: str) -> int:
        return int((await agent._rest("GET", f"/conversations/{c}"))["unread"]["count"])

    async def asked(self, agent: a.Agent, *texts: str) -> List[a.Message]:
        c = await self.user.open(self.name)
        found = []
        for text in texts:
            await self.user.ask(c, text)
            found.append(await asyncio.wait_for(agent.__anext__(), 30))
        return found

    async def test_react(self) -> None:
        async with a.Agent(self.server.url, self.token) as agent:
            [m] = await self.asked(agent, "Hello")
            await m.react("\N{EYES}")
            await m.react("\N{EYES}")  # is the same
            await m.react(":done:")
            await m.react("\N{EYES}", False)
            self.assertEqual([(r["key"], r["count"]) for r in (await self.message(m.conversation_id, 1))["reactions"]], [(":done:", 1)])
            with self.assertRaises(a.ChatError) as refused:
                await m.react("no emoji")
            self.assertEqual(refused.exception.code, "validation_failed")

    async def test_edit_and_delete(self) -> None:
        async with a.Agent(self.server.url, self.token) as agent:
            [m] = await self.asked(agent, "Hello")
            c = m.conversation_id
            sent = await m.reply("Hullo", attachments=["https://example.org/a.png"])
            await agent.edit(c, sent.message_id, "Hello \ud83c", edits=0)
            now = await self.message(c, 2)
            self.assertEqual((now["content"], now["edits"], now["attachments"]), ("Hello \ufffd", 1, ["https://example.org/a.png"]))
            with self.assertRaises(a.ChatError) as refused:
                await agent.edit(c, sent.message_id, "Hi", edits=0)
            self.assertEqual((refused.exception.code, refused.exception.details.get("edits")), ("conflict", 1))
            await agent.edit(c, sent.message_id, "x" * 40_000, attachments=[])
            now = await self.message(c, 2)
            self.assertEqual((len(now["content"]), now["edits"], now.get("attachments", [])), (40_000, 2, []))
            with self.assertRaises(a.ChatError) as refused:
                await agent.edit(c, m.id, "not mine")
            self.assertEqual(refused.exception.code, "forbidden")
            await agent.delete(sent.message_id)
            await agent.delete(sent.message_id)  # is the same
            now = await self.message(c, 2)
            self.assertEqual((now["isDeleted"], now["content"]), (True, ""))

    async def test_read(self) -> None:
        """It moves forward, and back by unread alone; the others learn of what is not private, also where they were told a moment ago."""
        async with a.Agent(self.server.url, self.token) as agent:
            asked = await self.asked(agent, "one", "two", "three")
            c = asked[0].conversation_id
            self.assertEqual(await asked[1].read(), 2)
            self.assertEqual(await asked[0].read(), 2)
            self.assertEqual((await self.reads(c))[self.name], 2)
            self.assertEqual(await asked[2].read(private=True), 3)
            self.assertEqual(((await self.reads(c))[self.name], await self.unread(agent, c)), (2, 0))
            self.assertEqual(await agent.unread(c, 2), 1)
            self.assertEqual(((await self.reads(c))[self.name], await self.unread(agent, c)), (2, 2))
            self.assertEqual(await agent.read(c, 99), 3)
            self.assertEqual((await self.reads(c))[self.name], 3)
            with self.assertRaises(a.ChatError) as refused:
                await agent.read("none", 1)
            self.assertEqual(refused.exception.code, "not_found")

    async def test_one_waits_for_all(self) -> None:
        """Of several at once the last one tells the others; none of those before waits for that."""
        async with a.Agent(self.server.url, self.token) as agent:
            asked = await self.asked(agent, "one", "two", "three")
            c = asked[0].conversation_id
            began = time.monotonic()
            marks = await asyncio.gather(*(m.read() for m in asked))
            self.assertLess(time.monotonic() - began, 10)
            self.assertEqual((max(marks), await self.unread(agent, c), agent._marks), (3, 0, {}))

    async def test_cut(self) -> None:
        """What is said while there is no connection goes with the next one."""
        async with Network(self.server.port) as net:
            async with a.Agent(net.url(), self.token, rest_url=f"http://127.0.0.1:{self.server.port}", backoff_base=0.05) as agent:
                asked = await self.asked(agent, "one", "two")
                net.cut()
                await asyncio.gather(asked[1].read(), asked[0].react(":done:"))
                c = asked[0].conversation_id

                async def is_read() -> bool:
                    return await self.unread(agent, c) == 0

                await until(is_read)
                self.assertEqual((await self.message(c, 1))["reactions"][0]["count"], 1)


if __name__ == "__main__":
    unittest.main()
