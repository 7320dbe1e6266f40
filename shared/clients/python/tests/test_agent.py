"""The client against the local server: what is committed is, to the character, what was written."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import unittest
from typing import Any, List

import harness
from harness import AgentTest, Network, Server, User, until
import aiwm_chat as a

WORDS = ["The", " sea", " is", " quiet", " 🌊", "\ud83c", "\udf0a", " today", "é", "\n", ' "quoted"', "\\", "\t", "  ", "<b>", "\u202e", "中文"]


def words(n: int, seed: int = 1) -> List[str]:
    rand = random.Random(seed)
    return [w for _ in range(n) for w in [rand.choice(WORDS)] if w not in ("\ud83c", "\udf0a")] + ["\ud83c", "\udf0a."]


def whole(pieces: List[str]) -> str:
    return a.clean("".join(pieces))


class Talks(AgentTest):
    async def test_answer(self) -> None:
        """Thinking, a tool, a status, usage; each piece is cut between characters; the text is the committed one."""
        c = await self.user.open(self.name)
        pieces = words(60)
        async with a.Agent(self.server.url, self.token) as agent:
            question = await self.user.ask(c, "How is the sea?")
            message = await asyncio.wait_for(agent.__anext__(), 30)
            self.assertEqual((message.id, message.content, message.participant_id, message.conversation_id), (question, "How is the sea?", "u1", c))
            async with message.answer() as out:
                await out.think("hm \ud83c")
                await out.think("\udf0a")
                await out.status("tool")
                await out.tool("t1", "searching")
                for piece in pieces:
                    await out.write(piece)
                    await asyncio.sleep(0.005)
                await self.user.sees(c, whole(pieces[:40]))
                self.assertEqual(await self.user.shown(c, "tool:t1"), "searching")
                out.usage(3, 4)
                out.attach(attachments=["https://example.org/a.png"], tool_calls=[{"name": "t1"}])
            self.assertEqual(out.text, whole(pieces))
            assert out.sent
            [m] = await self.user.answers(c, 1)
            self.assertEqual((m["content"], m["thinking"]["content"], m["status"], m["parentId"]), (whole(pieces), "hm 🌊", "sent", question))
            self.assertEqual((m["id"], m["seq"], m["usage"]["totalTokens"], m["toolCalls"]), (out.sent.message_id, out.sent.seq, 7, [{"name": "t1"}]))
            self.assertEqual(out.sent.status, "sent")
            self.assertEqual([h.seq for h in await agent.history(c)], [1, 2])
            self.assertEqual([h.content for h in await message.history()], ["How is the sea?"])

    async def test_long(self) -> None:
        """More than fits a frame goes in pieces, and what is as long as an answer may be arrives."""
        c = await self.user.open(self.name)
        text = ("x🌊\n\"" * 40_000)[: 120_000]
        async with a.Agent(self.server.url, self.token) as agent:
            async with agent.stream(c) as out:
                for i in range(0, len(text), 997):
                    await out.write(text[i : i + 997])
                    if i % (997 * 20) == 0:
                        await asyncio.sleep(0.11)
            [m] = await self.user.answers(c, 1)
            self.assertEqual(len(m["content"]), len(text))
            self.assertTrue(m["content"] == text)
            sent = await agent.send(c, "y" * 40_000)
            self.assertEqual((sent.seq, (await self.user.log(c))[1]["content"]), (2, "y" * 40_000))
            with self.assertRaises(a.ChatError):
                async with agent.stream(c) as out:
                    await out.write("z" * 300_000)

    async def test_reply_and_send(self) -> None:
        c = await self.user.open(self.name)
        async with a.Agent(self.server.url, self.token) as agent:
            question = await self.user.ask(c, "Hello")
            message = await asyncio.wait_for(agent.__anext__(), 30)
            first = await message.reply("Hello yourself", usage={"promptTokens": 1, "completionTokens": 1, "totalTokens": 2})
            second = await agent.send(c, "And this", client_message_id="mine")
            again = await agent.send(c, "And this", client_message_id="mine")
            self.assertEqual((first.seq, second.seq, again.seq, again.duplicate, again.message_id), (2, 3, 3, True, second.message_id))
            log = await self.user.answers(c, 2)
            self.assertEqual([(m["content"], m.get("parentId", "")) for m in log], [("Hello yourself", question), ("And this", "")])
            with self.assertRaisesRegex(a.ChatError, "not_found"):
                await agent.send("0" * 24, "nobody")

    async def test_stop(self) -> None:
        """The body is cancelled, what was written is committed as cancelled, and the agent goes on."""
        c = await self.user.open(self.name)
        written: List[str] = []
        async with a.Agent(self.server.url, self.token) as agent:
            await self.user.ask(c, "Tell me everything")
            message = await asyncio.wait_for(agent.__anext__(), 30)
            cancelled = False
            async with message.answer() as out:
                try:
                    while True:
                        written.append(f" {len(written)} 🌊")
                        await out.write(written[-1])
                        if len(written) == 20:
                            await self.user.sees(c, " 10 ")
                            await self.user.stop(c)
                        await asyncio.sleep(0.02)
                except asyncio.CancelledError:
                    cancelled = True
                    raise
            self.assertTrue(cancelled and out.stopped)
            assert out.sent
            self.assertEqual(out.sent.status, "cancelled")
            [m] = await self.user.answers(c, 1)
            self.assertEqual((m["content"], m["status"]), ("".join(written), "cancelled"))
            await self.user.ask(c, "Still there?")
            message = await asyncio.wait_for(agent.__anext__(), 30)
            await message.reply("Yes")
            task = asyncio.current_task()
            if hasattr(task, "cancelling"):
                self.assertEqual(task.cancelling(), 0)  # type: ignore[union-attr]

    async def test_stopped_before(self) -> None:
        """An answer that is stopped before it begins writes nothing, and takes no loop down."""
        c = await self.user.open(self.name)
        async with a.Agent(self.server.url, self.token) as agent:
            question = await self.user.ask(c, "Never mind")
            message = await asyncio.wait_for(agent.__anext__(), 30)
            ws = await harness_user(self.server, "stop", conversationId=c, messageId=question)
            async with message.answer() as out:
                await asyncio.sleep(30)
                self.fail("it goes on")
            await ws.close()
            self.assertTrue(out.stopped)
            [m] = await self.user.answers(c, 1)
            self.assertEqual((m["content"], m["status"]), ("", "cancelled"))

    async def test_abort(self) -> None:
        """An exception is told as nothing but that; one for people is told as it is; the text that came stays."""
        c = await self.user.open(self.name)
        async with a.Agent(self.server.url, self.token) as agent:
            for error, told in [(ZeroDivisionError("password=hunter2"), "the agent failed"), (a.AnswerFailed("The model is away."), "The model is away.")]:
                with self.assertRaises(type(error)):
                    async with agent.stream(c) as out:
                        for piece in ("some", " text 🌊"):
                            await out.write(piece)
                        raise error
                assert out.sent
                m = (await self.user.answers(c, out.sent.seq))[-1]
                self.assertEqual((m["content"], m["status"], m["error"]), ("some text 🌊", "failed", told))
            self.assertNotIn("hunter2", str(await self.user.log(c)))
            with self.assertRaises(KeyError):
                async with agent.stream(c) as out:
                    raise KeyError
            assert out.sent
            self.assertEqual((out.sent.status, len(await self.user.log(c))), ("dropped", 2))
            async with agent.stream(c) as out:
                pass
            self.assertEqual(len(await self.user.log(c)), 2)

    async def test_cancelled_from_outside(self) -> None:
        """Who ends the program breaks the answer off, and is not swallowed."""
        c = await self.user.open(self.name)
        async with a.Agent(self.server.url, self.token) as agent:
            begun = asyncio.Event()

            async def body() -> None:
                async with agent.stream(c) as out:
                    await out.write("half an")
                    begun.set()
                    await asyncio.sleep(60)

            task = asyncio.ensure_future(body())
            await begun.wait()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            [m] = await self.user.answers(c, 1)
            self.assertEqual((m["content"], m["status"], m["error"]), ("half an", "failed", "the agent was interrupted"))

    async def test_run(self) -> None:
        """Conversations at once, each in its order; a handler that fails takes nothing down."""
        talks = [await self.user.open(self.name) for _ in range(4)]
        active = most = 0
        done: List[Any] = []

        async def handler(message: a.Message) -> None:
            nonlocal active, most
            active, most = active + 1, max(most, active + 1)
            try:
                async with message.answer() as out:
                    await out.write("re: " + message.content)
                    await asyncio.sleep(0.2)
                    if message.content == "2":
                        raise RuntimeError
                done.append((message.conversation_id, message.content))
            finally:
                active -= 1

        async with a.Agent(self.server.url, self.token) as agent:
            with self.assertLogs("aiwm_chat", "ERROR"):
                running = asyncio.ensure_future(agent.run(handler, concurrency=3))
                for i in range(4):
                    for c in talks:
                        await self.user.ask(c, str(i))
                await until(lambda: _so(len(done) == 12))
                running.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await running
        self.assertTrue(1 < most <= 3, most)
        for c in talks:
            self.assertEqual([n for talk, n in done if talk == c], ["0", "1", "3"])

    async def test_backlog(self) -> None:
        """What was asked while nobody was there comes, in order, once; what is answered does not come again."""
        talks = [await self.user.open(self.name) for _ in range(3)]
        for i in range(30):
            await self.user.ask(talks[i % 2], str(i))
        async with a.Agent(self.server.url, self.token, max_rooms=2) as agent:
            got = [await asyncio.wait_for(agent.__anext__(), 30) for _ in range(30)]
        self.assertEqual(sorted(int(m.content) for m in got), list(range(30)))
        for i in range(30, 212):  # over 200: the rest is read over REST
            await self.user.ask(talks[i % 3], str(i))
        async with a.Agent(self.server.url, self.token) as agent:
            got = [await asyncio.wait_for(agent.__anext__(), 30) for _ in range(212)]
            self.assertEqual(sorted(int(m.content) for m in got), list(range(212)))
            last = {m.conversation_id: m for m in sorted(got, key=lambda m: m.seq)}
            for m in last.values():
                await m.reply("all of them")
            await self.nothing(agent)
        async with a.Agent(self.server.url, self.token) as agent:
            await self.nothing(agent)

    async def nothing(self, agent: a.Agent, seconds: float = 1.5) -> None:
        try:
            m = await asyncio.wait_for(agent.__anext__(), seconds)
            self.fail(f"got {m}")
        except asyncio.TimeoutError:
            pass

    async def test_left_behind(self) -> None:
        """Two questions, one answer, and the process dies: the second one comes again, the first does not."""
        c = await self.user.open(self.name)
        await self.user.ask(c, "first")
        await self.user.ask(c, "second")
        agent = a.Agent(self.server.url, self.token)
        async with agent:
            first = await asyncio.wait_for(agent.__anext__(), 30)
            self.assertEqual(first.content, "first")
            await first.reply("done")
        async with a.Agent(self.server.url, self.token) as agent:
            m = await asyncio.wait_for(agent.__anext__(), 30)
            self.assertEqual(m.content, "second")
            await m.reply("done, too")
            await self.nothing(agent)

    async def dies(self, c: str, seen: str) -> None:
        """Somebody asks, and the process that answers dies when that is seen of it."""
        code = """if True:
            import asyncio, sys
            from aiwm_chat import Agent
            async def main():
                async with Agent(*sys.argv[1:]) as agent:
                    async for message in agent:
                        async with message.answer() as out:
                            await out.think("the first one thinks")
                            for i in range(1000):
                                await out.write(f" first {i}")
                                await asyncio.sleep(0.05)
            asyncio.run(main())"""
        first = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, self.server.url, self.token, env={**os.environ, "PYTHONPATH": os.pathsep.join([str(harness.CLIENT), os.environ.get("PYTHONPATH", "")])},
        )
        try:
            await self.user.ask(c, "Go on")
            await self.user.sees(c, seen)
        finally:
            first.kill()
            await first.wait()

    async def test_process_dies(self) -> None:
        """The process dies in the middle of an answer; the next one answers in other words, in the same one message."""
        c = await self.user.open(self.name)
        await self.dies(c, "first 20")
        async with a.Agent(self.server.url, self.token) as agent:
            message = await asyncio.wait_for(agent.__anext__(), 30)
            async with message.answer() as out:
                for i in range(30):
                    await out.write(f" second {i} 🌊")
                    await asyncio.sleep(0.02)
            [m] = await self.user.answers(c, 1)
            self.assertEqual((m["content"], m["status"], m["parentId"]), ("".join(f" second {i} 🌊" for i in range(30)), "sent", message.id))
            await self.nothing(agent)

    async def test_who_writes_nothing(self) -> None:
        """What a process that died had written is not the answer of the one that goes on and writes none."""
        for what in ("thinks", "attaches"):
            c = await self.user.open(self.name)
            await self.dies(c, "first 2")
            async with a.Agent(self.server.url, self.token) as agent:
                message = await asyncio.wait_for(agent.__anext__(), 30)
                async with message.answer() as out:
                    if what == "thinks":
                        await out.think("thought")
                    else:
                        out.attach(tool_calls=[{"name": "t"}])
            [m] = await self.user.answers(c, 1)
            self.assertEqual((m["content"], m["status"], m.get("thinking", {}).get("content")), ("", "sent", "thought" if what == "thinks" else None))

    async def test_nothing_was_said(self) -> None:
        """A process that fails before the first word leaves the question to the next one."""
        c = await self.user.open(self.name)
        question = await self.user.ask(c, "Go on")
        for text in ("", "said"):
            async with a.Agent(self.server.url, self.token) as agent:
                message = await asyncio.wait_for(agent.__anext__(), 30)
                self.assertEqual(message.id, question)
                if not text:
                    with self.assertRaises(RuntimeError):
                        async with message.answer() as out:
                            raise RuntimeError
                    self.assertEqual(out.sent.status if out.sent else "", "dropped")
                    continue
                async with message.answer() as out:
                    await out.write(text)
        [m] = await self.user.answers(c, 1)
        self.assertEqual((m["content"], m["parentId"]), ("said", question))

    async def test_long_question(self) -> None:
        """A question that does not fit a frame is read over REST."""
        c = await self.user.open(self.name)
        async with a.Agent(self.server.url, self.token) as agent:
            await self.user.ask(c, "long " * 10_000)
            m = await asyncio.wait_for(agent.__anext__(), 30)
            self.assertEqual(m.content, "long " * 10_000)

    async def test_replicas(self) -> None:
        """Of two processes of one agent one answers, the other one hears of it."""
        c = await self.user.open(self.name)
        outs: List[a.Answer] = []

        async def replica(text: str) -> None:
            async with a.Agent(self.server.url, self.token) as agent:
                async for message in agent:
                    async with message.answer() as out:
                        for _ in range(10):
                            await out.write(text)
                            await asyncio.sleep(0.1)
                    outs.append(out)
                    return

        both = [asyncio.ensure_future(replica(t)) for t in ("a", "b")]
        await asyncio.sleep(1)
        await self.user.ask(c, "Who answers?")
        await asyncio.wait_for(asyncio.gather(*both), 60)
        [m] = await self.user.answers(c, 1)
        self.assertIn(m["content"], ("a" * 10, "b" * 10))
        self.assertEqual(sorted(o.sent.status for o in outs if o.sent), ["elsewhere", "sent"])

    async def test_removed(self) -> None:
        """A conversation that is closed while it is answered ends that answer, and nothing else."""
        c, other = await self.user.open(self.name), await self.user.open(self.name)
        async with a.Agent(self.server.url, self.token) as agent:
            await self.user.ask(c, "Quick")
            message = await asyncio.wait_for(agent.__anext__(), 30)
            async with message.answer() as out:
                await out.write("I am")
                await self.user.sees(c, "I am")
                await self.user.call("DELETE", f"/conversations/{c}")
                while True:
                    await out.write(" still here")
                    await asyncio.sleep(0.05)
            assert out.sent
            self.assertEqual(out.sent.status, "dropped")
            await self.user.ask(other, "And here?")
            message = await asyncio.wait_for(agent.__anext__(), 30)
            self.assertEqual(message.conversation_id, other)

    async def test_given_conversations(self) -> None:
        """In a conversation that is given the agent hears also what it is not asked."""
        c = await self.user.open("somebody-else")
        await self.user.call("POST", f"/conversations/{c}/participants", {"type": "agent", "id": self.name})
        async with a.Agent(self.server.url, self.token, conversations=[c]) as agent:
            await asyncio.sleep(0.5)
            await self.user.ask(c, "Anybody?")
            m = await asyncio.wait_for(agent.__anext__(), 30)
            self.assertEqual(m.content, "Anybody?")

    async def test_expired(self) -> None:
        """A token as text ends with one exception."""
        with self.assertRaises(a.Unauthorized):
            async with a.Agent(self.server.url, harness.token("agent", self.name, -40)):
                pass
        with self.assertRaises(a.Unauthorized):
            async with a.Agent(self.server.url, harness.token("agent", self.name, secret="x" * 40)):
                pass
        with self.assertRaises(a.Unauthorized):
            async with a.Agent(self.server.url, harness.token("user", "u1")):
                pass
        with self.assertRaisesRegex(a.ConnectFailed, "no chat"):
            async with a.Agent(self.server.url + "/x/y", self.token):
                pass

    async def test_pong(self) -> None:
        """A room that is lost is entered again with the next ping, and what was said meanwhile is heard."""
        c = await self.user.open("somebody-else")
        await self.user.call("POST", f"/conversations/{c}/participants", {"type": "agent", "id": self.name})
        async with a.Agent(self.server.url, self.token, conversations=[c], ping_every=1.0) as agent:
            await until(lambda: _so(bool(agent._link and c in agent._link.rooms)))
            assert agent._link
            await agent._link.request({"action": "leave", "conversationId": c})
            agent._rooms[c] = a._Conversation(c, asks=True, wanted=True, have=0)  # as if nobody had told it
            agent._link.rooms.add(c)
            await self.user.ask(c, "Are you there?")
            m = await asyncio.wait_for(agent.__anext__(), 30)
            self.assertEqual(m.content, "Are you there?")


async def _so(it: bool) -> bool:
    return it


async def harness_user(server: Server, action: str, **fields: Any) -> Any:
    """A user's connection that has said one thing, and been answered."""
    import json

    from websockets.client import connect

    ws = await connect(server.url, subprotocols=["bearer", harness.token("user", "u1")])  # type: ignore[list-item]
    await ws.send(json.dumps({"action": action, "id": "1", **fields}))
    while json.loads(await ws.recv()).get("id") != "1":
        pass
    return ws


