"""What Redis does as one step: Lua scripts, which run as a whole or not at all.

A refused script has changed nothing. Where a script consumes something it does so first: once it has written, Redis
lets it go on even when memory is full, so that work in hand can be finished and makes room.
"""

from typing import Final

from pipeline.lua import MISTYPED

_FULL: Final = """
-- Whether an outbox has no room for the outputs of a step, or the stream further on has not. An outbox in which
-- nothing of the source waits has room for one step, however large.
local function full(outbox, pending, downstream, capacity)
  local waiting
  if capacity.shared then waiting = tonumber(redis.call('HGET', pending, capacity.source) or 0)
  else waiting = redis.call('XLEN', outbox) end
  return waiting > 0 and waiting + capacity.outputs > capacity.most
    or redis.call('XLEN', downstream) + capacity.outputs > capacity.downstream_most
end
"""

_KNOWN: Final = """
-- Whether a source is to be read or under way: of one that was just forgotten nothing more is noted.
local function known(sources, under_way, source)
  return redis.call('HEXISTS', sources, source) == 1 or redis.call('SISMEMBER', under_way, source) == 1
end
"""

COMMIT: Final = (
    f"{MISTYPED}{_FULL}"
    + """
-- A step of the owner of a source: take its inputs away, publish its outputs, store its state.
-- KEYS: as named below; where a run ends, then all that is to be forgotten with a source that is over and was taken
--       out.
-- ARGV: the step (packed; a `Step` of `workers.bus.ledger`), state, then number and message of each output.
-- Returns done, full (room is awaited), taken (by another owner) or forgotten (the state is gone).
local lease, state, inbox, outbox, pending, downstream, under_way, sources, reader, failures = unpack(KEYS)
local step = cmsgpack.unpack(ARGV[1])
local capacity, source = step.capacity, step.capacity.source
local kinds = {[lease] = 'string', [state] = 'hash', [under_way] = 'set', [sources] = 'hash'}
if #step.taken > 0 then kinds[inbox] = 'stream' end
if step.runs < 0 then kinds[reader], kinds[failures] = 'hash', 'hash' end
if capacity.outputs > 0 then kinds[outbox], kinds[pending], kinds[downstream] = 'stream', 'hash', 'stream' end
for key, kind in pairs(kinds) do
  local wrong = mistyped(key, kind)
  if wrong then return wrong end
end
local owner = redis.call('GET', lease)
if owner and owner ~= step.token then return 'taken' end
if not owner and step.strict then return 'taken' end
local known = redis.call('HMGET', state, 'step', 'by')
local before = tonumber(known[1] or 0)
if before == step.number and known[2] == step.token then return 'done' end  -- the answer to the first attempt was lost
if before >= step.number then return 'taken' end
if before < step.number - 1 then return 'forgotten' end
if capacity.outputs > 0 and full(outbox, pending, downstream, capacity) then return 'full' end
for i = 1, #step.taken, 1000 do
  redis.call('XDEL', inbox, unpack(step.taken, i, math.min(i + 999, #step.taken)))
end
for i = 3, #ARGV, 2 do
  redis.call('XADD', outbox, '*', 's', source, 'n', ARGV[i], 'm', ARGV[i + 1])
end
if capacity.outputs > 0 and capacity.shared then redis.call('HINCRBY', pending, source, capacity.outputs) end
redis.call('HSET', state, 'step', step.number, 'by', step.token, 'state', ARGV[2], 'begun', 0)
redis.call('SET', lease, step.token, 'PX', step.lease)
if step.runs >= 0 then
  if step.runs > 0 then redis.call('HINCRBY', state, 'open', step.runs) end
  redis.call('SADD', under_way, source)
elseif redis.call('HINCRBY', reader, 'open', step.runs) <= 0 then  -- and no later run has begun
  redis.call('HDEL', reader, 'open')
  redis.call('SREM', under_way, source)
  redis.call('HDEL', failures, 'tracker', 'inference', 'sink')  -- whatever they failed of is done
  if redis.call('HEXISTS', sources, source) == 0 then  -- taken out for good: forget it
    for i = 11, #KEYS do redis.call('DEL', KEYS[i]) end
  end
end
return 'done'
"""
)

CAPACITY: Final = (
    f"{_FULL}"
    + """
-- KEYS: outbox, pending, downstream. ARGV: what outputs want (packed; a `Capacity`). Returns whether a step would
-- find room.
return full(KEYS[1], KEYS[2], KEYS[3], cmsgpack.unpack(ARGV[1])) and 0 or 1
"""
)

