"""What the tests stand on: the local server, its users, tokens, a network that can be cut, and a server of no good."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from typing import Any, Awaitable, Callable, Dict, List, Optional

HERE = pathlib.Path(__file__).resolve().parent
CLIENT = HERE.parent
ROOT = CLIENT.parents[2]
sys.path.insert(0, str(CLIENT))

SECRET = "a secret of the tests, of at least 32 bytes"
PATIENCE = 60.0  # seconds: CI has two cores for everything


def token(kind: str, name: str, ttl: float = 3600.0, secret: str = SECRET) -> str:
    """A token as the server's own command signs it."""

    def part(b: bytes) -> str:
        return base64.urlsafe_b64encode(b).rstrip(b"=").decode()

    claims = {"sub": name, "type": kind, kind + "Id": name, "username": name, "roles": [], "orgId": "default", "exp": int(time.time() + ttl)}
    text = part(b'{"alg":"HS256","typ":"JWT"}') + "." + part(json.dumps(claims).encode())
    return text + "." + part(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())


def binary() -> str:
    """The local server: that of AIWM_LOCAL, or one that is built here, once."""
    if not os.environ.get("AIWM_LOCAL"):
        made = tempfile.mkdtemp(prefix="aiwm-local-")
        unittest.addModuleCleanup(shutil.rmtree, made, True)
        subprocess.run(["go", "build", "-o", made + "/local", "./local"], cwd=ROOT, check=True)
        os.environ["AIWM_LOCAL"] = made + "/local"
    return os.environ["AIWM_LOCAL"]


class Server:
    """A local server, in a folder of its own, which may be killed and started again."""

    def __init__(self, *flags: str, data: bool = False) -> None:
        self.dir = tempfile.mkdtemp(prefix="aiwm-python-")
        self.flags = list(flags) + ([] if data else ["-memory"])
        self.port = "0"
        self.url = self.rest = self.model = ""
        self.process: Optional["subprocess.Popen[str]"] = None
        self.start()

    def start(self) -> None:
        env = {**os.environ, "JWT_SECRET": SECRET, "PORT": self.port, **LIMITS}
        for name in ("MONGODB_URI", "REDIS_ADDR", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
            env.pop(name, None)
        self.log = open(self.dir + "/log", "a+")
        self.process = subprocess.Popen(
            [binary(), "serve", "-template", str(ROOT / "template.yaml"), *self.flags], cwd=self.dir, env=env, text=True,
            stdout=subprocess.PIPE, stderr=self.log,
        )
        greeting = ""
        assert self.process.stdout is not None
        while "Agent token" not in greeting:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError("the server does not start: " + open(self.dir + "/log").read()[-2000:])
            greeting += line
        self.url, self.rest, self.model = (
            re.findall(rf"{name}\s+(\S+)", greeting)[0] for name in ("WebSocket", "REST", "Model")
        )
        self.port = self.rest.rsplit(":", 1)[1]

    def kill(self) -> None:
        """End it as a power cut does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.log.close()
            self.process = None

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def call(self, who: str, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            self.rest + path, None if body is None else json.dumps(body).encode(),
            {"Authorization": "Bearer " + token("user", who), "Content-Type": "application/json"}, method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            text = response.read()
            return json.loads(text) if text else None


LIMITS = {
    "LIMIT_USER_MESSAGES": "0", "LIMIT_READS": "0", "LIMIT_WRITES": "0", "LIMIT_CREATIONS": "0",
}


class User:
    """Somebody who asks over REST, and looks into the log."""

    def __init__(self, server: Server, name: str = "u1") -> None:
        self.server, self.name = server, name

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, self.server.call, self.name, method, path, body)

    async def open(self, agent: str) -> str:
        made = await self.call("POST", "/conversations", {"title": "t", "agentId": agent})
        return str(made["id"])

    async def ask(self, conversation: str, text: str) -> str:
        sent = await self.call("POST", "/messages", {"conversationId": conversation, "content": text})
        return str(sent["messageId"])

    async def log(self, conversation: str) -> List[Dict[str, Any]]:
        found: List[Dict[str, Any]] = []
        while True:
            after = found[-1]["seq"] if found else 0
            page = await self.call("GET", f"/messages?conversationId={conversation}&limit=100&afterSeq={after}")
            found += page["data"]
            if not page["pagination"]["hasMore"]:
                return found

    async def answers(self, conversation: str, n: int, patience: float = PATIENCE) -> List[Dict[str, Any]]:
        """The messages of agents, when there are n."""
        end = time.monotonic() + patience
        while True:
            found = [m for m in await self.log(conversation) if m["participantType"] == "agent"]
            if len(found) >= n or time.monotonic() > end:
                return found
            await asyncio.sleep(0.1)

    async def streams(self, conversation: str) -> List[Dict[str, Any]]:
        page = await self.call("GET", f"/conversations/{conversation}/streams")
        return list(page["data"])

    async def shown(self, conversation: str, part: str = "content") -> str:
        """What is seen of the answer that is being written."""
        for stream in await self.streams(conversation):
            for p in stream["parts"]:
                if p["part"] == part:
                    return str(p["text"])
        return ""

    async def sees(self, conversation: str, text: str) -> None:
        await until(lambda: self._sees(conversation, text))

    async def _sees(self, conversation: str, text: str) -> bool:
        return text in await self.shown(conversation)

    async def stop(self, conversation: str) -> None:
        for stream in await self.streams(conversation):
            await self.call("POST", f"/conversations/{conversation}/streams/{stream['streamId']}/stop")


async def until(is_so: Callable[[], Awaitable[bool]], patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not await is_so():
        if time.monotonic() > end:
            raise AssertionError("it does not happen")
        await asyncio.sleep(0.05)


class Network:
    """A network between client and server, which can be cut: at once, or so that nobody is told."""

    def __init__(self, port: int) -> None:
        self.port, self.silent, self.down = port, False, False
        self.pairs: List[Any] = []
        self.opened = 0

    async def __aenter__(self) -> "Network":
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.here = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.server.close()
        self.cut()
        await asyncio.sleep(0.05)

    def url(self) -> str:
        return f"ws://127.0.0.1:{self.here}/ws"

    def cut(self) -> None:
        for writer in self.pairs:
            writer.transport.abort()
        self.pairs = []

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        if self.down:
            writer.transport.abort()
            return
        try:
            there, to = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            writer.transport.abort()
            return
        self.pairs += [writer, to]
        await asyncio.gather(self._copy(reader, to), self._copy(there, writer))

    async def _copy(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        try:
            while True:
                data = await source.read(65536)
                if not data:
                    break
                if not self.silent:
                    to.write(data)
                    await to.drain()
        except OSError:
            pass
        finally:
            to.close()


class AgentTest(unittest.IsolatedAsyncioTestCase):
    """A test against a server that the class shares."""

    FLAGS: List[str] = []
    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server(*cls.FLAGS)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.close()

    def setUp(self) -> None:
        self.name = "a-" + self.id().rsplit(".", 1)[1].replace("_", "-")
        self.user = User(self.server)

    @property
    def token(self) -> str:
        return token("agent", self.name)
