package presence

// A stream is a hash in its conversation's slot, and a text for each of its parts:
//
//	state    p (provisional), o (open) or e (ended)
//	writer, owner, parent, started, epoch, doing, stop, lease
//	next:<part>, len:<part>     of what is contiguous
//	keep:<part>:<index>         a piece that came too early
//	message, seq, status, drop  of one that has ended
//
// The rules are those of package local/model/streams.

// enterScript begins a stream provisionally, or has its writer go on with it. What
// nobody has confirmed, and what was lost, begins anew with a greater epoch. A
// connection that takes over from one that is gone keeps what is contiguous, and
// forgets the pieces beyond: they may have been cut otherwise.
//
// KEYS: the stream, the open streams. ARGV: the connection, its owner, the parent, the
// start in ms, a connection that is gone or "", the time to live in seconds, the prefix
// of the texts, the stream's id.
const enterStreamScript = streamLua + `
local was = redis.call('HMGET', KEYS[1], 'state', 'writer', 'owner', 'epoch')
if was[1] == 'e' then return 'ended' end
if was[1] and was[3] ~= ARGV[2] then return 'foreign' end
if was[1] and was[2] ~= ARGV[1] and was[2] ~= ARGV[5] then return 'written' end
if not was[1] or was[1] == 'p' then
	wipe(KEYS[1], ARGV[7])
	local t = redis.call('TIME')
	local epoch = math.max(t[1] * 1000000 + t[2], tonumber(was[4] or 0) + 1)
	redis.call('HSET', KEYS[1], 'state', 'p', 'writer', ARGV[1], 'owner', ARGV[2], 'parent', ARGV[3], 'started', ARGV[4],
		'epoch', string.format('%.0f', epoch), 'parts', '')
elseif was[2] ~= ARGV[1] then
	forget(KEYS[1])
	redis.call('HSET', KEYS[1], 'writer', ARGV[1])
end
redis.call('ZADD', KEYS[2], 'NX', ARGV[4], ARGV[8])
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('EXPIRE', KEYS[2], ARGV[6])
return 'entered'`

// streamLua are the steps that scripts have in common.
const streamLua = `
local function each(key)
	local parts = redis.call('HGET', key, 'parts') or ''
	return string.gmatch(parts, '[^\n]+')
end
local function wipe(key, prefix)
	for part in each(key) do redis.call('DEL', prefix .. part) end
	redis.call('DEL', key)
end
local function forget(key)
	for _, f in ipairs(redis.call('HKEYS', key)) do
		if string.sub(f, 1, 5) == 'keep:' then redis.call('HDEL', key, f) end
	end
end
`

// confirmStreamScript opens a stream that is still the one that was entered, and
// notes until when its writer need give no sign of life.
//
// KEYS: the stream, the open streams. ARGV: the connection, the epoch, the stream's
// id, its lease in ms, the time to live in seconds.
const confirmStreamScript = `
local is = redis.call('HMGET', KEYS[1], 'state', 'writer', 'epoch')
if not is[1] then return 'lost' end
if is[1] == 'e' then return 'ended' end
if is[2] ~= ARGV[1] or is[3] ~= ARGV[2] then return 'written' end
redis.call('HSET', KEYS[1], 'state', 'o', 'lease', ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('EXPIRE', KEYS[2], ARGV[5])
return 'open'`