class Answering(AgentTest):
    async def answering(self, url: str, trouble: Any, pieces: List[str], **options: Any) -> Any:
        c = await self.user.open(self.name)
        async with a.Agent(url, self.token, rest_url=self.server.rest, **{"backoff_cap": 1.0, **options}) as agent:
            await self.user.ask(c, "Go on")
            message = await asyncio.wait_for(agent.__anext__(), 30)
            async with message.answer() as out:
                for i, piece in enumerate(pieces):
                    await out.write(piece)
                    await trouble(i)
                    await asyncio.sleep(0.01)
            self.assertEqual(out.text, whole(pieces))
        return (await self.user.answers(c, 1)), out


class Lost(Answering):
    """Connections that end in the middle of an answer."""

    async def test_cut(self) -> None:
        """The network is cut five times."""
        async with Network(int(self.server.port)) as network:
            async def trouble(i: int) -> None:
                if i % 60 == 30:
                    network.cut()

            pieces = words(300)
            [m], out = await self.answering(network.url(), trouble, pieces)
            self.assertEqual((m["content"], m["status"]), (whole(pieces), "sent"))
            self.assertGreater(network.opened, 2)

    async def test_cut_for_long(self) -> None:
        """Nobody is there for some seconds; what is longer than a whole part goes on from where the server is."""
        async with Network(int(self.server.port)) as network:
            async def trouble(i: int) -> None:
                if i == 100:
                    network.down = True
                    network.cut()
                    await asyncio.sleep(4)
                if i == 150:
                    network.down = False

            pieces = [w + str(i) * 60 for i, w in enumerate(words(200))]
            [m], out = await self.answering(network.url(), trouble, pieces)
            self.assertEqual(len(m["content"]), len(whole(pieces)))
            self.assertTrue(m["content"] == whole(pieces) and m["status"] == "sent")

    async def test_silent_network(self) -> None:
        """Nothing goes through any more, and nobody says so."""
        async with Network(int(self.server.port)) as network:
            async def trouble(i: int) -> None:
                if i == 20:
                    await asyncio.sleep(1.5)  # pings have been answered
                    network.silent = True
                    await asyncio.sleep(3)
                    network.silent = False

            pieces = words(60)
            [m], out = await self.answering(network.url(), trouble, pieces, keep_alive=0.5)
            self.assertEqual((m["content"], m["status"]), (whole(pieces), "sent"))

    async def test_make_before_break(self) -> None:
        """Connections follow each other: nothing is missed, nothing comes twice."""
        c = await self.user.open(self.name)
        got: List[str] = []
        async with Network(int(self.server.port)) as network:
            async with a.Agent(network.url(), self.token, rest_url=self.server.rest, max_age=1.0, max_age_jitter=0.3, drain=2) as agent:
                async def listen() -> None:
                    async for message in agent:
                        got.append(message.content)
                        async with message.answer() as out:
                            for _ in range(5):
                                await out.write(message.content)
                                await asyncio.sleep(0.05)

                task = asyncio.ensure_future(listen())
                for i in range(20):
                    await self.user.ask(c, f"[{i}]")
                    await asyncio.sleep(0.2)
                found = await self.user.answers(c, 20)
                task.cancel()
            self.assertEqual(got, [f"[{i}]" for i in range(20)])
            self.assertEqual([m["content"] for m in found], [f"[{i}]" * 5 for i in range(20)])
            self.assertGreater(network.opened, 3)


