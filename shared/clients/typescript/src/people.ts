import type { Conversation } from "./conversation.js";
import { nameOf } from "./identity.js";
import { Later } from "./later.js";
import type { Identity, Joined, Membership } from "./protocol.gen.js";
import type { TypingOthers } from "./typing.js";

/** @internal Who is in the room of a conversation, who types there, and whether its agent is online. */
export class People {
  agentOnline?: boolean;
  readonly typing = new Later<TypingOthers>(async () => new (await import("./typing.js")).TypingOthers(() => this.#of.changed()));
  readonly #of: Conversation;
  readonly #here = new Map<string, Identity>();

  constructor(of: Conversation) {
    this.#of = of;
  }

  get here(): Identity[] {
    return [...this.#here.values()];
  }

  clear(): void {
    this.#here.clear();
    this.typing.also((typing) => typing.clear());
    this.agentOnline = undefined;
  }

  joined({ members, typing = [], agentOnline }: Joined): void {
    this.clear();
    for (const m of members) this.#here.set(nameOf(m), m);
    for (const one of typing) this.typing.do((typing) => typing.start(one));
    this.agentOnline = agentOnline;
    this.#online(members);
  }

  moved(d: Membership, here: boolean): void {
    for (const { type, id } of [d, ...(d.more ?? [])]) {
      const one = { type, id };
      if (here) this.#here.set(nameOf(one), one);
      else {
        this.#here.delete(nameOf(one));
        this.typing.also((typing) => typing.stop(one));
      }
    }
    if (here) this.#online([d]);
  }

  #online(all: readonly Identity[]): void {
    this.#of.core.present(all.map(({ type, id }) => ({ type, id, status: "online" })));
  }

  /** Takes what is known of its agent, and says whether that is news. */
  presence(all: readonly { type: string; id: string; status: "online" | "offline" }[]): boolean {
    const before = this.agentOnline;
    for (const p of all) if (p.type === "agent" && this.#isServedBy(p as Identity)) this.agentOnline = p.status === "online";
    return this.agentOnline !== before;
  }

  /** Whether an agent is known to be the one of this conversation: by what is known of it, or because it is here or has spoken. */
  #isServedBy(agent: Identity): boolean {
    const { info, log } = this.#of;
    if (info) return info.agentId === agent.id;
    return this.#here.has(nameOf(agent)) || log.messages.some((m) => m.participantType === "agent" && m.participantId === agent.id);
  }
}
