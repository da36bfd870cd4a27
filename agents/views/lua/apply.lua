-- Applies events of one account from one topic. Every write commutes and may be repeated: topics have no common order,
-- and events are read again after a restart.
-- KEYS: at, the snapshot or the topic's list, calls, then the hash of each event's call.
-- ARGV: topic, greatest offset, kind, and by kind
--   snapshot: version, offset, value
--   list:     rows kept (0: all), cutoff as text, cutoff in ms, prefix of call keys, then offset and value of each event
--   calls:    the same, then offset, value, field, call id, time in ms and start in ms of each event
local at, target, calls = KEYS[1], KEYS[2], KEYS[3]
local topic, last, kind = ARGV[1], ARGV[2], ARGV[3]
local seen = tonumber(redis.call('HGET', at, topic) or '-1')

local function apply_snapshot(version, offset, value)
  local kept = tonumber(redis.call('HGET', at, 'snapshot_version') or '-1')
  if redis.call('EXISTS', target) == 0 then
    kept = -1
  end
  if tonumber(version) > kept or (tonumber(version) == kept and tonumber(offset) >= seen) then
    redis.call('SET', target, value)
    redis.call('HSET', at, 'snapshot_version', version)
  end
end

-- A call that is not in `calls` and is older than what is kept was trimmed, or would be at once.
local function keeps_call(id, started_ms, rows, cutoff_ms)
  if redis.call('ZSCORE', calls, id) then
    return true
  end
  if tonumber(started_ms) < cutoff_ms then
    return false
  end
  if redis.call('ZCARD', calls) < rows then
    return true
  end
  local oldest = redis.call('ZRANGE', calls, 0, 0, 'WITHSCORES')
  local score = tonumber(oldest[2])
  return tonumber(started_ms) > score or (tonumber(started_ms) == score and id > oldest[1])
end

-- Equal bytes at two offsets are one field, with the greatest offset.
local function add_adjustment(call, offset, value)
  local fields = redis.call('HGETALL', call)
  for n = 1, #fields, 2 do
    if string.sub(fields[n], 1, 2) == 'a:' and fields[n + 1] == value then
      if tonumber(string.sub(fields[n], 3)) >= tonumber(offset) then
        return
      end
      redis.call('HDEL', call, fields[n])
    end
  end
  redis.call('HSET', call, 'a:' .. offset, value)
end

-- Of two different decisions or charges of one call the one with the greatest offset stays, in whatever order they come.
local function set_field(call, field, offset, value)
  local present = redis.call('HGET', call, field)
  if present and present ~= value then
    local present_offset = redis.call('ZSCORE', target, present)
    if present_offset and tonumber(present_offset) > tonumber(offset) then
      return
    end
  end
  redis.call('HSET', call, field, value)
end

local function apply_list()
  local rows, cutoff_text, cutoff_ms, call_prefix = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6]), ARGV[7]
  local step = kind == 'calls' and 6 or 2
  local call = 4
  for n = 8, #ARGV, step do
    local offset, value = ARGV[n], ARGV[n + 1]
    redis.call('ZADD', target, 'GT', offset, value)
    if kind == 'calls' then
      local field, id, occurred_ms, started_ms = ARGV[n + 2], ARGV[n + 3], ARGV[n + 4], ARGV[n + 5]
      if keeps_call(id, started_ms, rows, cutoff_ms) then
        redis.call('ZADD', calls, 'LT', occurred_ms, id)
        if field == 'a' then
          add_adjustment(KEYS[call], offset, value)
        else
          set_field(KEYS[call], field, offset, value)
        end
      end
      call = call + 1
    end
  end
  if rows > 0 then
    trim_list(target, rows, cutoff_text)
  end
  if kind == 'calls' then
    trim_calls(calls, call_prefix, rows, cutoff_ms)
  end
end

if kind == 'snapshot' then
  apply_snapshot(ARGV[4], ARGV[5], ARGV[6])
else
  apply_list()
end
if tonumber(last) > seen then
  redis.call('HSET', at, topic, last)
end
return 1
