package bench

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// appendEvery is as often as one stream may take a piece.
const appendEvery = time.Second / 20

// A stream is a conversation whose agent writes one long answer, and whose user watches.
type stream struct {
	id          chat.ConversationID
	user, agent *client.Client
	sent        []atomic.Int64 // when, by index
	seen        []time.Duration
}

// pieceOf is what is appended under an index: its length tells of a delta which pieces
// are in it.
func pieceOf(index int) string { return fmt.Sprintf("%07d ", index) }

const pieceLength = 8

// streams measures answers that are written all at the same time.
func (b *bench) streams(ctx context.Context) (fmt.Stringer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, setupTime+b.Duration+patience, errStalled)
	defer cancel()
	all := make([]*stream, b.Streams)
	defer func() {
		for _, s := range all {
			if s != nil {
				s.close()
			}
		}
	}()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(setupWidth)
	for i := range all {
		g.Go(func() (err error) {
			all[i], err = b.stream(gctx, i)
			b.progress.done.Add(1)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, causeOf(ctx, err)
	}
	before, _ := b.process.cpu()
	g, gctx = errgroup.WithContext(ctx)
	for i, s := range all {
		first := time.Now().Add(appendEvery * time.Duration(i) / time.Duration(len(all)))
		g.Go(func() error { return s.write(gctx, first) })
		g.Go(func() error { return s.watch(gctx) })
	}
	if err := g.Wait(); err != nil {
		return nil, causeOf(ctx, err)
	}
	after, _ := b.process.cpu()
	r := streamsReport{streams: len(all), duration: b.Duration, cpu: after - before, own: b.ServerPID == 0 && !b.Elsewhere}
	for _, s := range all {
		r.appended += len(s.sent)
		r.seen = append(r.seen, s.seen...)
	}
	return &r, nil
}

func (b *bench) stream(ctx context.Context, i int) (*stream, error) {
	user, agent := b.principal(chat.User, "w", i), b.principal(chat.Agent, "w", i)
	id, err := b.create(ctx, user, agent)
	if err != nil {
		return nil, err
	}
	s := &stream{id: id, sent: make([]atomic.Int64, int(b.Duration/appendEvery))}
	for _, of := range []struct {
		p  chat.Principal
		to **client.Client
	}{{user, &s.user}, {agent, &s.agent}} {
		token, err := b.Token(of.p, tokenTTL)
		if err == nil {
			*of.to, err = client.Dial(ctx, b.WebSocketURL, token)
		}
		if err == nil {
			_, err = (*of.to).Request(ctx, protocol.ActionJoin, map[string]any{"conversationId": id})
		}
		if err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *stream) close() {
	for _, c := range []*client.Client{s.user, s.agent} {
		if c != nil {
			c.Close()
		}
	}
}

const streamName = "answer"

func (s *stream) do(state string, more map[string]any) map[string]any {
	fields := map[string]any{"action": protocol.ActionStream, "state": state, "conversationId": s.id, "streamId": streamName}
	maps.Copy(fields, more)
	return fields
}

// write appends at its rate, whatever becomes of it, and ends with all of it.
func (s *stream) write(ctx context.Context, first time.Time) error {
	if _, err := s.agent.Request(ctx, protocol.ActionStream, s.do(protocol.StreamStart, nil)); err != nil {
		return err
	}
	for i := range s.sent {
		wait(ctx, first.Add(time.Duration(i)*appendEvery))
		s.sent[i].Store(time.Now().UnixNano())
		if err := s.agent.Send(ctx, s.do(protocol.StreamAppend, map[string]any{"index": i, "text": pieceOf(i)})); err != nil {
			return err
		}
	}
	time.Sleep(appendEvery)
	var whole strings.Builder
	for i := range s.sent {
		whole.WriteString(pieceOf(i))
	}
	_, err := s.agent.Request(ctx, protocol.ActionStream, s.do(protocol.StreamEnd, map[string]any{"content": whole.String()}))
	return err
}

// watch notes when each piece is there, until the message is.
func (s *stream) watch(ctx context.Context) error {
	for {
		f, err := s.user.Await(ctx, func(f client.Frame) bool {
			return f.Event == protocol.EventStreamDelta || f.Event == protocol.EventMessageNew
		})
		if err != nil {
			return err
		}
		if f.Event == protocol.EventMessageNew {
			return nil
		}
		now := time.Now()
		d, err := client.Data[protocol.StreamDelta](f)
		if err != nil {
			return err
		}
		if d.Offset == nil {
			continue
		}
		for i := *d.Offset / pieceLength; i < (*d.Offset+d.Length)/pieceLength; i++ {
			s.seen = append(s.seen, now.Sub(time.Unix(0, s.sent[i].Load())))
		}
	}
}

type streamsReport struct {
	streams, appended int
	duration          time.Duration
	seen              []time.Duration
	cpu               time.Duration
	own               bool
}

func (r *streamsReport) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "Streams: %d at the same time for %v, of 20 appends a second each\n", r.streams, r.duration)
	fmt.Fprintf(&s, "  appends            %d, %d of them seen by who watches, %d missing\n", r.appended, len(r.seen), r.appended-len(r.seen))
	fmt.Fprintf(&s, "  append -> delta    %s\n", latencies(r.seen))
	fmt.Fprintf(&s, "  CPU                %s an append%s\n", cost(r.cpu, r.appended), note(r.own))
	return s.String()
}
