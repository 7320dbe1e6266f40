package presence

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
)

// A conversation's summary is written by one at a time. Who begins puts a word of
// its own under the conversation's key, for as long as it may take at most; where
// the model fails, a pause is left there in its place, that doubles with each
// failure in a row, and that nobody begins in.

const (
	paused = "pause"  // the model does not answer now
	broken = "broken" // it will not before an operator changes something

	firstPause   = 15 * time.Second
	longestPause = 15 * time.Minute
	// longestWish bounds how long a service may ask to wait.
	longestWish = time.Hour
	// failuresFor is how long failures count as in a row.
	failuresFor = time.Hour
)

// ARGV: who ends, and what is left: nothing, or a pause of so many milliseconds
// at least, the first and the longest pause, how long failures count. The result
// is how long the pause is. Who has lost its turn changes nothing.
const endScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
	redis.call('DEL', KEYS[1], KEYS[2])
	return 0
end
local n = redis.call('INCR', KEYS[2])
redis.call('PEXPIRE', KEYS[2], ARGV[6])
local pause = math.max(tonumber(ARGV[3]), math.min(tonumber(ARGV[4]) * 2 ^ math.min(n - 1, 20), tonumber(ARGV[5])))
redis.call('SET', KEYS[1], ARGV[2], 'PX', string.format('%.0f', pause))
return pause
`

// AllowSummary counts a summary that somebody asked for, or is chat.RateLimited.
// One round trip.
func (s *Store) AllowSummary(ctx context.Context, id chat.ConversationID) error {
	var cmd *redis.Cmd
	if err := s.pipelined(ctx, func(p redis.Pipeliner) { cmd = s.queueRate(ctx, p, summaryKey(id)+":rate", s.limits.Summaries) }); err != nil {
		return failed("limit summaries", err)
	}
	return refusal(cmd)
}

// remakes is how often a summary is made once more of what it was made of before: each edit
// of an old message, and each deletion, drops it.
var remakes = config.Rate{Count: 1, Per: time.Minute, Burst: 1}

// AllowRemake counts a summary that is made once more after an erasure, or is
// chat.RateLimited. One round trip.
func (s *Store) AllowRemake(ctx context.Context, id chat.ConversationID) error {
	var cmd *redis.Cmd
	if err := s.pipelined(ctx, func(p redis.Pipeliner) { cmd = s.queueRate(ctx, p, summaryKey(id)+":remakes", remakes) }); err != nil {
		return failed("limit summaries", err)
	}
	return refusal(cmd)
}

// BeginSummary takes the conversation's summary for the caller, for patience at
// most, until EndSummary or PauseSummary is called with the turn that is
// returned. It is chat.RateLimited while somebody else has it, or in a pause, and
// chat.ErrModelBroken in one that an operator must end. One round trip.
func (s *Store) BeginSummary(ctx context.Context, id chat.ConversationID, patience time.Duration) (turn string, err error) {
	turn = rand.Text()
	var there *redis.StringCmd
	var left *redis.DurationCmd
	if err := s.pipelined(ctx, func(p redis.Pipeliner) {
		p.SetNX(ctx, summaryKey(id), turn, patience)
		there, left = p.Get(ctx, summaryKey(id)), p.PTTL(ctx, summaryKey(id))
	}); err != nil {
		return "", failed("begin a summary", err)
	}
	switch there.Val() {
	case turn:
		return turn, nil
	case paused:
		return "", chat.LimitedFor(max(left.Val(), time.Second)) // it may end between the two commands
	case broken:
		return "", chat.ErrModelBroken
	}
	return "", chat.LimitedFor(time.Second) // somebody writes it, or has just ended
}

// EndSummary says that the summary is written, or not begun. If that fails, the
// turn is over at the end of its patience. One round trip.
func (s *Store) EndSummary(ctx context.Context, id chat.ConversationID, turn string) {
	_, _ = s.endSummary(ctx, id, turn, "", 0)
}

// PauseSummary says that the model failed, and returns how long nobody begins
// now: at least as long as it wishes. lasting is a failure that an operator must
// mend. One round trip.
func (s *Store) PauseSummary(ctx context.Context, id chat.ConversationID, turn string, wish time.Duration, lasting bool) (time.Duration, error) {
	if lasting {
		return s.endSummary(ctx, id, turn, broken, longestPause)
	}
	return s.endSummary(ctx, id, turn, paused, min(wish, longestWish))
}

func (s *Store) endSummary(ctx context.Context, id chat.ConversationID, turn, left string, wish time.Duration) (time.Duration, error) {
	var cmd *redis.Cmd
	if err := s.pipelined(ctx, func(p redis.Pipeliner) {
		cmd = p.Eval(ctx, endScript, []string{summaryKey(id), summaryKey(id) + ":failures"}, turn, left,
			wish.Milliseconds(), firstPause.Milliseconds(), longestPause.Milliseconds(), failuresFor.Milliseconds())
	}); err != nil {
		return 0, failed("end a summary", err)
	}
	ms, _ := cmd.Val().(int64)
	return time.Duration(ms) * time.Millisecond, nil
}
