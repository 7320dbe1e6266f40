"""An AI agent on aiwm-chat, in ten lines.

    async with Agent(url, token) as agent:
        async for message in agent:
            async with message.answer() as out:
                async for token in llm(message.content):
                    await out.write(token)

It connects, stays connected, resumes, and gives each question once; an answer is seen as it
is written, and stops when somebody stops it. One file, for Python 3.9 and later, on asyncio
and the library websockets, 10.4 or later.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import logging
import random
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass, field
from http.client import HTTPException
from types import TracebackType
from typing import (
    Any, AsyncIterator, Awaitable, Callable, Coroutine, Dict, Iterable, List, Mapping, Optional, Set, Tuple, Type, Union,
)

try:  # websockets 13 and later
    from websockets.asyncio.client import connect as _connect

    _HEADERS = "additional_headers"
except ImportError:
    from websockets import connect as _connect  # type: ignore[attr-defined, no-redef]

    _HEADERS = "extra_headers"
from websockets.exceptions import ConnectionClosed, InvalidURI, SecurityError, WebSocketException

__all__ = [
    "Agent", "Message", "Answer", "Sent", "ChatError", "Unauthorized", "TooManyConnections", "ConnectFailed", "AnswerFailed",
]

log = logging.getLogger("aiwm_chat")
# What the library logs of a handshake contains the token.
_wire = logging.getLogger("aiwm_chat.wire")
_wire.setLevel(logging.WARNING)

JSON = Dict[str, Any]
Token = Union[str, Callable[[], Union[str, Awaitable[str]]]]

MAX_FRAME = 32_000  # bytes; over 32 KB the connection is closed
MAX_REPAIR = 19_500  # bytes of JSON of a part that is sent whole in place of a piece; the server's limit is 20,000
MAX_SEND = 24 << 10  # bytes of content over WebSocket; more goes over REST
MAX_PARTS = {"content": 256 << 10, "thinking": 128 << 10}  # bytes that a stream may have
MAX_REASON = 2000  # characters
REMEMBERED = 100_000  # questions, so that none comes twice
AHEAD = 1000  # questions that wait here, and no more of a backlog is read
LOOK_BACK = 20  # messages of a log that are looked at when a conversation is entered
REPEAT_EVERY = 0.05  # seconds between pieces that are sent again: the server takes no more in the long run
HEARTBEAT = 10.0  # seconds of silence after which a stream gives a sign of life; it is thought dead after 30
SELDOM = 5.0  # seconds between connections for the sake of a token, at least
OVER_AFTER = 2.0  # seconds after which it is looked up whether a stream that somebody else is said to write is still there

_SUBPROTOCOL = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_TOOL = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_STATUSES = ("thinking", "generating", "tool", "waiting")


class ChatError(Exception):
    """What the server refused. ``code`` is one of the protocol's, ``details`` what it says of it."""

    def __init__(self, code: str, message: str, details: Optional[JSON] = None, retryable: bool = False) -> None:
        super().__init__(f"{code}: {message}" + (f" ({_told(details)})" if details else ""))
        self.code = code
        self.details: JSON = details or {}
        self.retryable = retryable


class Unauthorized(ChatError):
    """The token was refused, or is not an agent's. Nobody tries again by themselves."""


class TooManyConnections(ChatError):
    """The agent has as many connections as it may have. Nobody tries again by themselves."""


class ConnectFailed(ChatError):
    """There is no such server, or it does not speak this protocol; only of the first connection, later ones are tried again."""


class AnswerFailed(Exception):
    """Raise it in the body of an answer to say, in its text, why there is none: people see that text."""


class _LinkLost(Exception):
    """The connection ended before there was a reply."""


class _Connect(_connect):  # type: ignore[misc]
    """A handshake that is not redirected: the token is for nobody else."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc

    def handle_redirect(self, uri: str) -> None:  # before websockets 13
        raise SecurityError("it wants to redirect")


def _told(details: JSON) -> str:
    return ", ".join(f"{name} {details[name]}" for name in sorted(details))


@dataclass(frozen=True)
class Sent:
    """What became of something that was sent: the message, durable, or none where ``message_id`` is empty.

    ``status`` is ``sent``; of an answer also ``cancelled`` (stopped), ``failed``, ``dropped`` (there is no
    message) or ``elsewhere`` (somebody else had answered, such as another process of this agent).
    """

    message_id: str
    conversation_id: str
    seq: int
    status: str = "sent"
    duplicate: bool = False

    @staticmethod
    def _of(data: JSON, conversation: str, status: str = "sent") -> "Sent":
        seq = data.get("seq")
        return Sent(
            _text(data.get("messageId")), conversation, seq if isinstance(seq, int) else 0,
            _text(data.get("status")) or status, data.get("duplicate") is True,
        )


@dataclass(frozen=True)
class Message:
    """A message of a conversation. ``raw`` is all that the server says of it, as it came."""

    id: str
    conversation_id: str
    seq: int
    participant_id: str
    participant_type: str
    role: str
    type: str
    content: str
    parent_id: str
    status: str
    created_at: str
    raw: JSON = field(repr=False, compare=False)
    _agent: "Agent" = field(repr=False, compare=False)
    _answers: List[str] = field(repr=False, compare=False, default_factory=list)

    def answer(self) -> "Answer":
        """Begin an answer that is seen while it is written: ``async with message.answer() as out``.

        Its id follows from the question's: of several processes of one agent one answers, and one that is
        started again goes on where the one before broke off. A second answer to the same message has
        an id of its own.
        """
        return Answer(self._agent, self.conversation_id, self._next_id(), self.id)

    async def reply(self, text: str, **fields: Any) -> Sent:
        """Answer with one message. ``fields`` are those of :meth:`Agent.send`.

        Where another process of this agent has answered with another text, the result says ``elsewhere``.
        """
        fields.setdefault("parent_id", self.id)
        try:
            return await self._agent.send(self.conversation_id, text, client_message_id=self._next_id(), **fields)
        except ChatError as e:
            if e.code != "conflict":
                raise
            return Sent._of({**e.details, "status": "elsewhere"}, self.conversation_id)

    async def react(self, key: str, on: bool = True) -> None:
        """React with an emoji, or a name such as ``:done:``, or take that back."""
        await self._agent.react(self.conversation_id, self.id, key, on)

    async def read(self, *, private: bool = False) -> int:
        """Say that the agent has read up to this one, as :meth:`Agent.read`."""
        return await self._agent.read(self.conversation_id, self.seq, private=private)

    async def history(self, limit: int = 50) -> List["Message"]:
        """Return the messages up to this one, itself included, oldest first."""
        return await self._agent.history(self.conversation_id, limit=limit, before_seq=self.seq + 1)

    def _next_id(self) -> str:
        name = f"answer-{self.id}" + (f"-{len(self._answers) + 1}" if self._answers else "")
        self._answers.append(name)
        return name


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _message(agent: "Agent", d: Any) -> Optional[Message]:
    """Return a message of the wire, None where it is none."""
    if not isinstance(d, dict) or not isinstance(d.get("seq"), int) or not _text(d.get("id")) or not _text(d.get("conversationId")):
        return None
    return Message(
        d["id"], d["conversationId"], d["seq"], _text(d.get("participantId")), _text(d.get("participantType")), _text(d.get("role")),
        _text(d.get("type")), _text(d.get("content")), _text(d.get("parentId")), _text(d.get("status")), _text(d.get("createdAt")), d, agent,
    )


# --- what is pure: tables in the tests ---


def backoff(n: int, base: float = 0.3, cap: float = 20.0, rand: Callable[[], float] = random.random) -> float:
    """Return how long to wait before the n-th further attempt, from 0: full jitter."""
    return rand() * min(cap, base * 2.0 ** min(n, 30))


def clean(text: str) -> str:
    """Join halves of surrogate pairs, and put U+FFFD for those that are alone: they are no text."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def unfinished(text: str) -> int:
    """Return how many characters at the end wait for more: 1 where that is half of a surrogate pair."""
    return 1 if text and "\ud800" <= text[-1] <= "\udbff" else 0


def encode(value: Any) -> bytes:
    """Return the JSON that goes over the wire. What is no text in it, at any depth, becomes U+FFFD."""
    return clean(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)).encode()


def encoded_len(text: str) -> int:
    """Return how many bytes of JSON a text has."""
    return len(encode(text))


def up_to(text: str, start: int, most: int) -> int:
    """Return where a piece that begins at start ends, if it may have so many bytes of JSON."""
    end = min(len(text), start + most)
    while encoded_len(text[start:end]) > most:
        end = start + (end - start) // 2
    return end


class Pace:
    """When pieces of an answer are sent: the first at once, each 100 ms for 2 s, then each 250 ms."""

    AT_FIRST, LATER, LATER_AT, SLOWEST, REPAIR_EVERY = 0.1, 0.25, 2.0, 4.0, 5.0

    def __init__(self) -> None:
        self.first: Optional[float] = None
        self.last = 0.0
        self.repaired = 0.0
        self.widened = 0

    def due(self) -> float:
        """Return when the next piece may be sent; 0 is at once."""
        if self.first is None:
            return 0.0
        every = self.LATER if self.last - self.first >= self.LATER_AT else self.AT_FIRST
        return self.last + min(every * (1 << self.widened), self.SLOWEST)

    def repairs(self, now: float) -> bool:
        """Report whether the whole part should be sent now: it costs the same, and heals what was lost."""
        return self.first is not None and now - self.repaired >= self.REPAIR_EVERY

    def sent(self, now: float, whole: bool) -> None:
        """Note that a piece was sent, or the whole part."""
        if self.first is None:
            self.first = self.repaired = now
        self.last = now
        if whole:
            self.repaired = now

    def widen(self) -> None:
        """Send half as often from now on."""
        self.widened = min(self.widened + 1, 5)