class Slow(Answering):
    """What waits for a clock."""

    async def test_token_is_renewed(self) -> None:
        """A function is asked for a new token before the old one expires, and an answer goes on across connections."""
        c = await self.user.open(self.name)
        asked = 0

        async def fresh() -> str:
            nonlocal asked
            asked += 1
            return harness.token("agent", self.name, 8)

        async with a.Agent(self.server.url, fresh, drain=1) as agent:
            async with agent.stream(c) as out:
                pieces = [f" {i}🌊" for i in range(150)]
                for piece in pieces:
                    await out.write(piece)
                    await asyncio.sleep(0.1)
            [m] = await self.user.answers(c, 1)
            self.assertEqual((m["content"], m["status"]), ("".join(pieces), "sent"))
        self.assertTrue(3 <= asked < 10, asked)


class Slower(Answering):
    """What waits for a lease."""

    async def test_leases(self) -> None:
        await asyncio.gather(self.heartbeat(), self.given_up())

    async def heartbeat(self) -> None:
        """A model that says nothing for longer than a lease is still alive."""
        c = await self.user.open(self.name)
        async with a.Agent(self.server.url, self.token) as agent:
            async with agent.stream(c) as out:
                await out.write("slow")
                await asyncio.sleep(33)
                await out.write(" model")
            [m] = await self.user.answers(c, 1)
            self.assertEqual((m["content"], m["status"]), ("slow model", "sent"))

    async def given_up(self) -> None:
        """An agent that was away for so long that the server broke its answer off says all of it, in another message."""
        async with Network(int(self.server.port)) as network:
            async def trouble(i: int) -> None:
                if i == 20:
                    await asyncio.sleep(0.3)
                    network.down = True
                    network.cut()
                    await asyncio.sleep(48)
                    network.down = False

            pieces = words(40)
            found, out = await self.answering(network.url(), trouble, pieces)
            self.assertEqual([m["status"] for m in found], ["failed", "sent"])
            self.assertEqual(found[1]["content"], whole(pieces))
            self.assertEqual(found[1]["parentId"], found[0]["parentId"])


