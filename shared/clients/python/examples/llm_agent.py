"""An agent that answers with a language model, of any service with OpenAI's chat completions.

    OPENAI_BASE_URL=https://api.openai.com/v1 OPENAI_API_KEY=… OPENAI_MODEL=gpt-5-mini \\
    AIWM_URL=wss://… AIWM_REST_URL=https://… AIWM_TOKEN=… python3 examples/llm_agent.py

It needs nothing but the client. Stop in the chat ends the request to the model, too.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pathlib
import sys
import threading
import urllib.request
from http.client import HTTPException
from typing import Any, AsyncIterator, Dict, List

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from aiwm_chat import Agent, AnswerFailed, Message  # noqa: E402

BASE = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1").rstrip("/")
INSTRUCTIONS = os.environ.get("INSTRUCTIONS", "You are a friendly assistant in a chat. Answer briefly.")


async def complete(messages: List[Dict[str, str]]) -> AsyncIterator[Dict[str, Any]]:
    """Ask the model; its chunks come as it says them. The standard library reads them in a thread."""
    body = {
        "model": os.environ.get("OPENAI_MODEL", "gpt-5-mini"), "messages": messages, "stream": True, "stream_options": {"include_usage": True},
    }
    request = urllib.request.Request(
        BASE + "/chat/completions", json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ.get("OPENAI_API_KEY", "")},
    )
    loop = asyncio.get_running_loop()
    chunks: "asyncio.Queue[Any]" = asyncio.Queue()
    ended = threading.Event()

    def put(item: Any) -> None:
        loop.call_soon_threadsafe(chunks.put_nowait, item)

    def read() -> None:
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                for line in response:
                    if ended.is_set():
                        return  # which closes the connection: the model stops, too
                    if line.startswith(b"data:") and line[5:].strip() == b"[DONE]":
                        return put(None)
                    if line.startswith(b"data:"):
                        put(json.loads(line[5:]))
            put(EOFError("it broke off"))
        except Exception as e:
            if not ended.is_set():
                put(e)

    threading.Thread(target=read, daemon=True).start()
    try:
        while True:
            chunk = await chunks.get()
            if chunk is None:
                return
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk
    finally:
        ended.set()


async def answer(message: Message) -> None:
    said = [{"role": "system", "content": INSTRUCTIONS}]
    for m in await message.history(30):
        if m.content:
            said.append({"role": "user" if m.participant_type == "user" else "assistant", "content": m.content})
    async with message.answer() as out:
        chunks = complete(said)
        try:
            async for chunk in chunks:
                for choice in chunk.get("choices") or []:
                    delta = choice.get("delta") or {}
                    await out.think(delta.get("reasoning_content") or "")
                    await out.write(delta.get("content") or "")
                used = chunk.get("usage")
                if used:
                    out.usage(used["prompt_tokens"], used["completion_tokens"], used["total_tokens"])
        except (OSError, ValueError, EOFError, HTTPException) as e:
            logging.warning("the model: %s", e)
            raise AnswerFailed("The model does not answer at the moment.") from e
        finally:
            await chunks.aclose()  # type: ignore[attr-defined]


async def main() -> None:
    async with Agent(os.environ["AIWM_URL"], os.environ["AIWM_TOKEN"], rest_url=os.environ.get("AIWM_REST_URL", "")) as agent:
        await agent.run(answer, concurrency=16)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
