-- Writes fields of the meta hash, only where the epoch is still the reader's own: after a flush, or a start from empty,
-- a position would hide a hole. An empty value removes the field. Returns 1 when written.
-- KEYS: meta. ARGV: epoch, then fields and values.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
  return 0
end
for n = 2, #ARGV, 2 do
  if ARGV[n + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[n])
  else
    redis.call('HSET', KEYS[1], ARGV[n], ARGV[n + 1])
  end
end
return 1