class Part:
    """One of the texts of an answer, and the pieces of it that were sent."""

    def __init__(self, name: str, first: int = 0) -> None:
        self.name = name
        self.text = ""  # what is in pieces, or about to be
        self.pending: List[str] = []  # what is not
        self.bytes = 0
        self.first = first  # what was written before, by another process, has the pieces below
        self.pieces: List[Tuple[int, bool]] = []  # where each ends in text; whether it is the whole up to there
        self.again = first  # from this index on to be sent again; next: none

    @property
    def next(self) -> int:
        """The index of the next piece."""
        return self.first + len(self.pieces)

    @property
    def reached(self) -> int:
        """How much of text is in pieces."""
        return self.pieces[-1][0] if self.pieces else 0

    def take(self, last: bool) -> None:
        """Move what is pending to the text, but for half a character, unless it is the last."""
        if not self.pending:
            return
        fresh = "".join(self.pending)
        keep = 0 if last else unfinished(fresh)
        self.pending = [fresh[-1]] if keep else []
        self.text += clean(fresh[: len(fresh) - keep])

    def waits(self) -> bool:
        """Report whether there is something to send."""
        return self.again < self.next or self.reached < len(self.text) or len(self.pending) > 1 or any(not unfinished(p) for p in self.pending)

    def piece(self, index: int) -> Tuple[str, bool]:
        """Return a piece that was sent, as it was."""
        at = index - self.first
        end, whole = self.pieces[at]
        start = 0 if whole or at == 0 else self.pieces[at - 1][0]
        return self.text[start:end], whole

    def add(self, end: int, whole: bool) -> int:
        """Note a new piece, and return its index."""
        self.pieces.append((end, whole))
        self.again = self.next
        return self.next - 1

    def moved(self, there: int) -> None:
        """On another connection pieces may be cut anew from where the server goes on."""
        if self.first <= there <= self.next:
            del self.pieces[there - self.first :]
        else:  # not ours: only the whole can take their place
            self.first, self.pieces = there, []
        self.again = self.next

    def missing(self, there: int) -> None:
        """On the same connection an index has the same text for ever: it is sent again."""
        self.again = max(min(self.again, there), self.first)


def questions(agent_id: str, log_: Iterable[Message]) -> List[Message]:
    """Return what users said in a stretch of a log that the agent has not answered.

    A message is answered by one of the agent's with it as parent; by one with a later question as parent, for questions
    are answered in their order; and by one without a parent that comes after it.
    """
    asked = {m.id: m for m in sorted(log_, key=lambda m: m.seq) if m.participant_type == "user"}
    done: Set[str] = set()
    upto = 0
    for m in log_:
        if m.participant_type != "agent" or m.participant_id != agent_id:
            continue
        if not m.parent_id:
            upto = max(upto, m.seq)
        elif m.parent_id in asked:
            done.add(m.parent_id)
            upto = max(upto, asked[m.parent_id].seq)
    return [m for m in asked.values() if m.seq > upto and m.id not in done and not m.raw.get("isDeleted")]


def expiry(token: str) -> Optional[float]:
    """Return when a JWT expires, None where it does not say."""
    exp = _claims(token).get("exp")
    return float(exp) if isinstance(exp, (int, float)) and not isinstance(exp, bool) else None


def _claims(token: str) -> JSON:
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return claims if isinstance(claims, dict) else {}
    except (IndexError, ValueError):
        return {}


def rest_url(url: str) -> str:
    """Return where REST is if it is beside the WebSocket, as locally; "" where that cannot be known."""
    u = urllib.parse.urlsplit(url)
    if not u.path.rstrip("/").endswith("/ws"):
        return ""
    scheme = "https" if u.scheme in ("wss", "https") else "http"
    return urllib.parse.urlunsplit((scheme, u.netloc, u.path.rstrip("/")[: -len("/ws")], "", ""))


# --- one connection ---


class _Link:
    """One WebSocket connection, and what waits for replies on it."""

    def __init__(self, agent: "Agent", ws: Any, token: str) -> None:
        self.agent, self.ws, self.token = agent, ws, token
        self.opened = time.monotonic()
        self.ended = asyncio.Event()
        self.connected = False  # the server has said so
        self.settled = asyncio.Event()  # it is connected, or has ended
        self.pending: Dict[str, "asyncio.Future[Any]"] = {}  # a frame, or None where there will be none
        self.rooms: Set[str] = set()
        self.answers: Set["Answer"] = set()
        self.expired = False
        self.count = 0

    async def send(self, frame: JSON) -> None:
        text = encode(frame)
        if len(text) > MAX_FRAME:
            raise ChatError("payload_too_large", f"a frame has at most {MAX_FRAME} bytes, and this one {len(text)}")
        if self.ended.is_set():
            raise _LinkLost
        try:
            await self.ws.send(text.decode())
        except (ConnectionClosed, OSError) as e:
            self.end()  # now: who tries again at once must not find it open
            raise _LinkLost from e

    async def read(self) -> None:
        """Take frames until the connection ends."""
        try:
            async for raw in self.ws:
                try:
                    self.agent._frame(self, raw)
                except Exception:  # whatever it sends, the next frame counts again
                    log.exception("a frame could not be handled")
        except (ConnectionClosed, OSError):
            pass
        finally:
            self.end()

    def end(self) -> None:
        self.ended.set()
        self.settled.set()
        self.agent._links.discard(self)
        self.unanswered()
        for answer in list(self.answers):
            answer._wake.set()

    def unanswered(self) -> None:
        """Have nobody wait any longer for a reply."""
        for future in self.pending.values():
            if not future.done():
                future.set_result(None)

    async def keep_alive(self) -> None:
        """Notice a network that is gone without a word. Who has never answered such a ping is not asked to."""
        answers = False
        while not await _wait(self.agent.keep_alive, self.ended):
            try:
                pong = asyncio.ensure_future(await self.ws.ping())
                pong.add_done_callback(lambda f: f.cancelled() or f.exception())
                await asyncio.wait({pong}, timeout=self.agent.keep_alive)
            except (ConnectionClosed, OSError):
                return
            if pong.done() and not pong.cancelled() and pong.exception() is None:
                answers = True
            elif answers:
                log.warning("the connection does not answer any more")
                self.abort()

    def abort(self) -> None:
        transport = getattr(self.ws, "transport", None)
        if transport is not None:
            transport.abort()
        self.end()

    async def close(self) -> None:
        try:
            await asyncio.wait_for(self.ws.close(), 3)
        except Exception as e:
            log.debug("a connection was not closed as it should be: %s", _reason(e))
        finally:
            self.abort()

    async def request(self, fields: JSON) -> JSON:
        """Send a frame and return the one that replies, sending it again while there is none."""
        self.count += 1
        name = f"r{self.count}"
        tries = 0
        while True:
            self.pending[name] = future = asyncio.get_running_loop().create_future()
            try:
                await self.send({**fields, "id": name})
                await asyncio.wait({future}, timeout=self.agent.ack_timeout)
            finally:
                del self.pending[name]
            if future.done() and future.result() is not None:
                return _dict(future.result())
            if self.ended.is_set():
                raise _LinkLost
            if future.done():
                await asyncio.sleep(0.1 + backoff(tries))  # API Gateway refused it, or another frame
            tries += 1


@dataclass
class _Conversation:
    """What is known of a conversation in which the agent is asked."""

    id: str
    asks: bool = False  # the agent is the one who is asked there
    wanted: bool = False  # it is to be in the room
    have: Optional[int] = None  # the log is known up to here
    head: int = 0  # and goes up to here, at least
    ahead: Set[int] = field(default_factory=set)
    stretch: Dict[int, Message] = field(default_factory=dict)  # of the log, until it is complete
    touched: float = 0.0
    mending: bool = False
    entering: bool = False

    def note(self, seq: int) -> None:
        self.head = max(self.head, seq)
        if self.have is None:
            return
        if seq > self.have:
            self.ahead.add(seq)
        while self.have + 1 in self.ahead:
            self.have += 1
            self.ahead.discard(self.have)


# --- an answer ---


