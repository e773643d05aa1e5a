"""The one script that writes configuration to Redis, and its keys. Used by the site alone. Pure."""

from strategy_core.configuration.redis_keys import Keys


def publish_keys(keys: Keys, *, with_halts: bool) -> list[str]:
    """The KEYS of PUBLISH_SCRIPT, in their order; the last two only where this user of Redis may use them."""
    names = [keys.config, keys.sequences, keys.sequence, keys.changes]
    return [*names, keys.halts, keys.resumed] if with_halts else names


PUBLISH_SCRIPT = """
-- KEYS: config, sequences, sequence, changes, halts, resumed.
-- ARGV: expected last sequence (-1: any; -2: start over, dropping all documents that are there), stream cap, 1 where
--       the documents say what the halts in force leave of them (else 0), number of layers, then field, sequence,
--       document ('' = gone) a layer, then number of halts, id, record a halt, number of resumed halts, id, when each;
--       then stream id, payload an entry.
-- Nothing but its id among the resumed takes a halt away, and none comes back that was resumed.
-- Starting over keeps the stream, so that its ids go on rising and nobody who waits for the next one misses the reload
-- notice. Only a stream whose ids are ahead (a restored backup of the store) starts over as well.
-- Answers {1, last} when written, {0, last} when the last sequence is another (-1: nothing was ever published),
-- {2, last} when halts are in force and the documents do not say what is left of them.
local last = tonumber(redis.call('GET', KEYS[3]) or '-1')
local expected = tonumber(ARGV[1])
if expected == -2 then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  last = -1
elseif expected >= 0 and last ~= expected then
  return {0, last}
end
local layers = tonumber(ARGV[4])
if layers > 0 and ARGV[3] == '0' and KEYS[5] and redis.call('EXISTS', KEYS[5]) == 1 then
  return {2, last}
end
local at = 5
for _ = 1, layers do
  local field, sequence, document = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2]
  if sequence >= tonumber(redis.call('HGET', KEYS[2], field) or '-1') then
    if document == '' then
      redis.call('HDEL', KEYS[1], field)
      redis.call('HDEL', KEYS[2], field)
    else
      redis.call('HSET', KEYS[1], field, document)
      redis.call('HSET', KEYS[2], field, ARGV[at + 1])
    end
  end
  at = at + 3
end
local halts = tonumber(ARGV[at])
at = at + 1
for _ = 1, halts do
  if redis.call('HEXISTS', KEYS[6], ARGV[at]) == 0 then redis.call('HSET', KEYS[5], ARGV[at], ARGV[at + 1]) end
  at = at + 2
end
local resumed = tonumber(ARGV[at])
at = at + 1
for _ = 1, resumed do
  redis.call('HDEL', KEYS[5], ARGV[at])
  redis.call('HSET', KEYS[6], ARGV[at], ARGV[at + 1])
  at = at + 2
end
while at < #ARGV do
  local added = redis.pcall('XADD', KEYS[4], 'MAXLEN', '~', ARGV[2], ARGV[at], 'p', ARGV[at + 1])
  if type(added) == 'table' and added.err then
    if expected ~= -2 then return added end
    redis.call('DEL', KEYS[4])
    redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[2], ARGV[at], 'p', ARGV[at + 1])
  end
  last = math.max(last, tonumber(string.match(ARGV[at], '^%d+')))
  at = at + 2
end
redis.call('SET', KEYS[3], last)
return {1, last}
"""
