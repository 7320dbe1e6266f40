package presence

// A stream is a hash in its conversation's slot, and a text for each of its parts:
//
//	state    p (provisional), o (open) or e (ended)
//	writer, owner, parent, started, epoch, doing, stop, lease
//	next:<part>, len:<part>     of what is contiguous
//	keep:<part>:<index>         a piece that came too early
//	kept                        how many bytes have come too early
//	message, seq, status, drop  of one that has ended
//
// A text that is gone alone, as where keys are evicted, is as if all of the stream were.
//
// The rules are those of package local/model/streams.

// enterStreamScript begins a stream provisionally, or has its writer go on with it. What
// nobody has confirmed, and what was lost, begins anew with a greater epoch. A
// connection that takes over from one that is gone keeps what is contiguous, and
// forgets the pieces beyond: they may have been cut otherwise. Where nothing is, it begins
// anew as well: an agent that the backend runs may have told what it did not come to keep.
//
// KEYS: the stream, the open streams. ARGV: the connection, its owner, the parent, the
// start in ms, a connection that is gone or "", the time to live in seconds, the prefix
// of the texts, the stream's id; the prefix of all streams of the conversation, how many
// of them one owner may have open.
const enterStreamScript = streamLua + `
local was = redis.call('HMGET', KEYS[1], 'state', 'writer', 'owner', 'epoch', 'stop')
if was[1] == 'e' then return 'ended' end
if was[1] and was[3] ~= ARGV[2] then return 'foreign' end
if was[1] and was[2] ~= ARGV[1] and was[2] ~= ARGV[5] then return 'written' end
if not was[1] then
	local theirs = 0
	for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
		if redis.call('HGET', ARGV[9] .. id, 'owner') == ARGV[2] then theirs = theirs + 1 end
	end
	if theirs >= tonumber(ARGV[10]) then return 'many' end
end
if not was[1] or was[1] == 'p' or holed(KEYS[1], ARGV[7]) or was[2] ~= ARGV[1] and empty(KEYS[1]) then
	wipe(KEYS[1], ARGV[7])
	local t = redis.call('TIME')
	local epoch = math.max(t[1] * 1000000 + t[2], tonumber(was[4] or 0) + 1)
	redis.call('HSET', KEYS[1], 'state', 'p', 'writer', ARGV[1], 'owner', ARGV[2], 'parent', ARGV[3], 'started', ARGV[4],
		'epoch', string.format('%.0f', epoch), 'parts', '')
	if was[5] then redis.call('HSET', KEYS[1], 'stop', was[5]) end
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
local function holed(key, prefix)
	for part in each(key) do
		if (redis.call('HGET', key, 'len:' .. part) or '0') ~= '0' and redis.call('EXISTS', prefix .. part) == 0 then return true end
	end
	return false
end
local function empty(key)
	for part in each(key) do
		if (redis.call('HGET', key, 'len:' .. part) or '0') ~= '0' then return false end
	end
	return true
end
local function forget(key)
	for _, f in ipairs(redis.call('HKEYS', key)) do
		if string.sub(f, 1, 5) == 'keep:' then redis.call('HDEL', key, f) end
	end
	redis.call('HDEL', key, 'kept')
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
// has one text for ever. A whole part stands for every piece up to its index; those
// beyond stay. In place of a piece there may be what the agent does.
//
// KEYS: the stream, the open streams, the part's text, the rate. ARGV: the connection,
// the part, the index, the text, its length, whether that is the whole part, the most
// bytes of a part, the lease in ms, the time to live in seconds, the stream's id; now,
// step and burst of the rate; what the agent does or "", its owner, the time to live
// of texts, the most bytes of what comes too early, the most parts.
const appendStreamScript = gcra + `
local is = redis.call('HMGET', KEYS[1], 'state', 'writer', 'epoch', 'next:' .. ARGV[2], 'len:' .. ARGV[2], 'drop', 'stop', 'owner', 'kept')
if not is[1] or is[8] ~= ARGV[15] or is[1] == 'e' and is[6] then return {'lost'} end
if is[1] == 'e' then return {'ended'} end
if is[2] ~= ARGV[1] then return {'written'} end
if is[1] == 'p' then return {'provisional'} end
if tonumber(ARGV[12]) > 0 then
	local wait = rate(KEYS[4], tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13]), 1)
	if wait > 0 then return {'limited', wait} end
