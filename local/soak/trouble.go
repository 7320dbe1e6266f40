package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"aiwm-chat/local/checker"
	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A trouble is something that happens now and then. Those of one place do not
// happen together; that of the place lost takes from Redis what clients have to
// ask for again.
type trouble struct {
	name  string
	place string
	do    func(s *soak, ctx context.Context, r *rand.Rand)
}

// troubles are drawn with equal chances, so that what is there twice comes
// twice as often; after the first few nothing has to wait for a sweep.
var troubles = []trouble{
	{"all clients connect again", "clients", (*soak).storm},
	{"one frame, and gone", "", (*soak).hitAndRun},
	{"fifty equal ids", "", (*soak).equalIDs},
	{"a participant removed and added", "", (*soak).removeAndAdd},
	{"a participant removed and added", "", (*soak).removeAndAdd},
	{"a message deleted", "", (*soak).deleteMessage},
	{"a message changed by all at once", "", (*soak).changeAtOnce},
	{"marks moved by all at once", "", (*soak).markAtOnce},
	{"a client that never reads", "", (*soak).neverReads},
	{"Redis emptied", lost, (*soak).emptyRedis},
	{"a key of Redis lost", lost, (*soak).loseKey},
	{"a key of Redis lost", lost, (*soak).loseKey},
	{"Redis answers errors", "redis", (*soak).redisErrors},
	{"Redis away", "redis", (*soak).redisAway},
	{"a bad network to Redis", "redis", (*soak).badRedis},
	{"a bad network to MongoDB", "mongo", (*soak).badMongo},
	{"a failover of MongoDB", "mongo", (*soak).failover},
	{"MongoDB's answers are lost, or bad", "mongo", (*soak).badReplica},
	{"MongoDB's majority lags", "mongo", (*soak).lagging},
}

const (
	lost         = "what Redis has"
	harmless     = 8 // of the list: what a light run has
	troubleEvery = 700 * time.Millisecond
)

// brew draws troubles by the seed until ctx is done; each has its own sequence,
// so that what one does with it moves no other. What was begun is ended.
func (s *soak) brew(ctx, until context.Context) {
	random := rand.New(rand.NewPCG(s.Seed, 1))
	choice := troubles
	if s.Light {
		choice = troubles[:harmless]
	}
	if s.Passive {
		choice = slices.DeleteFunc(slices.Clone(choice), func(t trouble) bool { return t.place == lost })
	}
	busy := map[string]*sync.Mutex{}
	for _, t := range choice {
		busy[t.place] = &sync.Mutex{}
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for n := uint64(2); ; n++ {
		wait, t := time.Duration(random.Int64N(int64(2*troubleEvery))), choice[random.IntN(len(choice))]
		if s.Light {
			wait /= 5
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		if t.place != "" && !busy[t.place].TryLock() {
			continue
		}
		s.troubled.Add(1)
		s.latest.Store(t.name)
		wg.Go(func() {
			if t.place != "" {
				defer busy[t.place].Unlock()
			}
			t.do(s, until, rand.New(rand.NewPCG(s.Seed, n)))
		})
	}
}

func (s *soak) storm(context.Context, *rand.Rand) {
	for _, d := range s.devices {
		d.reconnect()
	}
}

// hitAndRun sends a message and does not wait for anything.
func (s *soak) hitAndRun(ctx context.Context, r *rand.Rand) {
	d := s.anyDevice(r)
	m := d.compose(anyRoom(d, r))
	name := fmt.Sprintf("%s/run%d", d.name, s.serial.Add(1))
	s.record.Open(name, d.principal)
	defer s.record.Close(name)
	c, err := client.Dial(ctx, s.server.WebSocketURL(), d.token)
	if err != nil {
		return
	}
	defer c.Close()
	s.record.Try(m.Key, m.content, m.tokens)
	m.fields["action"] = protocol.ActionSend
	if err := c.Send(ctx, m.fields); err != nil {
		s.note("send and go", err)
	}
}

// neverReads joins and lets everything that comes pile up.
func (s *soak) neverReads(ctx context.Context, r *rand.Rand) {
	d := s.anyDevice(r)
	id := anyRoom(d, r)
	name := fmt.Sprintf("%s/mute%d", d.name, s.serial.Add(1))
	s.record.Open(name, d.principal)
	defer s.record.Close(name)
	dialer := ws.Dialer{
		Protocols: []string{"bearer", d.token}, Timeout: dialTime,
		NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetReadBuffer(2 << 10)
			}
			return c, err
		},
	}
	c, _, _, err := dialer.Dial(ctx, s.server.WebSocketURL())
	if err != nil {
		return
	}
	defer c.Close()
	join := fmt.Sprintf(`{"action":"join","conversationId":%q,"afterSeq":0}`, id)
	if err := wsutil.WriteClientText(c, []byte(join)); err != nil {
		s.note("join and not read", err)
	}
	pause(ctx, s.some(r, 3, 6))
}

