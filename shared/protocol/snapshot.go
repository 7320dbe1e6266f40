package protocol

import "aiwm-chat/shared/chat"

// StreamSnapshotOf returns what was written of a stream so far, as JSON of at most
// limit bytes. What does not fit is cut from the end of the texts, between two
// characters; the answer itself has the room first, then its thinking, then what tools
// say, in their order. Each length is that of the text that is there.
func StreamSnapshotOf(st chat.Stream, limit int) StreamSnapshot {
	out := StreamSnapshot{
		ConversationID: st.ConversationID, StreamID: st.ID, Epoch: st.Epoch, ParticipantID: st.Principal.ID, ParentID: st.ParentID,
		StartedAt: stamp(st.StartedAt), LeaseMs: StreamLease.Milliseconds(), Status: st.Doing, Parts: make([]StreamText, 0, len(st.Parts)),
	}
	for _, p := range st.Parts {
		out.Parts = append(out.Parts, StreamText{Part: p.Name, Length: chat.UTF16Len(p.Text), Text: p.Text, Next: p.Next})
	}
	if len(encode(out)) > limit {
		cutSnapshot(&out, limit)
	}
	return out
}

// cutSnapshot shares the room among the texts. A part that has not even room for its
// name is left out.
func cutSnapshot(s *StreamSnapshot, limit int) {
	s.Truncated = true
	texts := make([]string, len(s.Parts))
	for i := range s.Parts {
		texts[i], s.Parts[i].Text = s.Parts[i].Text, "" // the lengths take as much room as they may
	}
	room := limit - len(encode(s))
	for room < 0 && len(s.Parts) > 0 {
		s.Parts = s.Parts[:len(s.Parts)-1]
		room = limit - len(encode(s))
	}
	for _, wanted := range []func(part string) bool{
		func(part string) bool { return part == PartContent },
		func(part string) bool { return part == PartThinking },
		func(part string) bool { return part != PartContent && part != PartThinking },
	} {
		for i := range s.Parts {
			if p := &s.Parts[i]; wanted(p.Part) {
				p.Text = cutEncoded(texts[i], room)
				p.Length = chat.UTF16Len(p.Text)
				room -= len(encode(p.Text)) - len(`""`)
			}
		}
	}
}