class Answer:
    """An answer that is seen while it is written. It is begun by ``async with``, and committed at its end.

    - The body ends: the message is committed as ``sent``, with exactly what was written.
    - Somebody stops it: the body is cancelled, as by ``task.cancel()``: ``asyncio.CancelledError`` comes out of what it
      awaits. What was written is committed as ``cancelled``, and the program goes on after the block;
      ``stopped`` is true. Clean up with ``try … finally``; catch the error only to raise it again.
    - The body raises: what was written is committed as ``failed``, and the exception goes on. People are
      told that the agent failed, and nothing of the exception, unless it is an :class:`AnswerFailed`. Where
      nothing was written there is no message, and the question comes again when the process is started again.
    - It was answered elsewhere, or the conversation is not the agent's any more: the body is cancelled likewise.

    ``sent`` is what it became, once it has ended. When the connection is lost the body goes on, and what it writes
    follows when there is another one.
    """

    def __init__(self, agent: "Agent", conversation_id: str, stream_id: str, parent_id: str = "") -> None:
        self.conversation_id = conversation_id
        self.stream_id = stream_id
        self.sent: Optional[Sent] = None
        self.stopped = False
        self._agent, self._parent, self._base = agent, parent_id, stream_id
        self._parts: Dict[str, Part] = {}
        self._there: Dict[str, int] = {}  # pieces of another process
        self._fields: JSON = {}
        self._doing = "thinking"
        self._told = ""
        self._pace = Pace()
        self._wake = asyncio.Event()
        self._link: Optional[_Link] = None
        self._tag = ""
        self._begun = False
        self._names = 1
        self._lost = False  # the server knows nothing of it any more
        self._rest_until = 0.0
        self._beat = 0.0
        self._task: Optional["asyncio.Task[Any]"] = None
        self._pumping: Optional["asyncio.Task[None]"] = None
        self._starting = False  # the server was asked to begin it, and has not answered
        self._closing = False
        self._aborting = False
        self._asked = False  # the server was asked to commit it, so what it has may be ours
        self._cancelled = False
        self._cancelling = 0
        self._error: Optional[BaseException] = None
        self._started = time.monotonic()

    # what the author does

    async def write(self, text: str) -> None:
        """Add to the answer. It waits for nobody, but lets others run."""
        await self._write("content", text)

    async def think(self, text: str) -> None:
        """Add to the reasoning, which is shown and committed beside the answer."""
        await self._write("thinking", text)

    async def tool(self, call_id: str, text: str) -> None:
        """Add to what is shown of a call of a tool; it is not part of the message."""
        if not _TOOL.fullmatch(call_id):
            raise ValueError("the id of a call is 1 to 64 characters of A-Z a-z 0-9 _ . : -")
        await self._write("tool:" + call_id, text)

    async def status(self, doing: str) -> None:
        """Say what the agent does: ``thinking``, ``generating``, ``tool`` or ``waiting``."""
        if doing not in _STATUSES:
            raise ValueError("a status is thinking, generating, tool or waiting")
        self._doing = doing
        self._wake.set()
        await asyncio.sleep(0)

    def usage(self, prompt_tokens: int, completion_tokens: int, total_tokens: Optional[int] = None) -> None:
        """Say what it cost, for the message."""
        total = prompt_tokens + completion_tokens if total_tokens is None else total_tokens
        self._fields["usage"] = {"promptTokens": prompt_tokens, "completionTokens": completion_tokens, "totalTokens": total}

    def attach(
        self, *, attachments: Optional[List[str]] = None, tool_calls: Optional[List[JSON]] = None, tool_results: Optional[List[JSON]] = None,
        type: str = "", name: str = "",
    ) -> None:
        """Say what else the message has: URLs, calls and results of tools as objects of your own, another type, a name."""
        self._fields.update(_given(attachments=attachments, toolCalls=tool_calls, toolResults=tool_results, type=type, name=name))

    @property
    def text(self) -> str:
        """What was written so far."""
        part = self._parts.get("content")
        return clean(part.text + "".join(part.pending)) if part else ""

    async def _write(self, name: str, text: str) -> None:
        if self._closing or self._pumping is None:
            raise RuntimeError("an answer is written in its block: async with message.answer() as out")
        if text and not self.stopped:
            part = self._part(name)
            part.bytes += len(text.encode("utf-8", "surrogatepass"))
            if part.bytes > MAX_PARTS.get(name, 256 << 10):
                raise ChatError("validation_failed", "the answer is too long", {name: f"must be at most {MAX_PARTS.get(name, 256 << 10)} bytes"})
            part.pending.append(text)
            if name == "content" and self._doing == "thinking":
                self._doing = self._told = "generating"  # the text says so
            self._wake.set()
        await asyncio.sleep(0)

    def _part(self, name: str) -> Part:
        if name not in self._parts:
            self._parts[name] = Part(name, self._there.get(name, 0))
        return self._parts[name]

    # its life

    async def __aenter__(self) -> "Answer":
        if self._task is not None:
            raise RuntimeError("an answer is begun once")
        self._task = asyncio.current_task()
        self._cancelling = getattr(self._task, "cancelling", int)()  # 0 before Python 3.11
        self._agent._answers.add(self)
        try:
            await self._begin()
        except BaseException:
            self._closing = True
            if self._starting:  # or it has begun, and nobody knows
                await self._finish("")
            self._leave()
            raise
        self._pumping = self._agent._spawn(self._pump())
        if self.stopped or self.sent or self._error:  # meanwhile
            self._cancel()
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> bool:
        assert self._task is not None and self._pumping is not None
        self._closing = True
        cancelled = kind is not None and issubclass(kind, asyncio.CancelledError)
        others = False  # somebody else cancels the task, too
        if self._cancelled:
            if kind is None:  # it has not come yet, or the body has caught it
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError:
                    pass
            if hasattr(self._task, "uncancel"):  # Python 3.11
                others = self._task.uncancel() > self._cancelling  # type: ignore[attr-defined]
        ours = self._cancelled and (cancelled or kind is None) and not others
        self._pumping.cancel()
        try:
            interrupted = await self._finish(self._why(error, cancelled and not ours))
        finally:
            self._leave()
        if interrupted or others and kind is None:
            raise asyncio.CancelledError
        if self._error is not None and (kind is None or ours):
            raise self._error
        return ours

    def _why(self, error: Optional[BaseException], interrupted: bool) -> Optional[str]:
        """Return for which reason it is broken off, None where it is not."""
        if self.stopped:
            return ""
        if isinstance(error, AnswerFailed):
            return clean(str(error))[:MAX_REASON] or "the agent failed"
        if interrupted:
            return "the agent was interrupted"
        return "the agent failed" if error is not None or self._error is not None else None

    async def _finish(self, why: Optional[str]) -> bool:
        """Commit it, and report whether somebody cancels that: then it is broken off in place of that, and the second time left."""
        work = asyncio.ensure_future(self._close(why))
        interrupted = False
        try:
            while not work.done():
                try:
                    await asyncio.wait({work})
                except asyncio.CancelledError:
                    if interrupted:
                        raise
                    interrupted = True
                    if why is None:
                        work.cancel()
                        work = asyncio.ensure_future(self._close("the agent was interrupted"))
        finally:
            work.cancel()
        return interrupted

    async def _close(self, why: Optional[str]) -> None:
        """Commit it, or break it off; that does not take for ever."""
        if self._pumping is not None:
            await asyncio.wait({self._pumping})
        if self.sent is not None or self._agent._over:
            return
        if why is None:
            try:
                return await self._commit(None)
            except Exception as e:  # what else it has is refused: what was written stays
                self._error = e
                if self._agent._over:
                    return
                why = "" if self.stopped else "the agent failed"
        try:
            await asyncio.wait_for(self._commit(why), self._agent.abort_timeout)
        except asyncio.TimeoutError:
            log.warning("an answer could not be broken off in %g s; the server does it", self._agent.abort_timeout)
        except Exception as e:
            log.warning("an answer could not be broken off: %s", e)
        if self.sent is None:
            self.sent = Sent("", self.conversation_id, 0, "cancelled" if self.stopped else "failed")

    def _leave(self) -> None:
        """Be no business of the agent's any more."""
        self._unlink()
        self._agent._answers.discard(self)

    def _unlink(self) -> None:
        if self._link is not None:
            self._link.answers.discard(self)
            self._link = None

    def _cancel(self) -> None:
        """Cancel the body, once, and not before it has begun."""
        if self._cancelled or self._closing or self._task is None or self._pumping is None:
            return
        self._cancelled = True
        self._task.cancel()

    def _stop(self) -> None:
        """Somebody wants it to end."""
        if not self._closing:
            self.stopped = True
            self._cancel()

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._cancel()

    def _ended(self, data: JSON) -> None:
        """The log has a message under its id."""
        if self.sent is not None or self._lost:
            return
        status = _text(data.get("status"))
        if status == "failed" and self._begun and not self.stopped and not self._aborting:
            self._rename()  # the server thought that it was dead: all of it follows, as another one
            return
        self.stopped = self.stopped or status == "cancelled"
        self.sent = Sent._of(data, self.conversation_id)
        if not self.stopped and not self._asked:
            self.sent = Sent(self.sent.message_id, self.conversation_id, self.sent.seq, "elsewhere")
        self._cancel()

    def _rename(self) -> None:
        """Go on under another id, with all that was written."""
        self._names += 1
        if self._names > 4:
            self.sent = Sent("", self.conversation_id, 0, "failed")
            self._fail(ChatError("conflict", "the answer was ended by others again and again"))
            return
        self.stream_id = f"{self._base}-again-{self._names}"
        self._there, self._asked = {}, False
        for part in self._parts.values():
            part.first, part.pieces, part.again = 0, [], 0
        self._unlink()
        self._lost = True
        self._wake.set()

    # frames

    def _frame(self, state: str, **fields: Any) -> JSON:
        return {"action": "stream", "state": state, "conversationId": self.conversation_id, "streamId": self.stream_id, **fields}

    async def _begin(self) -> None:
        """Begin it, or go on with it on another connection, or after the server has lost it."""
        n, since, over = 0, time.monotonic(), False
        while self.sent is None:
            link = await self._agent._ready()
            try:
                self._starting = True
                reply = await self._agent._request(self._frame("start", **_given(parentId=self._parent)), link)
            except _LinkLost:
                self._starting = False
                await asyncio.sleep(0.01)
                continue
            except ChatError as e:
                self._starting = False
                if e.code in ("not_found", "conversation_closed") or "parentId" in e.details:
                    self.sent = Sent("", self.conversation_id, 0, "dropped")  # it takes nothing of the agent, or the question was deleted
                    return self._cancel()
                if e.code != "conflict":
                    raise
                if "messageId" in e.details:
                    self._lost = False
                    self._ended(e.details)
                    continue
                if over:  # and no message: one that has ended so may not be begun anew
                    since, over = time.monotonic(), False
                    self._rename()
                    continue
                if time.monotonic() - since > OVER_AFTER and await self._agent._is_over(self.conversation_id, self.stream_id):
                    over = True  # perhaps just now, and with a message: that is asked once more
                    continue
                # A connection that is gone, and not yet known to be, or another process, however long it takes.
                await asyncio.sleep(0.1 + backoff(n, cap=2.0))
                n += 1
                continue
            self._starting = False
            self._adopt(link, reply.get("data"))
            return

    def _adopt(self, link: _Link, data: Any) -> None:
        data = _dict(data)
        there = _counts(data.get("next"))
        same = self._link is link
        for name, part in self._parts.items():
            if same and there.get(name, 0) <= part.next:
                part.missing(there.get(name, 0))
            else:
                part.moved(there.get(name, 0))
        self._there = there
        self._unlink()
        self._link = link
        link.answers.add(self)
        self._tag = self._agent._tag(self)
        self._lost = False
        self._begun = True
        self._beat = time.monotonic()
        self._told = ""
        if data.get("stoppedBy"):
            self._stop()

    async def _here(self) -> _Link:
        """Return the connection that writes it."""
        if self._link is None or self._link.ended.is_set() or self._lost:
            await self._begin()
        if self._link is None:
            raise _LinkLost
        return self._link

    async def _pump(self) -> None:
        """Send what is pending when it is due, and signs of life."""
        try:
            while self.sent is None:
                now = time.monotonic()
                due = self._due()
                if due > now:
                    self._wake.clear()
                    await _wait(due - now, self._wake)
                    continue
                self._wake.clear()
                try:
                    await self._flush(False)
                except _LinkLost:
                    await asyncio.sleep(0.01)
        except Exception as e:
            if not isinstance(e, ChatError):
                log.exception("an answer cannot be written")
            self._fail(e)

    def _due(self) -> float:
        if self._link is None or self._link.ended.is_set() or self._lost:
            return 0.0
        beat = self._beat + HEARTBEAT
        if self._doing != self._told and self._told != "" or any(p.waits() for p in self._parts.values()):
            beat = min(beat, max(self._pace.due(), self._rest_until))
        elif self._doing != self._told:
            beat = min(beat, self._beat + 0.2)
        return beat

    async def _flush(self, last: bool) -> None:
        """Send what is pending, and what is to be sent again."""
        link = await self._here()
        if self.sent is not None:
            return
        for part in list(self._parts.values()):
            part.take(last)
            await self._flush_part(link, part)
        now = time.monotonic()
        if not last and (self._doing != self._told or now - self._beat >= HEARTBEAT):
            self._beat, self._told = now, self._doing
            await link.send(self._frame("append", id=self._tag, status=self._doing))

    async def _flush_part(self, link: _Link, part: Part) -> None:
        again = part.again < part.next
        if not again and part.reached >= len(part.text):
            return
        theirs = part.first > 0 and not part.pieces  # only the whole can take the place of what others wrote
        now = time.monotonic()
        if again or theirs or self._pace.repairs(now):
            if len(part.text) <= MAX_REPAIR and encoded_len(part.text) <= MAX_REPAIR:
                await self._append(link, part, part.add(len(part.text), True))
                return
            if theirs:
                self._rename()
                return
        while part.again < part.next:
            index, part.again = part.again, part.again + 1
            await self._append(link, part, index)
            await asyncio.sleep(REPEAT_EVERY)
            if self._rest_until > time.monotonic():
                return  # it is refused again
        while part.reached < len(part.text):
            await self._append(link, part, part.add(up_to(part.text, part.reached, MAX_REPAIR), False))

    async def _append(self, link: _Link, part: Part, index: int) -> None:
        text, whole = part.piece(index)
        self._beat = now = time.monotonic()
        self._pace.sent(now, whole)
        if index >= 15_000:
            self._pace.widened = 5  # there are 20,000 of a part
        if self._told == "":
            self._told = self._doing
        await link.send(self._frame("append", id=self._tag, index=index, text=text, part=part.name, **({"whole": True} if whole else {})))

    def _refused(self, error: ChatError) -> None:
        """Do what the error of an append asks for."""
        details = error.details
        if details.get("streamId", self.stream_id) != self.stream_id:
            return
        part, index = self._parts.get(_text(details.get("part"))), details.get("index")
        if error.code in ("conflict", "not_found"):
            self._heed(error)
        elif error.code in ("rate_limited", "unavailable", "internal", "token_expired"):
            if error.code == "rate_limited":
                self._pace.widen()
            self._rest_until = time.monotonic() + _retry_after(error, 0.2)
            if part is not None and isinstance(index, int):
                part.missing(index)
            elif "index" not in details and "part" not in details:
                for p in self._parts.values():
                    p.missing(p.first)
        else:
            self._fail(error)
        self._wake.set()

    def _heed(self, error: ChatError) -> None:
        """Do what a stream needs that is not as it was thought to be."""
        if "messageId" in error.details:
            self._ended(error.details)
        elif error.code == "conflict" and "next" in error.details:
            there = _counts(error.details["next"])
            for name, part in self._parts.items():
                part.missing(there.get(name, 0))
        else:
            self._lost = True

    def _last(self) -> Optional[JSON]:
        """Return the frame that ends it: it says all of it if that fits, else how many pieces there are; None where neither is so."""
        content, thinking = self._part("content"), self._parts.get("thinking")
        fields = {**self._fields, **_given(parentId=self._parent)}
        if encoded_len(content.text) + (encoded_len(thinking.text) if thinking else 0) <= MAX_REPAIR:
            whole = self._frame("end", content=content.text, **fields)
            if thinking:
                whole["thinking"] = {"content": thinking.text, "visible": True}
            if len(encode(whole)) <= MAX_FRAME:
                return whole
        if content.first and not content.text:
            return None  # what another process wrote would become ours
        pieces = {"content": content.next}
        if thinking:
            pieces["thinking"] = thinking.next
        return self._frame("end", pieces=pieces, **fields)

    async def _commit(self, why: Optional[str]) -> None:
        """End it, or break it off for a reason, however often the connection is lost meanwhile."""
        if why is None and not self._fields and not any(p.text or p.pending for p in self._said()):
            why = ""
        if why is None:
            self._fields.setdefault("latency", min(int((time.monotonic() - self._started) * 1000), 86_400_000))
        self._aborting = why is not None
        refused = waited = 0
        while self.sent is None:
            try:
                link = await self._here()
                await self._flush(True)
                if self._link is not link or self._lost or self.sent is not None:
                    continue
                if why is None:
                    frame = self._last()
                    if frame is None:
                        self._rename()
                        continue
                else:
                    if any(p.pieces for p in self._said()) and waited < 5 and not await self._arrived(link):
                        waited += 1
                        continue
                    frame = self._frame("abort", **_given(reason=why, cancelled=self.stopped or None))
                self._asked = True
                self._done(await self._agent._request(frame, link))
            except _LinkLost:
                await asyncio.sleep(0.01)
            except ChatError as e:
                if e.code not in ("conflict", "not_found") or refused > 100:
                    raise
                self._asked = self._asked and "messageId" in e.details
                refused += 1
                if "next" not in e.details or refused % 2 == 0:  # mostly the pieces are still on their way
                    self._heed(e)
                await asyncio.sleep(0.1)

    def _said(self) -> List[Part]:
        """Return what is part of the message."""
        return [p for name, p in self._parts.items() if not name.startswith("tool:")]

    async def _arrived(self, link: _Link) -> bool:
        """Report whether the server has what was said, for nothing orders frames, and an abort does not say how many pieces there are."""
        there: Dict[str, int] = {}
        for wait in (0.0, 0.1, 0.2):
            await asyncio.sleep(wait)
            reply = await self._agent._request(self._frame("start", **_given(parentId=self._parent)), link)  # begun again, it tells
            there = _counts(_dict(reply.get("data")).get("next"))
            if all(there.get(p.name, 0) >= p.next for p in self._said()):
                return True
        for part in self._said():
            part.missing(there.get(part.name, 0))
        return False

    def _done(self, reply: JSON) -> None:
        data = _dict(reply.get("data"))
        status = "dropped" if reply.get("event") == "stream:dropped" else "sent"
        self.sent = Sent._of(data, self.conversation_id, status)
        if self.sent.status == "cancelled":
            self.stopped = True
        self._agent._said(self.conversation_id, self.sent.seq)


