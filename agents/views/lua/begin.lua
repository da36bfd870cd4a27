-- Begins an epoch: every position before it is void. Without a former epoch the first process to come sets it; with one,
-- only a process that has seen that very epoch may replace it.
-- KEYS: meta. ARGV: the epoch that was seen ('' for none), the new one, then fields and values. Returns the epoch in force.
local present = redis.call('HGET', KEYS[1], 'epoch')
if (present or '') ~= ARGV[1] then
  return present
end
redis.call('DEL', KEYS[1])
redis.call('HSETNX', KEYS[1], 'epoch', ARGV[2])
for n = 3, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[n], ARGV[n + 1])
end
return ARGV[2]
