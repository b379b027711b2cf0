package session

import "github.com/redis/rueidis"

// The scripts are the atomic steps of this package. KEYS of a script are all in
// the slot of one session (or are a single key), which a cluster demands.
// Written for Redis 6.0, which Azure Cache for Redis still is, and for the
// embedded Redis: no GETDEL, no exclusive ranges, no COPY.
const (
	// KEYS record; ARGV lifetime ms, field, value, ...
	createText = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`

	// Reserves a place among a principal's sessions.
	// KEYS principal; ARGV session, now ms, lifetime ms, limit
	reserveText = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('ZADD', KEYS[1], tonumber(ARGV[2]) + tonumber(ARGV[3]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`

	// Appends an event to a session's out stream, if it is subscribed.
	// KEYS record, out; ARGV field that must exist ('' for none), idle ms,
	// most events, wake channel, event
	notifyText = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if ARGV[1] ~= '' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
local n, last = 0, redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
if last then n = tonumber(string.match(last[1], '^%d+')) end
redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[3], string.format('%d-0', n + 1), 'm', ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('PUBLISH', ARGV[4], 'out')
return 1`
)

var (
	// Extends the lifetimes of what a session has beside its call streams.
	// KEYS record, out, gets, open, done; ARGV lifetime ms
	touchScript = rueidis.NewLuaScript(`
if redis.call('PEXPIRE', KEYS[1], ARGV[1]) == 0 then return 0 end
for i = 2, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[1]) end
return 1`)

	// Sets fields of a record that exists. KEYS record; ARGV field, value, ...
	setScript = rueidis.NewLuaScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1`)

	// KEYS record; ARGV field, prefix of such fields, most of them
	subscribeScript = rueidis.NewLuaScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 1 end
local n = 0
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, #ARGV[2]) == ARGV[2] then n = n + 1 end
end
if n >= tonumber(ARGV[3]) then return 2 end
redis.call('HSET', KEYS[1], ARGV[1], '1')
return 1`)

	// Ends a session: its record goes at once, the streams it had are named to
	// the caller, who deletes them.
	// KEYS record, out, gets, open, done; ARGV wake channel
	deleteScript = rueidis.NewLuaScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local streams = redis.call('ZRANGE', KEYS[4], 0, -1)
for _, id in ipairs(redis.call('ZRANGE', KEYS[5], 0, -1)) do streams[#streams + 1] = id end
redis.call('DEL', unpack(KEYS))
redis.call('PUBLISH', ARGV[1], '')
return streams`)

	// Appends events to a call's stream, which has one producer.
	// KEYS record, stream, open, done [, question]
	// ARGV stream id, number of the first event (0: the next), kept ms, now ms,
	//      idle ms, most events, most open streams, most done streams,
	//      wake channel, "m" or "end" (the last event is terminal),
	//      question's lifetime ms, event, ...
	// Answers {status, number of the last event, evicted stream, ...}.
	appendScript = rueidis.NewLuaScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return {'gone', 0} end
local n, last = 0, redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
local first, events = tonumber(ARGV[2]), #ARGV - 11
if last then
  n = tonumber(string.match(last[1], '^%d+'))
  if last[2][1] == 'end' then
    if first > 0 and ARGV[10] == 'end' and n == first + events - 1 and last[2][2] == ARGV[#ARGV] then return {'ok', n} end
    return {'closed', n}
  end
else
  if first > 1 then return {'gone', 0} end
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', tonumber(ARGV[4]) - tonumber(ARGV[3]))
  if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[7]) then return {'busy', 0} end
end
if first == 0 then first = n + 1 end
if ARGV[10] ~= 'end' and first + events - 2 > tonumber(ARGV[6]) then return {'full', n} end
for i = n + 1 - first, events - 1 do
  local field = 'm'
  if i == events - 1 then field = ARGV[10] end
  redis.call('XADD', KEYS[2], string.format('%d-0', first + i), field, ARGV[12 + i])
  n = first + i
end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
if KEYS[5] then redis.call('SET', KEYS[5], '', 'PX', ARGV[11], 'NX') end
local answer = {'ok', n}
if ARGV[10] == 'end' then
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('ZADD', KEYS[4], ARGV[4], ARGV[1])
  redis.call('PEXPIRE', KEYS[4], ARGV[5])
  while redis.call('ZCARD', KEYS[4]) > tonumber(ARGV[8]) do
    local oldest = redis.call('ZRANGE', KEYS[4], 0, 0)[1]
    redis.call('ZREM', KEYS[4], oldest)
    answer[#answer + 1] = oldest
  end
else
  redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])
  redis.call('PEXPIRE', KEYS[3], ARGV[5])
end
redis.call('PUBLISH', ARGV[9], ARGV[1])
return answer`)

	// Keeps an unfinished stream and its session alive.
	// KEYS record, stream, open; ARGV stream id, kept ms, now ms
	keepScript = rueidis.NewLuaScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('ZADD', KEYS[3], 'XX', ARGV[3], ARGV[1])
return 1`)
	// Opens a GET stream. KEYS record, gets
	// ARGV token, idle ms, most open, wake channel
	// Answers what was delivered last, or nothing when there is no session.
	openGetScript = rueidis.NewLuaScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local newest, score = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES'), 0
if newest[2] then score = tonumber(newest[2]) end
redis.call('ZADD', KEYS[2], score + 1, ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('PUBLISH', ARGV[4], 'out')
return redis.call('HGET', KEYS[1], 'delivered') or '0'`)

	// Reads on for a GET stream: its rank among the open ones (0 is the newest,
	// which delivers), the newest one's token and, for it, the events.
	// KEYS record, gets, out
	// ARGV token, first event wanted (0: the first undelivered), most events
	nextGetScript = rueidis.NewLuaScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return {-2, ''} end
local rank = redis.call('ZREVRANK', KEYS[2], ARGV[1])
if not rank then return {-1, ''} end
local newest = redis.call('ZRANGE', KEYS[2], -1, -1)[1]
if rank > 0 then return {rank, newest} end
local first = tonumber(ARGV[2])
if first == 0 then first = tonumber(redis.call('HGET', KEYS[1], 'delivered') or '0') + 1 end
return {rank, newest, redis.call('XRANGE', KEYS[3], string.format('%d-0', first), '+', 'COUNT', ARGV[3])}`)

	// Answers a question once. KEYS question; ARGV answer, channel, message
	answerScript = rueidis.NewLuaScript(`
if redis.call('GET', KEYS[1]) ~= '' then return 0 end
local left = redis.call('PTTL', KEYS[1])
if left < 1000 then left = 1000 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', left)
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1`)
)
