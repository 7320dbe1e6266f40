import type { Conversation } from "./conversation.js";
import { asChatError, ChatError } from "./error.js";
import { newId } from "./rest.js";
import type { CallSignal, CallState, Identity, ServerFrame, SignalKind } from "./protocol.gen.js";

/** How long a connection may be away before one hangs up. */
const patience = 5000;
/** Candidates are sent together: each frame costs. */
const gathering = 300;
const aliveEvery = 60_000;

/** How far a {@link Phone} is. `ringing`: somebody calls; `calling`: one calls oneself. */
export type PhoneState = "idle" | "calling" | "ringing" | "active";

/** What a {@link Phone} tells. */
export interface PhoneEvents {
  /** It is in another state; `caller` is who rings. */
  onState?: (state: PhoneState, caller?: Identity) => void;
  /** What the other one says, and shows. */
  onStream?: (stream: MediaStream) => void;
  /** The call could not be set up, or broke. */
  onError?: (error: ChatError) => void;
}

interface Said {
  description?: RTCSessionDescriptionInit;
  candidates?: RTCIceCandidateInit[];
  partyId?: string;
}

/**
 * A call between two in a conversation: what is said goes from one to the other, and the chat
 * only brings them together. It negotiates as the specification of WebRTC has it ("perfect
 * negotiation"), and of two that call at the same moment the smaller id goes on, as the server
 * decides as well.
 *
 * ```ts
 * const phone = new Phone(conversation, { onStream: (s) => (audio.srcObject = s), onState: show });
 * await phone.call(await navigator.mediaDevices.getUserMedia({ audio: true }));
 * ```
 */
export class Phone {
  readonly #conversation: Conversation;
  readonly #events: PhoneEvents;
  readonly #me = newId();
  readonly #stop: () => void;
  #state: PhoneState = "idle";
  #id = "";
  #peer?: Identity;
  #peerParty?: string;
  #offer?: RTCSessionDescriptionInit;
  #early: RTCIceCandidateInit[] = [];
  #mine: RTCIceCandidateInit[] = [];
  #pc?: RTCPeerConnection;
  #local?: MediaStream;
  #polite = false;
  #offering = false;
  #ignoring = false;
  #timers: ReturnType<typeof setTimeout>[] = [];

  constructor(conversation: Conversation, events: PhoneEvents = {}) {
    this.#conversation = conversation;
    this.#events = events;
    this.#stop = conversation.core.on("event", (f) => this.#frame(f));
  }

  get state(): PhoneState {
    return this.#state;
  }

  /** The id of the call that is under way; "" where there is none. */
  get callId(): string {
    return this.#id;
  }