// appendStreamScript keeps a piece under its index, advances over every piece that
// is now contiguous, and returns what was advanced: the invocation that fills a gap
// gets all of it, and one that fills nothing gets nothing. Within one epoch an index
// has one text for ever.
//
// KEYS: the stream, the open streams, the part's text, the rate. ARGV: the connection,
// the part, the index, the text, its length, whether that is the whole part, the most
// bytes of a part, the lease in ms, the time to live in seconds, the stream's id, and
// now, step and burst of the rate.
const appendStreamScript = gcra + `
local is = redis.call('HMGET', KEYS[1], 'state', 'writer', 'epoch', 'next:' .. ARGV[2], 'len:' .. ARGV[2], 'drop', 'stop')
if not is[1] or is[1] == 'e' and is[6] then return {'lost'} end
if is[1] == 'e' then return {'ended'} end
if is[2] ~= ARGV[1] then return {'written'} end
if is[1] == 'p' then return {'provisional'} end
if tonumber(ARGV[12]) > 0 then
	local wait = rate(KEYS[4], tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13]), 1)
	if wait > 0 then return {'limited', wait} end
end
local part, index, text, whole = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[6] == '1'
local next, length = tonumber(is[4] or 0), tonumber(is[5] or 0)
local offset, size, new, added = length, redis.call('STRLEN', KEYS[3]), {}, 0
local used = {}
if whole and index >= next then
	for i = next, index do used[#used + 1] = 'keep:' .. part .. ':' .. i end
	offset, size, length = 0, 0, 0
elseif whole or index < next then
	index = -1 -- it is there already
elseif index > next then
	if index - next > 200 or size + #text > tonumber(ARGV[7]) then return {'large'} end
	redis.call('HSETNX', KEYS[1], 'keep:' .. part .. ':' .. index, ARGV[5] .. ' ' .. text)
	index = -1
end
if index >= 0 then
	new[1], added, next = text, tonumber(ARGV[5]), index + 1
	while true do
		local kept = redis.call('HGET', KEYS[1], 'keep:' .. part .. ':' .. next)
		if not kept then break end
		local space = string.find(kept, ' ', 1, true)
		new[#new + 1], added = string.sub(kept, space + 1), added + tonumber(string.sub(kept, 1, space - 1))
		used[#used + 1], next = 'keep:' .. part .. ':' .. next, next + 1
	end
end
local all = table.concat(new)
if size + #all > tonumber(ARGV[7]) then return {'large'} end
if not is[4] then
	redis.call('HSET', KEYS[1], 'parts', (redis.call('HGET', KEYS[1], 'parts') or '') .. part .. '\n', 'next:' .. part, 0, 'len:' .. part, 0)
end
if #new > 0 then
	if size == 0 then redis.call('DEL', KEYS[3]) end
	for _, field in ipairs(used) do redis.call('HDEL', KEYS[1], field) end
	redis.call('APPEND', KEYS[3], all)
	redis.call('HSET', KEYS[1], 'next:' .. part, next, 'len:' .. part, length + added)
end
redis.call('HSET', KEYS[1], 'lease', ARGV[8])
redis.call('ZADD', KEYS[2], ARGV[8], ARGV[10])
for i = 1, 3 do redis.call('EXPIRE', KEYS[i], ARGV[9]) end
return {'open', is[3], offset, added, all, is[7] or ''}`

// stopStreamScript notes who wants a stream to end, the first who does.
//
// KEYS: the stream. ARGV: who.
const stopStreamScript = `
local is = redis.call('HGET', KEYS[1], 'state')
if not is then return 'lost' end
if is == 'e' then return 'ended' end
redis.call('HSETNX', KEYS[1], 'stop', ARGV[1])
return 'open'`

// endStreamScript marks a stream as ended, and forgets its texts. Where there is no
// message it does so only if nothing was written: else the caller looks again. What
// has ended stays as it is, but for a message that becomes known.
//
// KEYS: the stream, the open streams. ARGV: the stream's id, the message, its seq, its
// status, why there is none, whether what was written may be lost with it, the time to
// live in seconds, the prefix of the texts.
const endStreamScript = streamLua + `
local is = redis.call('HMGET', KEYS[1], 'state', 'message', 'epoch')
if ARGV[2] == '' then
	if not is[1] and ARGV[6] == '0' then return 'lost' end
	if is[1] == 'e' then return 'ended' end
	if ARGV[6] == '0' then
		for part in each(KEYS[1]) do
			if redis.call('EXISTS', ARGV[8] .. part) == 1 then return 'written' end
		end
	end
elseif is[2] and is[2] ~= '' then
	return 'ended'
end
wipe(KEYS[1], ARGV[8])
redis.call('HSET', KEYS[1], 'state', 'e', 'message', ARGV[2], 'seq', ARGV[3], 'status', ARGV[4], 'epoch', is[3] or '0')
if ARGV[2] == '' then redis.call('HSET', KEYS[1], 'drop', ARGV[5]) end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[7])
return 'open'`
