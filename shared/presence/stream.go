package presence

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
)

// streamLife is how long what is known of a stream stays after its last sign of life,
// also of one that has ended: frames overtake each other, and a late append must not
// begin it anew.
const streamLife = 10 * time.Minute

// Limits of what a stream keeps, in bytes. What tools say is not committed.
const (
	maxTool  = 64 << 10
	maxKept  = 512 << 10         // of all pieces that came too early
	maxParts = 2 + chat.MaxTools // their number
	maxOpen  = 100               // streams of one agent in one conversation: each is shown to who joins, and told to the room
)

func maxPart(part string) int {
	switch part {
	case "content":
		return chat.MaxContentStream
	case "thinking":
		return chat.MaxThinkingStream
	}
	return maxTool
}

// streamRate is how often one stream takes a piece.
var streamRate = config.Rate{Count: 20, Per: time.Second, Burst: 40}

// EnterStream begins st provisionally on its Writer, or has that go on with it. gone
// is a connection that is known to be no more, whose stream may be taken over; "" is
// none. It says what is there then, StreamEntered or why not; of StreamIsWritten the
// Writer is another's. Who has too many open is chat.RateLimited. One round trip, and
// nothing outside the conversation's slot.
func (s *Store) EnterStream(ctx context.Context, st chat.Stream, gone chat.ConnectionID) (chat.StreamVerdict, chat.Stream, error) {
	key := streamKey(st.ConversationID, st.ID)
	var verdict *redis.Cmd
	var fields *redis.MapStringStringCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		verdict = p.Eval(ctx, enterStreamScript, []string{key, streamsKey(st.ConversationID)}, string(st.Writer), owner(st.Principal), string(st.ParentID),
			st.StartedAt.UnixMilli(), string(gone), int(streamLife.Seconds()), streamTextKey(st.ConversationID, st.ID, ""), st.ID,
			streamKey(st.ConversationID, ""), maxOpen)
		fields = p.HGetAll(ctx, key)
	})
	if err != nil {
		return "", chat.Stream{}, failed("begin a stream", err)
	}
	text, _ := verdict.Text()
	if text == "many" {
		return "", chat.Stream{}, chat.Errorf(chat.RateLimited, "an agent has at most %d streams open in a conversation: end one", maxOpen)
	}
	return chat.StreamVerdict(text), parseStream(st.ConversationID, st.ID, fields.Val()), nil
}

// ConfirmStream opens a stream that is still the one that EnterStream left, for as
// long as lease. One round trip.
func (s *Store) ConfirmStream(ctx context.Context, st chat.Stream, lease time.Duration) (chat.StreamVerdict, chat.Stream, chat.Room, error) {
	key := streamKey(st.ConversationID, st.ID)
	var verdict *redis.Cmd
	var fields *redis.MapStringStringCmd
	var room *redis.StringSliceCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		verdict = p.Eval(ctx, confirmStreamScript, []string{key, streamsKey(st.ConversationID)}, string(st.Writer), st.Epoch, st.ID,
			s.now().Add(lease).UnixMilli(), int(streamLife.Seconds()))
		fields = p.HGetAll(ctx, key)
		room = hash(ctx, p, roomKey(st.ConversationID))
	})
	if err != nil {
		return "", chat.Stream{}, nil, failed("confirm a stream", err)
	}
	text, _ := verdict.Text()
	return chat.StreamVerdict(text), parseStream(st.ConversationID, st.ID, fields.Val()), s.watchersIn(room.Val()), nil
}

