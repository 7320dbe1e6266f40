package presence

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// everyConnection in place of a connection id means all of the principal's.
const everyConnection chat.ConnectionID = ""

// removeScript takes one connection of a principal, or all of them, out of a
// room, and the principal out of the members when none is left. It is a script
// because a principal that enters meanwhile by another connection must stay a
// member. Each member has a connection in the room: with fewer connections than
// members, the one just removed was its principal's last, and only otherwise
// the room is looked through. Stale entries of the principal that are met go
// too.
//
// It returns whether the membership ended, then the removed fields and values.
const removeScript = `
local room, members = KEYS[1], KEYS[2]
local owner, member, oldest, connection = ' ' .. ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local result = {0}
local function owned(value) return value and string.sub(value, -#owner) == owner end
local function drop(field, value)
	redis.call('HDEL', room, field)
	result[#result + 1] = field
	result[#result + 1] = value
end
if connection ~= '' then
	local value = redis.call('HGET', room, connection)
	if not owned(value) then return result end
	drop(connection, value)
end
if connection == '' or redis.call('HLEN', room) >= redis.call('SCARD', members) then
	local entries = redis.call('HGETALL', room)
	for i = 1, #entries, 2 do
		local field, value = entries[i], entries[i + 1]
		if owned(value) then
			if connection ~= '' and tonumber(string.sub(value, 1, 10)) >= oldest then return result end
			drop(field, value)
		end
	end
end
if #result > 1 then
	redis.call('SREM', members, member)
	result[1] = 1
end
return result`

// remove queues removeScript. The organisation is part of what is compared, so
// an equal id of another one removes nothing.
func (s *Store) remove(ctx context.Context, p redis.Pipeliner, id chat.ConversationID, who chat.Principal, c chat.ConnectionID) *redis.Cmd {
	oldest := strconv.FormatInt(s.now().Add(-lifetime).Unix(), 10)
	return p.Eval(ctx, removeScript, []string{connectionsKey(id), membersKey(id)},
		owner(who), who.String(), oldest, string(c))
}

// removal reads the result of removeScript; of one that failed it is nothing.
func removal(cmd *redis.Cmd) (left bool, removed []string) {
	result, _ := cmd.Slice()
	for i, v := range result {
		if i == 0 {
			left = v == int64(1)
		} else if text, ok := v.(string); ok {
			removed = append(removed, text)
		}
	}
	return left, removed
}