class Killed(unittest.IsolatedAsyncioTestCase):
    async def test_server_is_killed(self) -> None:
        """The server dies in the middle of an answer, with all that Redis knew, and comes back."""
        server = Server(data=True)
        try:
            user = User(server)
            c = await user.open("a1")
            pieces = words(150)
            async with a.Agent(server.url, harness.token("agent", "a1"), backoff_cap=1.0) as agent:
                await user.ask(c, "Go on")
                message = await asyncio.wait_for(agent.__anext__(), 30)
                async with message.answer() as out:
                    for i, piece in enumerate(pieces):
                        await out.write(piece)
                        await asyncio.sleep(0.01)
                        if i == 50:
                            server.kill()
                        if i == 100:
                            await asyncio.get_running_loop().run_in_executor(None, server.start)
                [m] = await user.answers(c, 1)
                self.assertEqual((m["content"], m["status"]), (whole(pieces), "sent"))
                await user.ask(c, "And now?")
                message = await asyncio.wait_for(agent.__anext__(), 60)
                self.assertEqual(message.content, "And now?")
        finally:
            server.close()

    async def test_two_hours(self) -> None:
        """API Gateway's two hours, in twelve seconds: connections end, and the answers do not."""
        server = Server("-timescale", "600")
        try:
            user = User(server)
            c = await user.open("a1")
            pieces = [f" {i}🌊" for i in range(150)]
            async with a.Agent(
                server.url, harness.token("agent", "a1"), max_age=8.0, max_age_jitter=0.5, drain=1.0, ping_every=0.25, keep_alive=60, backoff_cap=0.5,
            ) as agent:
                async with agent.stream(c) as out:
                    for piece in pieces:
                        await out.write(piece)
                        await asyncio.sleep(0.1)
            found = await user.answers(c, 1)
            self.assertEqual(found[-1]["content"], "".join(pieces))
        finally:
            server.close()