// AppendStream adds a piece, and renews the lease. It returns by how much the part
// became longer, which is nothing where a piece is missing before or it was there
// already, and who is to be told; stop is who asked for the stream's end, if anybody.
// A piece that says what the agent does has no text. Over its rate it is
// chat.RateLimited, over the length of a part chat.PayloadTooLarge, and too far beyond
// a piece that is missing chat.Conflict. To another principal the stream is lost. One
// round trip.
func (s *Store) AppendStream(ctx context.Context, st chat.Stream, piece chat.StreamPiece, lease time.Duration) (v chat.StreamVerdict, d chat.StreamDelta, stop chat.Principal, room chat.Room, err error) {
	key := streamKey(st.ConversationID, st.ID)
	keys := []string{key, streamsKey(st.ConversationID), streamTextKey(st.ConversationID, st.ID, piece.Part), streamTextKey(st.ConversationID, st.ID, "rate")}
	whole := 0
	if piece.Whole {
		whole = 1
	}
	args := append([]any{
		string(st.Writer), piece.Part, piece.Index, piece.Text, chat.UTF16Len(piece.Text), whole, maxPart(piece.Part),
		s.now().Add(lease).UnixMilli(), int(streamLife.Seconds()), st.ID,
	}, s.rateArgs(streamRate)...)
	args = append(args, piece.Doing, owner(st.Principal), int(lifetime.Seconds()), maxKept, maxParts)
	var answer *redis.Cmd
	var entries *redis.StringSliceCmd
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		answer = p.Eval(ctx, appendStreamScript, keys, args...)
		entries = hash(ctx, p, roomKey(st.ConversationID))
	})
	if err != nil {
		return "", d, stop, nil, failed("append to a stream", err)
	}
	all, _ := answer.Slice()
	text := func(i int) string {
		if i >= len(all) {
			return ""
		}
		t, _ := all[i].(string)
		return t
	}
	number := func(i int) int {
		if i >= len(all) {
			return 0
		}
		n, _ := all[i].(int64)
		return int(n)
	}
	switch v = chat.StreamVerdict(text(0)); v {
	case "limited":
		return v, d, stop, nil, chat.LimitedFor(time.Duration(number(1)) * time.Microsecond)
	case "large":
		return v, d, stop, nil, chat.Errorf(chat.PayloadTooLarge, "this part of a stream has at most %d KB", maxPart(piece.Part)>>10)
	case "many":
		return v, d, stop, nil, chat.Errorf(chat.PayloadTooLarge, "a stream has at most %d parts", maxParts)
	case "far":
		err := chat.Errorf(chat.Conflict, "pieces are missing: append from next on")
		err.Details = map[string]any{"next": map[string]int{piece.Part: number(1)}}
		return v, d, stop, nil, err
	case chat.StreamIsOpen:
		epoch, _ := strconv.ParseInt(text(1), 10, 64)
		d = chat.StreamDelta{Epoch: epoch, Part: piece.Part, Offset: number(2), Length: number(3), Text: text(4), Doing: piece.Doing}
		return v, d, parseOwner(text(5)), s.watchersIn(entries.Val()), nil
	default:
		return v, d, stop, nil, nil
	}
}

// EndStream marks a stream as ended by a message, or dropped without one; the first
// who does is right. With dropped and not force it does so only where nothing was
// written that would be committed, and with an epoch only of what began then: else it
// is StreamIsWritten. Two round trips.
func (s *Store) EndStream(ctx context.Context, id chat.ConversationID, stream string, end chat.StreamEnd, force bool) (chat.StreamVerdict, error) {
	key := streamKey(id, stream)
	lose := 0
	if force {
		lose = 1
	}
	var verdict *redis.Cmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		verdict = p.Eval(ctx, endStreamScript, []string{key, streamsKey(id)}, stream, string(end.MessageID), end.Seq, end.Status, end.Dropped,
			lose, int(streamLife.Seconds()), streamTextKey(id, stream, ""), end.Epoch)
	})
	if err != nil {
		return "", failed("end a stream", err)
	}
	text, _ := verdict.Text()
	v := chat.StreamVerdict(text)
	if v != chat.StreamIsWritten { // sweep looks after what goes on
		s.unwatch(ctx, id, stream)
	}
	return v, nil
}