end
local set = {'lease', ARGV[8]}
local function more(field, value) set[#set + 1] = field; set[#set + 1] = value end
local offset, added, all = 0, 0, ''
if ARGV[14] ~= '' then
	more('doing', ARGV[14])
else
	local part, index, text, whole = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[6] == '1'
	local next, length, kept = tonumber(is[4] or 0), tonumber(is[5] or 0), tonumber(is[9] or 0)
	local most, ahead = tonumber(ARGV[7]), 200
	local size, new, used, was = 0, {}, {}, kept
	local function early(i)
		local field = 'keep:' .. part .. ':' .. i
		local value = redis.call('HGET', KEYS[1], field)
		if not value then return nil end
		local space = string.find(value, ' ', 1, true)
		used[#used + 1], kept = field, kept - #value
		return string.sub(value, space + 1), tonumber(string.sub(value, 1, space - 1))
	end
	if is[4] then
		size = redis.call('STRLEN', KEYS[3])
		if size == 0 and length > 0 then return {'lost'} end
	else
		local parts = redis.call('HGET', KEYS[1], 'parts') or ''
		local _, n = string.gsub(parts, '\n', '')
		if n >= tonumber(ARGV[18]) then return {'many'} end
		more('parts', parts .. part .. '\n')
	end
	offset = length
	if whole and index >= next then
		for i = next, math.min(index, next + ahead) do early(i) end
		offset, size, length = 0, 0, 0
	elseif whole or index < next then
		index = -1 -- it is there already
	elseif index > next then
		local value = ARGV[5] .. ' ' .. text
		if index - next > ahead or kept + #value > tonumber(ARGV[17]) then return {'far', next} end
		if redis.call('HSETNX', KEYS[1], 'keep:' .. part .. ':' .. index, value) == 1 then kept = kept + #value end
		index = -1
	end
	if index >= 0 then
		new[1], added, next = text, tonumber(ARGV[5]), index + 1
		while true do
			local piece, units = early(next)
			if not piece then break end
			new[#new + 1], added, next = piece, added + units, next + 1
		end
	end
	all = table.concat(new)
	if size + #all > most then return {'large'} end
	if #used > 0 then redis.call('HDEL', KEYS[1], unpack(used)) end
	if #new > 0 then
		redis.call(size == 0 and 'SET' or 'APPEND', KEYS[3], all)
		redis.call('EXPIRE', KEYS[3], ARGV[16])
	end
	if #new > 0 or not is[4] then
		more('next:' .. part, next)
		more('len:' .. part, length + added)
	end
	if kept ~= was then more('kept', kept) end
end
redis.call('HSET', KEYS[1], unpack(set))
redis.call('ZADD', KEYS[2], ARGV[8], ARGV[10])
for i = 1, 2 do redis.call('EXPIRE', KEYS[i], ARGV[9]) end
return {'open', is[3], offset, added, all, is[7] or ''}`

// stopStreamScript notes who wants a stream to end, the first who does: also of one that
// is lost, for when it begins again.
//
// KEYS: the stream. ARGV: who, the time to live in seconds of what is lost.
const stopStreamScript = `
local is = redis.call('HGET', KEYS[1], 'state')
if is == 'e' then return 'ended' end
redis.call('HSETNX', KEYS[1], 'stop', ARGV[1])
if not is then
	redis.call('EXPIRE', KEYS[1], ARGV[2])
	return 'lost'
end
return 'open'`

// endStreamScript marks a stream as ended, and forgets its texts. Where there is no
// message it does so only if nothing was written that would be in one: else the caller
// looks again. What has ended stays as it is, but for a message that becomes known.
//
// KEYS: the stream, the open streams. ARGV: the stream's id, the message, its seq, its
// status, why there is none, whether what was written may be lost with it, the time to
// live in seconds, the prefix of the texts, the epoch of what is to be dropped or 0.
const endStreamScript = streamLua + `
local is = redis.call('HMGET', KEYS[1], 'state', 'message', 'epoch', 'owner')
if ARGV[2] == '' then
	if not is[1] and ARGV[6] == '0' then return 'lost' end
	if is[1] == 'e' then return 'ended' end
	if ARGV[9] ~= '0' and is[3] ~= ARGV[9] then return 'written' end
	if ARGV[6] == '0' and redis.call('EXISTS', ARGV[8] .. 'content', ARGV[8] .. 'thinking') > 0 then return 'written' end
elseif is[2] and is[2] ~= '' then
	return 'ended'
end
wipe(KEYS[1], ARGV[8])
redis.call('HSET', KEYS[1], 'state', 'e', 'message', ARGV[2], 'seq', ARGV[3], 'status', ARGV[4], 'epoch', is[3] or '0')
if is[4] then redis.call('HSET', KEYS[1], 'owner', is[4]) end
if ARGV[2] == '' then redis.call('HSET', KEYS[1], 'drop', ARGV[5]) end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[7])
return 'open'`