def _given(**fields: Any) -> JSON:
    return {name: value for name, value in fields.items() if value not in (None, "", [])}


def _dict(value: Any) -> JSON:
    return value if isinstance(value, dict) else {}


def _counts(value: Any) -> Dict[str, int]:
    return {k: v for k, v in _dict(value).items() if isinstance(v, int)}


def _retry_after(error: ChatError, otherwise: float) -> float:
    ms = error.details.get("retryAfterMs")
    return min(ms / 1000, 60.0) if isinstance(ms, (int, float)) and ms >= 0 else otherwise


async def _wait(timeout: float, event: asyncio.Event) -> bool:
    """Wait for an event, and report whether it has come."""
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({waiting}, timeout=timeout)
    finally:
        waiting.cancel()
    return event.is_set()


async def _in_thread(work: Callable[[], JSON]) -> JSON:
    """Call what waits, in a thread that holds nobody up: the end of a program would wait for one of asyncio's."""
    loop = asyncio.get_running_loop()
    told: "asyncio.Future[JSON]" = loop.create_future()

    def tell(how: Callable[[Any], None], what: Any) -> None:
        if not told.done():
            how(what)

    def run() -> None:
        done: Tuple[Callable[[Any], None], Any]
        try:
            done = told.set_result, work()
        except Exception as e:
            done = told.set_exception, e
        try:
            loop.call_soon_threadsafe(tell, *done)
        except RuntimeError:
            pass  # the program has ended

    threading.Thread(target=run, daemon=True).start()
    return await told


