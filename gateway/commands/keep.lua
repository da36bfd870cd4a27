-- Notes what became of a claimed input, unless another request has claimed it since.
-- KEYS[1]: the record. ARGV: owner, lease in ms, time to live in ms, then fields and values.
local record = KEYS[1]
local known = redis.call('HGET', record, 'owner')
if known and known ~= ARGV[1] then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', record, 'owner', ARGV[1], 'until', now + ARGV[2], unpack(ARGV, 4))
redis.call('PEXPIRE', record, ARGV[3])
return 1