ATTEMPT: Final = """
-- An owner begins with a message, from which it or an earlier owner may never come back.
-- KEYS: lease, state. ARGV: token, number of the message, whether it is the owner's first, digest of what the source is
-- configured as (empty where it is not read here): who began with it as it was before does not count.
-- Returns how many owners have begun since a step was last finished, and how many of them with this message; a message
-- that some owner has already got past counts 0. Returns nothing where the token does not hold the lease.
local lease, state = unpack(KEYS)
local token, number, first, origin = unpack(ARGV)
if redis.call('GET', lease) ~= token then return false end
redis.call('HDEL', state, 'nothing')  -- a script that has written may go on though memory is full
if (redis.call('HGET', state, 'origin') or origin) ~= origin then redis.call('HSET', state, 'begun', 0) end
if origin ~= '' then redis.call('HSET', state, 'origin', origin) end
local begun = redis.call('HINCRBY', state, 'begun', first)
if first == '1' then redis.call('HSET', state, 'since', redis.call('TIME')[1]) end
local at = tonumber(redis.call('HGET', state, 'at') or 0)
if tonumber(number) < at then return {begun, 0} end
if tonumber(number) > at then redis.call('HSET', state, 'at', number, 'tried', 0) end
return {begun, redis.call('HINCRBY', state, 'tried', 1)}
"""

WITHDRAW: Final = """
-- An owner ends of its own accord: the message that it began with last is not what it died of.
-- KEYS: lease, state. ARGV: token, number of the message.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local begun, at, tried = unpack(redis.call('HMGET', KEYS[2], 'begun', 'at', 'tried'))
redis.call('HDEL', KEYS[2], 'nothing')  -- a script that has written may go on though memory is full
if tonumber(begun or 0) > 0 then redis.call('HINCRBY', KEYS[2], 'begun', -1) end
if at == ARGV[2] and tonumber(tried or 0) > 0 then redis.call('HINCRBY', KEYS[2], 'tried', -1) end
return 1
"""

SHARE: Final = (
    f"{MISTYPED}\n"
    + """
-- A step of one of many that share a stream: publish what is acknowledged by this very step, and nothing else.
-- KEYS: inbox, pending, then the outboxes.
-- ARGV: group, then of each message: id, source, which outbox (from 1), number, field, value.
-- Returns how many were published.
for i = 2, #KEYS do
  local wrong = mistyped(KEYS[i], i == 2 and 'hash' or 'stream')
  if wrong then return wrong end
end
local published = 0
for i = 2, #ARGV, 6 do
  local id, source = ARGV[i], ARGV[i + 1]
  if redis.call('XACK', KEYS[1], ARGV[1], id) == 1 then
    redis.call('XADD', KEYS[2 + ARGV[i + 2]], '*', 's', source, 'n', ARGV[i + 3], ARGV[i + 4], ARGV[i + 5])
    if redis.call('HINCRBY', KEYS[2], source, -1) <= 0 then redis.call('HDEL', KEYS[2], source) end
    published = published + 1
  end
end
if published > 0 then
  -- Take away all before the first that is still in hand. XDEL of what another finished early would leave a hole behind
  -- it, and Redis cannot tell the group's lag, which says whether more members are needed, in a stream with holes.
  local first = redis.call('XPENDING', KEYS[1], ARGV[1])[2]
  if not first then  -- nothing is in hand: all that was ever handed out
    for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
      local about = {}
      for i = 1, #group, 2 do about[group[i]] = group[i + 1] end
      if about['name'] == ARGV[1] then
        local time, number = string.match(about['last-delivered-id'], '(%d+)-(%d+)')
        first = time .. '-' .. string.format('%d', number + 1)
      end
    end
  end
  redis.call('XTRIM', KEYS[1], 'MINID', '=', first)
end
return published
"""
)

HOLD: Final = """
-- A member goes on holding what it still has in hand: it counts as handed out just now, but not once more.
-- KEYS: stream. ARGV: group, member, then the ids of entries; what another has taken over meanwhile is left to it.
for i = 3, #ARGV do
  if redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])[1] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
  end
end
"""

LEAVE: Final = """
-- A member leaves its group, unless it has something in hand: Redis would forget with the member who has that, and
-- nobody could take it over.
-- KEYS: stream. ARGV: group, member. Returns whether it has left.
if redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])[1] then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
"""