  /** Rings at the others in the conversation, or at one of them. */
  async call(local: MediaStream, to?: Identity): Promise<void> {
    if (this.#state !== "idle") throw new ChatError("conflict", "There is a call already");
    this.#id = newId();
    this.#peer = to;
    this.#local = local;
    this.#to("calling");
    try {
      const pc = await this.#open(false);
      const id = this.#id;
      await pc.setLocalDescription();
      await this.#gathered(pc);
      if (this.#id === id && this.#pc === pc) await this.#say("invite", { description: pc.localDescription! }, to);
    } catch (e) {
      const error = asChatError(e);
      // Somebody was faster: theirs is on its way, and taken when it comes.
      if (error.code === "conflict" && error.details?.["callId"]) return;
      this.#broke(error);
      throw error;
    }
  }

  /** Takes a call that rings. */
  async accept(local: MediaStream): Promise<void> {
    const offer = this.#offer;
    if (this.#state !== "ringing" || !offer) throw new ChatError("conflict", "Nobody calls");
    this.#local = local;
    try {
      const pc = await this.#open(true);
      await pc.setRemoteDescription(offer);
      await this.#takeEarly(pc);
      await pc.setLocalDescription();
      await this.#gathered(pc);
      await this.#say("answer", { description: pc.localDescription! }); // also for one's other devices
      this.#begin();
    } catch (e) {
      this.#broke(asChatError(e));
      throw e;
    }
  }

  /** Does not take a call that rings. */
  async reject(): Promise<void> {
    if (this.#state !== "ringing") return;
    const said = this.#say("reject");
    this.#end();
    await said;
  }

  /** Ends the call. */
  async hangup(): Promise<void> {
    if (this.#state !== "calling" && this.#state !== "active") return this.reject();
    const said = this.#say("hangup");
    this.#end();
    await said;
  }

  /** Ends the call, and takes no other one. */
  close(): void {
    this.hangup().catch(() => {});
    this.#stop();
  }

  async #say(kind: SignalKind, data?: Said, to?: Identity): Promise<CallState> {
    const { link } = this.#conversation.core;
    if (!link) throw new ChatError("unavailable", "There is no connection");
    const { data: state } = await link.request("signal", { conversationId: this.#conversation.id, callId: this.#id, kind, partyId: this.#me, to, data });
    return state as CallState;
  }

  async #open(polite: boolean): Promise<RTCPeerConnection> {
    this.#polite = polite;
    const { iceServers } = await this.#conversation.core.rest.iceServers();
    const pc = (this.#pc = new RTCPeerConnection({ iceServers }));
    for (const track of this.#local!.getTracks()) pc.addTrack(track, this.#local!);
    pc.ontrack = ({ streams, track }) => this.#events.onStream?.(streams[0] ?? new MediaStream([track]));
    pc.onicecandidate = ({ candidate }) => {
      if (!candidate || this.#state !== "active") return; // the first ones are in the description
      if (this.#mine.push(candidate.toJSON()) === 1) this.#later(gathering, () => this.#tell("candidates", { candidates: this.#mine.splice(0) }));
    };
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === "failed") this.#lost();
      if (pc.connectionState === "disconnected") this.#later(patience, () => pc.connectionState === "disconnected" && this.#lost());
    };
    pc.onnegotiationneeded = async () => {
      if (this.#state !== "active") return; // the invite, or the answer, has it
      try {
        this.#offering = true;
        await pc.setLocalDescription();
        this.#tell("negotiate", { description: pc.localDescription! });
      } finally {
        this.#offering = false;
      }
    };
    return pc;
  }

  /** Waits for the candidates that come at once. */
  #gathered(pc: RTCPeerConnection): Promise<void> {
    return new Promise((resolve) => {
      if (pc.iceGatheringState === "complete") return resolve();
      pc.addEventListener("icegatheringstatechange", () => pc.iceGatheringState === "complete" && resolve());
      setTimeout(resolve, 4 * gathering);
    });
  }

  #frame(f: ServerFrame): void {
    if (f.event === "message:new" && f.data.conversationId === this.#conversation.id && this.#id && f.data.clientMessageId === `call:${this.#id}`) this.#end();
    if (f.event !== "call:signal" || f.data.conversationId !== this.#conversation.id || f.data.partyId === this.#me) return;
    this.#hear(f.data).catch((e) => this.#broke(asChatError(e)));
  }

  async #hear(s: CallSignal): Promise<void> {
    const { me } = this.#conversation.core;
    const own = s.from.type === me?.type && s.from.id === me.id;
    const said = (s.data ?? {}) as Said;
    if (s.kind === "invite" && !own && said.description) return this.#rings(s, said.description);
    if (s.callId !== this.#id) return;
    const pc = this.#pc;
    if (own) {
      if (s.kind === "answer" || s.kind === "reject") this.#end(); // on another device
      return;
    }
    switch (s.kind) {
      case "answer":
        if (this.#state !== "calling" || !pc || !said.description) return;
        [this.#peer, this.#peerParty] = [s.from, s.partyId];
        await pc.setRemoteDescription(said.description);
        await this.#takeEarly(pc);
        this.#begin();
        return this.#tell("select", { partyId: s.partyId });
      case "select":
        if (this.#state === "active" && said.partyId !== this.#me) await this.hangup();
        return;
      case "candidates":
        this.#early.push(...(said.candidates ?? []));
        if (pc?.remoteDescription) await this.#takeEarly(pc);
        return;
      case "negotiate":
        if (this.#isPeer(s) && pc && said.description) await this.#negotiate(pc, said.description);
        return;
      case "reject":
        return; // the message says whether it was the last one
      case "hangup":
        if (this.#state === "ringing" || this.#isPeer(s)) this.#end();
    }
  }

  #isPeer(s: CallSignal): boolean {
    return s.partyId === this.#peerParty && s.from.id === this.#peer?.id;
  }

  /** Somebody calls. Of two calls at the same moment both sides take the one with the smaller id. */
  async #rings(s: CallSignal, offer: RTCSessionDescriptionInit): Promise<void> {
    const local = this.#local;
    const crossed = this.#state === "calling";
    if (crossed ? s.callId > this.#id : this.#state !== "idle") return;
    if (crossed) this.#drop();
    this.#id = s.callId;
    [this.#peer, this.#peerParty, this.#offer] = [s.from, s.partyId, offer];
    this.#to("ringing", s.from);
    if (crossed && local) return this.accept(local);
    this.#tell("ringing");
  }

  async #negotiate(pc: RTCPeerConnection, description: RTCSessionDescriptionInit): Promise<void> {
    const collides = description.type === "offer" && (this.#offering || pc.signalingState !== "stable");
    this.#ignoring = !this.#polite && collides;
    if (this.#ignoring) return;
    await pc.setRemoteDescription(description);
    await this.#takeEarly(pc);
    if (description.type === "offer") {
      await pc.setLocalDescription();
      this.#tell("negotiate", { description: pc.localDescription! });
    }
  }

  async #takeEarly(pc: RTCPeerConnection): Promise<void> {
    for (const candidate of this.#early.splice(0)) {
      await pc.addIceCandidate(candidate).catch((e) => {
        if (!this.#ignoring) throw e;
      });
    }
  }

  #begin(): void {
    this.#to("active");
    const beat = () => {
      this.#tell("alive");
      this.#later(aliveEvery, beat);
    };
    this.#later(aliveEvery, beat);
  }

  #tell(kind: SignalKind, data?: Said): void {
    const to = this.#peer && (kind === "candidates" || kind === "negotiate") ? this.#peer : undefined;
    this.#say(kind, data, to).catch((e) => this.#events.onError?.(asChatError(e)));
  }

  #later(after: number, f: () => unknown): void {
    this.#timers.push(setTimeout(f, after));
  }

  #lost(): void {
    this.hangup().catch((e) => this.#events.onError?.(asChatError(e)));
  }

  #broke(error: ChatError): void {
    if (this.#state !== "idle") this.hangup().catch(() => {}); // it may be over there already
    this.#events.onError?.(error);
  }

  #drop(): void {
    for (const t of this.#timers.splice(0)) clearTimeout(t);
    this.#pc?.close();
    this.#pc = this.#offer = this.#peer = this.#peerParty = undefined;
    this.#early = [];
    this.#mine = [];
    this.#id = "";
  }

  #end(): void {
    this.#drop();
    this.#local = undefined;
    this.#to("idle");
  }

  #to(state: PhoneState, caller?: Identity): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#events.onState?.(state, caller);
  }
}
