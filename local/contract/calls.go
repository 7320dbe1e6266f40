package contract

import (
	"reflect"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

const aCall chat.LiveCallID = "call-1"

// signalExample is one of a call between the user and somebody else.
func signalExample(e protocol.Envelope, kind chat.SignalKind) protocol.Signal {
	return protocol.Signal{Envelope: e, ConversationID: conversation.ID, CallID: aCall, Kind: kind, PartyID: "tab-1"}
}

func callActions(of protocol.Envelope) []action {
	invite := signalExample(of, chat.SignalInvite)
	invite.Data = jsontext.Value(`{"offer":{"type":"offer","sdp":"v=0"}}`)
	to := signalExample(of, chat.SignalCandidates)
	to.To = &protocol.Identity{Type: guest.Type, ID: guest.ID}
	to.Data = jsontext.Value(`{"candidates":[]}`)
	return []action{{
		name: protocol.ActionSignal, frame: reflect.TypeFor[protocol.Signal](), replies: []string{protocol.EventCallState},
		examples: map[string]any{"invite": invite, "candidates": to, "hang up": signalExample(of, chat.SignalHangup)},
		codes:    []chat.Code{chat.NotFound, chat.Conflict, chat.Forbidden, chat.ConversationClosed},
	}}
}

func callEvents() []event {
	state := func(c chat.LiveCall) []byte {
		c.ID = aCall
		return protocol.Frame(protocol.EventCallState, "1", protocol.CallStateOf(conversation.ID, c), answered)
	}
	answer := signalExample(protocol.Envelope{}, chat.SignalAnswer)
	answer.Data = jsontext.Value(`{"answer":{"type":"answer","sdp":"v=0"}}`)
	return []event{
		{name: protocol.EventCallState, data: reflect.TypeFor[protocol.CallState](), frames: map[string][]byte{
			"it rings": state(chat.LiveCall{State: chat.CallRinging}), "it has ended": state(chat.LiveCall{State: chat.CallEnded, Outcome: chat.CallOver, Duration: 205 * time.Second}),
		}},
		{name: protocol.EventCallSignal, data: reflect.TypeFor[protocol.CallSignal](), frames: map[string][]byte{
			"an answer": protocol.Frame(protocol.EventCallSignal, "", protocol.CallSignalOf(answer, guest), answered),
		}},
	}
}

func callRoutes() []route {
	servers := protocol.ICEServersOf(answered)
	servers.ICEServers = append(servers.ICEServers, protocol.ICEServer{
		URLs: []string{"turn:turn.example.org:3478?transport=udp"}, Username: "1795594860:acme/user:alice", Credential: "Zm9yIGFuIGV4YW1wbGU=",
	})
	return []route{{
		method: "GET", path: "/calls/ice", id: "getIceServers", tag: "Calls", summary: "Ask for what a call needs to get through",
		description: "Servers for an `RTCPeerConnection`, with credentials that count for an hour where they relay. None where the installation has none: clients talk directly then, as far as their networks let them.",
		parameters:  getHeaders,
		answers:     []answerOf{{status: 200, description: "The servers.", body: reflect.TypeFor[protocol.ICEServers](), example: servers}, notModified},
	}}
}
