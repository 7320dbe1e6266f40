"""What is pure, by tables."""

import json
import random
import unittest

import harness  # noqa: F401  (finds the client)
import aiwm_chat as a


def said(seq: int, who: str, parent: str = "", kind: str = "user", deleted: bool = False) -> a.Message:
    raw = {"id": f"m{seq}", "conversationId": "c", "seq": seq, "participantId": who, "participantType": kind, "parentId": parent, "isDeleted": deleted}
    m = a._message(None, raw)  # type: ignore[arg-type]
    assert m is not None
    return m


class Units(unittest.TestCase):
    def test_backoff(self) -> None:
        for n, most in [(0, 0.3), (1, 0.6), (3, 2.4), (6, 19.2), (7, 20), (1000, 20)]:
            self.assertAlmostEqual(a.backoff(n, rand=lambda: 1.0), most)
            self.assertEqual(a.backoff(n, rand=lambda: 0.0), 0)

    def test_clean(self) -> None:
        for text, want in [
            ("", ""), ("a🌊", "a🌊"), ("\ud83c\udf0a", "🌊"), ("a\ud83c", "a\ufffd"), ("\udf0aa", "\ufffda"),
            ("\ud83c\ud83c\udf0a\udf0a", "\ufffd🌊\ufffd"), ("\x00\u2028", "\x00\u2028"),
        ]:
            self.assertEqual(a.clean(text), want, ascii(text))

    def test_encode(self) -> None:
        self.assertEqual(a.encode({"a": "ä🌊\n\x01"}), '{"a":"ä🌊\\n\\u0001"}'.encode())
        self.assertEqual(a.encoded_len('"\\'), 6)
        with self.assertRaises(ValueError):
            a.encode(float("nan"))

    def test_up_to(self) -> None:
        for text, most in [("a" * 100, 50), ("🌊" * 100, 50), ("\x01" * 100, 50), ("a", 50), ('"' * 99, 40)]:
            at, pieces = 0, []
            while at < len(text):
                end = a.up_to(text, at, most)
                self.assertGreater(end, at)
                self.assertLessEqual(a.encoded_len(text[at:end]), most)
                pieces.append(text[at:end])
                at = end
            self.assertEqual("".join(pieces), text)

    def test_pace(self) -> None:
        """47 frames of an answer of 500 tokens in 8 s, as the design says; a whole part each 5 s."""
        pace, frames, wholes = a.Pace(), 0, 0
        for ms in range(0, 8001, 16):
            now = 1000 + ms / 1000
            if now + 1e-9 >= pace.due():
                whole = pace.repairs(now)
                pace.sent(now, whole)
                frames, wholes = frames + 1, wholes + whole
        self.assertTrue(38 <= frames <= 47, frames)
        self.assertEqual(wholes, 1)
        due = []
        for _ in range(8):
            pace.widen()
            due.append(round(pace.due() - pace.last, 3))
        self.assertEqual(due, [0.5, 1, 2, 4, 4, 4, 4, 4])

    def test_part(self) -> None:
        """Whatever way a text is cut, lost and moved, the pieces that the server has are the text."""
        rand = random.Random(7)
        for _ in range(300):
            text = "".join(rand.choice(["a", "é", "🌊", "\n"]) for _ in range(rand.randrange(1, 60)))
            halves = text.encode("utf-16-le", "surrogatepass")
            units = [halves[i : i + 2].decode("utf-16-le", "surrogatepass") for i in range(0, len(halves), 2)]
            part, there, got = a.Part("content"), 0, ""
            for i, unit in enumerate(units):
                part.pending.append(unit)
                if rand.random() < 0.5 and i + 1 < len(units):
                    continue
                part.take(i + 1 == len(units))
                self.assertNotRegex(part.text, "[\ud800-\udfff]")
                if part.reached < len(part.text):
                    part.add(len(part.text), rand.random() < 0.2)
                if rand.random() < 0.3:  # the connection was lost, and with it the last pieces
                    there = rand.randrange(0, part.next + 1)
                    part.moved(there)
                    self.assertEqual(part.next, there)
            if part.reached < len(part.text):
                part.add(len(part.text), False)
            for index in range(part.next):
                piece, whole = part.piece(index)
                got = piece if whole else got + piece
            self.assertEqual(got, text)

    def test_part_of_others(self) -> None:
        part = a.Part("content", 5)
        part.pending.append("abc")
        part.take(False)
        self.assertEqual((part.next, part.add(3, True), part.next, part.piece(5)), (5, 5, 6, ("abc", True)))
        part.moved(2)  # the server has lost it, or others are further
        self.assertEqual((part.next, part.reached, part.waits()), (2, 0, True))
        part.add(3, True)
        part.missing(0)
        self.assertEqual(part.again, 2)

    def test_questions(self) -> None:
        u, g = "user", "agent"
        for name, log, want in [
            ("nothing", [], []),
            ("one", [said(1, "u")], [1]),
            ("answered", [said(1, "u"), said(2, "a", "m1", g)], []),
            ("the second waits behind the answer to the first", [said(1, "u"), said(2, "u"), said(3, "a", "m1", g)], [2]),
            ("a later one was answered", [said(1, "u"), said(2, "u"), said(3, "a", "m2", g)], []),
            ("without a parent", [said(1, "u"), said(2, "u"), said(3, "a", "", g), said(4, "u")], [4]),
            ("the parent is not in the stretch", [said(7, "u"), said(8, "a", "m1", g)], [7]),
            ("another agent", [said(1, "u"), said(2, "b", "m1", g)], [1]),
            ("a user of the same name", [said(1, "u"), said(2, "a", "m1", u)], [1, 2]),
            ("deleted", [said(1, "u", deleted=True), said(2, "u")], [2]),
            ("what the backend says", [said(1, "aiwm", "", "system")], []),
        ]:
            for order in (log, log[::-1]):
                self.assertEqual([m.seq for m in a.questions("a", order)], want, name)

    def test_note(self) -> None:
        """What is known of a log, in whatever order it comes."""
        for seqs, have, head in [([], 3, 3), ([4, 5], 5, 5), ([5], 3, 5), ([6, 5, 4], 6, 6), ([4, 4, 2, 1], 4, 4), ([9, 4], 4, 9)]:
            c = a._Conversation("c", have=3, head=3)
            for seq in seqs:
                c.note(seq)
            self.assertEqual((c.have, c.head), (have, head), seqs)

    def test_expiry(self) -> None:
        token = harness.token("agent", "a1", 100)
        self.assertAlmostEqual(a.expiry(token) or 0, __import__("time").time() + 100, delta=5)
        for text in ("", "a.b.c", "a.e30.c", "a." + "W10" + ".c", "a.eyJleHAiOnRydWV9.c"):
            self.assertIsNone(a.expiry(text), text)

    def test_addresses(self) -> None:
        for url, want in [
            ("ws://127.0.0.1:3003/ws", "http://127.0.0.1:3003"), ("wss://h/x/ws/", "https://h/x"), ("wss://h/prod", ""), ("https://h/ws", "https://h"),
        ]:
            self.assertEqual(a.rest_url(url), want)
        for url in ("127.0.0.1:3003", "ftp://h/ws", ""):
            with self.assertRaisesRegex(ValueError, "begins with ws"):
                a.Agent(url, "t")

    def test_queue(self) -> None:
        """Once each, and those of one conversation in their order."""
        agent = a.Agent("ws://h/ws", "t")
        agent._changed = type("E", (), {"set": lambda self: None})()  # type: ignore[assignment]
        for seq in (3, 1, 2, 3, 1):
            agent._question(said(seq, "u"))
        self.assertEqual([m.seq for m in agent._queue["c"]], [1, 2, 3])

    def test_json_of_answers(self) -> None:
        """Ids that follow from the question: two answers have two."""
        m = said(1, "u")
        self.assertEqual([m._next_id(), m._next_id()], ["answer-m1", "answer-m1-2"])
        self.assertEqual(json.loads(a.encode({"x": m.raw["id"]})), {"x": "m1"})


if __name__ == "__main__":
    unittest.main()