# --- the agent ---


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None  # the token is for nobody else


class Agent:
    """An agent: ``async with Agent(url, token) as agent``, then ``async for message in agent`` or :meth:`run`.

    ``url`` is the address of the WebSocket, ``ws://127.0.0.1:3003/ws`` or ``wss://…``. ``token`` is a JWT, or a function, also
    an async one, that returns one and is asked before each connection and before the token expires.
    ``conversations`` are entered from the beginning, and all that users say there is a question; else the
    agent is given what it is asked. ``rest_url`` is the address of REST where that is not beside the WebSocket; it is needed for
    long messages, for long histories and for a long backlog. ``headers`` go with the handshake and REST, for a proxy that wants some.

    Each question comes once, and again in another process only if its answer is not in the log. Entering raises
    :class:`ConnectFailed`, :class:`Unauthorized` or :class:`TooManyConnections`. Later the connection is restored for ever,
    until the token is refused; then the iteration and all that waits raise that.

    The rest are seconds, and seldom changed. ``ack_timeout``: then a frame is sent again; ``connect_timeout``: of a handshake, and of a token that is waited for; ``ping_every``: between
    pings, which find what was missed; ``keep_alive``: silence after which a network is thought dead; ``max_age``: when a new
    connection takes over, give or take ``max_age_jitter``, and ``drain``: how long the old one stays for the answers on it; ``abort_timeout``:
    how long breaking an answer off may take; ``backoff_base`` and ``backoff_cap``: the waits between connections; ``look_back``: how old a
    conversation may be in which a new process looks for a question that was left behind an answer, 0 for none; ``max_rooms``: in how many
    conversations it is at a time.
    """

    def __init__(
        self, url: str, token: Token, *, conversations: Iterable[str] = (), rest_url: str = "", headers: Optional[Mapping[str, str]] = None,
        ack_timeout: float = 5.0, connect_timeout: float = 10.0, ping_every: float = 540.0, keep_alive: float = 20.0,
        max_age: float = 6600.0, max_age_jitter: float = 300.0, drain: float = 240.0, abort_timeout: float = 8.0,
        backoff_base: float = 0.3, backoff_cap: float = 20.0, look_back: float = 86_400.0, max_rooms: int = 100,
    ) -> None:
        scheme, found, rest = url.partition("://")
        if not found or scheme not in ("ws", "wss", "http", "https"):
            raise ValueError(f"the address of the server begins with ws:// or wss://, and not as {url!r}")
        if isinstance(conversations, str):
            raise TypeError("conversations is a list of ids, and not one of them")
        self.url = {"http": "ws", "https": "wss"}.get(scheme, scheme) + "://" + rest
        self.rest_url = rest_url.rstrip("/") or globals()["rest_url"](url)
        self.agent_id = ""
        self.ack_timeout, self.connect_timeout, self.ping_every, self.keep_alive = ack_timeout, connect_timeout, ping_every, keep_alive
        self.max_age, self.max_age_jitter, self.drain, self.abort_timeout = max_age, max_age_jitter, drain, abort_timeout
        self.backoff_base, self.backoff_cap, self.look_back, self.max_rooms = backoff_base, backoff_cap, look_back, max_rooms
        self._ask = token
        self._token = ""
        self._headers = dict(headers or {})
        self._given = list(conversations)
        self._link: Optional[_Link] = None
        self._links: Set[_Link] = set()  # all that are open
        self._over = True
        self._fatal: Optional[BaseException] = RuntimeError("an agent works in its block: async with Agent(…) as agent")
        self._tasks: Set["asyncio.Task[Any]"] = set()
        self._answers: Set[Answer] = set()
        self._tags: Dict[str, Answer] = {}
        self._rooms: Dict[str, _Conversation] = {}
        self._queue: Dict[str, List[Message]] = {}  # by conversation, in their order
        self._cut: Set[str] = set()  # those in it that are not whole yet
        self._seen: Dict[str, None] = {}
        self._sending: Dict[str, "asyncio.Future[JSON]"] = {}
        self._marks: Dict[str, object] = {}  # by conversation, the last call that says what is read
        self._paging = False
        self._opener = urllib.request.build_opener(_NoRedirect())

    # its life

    async def __aenter__(self) -> "Agent":
        if not self._over:
            raise RuntimeError("the agent is in its block already")
        self._changed = asyncio.Event()
        self._over, self._fatal = False, None
        try:
            link = await self._open()
        except BaseException as e:
            await self.close()
            if isinstance(e, (OSError, asyncio.TimeoutError)):
                raise ConnectFailed("unavailable", f"nothing answers at {self.url}: {_reason(e)}") from e
            raise
        self._use(link)
        self._spawn(self._supervise(link))
        for name in self._given:
            self._conversation(name, asks=True).wanted = True
        for c in list(self._rooms.values()):  # also those of an earlier block
            if c.wanted:
                self._enter(c)
        if self.look_back > 0:
            self._spawn(self._look_back())
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    async def close(self) -> None:
        """End it: connections are closed, and what waits is woken."""
        self._finish(None)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*(link.close() for link in list(self._links)))
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=5)

    def _finish(self, error: Optional[BaseException]) -> None:
        if self._over:
            return
        self._over, self._fatal = True, error
        self._changed.set()
        for answer in list(self._answers):
            answer._fail(self._why())
        for future in list(self._sending.values()):
            if not future.done():
                future.cancel()

    def _why(self) -> BaseException:
        return self._fatal or ChatError("unavailable", "the agent is closed")

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is None:
            return
        error = task.exception()
        if not isinstance(error, (_LinkLost, ChatError)):
            log.error("something has failed", exc_info=error)

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        """Return the next question, and wait for it."""
        message = await self._next(set())
        if message is None:
            raise StopAsyncIteration
        return message

    async def _next(self, busy: Set[str]) -> Optional[Message]:
        """Return the next question of a conversation that is not busy, None when the agent is closed."""
        while not self._over:
            for name, waiting in self._queue.items():
                if name in busy or waiting[0].id in self._cut:
                    continue
                message = waiting.pop(0)
                del self._queue[name]
                if waiting:
                    self._queue[name] = waiting  # behind those of the others
                self._changed.set()
                return message
            await self._change()
        if self._fatal is not None:
            raise self._fatal
        return None

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def run(self, handler: Callable[[Message], Awaitable[Any]], *, concurrency: int = 8) -> None:
        """Call handler for each question, several at once, those of one conversation one after the other.

        What a handler raises is logged, also a cancellation that is not of this call, and the next question follows. It returns when the agent is closed.
        """
        if concurrency < 1:
            raise ValueError("concurrency is 1 or more")
        free = asyncio.Semaphore(concurrency)
        ending = False
        busy: Set[str] = set()
        tasks: Set["asyncio.Task[None]"] = set()

        async def handle(message: Message) -> None:
            try:
                await handler(message)
            except (Exception, asyncio.CancelledError) as e:  # which a handler may have made itself
                if ending and isinstance(e, asyncio.CancelledError):
                    raise
                log.exception("the question %s was not answered", message.id)
            finally:
                busy.discard(message.conversation_id)
                free.release()
                self._changed.set()

        try:
            while True:
                await free.acquire()
                message = await self._next(busy)
                if message is None:
                    return
                busy.add(message.conversation_id)
                task = asyncio.ensure_future(handle(message))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        finally:
            ending = True
            for task in list(tasks):
                task.cancel()
            if tasks:
                await asyncio.wait(set(tasks))

    # what an author asks for

    async def send(
        self, conversation_id: str, text: str, *, parent_id: str = "", client_message_id: str = "", type: str = "", role: str = "", name: str = "",
        attachments: Optional[List[str]] = None, thinking: Optional[JSON] = None, tool_calls: Optional[List[JSON]] = None,
        tool_results: Optional[List[JSON]] = None, usage: Optional[JSON] = None, latency: Optional[int] = None, error: str = "",
    ) -> Sent:
        """Send a message, and return when it is durable. Whatever is lost on the way, it is stored once."""
        fields = _given(
            content=clean(text), parentId=parent_id, type=type, role=role, name=name, attachments=attachments, thinking=thinking,
            toolCalls=tool_calls, toolResults=tool_results, usage=usage, latency=latency, error=error,
        )
        fields["conversationId"] = conversation_id
        fields["clientMessageId"] = name_ = client_message_id or uuid.uuid4().hex
        if len(fields.get("content", "").encode()) > MAX_SEND or len(encode(fields)) > MAX_FRAME - 200:
            data = await self._rest("POST", "/messages", fields)
        else:
            data = await self._acknowledged(name_, fields)
        sent = Sent._of(data, conversation_id)
        self._said(conversation_id, sent.seq)
        return sent

    async def _acknowledged(self, name: str, fields: JSON) -> JSON:
        """Send over whichever connection there is. What comes back as a message counts as a reply, too."""
        told: "asyncio.Future[JSON]" = asyncio.get_running_loop().create_future()
        self._sending[name] = told
        asked = asyncio.ensure_future(self._anywhere({"action": "send", **fields}))
        try:
            await asyncio.wait({told, asked}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                return _dict(asked.result().get("data"))
            if told.cancelled():
                raise self._why()
            return told.result()
        finally:
            self._sending.pop(name, None)
            told.cancel()
            asked.cancel()

    def stream(self, conversation_id: str, *, stream_id: str = "", parent_id: str = "") -> Answer:
        """Begin something that is seen while it is written, and answers nothing in particular."""
        return Answer(self, conversation_id, stream_id or uuid.uuid4().hex, parent_id)

    async def history(self, conversation_id: str, *, limit: int = 50, before_seq: Optional[int] = None) -> List[Message]:
        """Return the last messages of a conversation, oldest first. It needs REST."""
        found: List[Message] = []
        while len(found) < limit:
            query = {"conversationId": conversation_id, "limit": str(min(100, limit - len(found)))}
            if before_seq is not None:
                query["beforeSeq"] = str(before_seq)
            page = await self._rest("GET", "/messages?" + urllib.parse.urlencode(query))
            found = _messages(self, page.get("data")) + found
            more = _dict(page.get("pagination"))
            next_ = more.get("nextBeforeSeq") if more.get("hasMore") else None
            if not isinstance(next_, int) or before_seq is not None and next_ >= before_seq:
                break
            before_seq = next_
        return found

    async def react(self, conversation_id: str, message_id: str, key: str, on: bool = True) -> None:
        """React to a message with an emoji, or a name such as ``:done:``, or take that back."""
        await self._anywhere({"action": "react", "conversationId": conversation_id, "messageId": message_id, "key": key, "on": on})

    async def edit(self, conversation_id: str, message_id: str, text: str, *, edits: Optional[int] = None, attachments: Optional[List[str]] = None) -> None:
        """Replace what the agent said; without ``attachments`` those stay.

        With ``edits``, how often it was edited as far as the caller knows, it is a ``conflict`` where it was edited since;
        without, whatever it says now is replaced, which needs REST, as a long text does.
        """
        path = "/messages/" + urllib.parse.quote(message_id, safe="")
        if edits is None:
            edits = (await self._rest("GET", path)).get("edits", 0)
        fields = {"content": clean(text), "edits": edits, **({} if attachments is None else {"attachments": attachments})}
        if len(encode(fields["content"])) > MAX_SEND:
            await self._rest("PUT", path, fields)
        else:
            await self._anywhere({"action": "edit", "conversationId": conversation_id, "messageId": message_id, **fields})

    async def delete(self, message_id: str) -> None:
        """Delete what the agent said. It needs REST."""
        await self._rest("DELETE", "/messages/" + urllib.parse.quote(message_id, safe=""))

    async def read(self, conversation_id: str, seq: int, *, private: bool = False) -> int:
        """Say up to which message the agent has read, and return where its mark is then: it never moves back.

        The others learn of it, unless it is ``private``. They are told once a second at most: so long this waits, unless
        another call has moved the mark meanwhile. Where nothing newer waits for an answer, that ends the agent's backlog.
        """
        this = self._marks[conversation_id] = object()
        try:
            while True:
                fields = {"action": "read", "conversationId": conversation_id, "seq": seq, "private": private}
                reply = _dict((await self._anywhere(fields)).get("data"))
                wait = reply.get("retryAfterMs")
                if not private and isinstance(wait, (int, float)) and self._marks.get(conversation_id) is this:
                    await asyncio.sleep(min(wait / 1000, 10.0))
                if private or wait is None or self._marks.get(conversation_id) is not this:
                    return int(reply["seq"])
        finally:
            if self._marks.get(conversation_id) is this:
                del self._marks[conversation_id]

    async def unread(self, conversation_id: str, from_seq: int) -> int:
        """Make a message, and what comes after it, unread again, and return where the agent's mark is then. Nobody else learns of it."""
        self._marks.pop(conversation_id, None)
        return int(_dict((await self._anywhere({"action": "unread", "conversationId": conversation_id, "fromSeq": from_seq})).get("data"))["seq"])

    # the connection

    async def _open(self) -> _Link:
        """Open a connection, and wait until the server has said that it is one."""
        self._token = await self._new_token()
        options: Dict[str, Any] = {
            "subprotocols": ["aiwm.v2", "bearer", self._token], "compression": None, "max_size": 256 << 10, "max_queue": 256, "ping_interval": None,
            "close_timeout": 2, "open_timeout": self.connect_timeout, "logger": _wire,
        }
        if self._headers:
            options[_HEADERS] = self._headers
        try:
            ws = await _Connect(self.url, **options)
        except InvalidURI as e:
            raise ConnectFailed("bad_request", f"{self.url} is no address of a WebSocket") from e
        except (WebSocketException, ValueError, EOFError) as e:
            raise self._refusal(e) from e
        link = _Link(self, ws, self._token)
        self._links.add(link)
        self._spawn(link.read())
        self._spawn(link.keep_alive())
        try:
            await self._greeted(link)
        except BaseException:
            await link.close()
            raise
        return link

    async def _new_token(self) -> str:
        token: Any = self._ask
        if callable(token):
            token = token()
            if inspect.isawaitable(token):
                asking = asyncio.ensure_future(token)
                try:
                    await asyncio.wait({asking}, timeout=self.connect_timeout)
                    if not asking.done() or asking.cancelled():
                        raise ConnectFailed("unavailable", f"no token came in {self.connect_timeout:g} s", retryable=True)
                    token = asking.result()
                finally:
                    asking.cancel()
        if not isinstance(token, str) or not _SUBPROTOCOL.fullmatch(token):
            raise Unauthorized("unauthorized", "the token is not a JWT")
        return token

    def _refusal(self, e: Exception) -> Exception:
        """Say what a handshake that was refused means."""
        status = getattr(e, "status_code", None) or getattr(getattr(e, "response", None), "status_code", None)
        if status == 401:
            return Unauthorized("unauthorized", "the server refuses the token (status 401)")
        if status == 403:  # also of API Gateway, of another stage
            return ConnectFailed("forbidden", f"there is no chat at {self.url}, or it is not for this token (status 403)")
        if status == 429:
            return TooManyConnections("too_many_connections", "the agent has too many connections (status 429)")
        if status is not None and status >= 500:
            return ConnectFailed("unavailable", f"the server is not available (status {status})", retryable=True)
        if status is not None:
            return ConnectFailed("not_found", f"there is no chat at {self.url} (status {status})")
        return ConnectFailed("unavailable", f"there is no WebSocket at {self.url}: {_reason(e)}", retryable=True)

    async def _greeted(self, link: _Link) -> None:
        """Wait for connected. That may be lost: a pong says the same."""
        try:
            if not await _wait(self.connect_timeout / 2, link.settled):
                await asyncio.wait_for(link.request({"action": "ping"}), self.connect_timeout / 2)
                link.connected = True
        except (asyncio.TimeoutError, _LinkLost):
            pass
        if self._fatal is not None:
            raise self._fatal
        if link.expired:
            raise Unauthorized("token_expired", "the token has expired")
        if not link.connected:
            raise ConnectFailed("unavailable", f"what answers at {self.url} does not speak this protocol", retryable=True)
        if not self.agent_id:
            claims = _claims(link.token)
            self.agent_id = _text(claims.get("agentId")) or _text(claims.get("sub"))

    def _use(self, link: _Link) -> None:
        self._link = link
        self._changed.set()
        for answer in list(self._answers):
            answer._wake.set()

    async def _ready(self) -> _Link:
        """Return the connection, and wait for one."""
        while True:
            if self._over:
                raise self._why()
            link = self._link
            if link is not None and not link.ended.is_set():
                return link
            await self._change()

    async def _supervise(self, link: _Link) -> None:
        """Keep a connection, until that is in vain."""
        try:
            await self._keep(link)
        except Exception as e:
            if not isinstance(e, ChatError):
                log.exception("the agent has failed")
            self._finish(e)
        except asyncio.CancelledError:  # Ctrl-C cancels everything, before Python 3.11: nothing can be sent any more
            self._over = True
            self._changed.set()
            raise

    async def _keep(self, link: _Link) -> None:
        """Open a new connection before the old one ends, and where it has ended."""
        age, failures, refused, lost = self._age(link), 0, 0, False
        while True:
            await self._live(link, age)
            if link.ended.is_set() and not lost:
                lost = True
                log.info("the connection was lost")
                if time.monotonic() - link.opened > 10:
                    failures = 0
            try:
                if lost:
                    await asyncio.sleep(backoff(failures, self.backoff_base, self.backoff_cap))
                    failures += 1
                new = await self._open()
            except TooManyConnections:  # perhaps those that are gone still count
                refused += 1
                if refused > 2 and lost:
                    raise
                age = self._later(link)
                continue
            except Exception as e:  # also of who gives the token
                if lost and (isinstance(e, Unauthorized) or isinstance(e, ConnectFailed) and e.code == "forbidden"):
                    raise
                log.warning("no connection: %s", _reason(e))
                age = self._later(link)  # as long as the old token counts
                continue
            refused = 0
            if not lost and not self._stays(new, link):
                await new.close()
                age = float("inf")
                continue
            self._use(new)
            entering = self._spawn(self._enter_all(new, [c for c in self._rooms.values() if c.wanted]))
            if not lost:
                await asyncio.wait({entering}, timeout=30)
                self._spawn(self._retire(link))
            link, age, lost = new, self._age(new), False

    def _stays(self, new: _Link, old: _Link) -> bool:
        """Report whether a new connection is better than an old one: not if the token is the same, and about to expire."""
        if time.monotonic() - old.opened > self.max_age - self.max_age_jitter:
            return True
        return (expiry(new.token) or float("inf")) > (expiry(old.token) or 0)

    def _age(self, link: _Link) -> float:
        """Return at which age a connection is followed by another one."""
        age = self.max_age + random.uniform(-1, 1) * self.max_age_jitter
        exp = expiry(link.token)
        if exp is not None and callable(self._ask):
            left = exp - time.time()
            if left > 0:  # else the clock is ahead, and each token seems to be over
                age = min(age, max(left - min(60.0, left / 4), SELDOM))
        return age

    def _later(self, link: _Link) -> float:
        return time.monotonic() - link.opened + min(30.0, self.max_age / 10)

    async def _live(self, link: _Link, age: float) -> None:
        """Ping, until the connection has ended or is old."""
        next_ping = time.monotonic() + self.ping_every
        while not link.ended.is_set():
            now = time.monotonic()
            left = link.opened + age - now
            if left <= 0:
                return
            if now >= next_ping:
                self._spawn(self._ping(link))
                next_ping = now + self.ping_every
            await _wait(min(left, next_ping - now, 3600.0), link.ended)

    async def _retire(self, link: _Link) -> None:
        """Close an old connection when what is written on it has ended."""
        end = time.monotonic() + self.drain
        while link.answers and time.monotonic() < end and not link.ended.is_set():
            await asyncio.sleep(0.05)
        await link.close()

    async def _ping(self, link: _Link) -> None:
        """Ask what the server knows: enter again what is missing, and read what is ahead."""
        before = {c.id for c in self._rooms.values() if c.id in link.rooms}
        try:
            reply = await self._request({"action": "ping"}, link)
        except _LinkLost:
            return
        data = _dict(reply.get("data"))
        rooms = data.get("rooms")
        heads = {_text(_dict(r).get("conversationId")): _dict(r).get("lastSeq") for r in (rooms if isinstance(rooms, list) else [])}
        for name in before & set(self._rooms):
            c = self._rooms[name]
            head = heads.get(name)
            if isinstance(head, int):
                c.head = max(c.head, head)
                self._mend(c)
            elif not data.get("truncated"):
                link.rooms.discard(name)
        for c in list(self._rooms.values()):
            if c.wanted and c.id not in link.rooms:
                self._enter(c)

    async def _request(self, fields: JSON, link: _Link) -> JSON:
        """Ask on one connection, and wait as long as the server wants. What it refuses for good is raised."""
        n = 0
        while True:
            reply = await link.request(fields)
            if reply.get("event") != "error":
                return reply
            error = _refused(reply)
            if error.code == "token_expired":
                link.expired = True
                await link.close()
                raise _LinkLost
            if error.code not in ("rate_limited", "unavailable") and not (error.code == "internal" and n < 3):
                raise error
            await asyncio.sleep(max(_retry_after(error, 0.0), 0.05 + backoff(n)))
            n += 1

    async def _anywhere(self, fields: JSON) -> JSON:
        """Ask on whatever connection there is, until there is an answer."""
        while True:
            try:
                return await self._request(fields, await self._ready())
            except _LinkLost:
                await asyncio.sleep(0.01)

    # what comes

    def _frame(self, link: _Link, raw: Any) -> None:
        """Take a frame."""
        try:
            frame = json.loads(raw) if isinstance(raw, str) else None
        except (ValueError, RecursionError):
            frame = None
        if not isinstance(frame, dict):
            log.warning("the server sent what is no frame")
            return
        event, name, data = frame.get("event"), _text(frame.get("id")), frame.get("data")
        if event is None and "message" in frame:  # API Gateway itself; it does not say of what
            return link.unanswered()
        if event == "messages:history":
            self._history(data)
            return
        waiting = link.pending.get(name)
        if waiting is not None and not waiting.done():
            waiting.set_result(frame)
        if event == "error":
            self._error(link, name, frame)
        elif event == "connected" and isinstance(data, dict):
            self._connected(link, data)
        elif isinstance(data, dict):
            self._event(link, event, data)

    def _connected(self, link: _Link, data: JSON) -> None:
        if data.get("type") == "user":
            self._finish(Unauthorized("forbidden", "the token is a user's, and an agent's is needed"))
        self.agent_id = _text(data.get("agentId")) or self.agent_id
        link.connected = True
        link.settled.set()

    def _error(self, link: _Link, name: str, frame: JSON) -> None:
        error = _refused(frame)
        if isinstance(error, TooManyConnections):
            self._finish(error)
        elif error.code == "token_expired":
            link.expired = True
            if not callable(self._ask):
                self._finish(Unauthorized("token_expired", "the token has expired, and there is no function that gets another one"))
        answer = self._tags.get(name)
        if answer is not None and answer._link is link:
            answer._refused(error)

    def _event(self, link: _Link, event: Any, data: JSON) -> None:
        conversation = _text(data.get("conversationId"))
        if event in ("message:new", "message:from-user"):
            self._said_by(data, event == "message:from-user" or data.get("forYou") is True)
        elif event == "stream:stop":
            for answer in list(self._answers):
                if answer.stream_id == data.get("streamId") and answer.conversation_id == conversation:
                    answer._stop()
        elif event == "backlog" and data.get("more") is True and not self._paging:
            self._paging = True
            self._spawn(self._backlog(_text(data.get("cursor"))))
        elif event == "message:deleted":
            self._withdraw(lambda m: m.id == data.get("messageId"))
        elif event in ("conversation:left", "conversation:deleted"):
            link.rooms.discard(conversation)
            if link is self._link or event == "conversation:deleted":
                self._rooms.pop(conversation, None)
            if conversation in self._given:
                self._conversation(conversation, asks=True).wanted = True
            if event == "conversation:deleted":
                self._withdraw(lambda m: m.conversation_id == conversation)
        elif event == "conversation:added" and data.get("id") in self._given:
            self._enter(self._conversation(data["id"], asks=True))
        elif event == "message:sent" and data.get("resync") is True:
            self._spawn(self._ping(link))

    def _said_by(self, data: JSON, asked: bool) -> None:
        """Take a message that has just been written, or that waited."""
        m = _message(self, data)
        if m is None:
            return
        c = self._conversation(m.conversation_id, asks=asked)
        c.note(m.seq)
        self._mend(c)
        if m.participant_type == "agent" and m.participant_id == self.agent_id:
            self._own(m)
        elif m.participant_type == "user" and (asked or m.conversation_id in self._given):
            self._question(m)

    def _own(self, m: Message) -> None:
        """A message of this agent, by whichever connection: of one that is being sent it is the reply."""
        client = _text(m.raw.get("clientMessageId"))
        told = {"messageId": m.id, "seq": m.seq, "status": m.status, "duplicate": False}
        future = self._sending.get(client)
        if future is not None and not future.done():
            future.set_result(told)
        for answer in list(self._answers):
            if answer.stream_id == client and answer.conversation_id == m.conversation_id and answer._link is not None and m.status != "sent":
                answer._ended(told)

    def _history(self, data: Any) -> None:
        """Take a stretch of a log. What is asked in it is known when all of it is there."""
        if not isinstance(data, dict) or not isinstance(data.get("messages"), list):
            return
        c = self._rooms.get(_text(data.get("conversationId")))
        if c is None:
            return
        for m in _messages(self, data["messages"]):
            c.stretch[m.seq] = m
            c.note(m.seq)
        self._whole(c)
        self._mend(c)

    def _whole(self, c: _Conversation) -> None:
        """Give what is asked in a stretch of the log, once nothing of it is missing."""
        if c.have is None or c.have < c.head:
            return
        found, c.stretch = c.stretch, {}
        if c.asks:
            for m in questions(self.agent_id, found.values()):
                self._question(m)

    def _question(self, m: Message) -> None:
        """Give a question, once, and before later ones of its conversation."""
        if m.id in self._seen or m.raw.get("isDeleted"):
            return
        self._seen[m.id] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        c = self._conversation(m.conversation_id, asks=True)
        c.touched = time.monotonic()
        self._put(m)
        if m.raw.get("truncated"):
            self._cut.add(m.id)
            self._spawn(self._complete(m))
        self._enter(c, m.seq)

    def _put(self, m: Message) -> None:
        waiting = self._queue.setdefault(m.conversation_id, [])
        waiting.append(m)
        if len(waiting) > 1 and waiting[-2].seq > m.seq:
            waiting.sort(key=lambda m: m.seq)
        self._changed.set()

    def _withdraw(self, gone: Callable[[Message], bool]) -> None:
        left = {name: [m for m in waiting if not gone(m)] for name, waiting in self._queue.items()}
        self._queue = {name: waiting for name, waiting in left.items() if waiting}

    async def _complete(self, m: Message) -> None:
        """Read a question that did not fit a frame over REST; those after it wait for it."""
        try:
            for n in range(5):
                try:
                    whole = _message(self, await self._rest("GET", "/messages/" + urllib.parse.quote(m.id, safe="")))
                    if whole is not None:
                        waiting = self._queue.get(m.conversation_id, [])
                        waiting[:] = [whole if other.id == m.id else other for other in waiting]
                        return
                except ChatError as e:
                    if e.code == "not_found":  # deleted meanwhile
                        self._withdraw(lambda other: other.id == m.id)
                        return
                    log.warning("a long message could not be read: %s", e)
                    if not self.rest_url:
                        return
                await asyncio.sleep(backoff(n + 1))
        finally:
            self._cut.discard(m.id)
            self._changed.set()

    def _said(self, conversation: str, seq: int) -> None:
        """Note a message of this agent's own, which comes back to other connections only."""
        c = self._rooms.get(conversation)
        if c is not None and seq > 0:
            c.note(seq)
            self._mend(c)

    # rooms

    def _conversation(self, name: str, asks: bool = False) -> _Conversation:
        c = self._rooms.get(name)
        if c is None:
            c = self._rooms[name] = _Conversation(name)
        c.asks = c.asks or asks
        return c

    def _enter(self, c: _Conversation, seq: Optional[int] = None) -> None:
        """Have the agent be in a conversation, so that it notices what it misses."""
        if seq is not None and c.have is None:
            c.have, c.head = max(0, seq - 1 - LOOK_BACK), max(c.head, seq)
            c.ahead.add(seq)
        c.wanted = True
        link = self._link
        if link is None or c.id in link.rooms or c.entering:
            return
        self._spawn(self._join(link, c))

    async def _enter_all(self, link: _Link, rooms: List[_Conversation]) -> None:
        free = asyncio.Semaphore(8)

        async def one(c: _Conversation) -> None:
            async with free:
                await self._join(link, c)

        await asyncio.gather(*(one(c) for c in rooms))

    async def _join(self, link: _Link, c: _Conversation) -> None:
        c.entering = True
        try:
            while len(link.rooms) >= self.max_rooms and self._make_room(link, c):
                pass
            fields: JSON = {"action": "join", "conversationId": c.id, "streams": "final"}
            if c.have is not None:
                fields["afterSeq"] = c.have
            reply = await self._request(fields, link)
            last = _dict(reply.get("data")).get("lastSeq")
            link.rooms.add(c.id)
            if isinstance(last, int):
                if c.have is None:
                    c.have = max(0, last - LOOK_BACK)
                    for seq in sorted(c.stretch):
                        c.note(seq)
                c.head = max(c.head, last)
                self._whole(c)
                self._mend(c)
        except _LinkLost:
            pass  # the next connection enters it
        except ChatError as e:
            if e.code == "too_many_rooms" and self._make_room(link, c):
                self._spawn(self._join(link, c))
                return
            log.warning("the conversation %s was not entered: %s", c.id, e)
            if c.id not in self._given:  # those are tried again with each ping
                self._rooms.pop(c.id, None)
                c.wanted = False
        finally:
            c.entering = False

    def _make_room(self, link: _Link, but: _Conversation) -> bool:
        """Leave the conversation in which nothing was asked for longest; one may be asked there all the same."""
        busy = {a.conversation_id for a in self._answers} | set(self._queue) | set(self._given) | {but.id}
        idle = [c for c in self._rooms.values() if c.id in link.rooms and c.id not in busy]
        if not idle:
            return False
        c = min(idle, key=lambda c: c.touched)
        link.rooms.discard(c.id)
        del self._rooms[c.id]
        self._spawn(self._leave(link, c.id))
        return True

    async def _leave(self, link: _Link, conversation: str) -> None:
        try:
            await self._request({"action": "leave", "conversationId": conversation}, link)
        except (_LinkLost, ChatError) as e:
            log.debug("a conversation was not left: %s", e)

    def _mend(self, c: _Conversation) -> None:
        """Read what is missing of a log, if it does not come by itself."""
        if c.wanted and not c.mending and c.have is not None and c.have < c.head:
            c.mending = True
            self._spawn(self._mending(c))

    async def _mending(self, c: _Conversation) -> None:
        wait = 1.0
        try:
            while self._rooms.get(c.id) is c and c.have is not None and c.have < c.head:
                have = c.have
                await asyncio.sleep(wait)
                if c.have < c.head and not c.entering and c.have == have:
                    await self._join(await self._ready(), c)
                    wait = min(wait * 2, 30.0) if c.have == have else 1.0
        finally:
            c.mending = False
            self._whole(c)

    async def _look_back(self) -> None:
        """Enter what was talked in of late: a question may have been left there when an answer to another one was the last."""
        if not self.rest_url:
            return
        try:
            page = await self._rest("GET", "/conversations?" + urllib.parse.urlencode({"agentId": self.agent_id, "status": "active", "limit": "100"}))
        except ChatError as e:
            log.warning("what was talked of late could not be read: %s", e)
            return
        data = page.get("data")
        since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - self.look_back))
        for d in (data if isinstance(data, list) else [])[: self.max_rooms // 2]:
            if isinstance(d, dict) and _text(d.get("id")) and _text(d.get("updatedAt")) >= since and d.get("totalMessages"):
                self._enter(self._conversation(d["id"], asks=True))

    async def _backlog(self, cursor: str) -> None:
        """Read what waits beyond what came by itself."""
        before, failures = "", 0
        try:
            while cursor and cursor != before:
                query = urllib.parse.urlencode({"cursor": cursor, "limit": "200"})
                try:
                    page = await self._rest("GET", f"/agents/{urllib.parse.quote(self.agent_id, safe='')}/backlog?{query}")
                except ChatError as e:
                    log.warning("the backlog could not be read: %s", e)
                    if not e.retryable:
                        return  # the next connection tells of it again
                    await asyncio.sleep(backoff(failures + 2))
                    failures += 1
                    continue
                for m in _messages(self, page.get("data")):
                    self._said_by(m.raw, True)
                while sum(len(waiting) for waiting in self._queue.values()) > AHEAD:
                    await self._change()
                more = _dict(page.get("pagination"))
                before, cursor = cursor, _text(more.get("cursor")) if more.get("hasMore") else ""
        finally:
            self._paging = False

    # answers

    def _tag(self, answer: Answer) -> str:
        for name in [n for n, a in self._tags.items() if a is answer or a not in self._answers]:
            del self._tags[name]
        tag = uuid.uuid4().hex
        self._tags[tag] = answer
        return tag

    async def _is_over(self, conversation: str, stream: str) -> bool:
        """Report whether a stream that may not be begun has ended without a message."""
        if not self.rest_url:
            return False
        try:
            await self._rest("GET", f"/conversations/{urllib.parse.quote(conversation, safe='')}/streams/{urllib.parse.quote(stream, safe='')}", tries=1)
        except ChatError as e:
            return e.code == "not_found"
        return False

    # REST

    async def _rest(self, method: str, path: str, body: Optional[JSON] = None, tries: int = 4) -> JSON:
        if not self.rest_url:
            raise ConnectFailed("unavailable", "the address of REST is not known: give rest_url")
        for n in range(tries):
            if self._over:
                raise self._why()
            try:
                return await _in_thread(lambda: self._call(method, path, body))
            except ChatError as e:
                if not e.retryable or n + 1 == tries:
                    raise
                await asyncio.sleep(max(_retry_after(e, 0.0), backoff(n)))
        raise AssertionError("tries is at least 1")

    def _call(self, method: str, path: str, body: Optional[JSON]) -> JSON:
        headers = {**self._headers, "Authorization": "Bearer " + self._token, "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.rest_url + path, None if body is None else encode(body), headers, method=method)
        try:
            with self._opener.open(request, timeout=35) as response:
                return {} if response.status == 204 else _dict(json.loads(response.read()))
        except urllib.error.HTTPError as e:
            raise _problem(e) from None
        except (OSError, HTTPException, ValueError, RecursionError) as e:
            raise ChatError("unavailable", f"no answer of REST: {_reason(e)}", retryable=True) from e


def _messages(agent: Agent, data: Any) -> List[Message]:
    found = [_message(agent, d) for d in data] if isinstance(data, list) else []
    return [m for m in found if m is not None]


def _refused(frame: JSON) -> ChatError:
    e = _dict(frame.get("error"))
    kind = TooManyConnections if e.get("code") == "too_many_connections" else ChatError
    return kind(_text(e.get("code")) or "internal", _text(e.get("message")), _dict(e.get("details")), e.get("retryable") is True)


def _problem(e: urllib.error.HTTPError) -> ChatError:
    """Return the error of an answer of REST."""
    try:
        with e:
            d = _dict(json.loads(e.read()))
    except (OSError, HTTPException, ValueError, RecursionError):
        d = {}
    code = _text(d.get("code")) or {401: "unauthorized", 404: "not_found", 429: "rate_limited"}.get(e.code, "internal" if e.code < 500 else "unavailable")
    kind = Unauthorized if e.code == 401 else ChatError
    return kind(
        code, _text(d.get("detail")) or _text(d.get("message")) or f"status {e.code}", _dict(d.get("details")), e.code == 429 or e.code >= 500,
    )


def _reason(e: BaseException) -> str:
    return str(e) or type(e).__name__
