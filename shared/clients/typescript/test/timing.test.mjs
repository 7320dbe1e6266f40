import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff } from "../dist/timing.js";
import { expiry, Tokens } from "../dist/tokens.js";
import { Pace } from "../dist/pace.js";

test("backoff: any time up to a bound that doubles, to 20 s", () => {
  const t = { backoffBase: 300, backoffMax: 20_000 };
  for (const [attempt, bound] of [[0, 300], [1, 600], [4, 4800], [6, 19_200], [7, 20_000], [1000, 20_000]]) {
    assert.equal(backoff(attempt, t, () => 1), bound);
    assert.equal(backoff(attempt, t, () => 0), 0);
    assert.equal(backoff(attempt, t, () => 0.5), bound / 2);
  }
});

test("when a token expires", () => {
  const jwt = (claims) => `x.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.y`;
  assert.equal(expiry(jwt({ exp: 12 })), 12_000);
  for (const none of [jwt({}), jwt({ exp: "soon" }), "opaque", "", "a.b.c", jwt({ sub: "ü?>" })]) assert.equal(expiry(none), Infinity);
});

test("a token is asked for once by all who want it at once, and again when it is refused or expires", async () => {
  let asked = 0;
  const tokens = new Tokens(async () => `t${++asked}`);
  assert.deepEqual(await Promise.all([tokens.get(), tokens.get(), tokens.get(true)]), ["t1", "t1", "t1"]);
  assert.equal(await tokens.get(), "t1");
  assert.equal(await tokens.get(true), "t2");
  const broken = new Tokens(() => {
    throw new Error("no");
  });
  await assert.rejects(broken.get(), /no/);
});

test("pieces: the first at once, each 100 ms for 2 s, then each 250 ms, wider when told so", () => {
  const p = new Pace();
  const at = 1_000_000;
  assert.equal(p.due, 0);
  p.sent(at, false);
  assert.equal(p.due, at + 100);
  p.sent(at + 1999, false);
  assert.equal(p.due, at + 2099);
  p.sent(at + 2000, false);
  assert.equal(p.due, at + 2250);
  p.widen();
  assert.equal(p.due, at + 2500);
  for (let i = 0; i < 9; i++) p.widen();
  assert.equal(p.due, at + 6000);
  assert.equal(p.repairs(at + 4999), false);
  assert.equal(p.repairs(at + 5000), true);
  p.sent(at + 5000, true);
  assert.equal(p.repairs(at + 9999), false);
});
