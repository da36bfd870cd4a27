-- Shared by apply.lua and trim.lua: what is no longer kept of an account's lists and calls.

local function is_older(member, cutoff_text)
  local read, event = pcall(cjson.decode, member)
  local at = read and type(event) == 'table' and event.occurred_at
  return type(at) == 'string' and string.sub(at, 1, 19) < cutoff_text
end

local function trim_list(list, rows, cutoff_text)
  redis.call('ZREMRANGEBYRANK', list, 0, -(rows + 1))
  local first = redis.call('ZRANGE', list, 0, 0)[1]
  while first and is_older(first, cutoff_text) do
    redis.call('ZREMRANGEBYRANK', list, 0, 0)
    first = redis.call('ZRANGE', list, 0, 0)[1]
  end
end

-- A call that leaves `calls` loses its hash. The hash has the account's hash tag, as every key here.
local function drop_calls(calls, call_prefix, ids)
  for _, id in ipairs(ids) do
    redis.call('UNLINK', call_prefix .. id)
    redis.call('ZREM', calls, id)
  end
end

local function trim_calls(calls, call_prefix, rows, cutoff_ms)
  drop_calls(calls, call_prefix, redis.call('ZRANGEBYSCORE', calls, '-inf', '(' .. cutoff_ms))
  local extra = redis.call('ZCARD', calls) - rows
  if extra > 0 then
    drop_calls(calls, call_prefix, redis.call('ZRANGE', calls, 0, extra - 1))
  end
end
