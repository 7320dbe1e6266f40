package presence

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
)

// readNotices is how often the others in a room are told of what one principal has read there:
// who scrolls says so many times a second.
var readNotices = config.Rate{Count: 1, Per: time.Second, Burst: 1}

// Readers returns whom to tell what p has read in a conversation: p's own connections, and
// where it is public who is confirmed in the room, unless that is too large for notices or
// was told less than a second ago. One round trip.
func (s *Store) Readers(ctx context.Context, p chat.Principal, id chat.ConversationID, public bool) (r chat.Readers, err error) {
	var rate *redis.Cmd
	var room *redis.StringSliceCmd
	var own *redis.StringSliceCmd
	now := s.now()
	err = s.calmly(ctx, func(pipe redis.Pipeliner) {
		own = hash(ctx, pipe, principalKey(p))
		if public {
			rate = s.queueRate(ctx, pipe, rateKey(p, "read:"+string(id)), readNotices)
			room = hash(ctx, pipe, roomKey(id))
		}
	})
	if err != nil {
		return r, failed("find whom to tell what is read", err)
	}
	r.Own = connectionsOf(p, own.Val(), now)
	if !public {
		return r, nil
	}
	if r.Room = s.confirmedIn(room.Val()); r.Room.Quiet() {
		r.Room = nil
		return r, nil
	}
	if us, _ := rate.Val().(int64); us > 0 {
		r.Room, r.Wait = nil, time.Duration(us)*time.Microsecond
	}
	return r, nil
}
