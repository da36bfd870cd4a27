-- Removes what is no longer kept of one account.
-- KEYS: calls, then the lists that are trimmed. ARGV: rows kept, cutoff as text, cutoff in ms, prefix of call keys.
for n = 2, #KEYS do
  trim_list(KEYS[n], tonumber(ARGV[1]), ARGV[2])
end
trim_calls(KEYS[1], ARGV[4], tonumber(ARGV[1]), ARGV[3])
return 1