// Stream returns all that is known of a stream, with the texts of its parts. Two round
// trips.
func (s *Store) Stream(ctx context.Context, id chat.ConversationID, stream string) (chat.Stream, error) {
	var fields *redis.MapStringStringCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) { fields = p.HGetAll(ctx, streamKey(id, stream)) })
	if err != nil {
		return chat.Stream{}, failed("read a stream", err)
	}
	st := parseStream(id, stream, fields.Val())
	texts := make([]*redis.StringCmd, len(st.Parts))
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, part := range st.Parts {
			texts[i] = p.Get(ctx, streamTextKey(id, stream, part.Name))
		}
	})
	if err != nil {
		return chat.Stream{}, failed("read a stream", err)
	}
	for i := range st.Parts {
		if st.Parts[i].Length > 0 && texts[i].Val() == "" { // it ended since, or a text was lost
			return chat.Stream{ConversationID: id, ID: stream}, nil
		}
		st.Parts[i].Text = texts[i].Val()
		st.Parts[i].Length = chat.UTF16Len(st.Parts[i].Text) // it may have grown since
	}
	return st, nil
}

// DropStreams ends the streams of a conversation that a principal writes, or with the
// zero one all of them, without a message: who was removed, or closed it, comes first.
// It returns those that it ended. To be repeated until it succeeds. Two round trips,
// and two for each.
func (s *Store) DropStreams(ctx context.Context, id chat.ConversationID, of chat.Principal, reason string) (dropped []string, err error) {
	ids, err := s.Streams(ctx, id)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	owners := make([]*redis.StringCmd, len(ids))
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, stream := range ids {
			owners[i] = p.HGet(ctx, streamKey(id, stream), "owner")
		}
	})
	if err != nil {
		return nil, failed("read who writes streams", err)
	}
	for i, stream := range ids {
		if !of.IsZero() && owners[i].Val() != owner(of) {
			continue
		}
		verdict, err := s.EndStream(ctx, id, stream, chat.StreamEnd{Dropped: reason}, true)
		if err != nil {
			return dropped, err
		}
		if verdict == chat.StreamIsOpen {
			dropped = append(dropped, stream)
		}
	}
	return dropped, nil
}

// Streams returns the ids of the streams that are open in a conversation, or about to
// be, and forgets those that were lost long ago. One round trip.
func (s *Store) Streams(ctx context.Context, id chat.ConversationID) ([]string, error) {
	var ids *redis.StringSliceCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		p.ZRemRangeByScore(ctx, streamsKey(id), "-inf", score(s.now().Add(-2*streamLife)))
		ids = p.ZRange(ctx, streamsKey(id), 0, -1)
	})
	return ids.Val(), failed("read the open streams", err)
}

func parseStream(id chat.ConversationID, stream string, f map[string]string) chat.Stream {
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(f[name], 10, 64)
		return n
	}
	st := chat.Stream{
		ConversationID: id, ID: stream, Writer: chat.ConnectionID(f["writer"]), Principal: parseOwner(f["owner"]), ParentID: chat.MessageID(f["parent"]),
		Epoch: number("epoch"), State: map[string]chat.StreamState{"p": chat.StreamProvisional, "o": chat.StreamOpen, "e": chat.StreamEnded}[f["state"]],
		Doing: f["doing"], StoppedBy: parseOwner(f["stop"]),
		End: chat.StreamEnd{MessageID: chat.MessageID(f["message"]), Seq: number("seq"), Status: f["status"], Dropped: f["drop"]},
	}
	if ms := number("started"); ms > 0 {
		st.StartedAt = time.UnixMilli(ms).UTC()
	}
	if ms := number("lease"); ms > 0 {
		st.Lease = time.UnixMilli(ms).UTC()
	}
	for name := range strings.SplitSeq(f["parts"], "\n") {
		if name != "" {
			st.Parts = append(st.Parts, chat.StreamPart{Name: name, Next: int(number("next:" + name)), Length: int(number("len:" + name))})
		}
	}
	return st
}

// parseOwner reads "org/agent:a1".
func parseOwner(text string) chat.Principal {
	org, rest, _ := strings.Cut(text, "/")
	kind, id, _ := strings.Cut(rest, ":")
	return chat.Principal{Type: chat.PrincipalType(kind), ID: chat.PrincipalID(id), OrgID: chat.OrgID(org)}
}
