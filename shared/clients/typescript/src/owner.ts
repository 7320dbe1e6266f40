import type { Identity } from "./protocol.gen.js";
import { claims } from "./tokens.js";

/** The claims that may say who somebody is: those that change with each token are not among them. */
const telling = ["iss", "orgId", "type", "userId", "agentId", "sub"];

/** @internal Who speaks, as a part of a key of the storage, where ids do not run into each other. */
export function ownerOf({ type, id }: Identity, token?: string): string {
  const { orgId } = claims(token);
  return `${typeof orgId === "string" ? `${encodeURIComponent(orgId)}/` : ""}${type}:${encodeURIComponent(id)}`;
}

/** @internal The same, as long as the server has not said who it is: what the token says, which only the server can read for sure. */
export function guessOf(token?: string): string {
  const all = claims(token);
  const said = telling.map((name) => all[name] ?? null);
  return said.every((v) => v === null) ? nobody : `${nobody}${encodeURIComponent(JSON.stringify(said))}`;
}

/** @internal Nothing is known. */
export const nobody = "?";