SET_ASIDE: Final = (
    f"{MISTYPED}{_KNOWN}"
    + """
-- Keep and count a message that nobody can work on, once: until it is acknowledged, each successor comes to it again.
-- KEYS: poison, which of the source's messages are there, counts, sources, under way.
-- ARGV: source, as what it is counted, which message this is (empty: not to be told from others), how many are kept at
-- most, for how many s, then the fields of the entry. Returns whether it is new.
local poison, there, counts, sources, under_way = unpack(KEYS)
local source, what, which, most, life = unpack(ARGV, 1, 5)
local wrong = mistyped(poison, 'stream') or mistyped(there, 'zset') or mistyped(sources, 'hash')
  or mistyped(under_way, 'set')
if wrong then return wrong end
redis.call('ZREMRANGEBYRANK', there, 0, -1 - most)  -- a script that has written may go on though memory is full
if which ~= '' then
  if redis.call('ZADD', there, 'NX', redis.call('TIME')[1], which) == 0 then return 0 end
  redis.call('EXPIRE', there, life)
end
redis.call('XADD', poison, 'MAXLEN', '~', most, '*', unpack(ARGV, 6))
redis.call('EXPIRE', poison, life)
-- Counts that somebody broke hold up no work.
if known(sources, under_way, source) then redis.pcall('HINCRBY', counts, what, 1) end
return 1
"""
)

ACQUIRE: Final = """
-- KEYS: leases. ARGV: of each, token and lease in ms; then how many are wanted at most, the first that can be had.
-- Returns of each whether the token holds it.
local held, left = {}, tonumber(ARGV[#ARGV])
for i, key in ipairs(KEYS) do
  local owner, token = redis.call('GET', key), ARGV[2 * i - 1]
  held[i] = left > 0 and (not owner or owner == token) and 1 or 0
  left = left - held[i]
  if held[i] == 1 then
    redis.call('DEL', key)  -- a script that has written may go on though memory is full
    redis.call('SET', key, token, 'PX', ARGV[2 * i])
  end
end
return held
"""

RENEW: Final = """
-- KEYS: leases. ARGV: of each, token and lease in ms. Returns of each whether the token holds it.
local held = {}
for i, key in ipairs(KEYS) do
  held[i] = redis.call('GET', key) == ARGV[2 * i - 1] and redis.call('PEXPIRE', key, ARGV[2 * i]) or 0
end
return held
"""

RELEASE: Final = """
-- KEYS: lease. ARGV: token.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

CENSUS: Final = """
-- KEYS: census. ARGV: member, ms for which it counts as alive (0: it leaves). Returns who is alive.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREM', KEYS[1], ARGV[1])  -- a script that has written may go on though memory is full
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if ARGV[2] ~= '0' then redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) end
return redis.call('ZRANGE', KEYS[1], 0, -1)
"""

COUNT: Final = (
    f"{_KNOWN}"
    + """
-- Add what was counted of a source to its counts, unless it was forgotten meanwhile and they with it.
-- KEYS: counts, sources, under way. ARGV: source, then what was counted and how often, alternately.
if not known(KEYS[2], KEYS[3], ARGV[1]) then return 0 end
for i = 2, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 1
"""
)

TELL: Final = (
    f"{_KNOWN}"
    + """
-- Note why one kind of work on a source fails, unless the source was forgotten meanwhile.
-- KEYS: failures, sources, under way. ARGV: source, kind of worker, reason (empty: it works).
if ARGV[3] == '' then return redis.call('HDEL', KEYS[1], ARGV[2]) end
if not known(KEYS[2], KEYS[3], ARGV[1]) then return 0 end
return redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
"""
)

TIDY: Final = """
-- Forget a source that was taken out when it was over, or that never began.
-- KEYS: sources, under way, lease of its reader, then all that is remembered of it. ARGV: source.
-- Returns whether nothing is left to do: the last step of what is under way forgets it too. A reader comes first.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 or redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then return 1 end
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
for i = 4, #KEYS do redis.call('DEL', KEYS[i]) end
return 1
"""

FORGET: Final = """
-- Take a source out with all that is under way of it. Owners find their leases gone, members their messages.
-- KEYS: sources, under way, faces, poison, pending, then all that is remembered of it. ARGV: group, source.
redis.call('HDEL', KEYS[1], ARGV[2])
redis.call('SREM', KEYS[2], ARGV[2])
for i = 3, 4 do
  for _, entry in ipairs(redis.call('XRANGE', KEYS[i], '-', '+')) do
    for j = 1, #entry[2], 2 do
      if entry[2][j] == 's' and entry[2][j + 1] == ARGV[2] then
        if i == 3 then redis.call('XACK', KEYS[i], ARGV[1], entry[1]) end
        redis.call('XDEL', KEYS[i], entry[1])
      end
    end
  end
end
redis.call('HDEL', KEYS[5], ARGV[2])
for i = 6, #KEYS do redis.call('DEL', KEYS[i]) end
"""
