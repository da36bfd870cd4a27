-- Claims an input's id for one request, or answers with what is known of it.
-- KEYS[1]: the record. ARGV: type, hash, occurred_at as sent (empty: left out), whether the gateway set the time, owner,
-- lease in ms, time to live in ms, and `left` to claim nothing but what a gateway has left.
local record = KEYS[1]
local kind, hash, occurred, timed_here, owner, lease, ttl, only = unpack(ARGV)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HGET', record, 'state')
local claimed = 'mine'
if only ~= '' and state ~= 'written' then
  return 'other'
end
if state and state ~= 'refused' then
  local known = redis.call('HMGET', record, 'type', 'hash', 'occurred', 'until')
  if known[1] ~= kind or known[2] ~= hash or (occurred ~= '' and known[3] ~= '' and known[3] ~= occurred) then
    return 'other'
  end
  if state == 'done' then
    return 'done'
  end
  if tonumber(known[4]) > now then
    return 'busy'
  end
  if state == 'written' then
    claimed = 'left'
  end
else
  redis.call('DEL', record)
  redis.call('HSET', record, 'type', kind, 'hash', hash, 'occurred', occurred, 'timed_here', timed_here,
    'state', 'writing')
end
redis.call('HSET', record, 'owner', owner, 'until', now + lease)
redis.call('PEXPIRE', record, ttl)
return claimed
