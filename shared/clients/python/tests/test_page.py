"""What the page shows is so: its ten lines run, its reference is that of the code, the example answers."""

from __future__ import annotations

import asyncio
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from typing import Any, Dict

import harness
from harness import AgentTest, CLIENT

PAGE = (CLIENT / "README.md").read_text()
LINES = re.findall(r"```python\n(.*?)```", PAGE, re.S)[0]


def path_to_client() -> Dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join([str(CLIENT), os.environ.get("PYTHONPATH", "")])}


class Page(AgentTest):
    def run_script(self, path: str, **env: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, path],
            env={**os.environ, **path_to_client(), "AIWM_URL": self.server.url, "AIWM_TOKEN": self.token, **env},
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    async def asked(self, text: str) -> Dict[str, Any]:
        c = await self.user.open(self.name)
        await self.user.ask(c, text)
        [m] = await self.user.answers(c, 1)
        return m

    async def test_ten_lines(self) -> None:
        self.assertLessEqual(len([line for line in LINES.splitlines() if line]), 10)
        with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
            script.write(LINES)
            script.flush()
            self.run_script(script.name)
            m = await self.asked("Hello, sea 🌊")
        self.assertEqual((m["content"], m["status"]), ("You said: Hello, sea 🌊 ", "sent"))

    async def test_ctrl_c(self) -> None:
        """The ten lines end with the answer, and say nothing but that."""
        code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n" + LINES.replace("write(word", "write((await asyncio.sleep(0.2) or '') + word")
        process = subprocess.Popen(
            [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True,
            env={**os.environ, **path_to_client(), "AIWM_URL": self.server.url, "AIWM_TOKEN": self.token},
        )
        self.addCleanup(process.kill)
        c = await self.user.open(self.name)
        await self.user.ask(c, "word " * 100)
        await self.user.sees(c, "word")
        process.send_signal(signal.SIGINT)
        _, said = await asyncio.get_running_loop().run_in_executor(None, process.communicate)
        self.assertTrue(said.endswith("\nKeyboardInterrupt\n"), said)
        self.assertNotIn("Task was destroyed", said)
        if sys.version_info >= (3, 11):  # before, asyncio cancels the connection, too
            [m] = await self.user.answers(c, 1)
            self.assertEqual((m["status"], m["error"]), ("failed", "the agent was interrupted"))

    async def test_llm_agent(self) -> None:
        process = self.run_script(str(CLIENT / "examples" / "llm_agent.py"), OPENAI_BASE_URL=self.server.model, OPENAI_API_KEY="none", OPENAI_MODEL="scripted")
        m = await self.asked("How is the sea? #think 5 #tokens 30")
        self.assertEqual(m["status"], "sent")
        self.assertTrue(m["content"] and m["thinking"]["content"] and m["usage"]["totalTokens"] > 30, m)
        m = await self.asked("#tokens 8 #break 3")
        self.assertEqual((m["status"], m["error"]), ("failed", "The model does not answer at the moment."))
        c = await self.user.open(self.name)
        await self.user.ask(c, "#tokens 1000 #slow 50")
        await harness.until(lambda: self._writes(c))
        await self.user.stop(c)
        [m] = await self.user.answers(c, 1)
        self.assertEqual(m["status"], "cancelled")
        self.assertTrue(m["content"])
        self.assertIsNone(process.poll())

    async def _writes(self, c: str) -> bool:
        return len(await self.user.shown(c)) > 20


class Package(unittest.TestCase):
    def test_has_types(self) -> None:
        """What is installed is the file, as a package that says that it has types."""
        try:
            import setuptools  # noqa: F401
        except ImportError:
            self.skipTest("setuptools is not installed")
        with tempfile.TemporaryDirectory() as made:
            folder = made + "/source"
            shutil.copytree(CLIENT, folder, ignore=shutil.ignore_patterns("tests", "__pycache__"))
            subprocess.run([sys.executable, "-W", "ignore", "setup.py", "-q", "build", "--build-lib", made + "/lib"], cwd=folder, check=True, capture_output=True)
            found = {str(f.relative_to(made + "/lib")) for f in pathlib.Path(made + "/lib").rglob("*") if f.is_file()}
            self.assertEqual(found, {"aiwm_chat/__init__.py", "aiwm_chat/py.typed"})
            shown = subprocess.run(
                [sys.executable, "-B", "-c", "import aiwm_chat; print(aiwm_chat.Agent.__module__, aiwm_chat.__file__)"],
                cwd=made, env={**os.environ, "PYTHONPATH": made + "/lib" + os.pathsep + os.environ.get("PYTHONPATH", "")}, capture_output=True, text=True,
            ).stdout.split()
            self.assertEqual(shown, ["aiwm_chat", made + "/lib/aiwm_chat/__init__.py"])


class Reference(unittest.TestCase):
    def test_is_fresh(self) -> None:
        done = subprocess.run([sys.executable, str(CLIENT / "reference.py"), "--check"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_says_when_it_is_stale(self) -> None:
        sys.path.insert(0, str(CLIENT))
        import reference

        self.assertIn(reference.reference(), PAGE)
        self.assertNotIn(reference.reference() + "more", PAGE)

    def test_exports(self) -> None:
        import aiwm_chat

        for name in aiwm_chat.__all__:
            self.assertIn(f"### {name}\n", PAGE)


if __name__ == "__main__":
    unittest.main()