// equalIDs sends one message fifty times at once, half of them over REST.
func (s *soak) equalIDs(ctx context.Context, r *rand.Rand) {
	const times = 50
	d := s.anyDevice(r)
	m := d.compose(anyRoom(d, r))
	var wg sync.WaitGroup
	for i := range times {
		wg.Go(func() { d.try(ctx, m, i%2 == 0) })
	}
	wg.Wait()
}

// removeAndAdd takes a guest out for a moment in which the others talk. Both are
// repeated until they are answered, as they may be.
func (s *soak) removeAndAdd(ctx context.Context, r *rand.Rand) {
	t := s.talks[r.IntN(len(s.talks))]
	if len(t.guests) == 0 {
		return
	}
	guest, creator := t.guests[r.IntN(len(t.guests))], t.members[0]
	key := checker.Member{Conversation: t.id, Principal: guest}
	if _, out := s.removed.LoadOrStore(key, true); out {
		return
	}
	defer s.removed.Delete(key)
	path := fmt.Sprintf("/conversations/%s/participants", t.id)
	removal := s.record.Remove(t.id, guest)
	err := s.persist(ctx, "remove", func(ctx context.Context) error {
		return creator.rest.Do(ctx, http.MethodDelete, fmt.Sprintf("%s/%s/%s", path, guest.Type, guest.ID), nil, nil)
	})
	if err == nil {
		s.record.Removed(removal)
	}
	var others sync.WaitGroup
	for range 5 {
		pause(ctx, s.some(r, 0.1, 0.6))
		others.Go(func() { creator.say(ctx, t.id) })
	}
	others.Wait()
	s.record.Back(removal)
	_ = s.persist(ctx, "add", func(ctx context.Context) error {
		return creator.rest.Do(ctx, http.MethodPost, path, protocol.AddParticipant{Type: guest.Type, ID: guest.ID}, nil)
	})
}

func (s *soak) deleteMessage(ctx context.Context, r *rand.Rand) {
	d := s.anyDevice(r)
	id, ok := d.lastSaid()
	if !ok {
		return
	}
	d.erase(ctx, id)
}

func (s *soak) emptyRedis(context.Context, *rand.Rand) {
	s.databases.redis.FlushAll()
	s.record.Lose("")
}

// loseKey is one slot of a cluster that is gone: of a room, of a principal, or
// of a connection.
func (s *soak) loseKey(_ context.Context, r *rand.Rand) {
	if keys := s.databases.redis.Keys(); len(keys) > 0 {
		key := keys[r.IntN(len(keys))]
		slot, of, _ := strings.Cut(key, "}")
		id, room := strings.CutPrefix(slot, "conversation:{")
		for _, other := range keys { // a stream is lost as a whole
			if room && strings.HasPrefix(of, ":st") && strings.HasPrefix(other, slot+"}:st") {
				s.databases.redis.Del(other)
			}
		}
		s.databases.redis.Del(key)
		if room {
			s.record.Lose(chat.ConversationID(id))
		}
	}
}

var redisRefusals = []string{
	"READONLY You can't write against a read only replica.",
	"OOM command not allowed when used memory > 'maxmemory'.",
	"LOADING Redis is loading the dataset in memory",
}

func (s *soak) redisErrors(ctx context.Context, r *rand.Rand) {
	s.databases.redis.SetError(redisRefusals[r.IntN(len(redisRefusals))])
	pause(ctx, s.some(r, 1, 3))
	s.databases.redis.SetError("")
}

func (s *soak) redisAway(ctx context.Context, r *rand.Rand) {
	s.databases.redisProxy.Away()
	pause(ctx, s.some(r, 1, 4))
	s.databases.redisProxy.Return()
}

func (s *soak) badRedis(ctx context.Context, r *rand.Rand) {
	s.databases.redisProxy.On()
	pause(ctx, s.some(r, 2, 5))
	s.databases.redisProxy.Off()
}

func (s *soak) badMongo(ctx context.Context, r *rand.Rand) {
	s.databases.mongoProxy.On()
	pause(ctx, s.some(r, 2, 5))
	s.databases.mongoProxy.Off()
}

// some is a number of seconds.
func (s *soak) some(r *rand.Rand, from, to float64) time.Duration {
	if s.Light {
		from, to = from/4, to/4
	}
	return time.Duration((from + r.Float64()*(to-from)) * float64(time.Second))
}

func (s *soak) anyDevice(r *rand.Rand) *device { return s.devices[r.IntN(len(s.devices))] }

func anyRoom(d *device, r *rand.Rand) chat.ConversationID {
	return d.order[r.IntN(len(d.order))]
}