class Faults(AgentTest):
    FLAGS = ["-reorder", "0.1", "-duplicate", "0.1", "-drop-disconnect", "0.1", "-throttle", "0.05", "-post-error", "0.05"]

    async def test_crowd(self) -> None:
        """Ten conversations of ten questions under faults, on a network that is cut: one answer each, to the character."""
        talks = [await self.user.open(self.name) for _ in range(10)]
        expected = {}
        asked = {}

        async def handler(message: a.Message) -> None:
            pieces = words(40, message.seq)
            self.assertNotIn(message.id, asked)
            asked[message.id] = message
            async with message.answer() as out:
                for piece in pieces:
                    await out.write(piece)
                    await asyncio.sleep(0.01)
            expected[message.id] = whole(pieces), out.sent

        async with Network(int(self.server.port)) as network:
            async with a.Agent(network.url(), self.token, rest_url=self.server.rest, backoff_cap=1.0, ping_every=5.0) as agent:
                running = asyncio.ensure_future(agent.run(handler, concurrency=10))
                for i in range(5):
                    for c in talks:
                        await self.user.ask(c, f"question {i}")
                    if i % 2:
                        network.cut()
                    await asyncio.sleep(0.5)
                await until(lambda: _so(len(expected) == 50 or running.done()), 150)
                running.cancel()
                await asyncio.wait({running})
        for c in talks:
            log = await self.user.log(c)
            for m in log:
                if m["participantType"] == "user":
                    text, sent = expected[m["id"]]
                    answers = [x for x in log if x.get("parentId") == m["id"] and x["status"] == "sent"]
                    self.assertEqual([x["content"] for x in answers], [text], (m["content"], sent))


if __name__ == "__main__":
    unittest.main()
