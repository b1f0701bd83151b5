-- Still pictures, from one side of an accepted visit to the other. Kept while the visit lasts, within bounds that one
-- side cannot use up for the other: so many of each side, so many bytes of each side, so many of the programme.

local STILLS_EACH, STILLS_EACH_BYTES, STILLS_ALL_BYTES, KEEP_STILL_S = 3, 6291456, 268435456, 43200
local NO_CALL, NO_STILL, NO_ROOM, OTHER_TYPE = -1, -2, -3, -4

local function still_key(letters, visit, role, id) return P .. letters .. ':' .. visit .. ':' .. role .. ':' .. id end
local function stills_key(visit, role) return P .. 'sl:' .. visit .. ':' .. role end
local function other(role) return role == 'p' and 'n' or 'p' end

-- A member of the lists is <visit>:<side>:<still>:<bytes>; none of these has a colon in it.
local function still_free(member)
  local visit, role, id, bytes = string.match(member, '^([^:]*):([^:]*):([^:]*):(%d+)$')
  call('DEL', still_key('sm', visit, role, id), still_key('sd', visit, role, id))
  call('LREM', stills_key(visit, role), 0, member)
  if call('ZREM', P .. 'st', member) == 1 then call('DECRBY', P .. 'sb', bytes) end
  return tonumber(bytes)
end

local function stills_free(visit)
  for _, role in ipairs({'p', 'n'}) do
    for _, member in ipairs(call('LRANGE', stills_key(visit, role), 0, -1)) do still_free(member) end
  end
end

-- What one side can do without soonest: its oldest view, which the next one replaces anyway; else its oldest.
local function still_to_free(visit, role, own)
  for i, member in ipairs(own) do
    local form = call('HGET', still_key('sm', visit, role, string.match(member, '([^:]*):%d+$')), 'form')
    if not form or string.sub(form, -5) == ' view' then return i end
  end
  return 1
end

local function stills_make_room(visit, role, bytes)
  for _, member in ipairs(call('ZRANGEBYSCORE', P .. 'st', '-inf', I(now - KEEP_STILL_S * 1000), 'LIMIT', 0, 100)) do
    still_free(member)
  end
  local own = call('LRANGE', stills_key(visit, role), 0, -1)
  local sum = 0
  for _, member in ipairs(own) do sum = sum + tonumber(string.match(member, '%d+$')) end
  while #own > 0 and (#own >= STILLS_EACH or sum + bytes > STILLS_EACH_BYTES) do
    sum = sum - still_free(table.remove(own, still_to_free(visit, role, own)))
  end
  while (tonumber(call('GET', P .. 'sb') or '0') or 0) + bytes > STILLS_ALL_BYTES do
    local oldest = call('ZRANGE', P .. 'st', 0, 0)[1]
    if not oldest then return call('DEL', P .. 'sb') end
    still_free(oldest)
  end
end

local function still_text(visit, role, id)
  local m = call('HMGET', still_key('sm', visit, role, id), 'form', 'bytes', 'have', 'at')
  return m[1] and id .. ' ' .. m[1] .. ' ' .. m[2] .. ' ' .. m[3] .. ' ' .. m[4]
end

local function stills_of(p, role)
  local texts = {}
  for _, member in ipairs(CALL[p.st] and call('LRANGE', stills_key(p.v, role), 0, -1) or {}) do
    texts[#texts + 1] = still_text(p.v, role, string.match(member, '([^:]*):%d+$')) or nil
  end
  return texts
end

-- role, person, still, "type width height kind", bytes -> how much of it there is already
function A.still_begin(role, id, still, form, bytes)
  local p, n = in_call(role, id)
  if not p then return NO_CALL end
  local key = still_key('sm', p.v, role, still)
  local known = call('HMGET', key, 'form', 'bytes', 'have')
  if known[1] then return known[1] == form and known[2] == bytes and tonumber(known[3]) or NO_STILL end
  stills_make_room(p.v, role, tonumber(bytes))
  local member = p.v .. ':' .. role .. ':' .. still .. ':' .. bytes
  call('HSET', key, 'form', form, 'bytes', bytes, 'have', '0', 'at', I(now))
  call('EXPIRE', key, KEEP_STILL_S)
  call('RPUSH', stills_key(p.v, role), member)
  call('EXPIRE', stills_key(p.v, role), KEEP_STILL_S)
  call('ZADD', P .. 'st', I(now), member)
  call('INCRBY', P .. 'sb', bytes)
  tell('still', p, n, role .. ' ' .. still_text(p.v, role, still))
  return 0
end

-- role, person, still, offset, type as the first bytes say it, data -> how much of it there is now; a piece that is not
-- the next one changes nothing. The other side is told at each quarter.
function A.still_part(role, id, still, offset, type_said, data)
  local p, n = in_call(role, id)
  if not p then return NO_CALL end
  local key, data_key = still_key('sm', p.v, role, still), still_key('sd', p.v, role, still)
  local m = call('HMGET', key, 'bytes', 'have', 'form')
  if not m[1] then return NO_STILL end
  local bytes, had = tonumber(m[1]), tonumber(m[2])
  if tonumber(offset) ~= had then return had end
  if had + #data > bytes then return NO_ROOM end
  if had == 0 and string.sub(m[3], 1, #type_said + 1) ~= type_said .. ' ' then return OTHER_TYPE end
  local have = call('APPEND', data_key, data)
  if had == 0 then call('EXPIRE', data_key, KEEP_STILL_S) end
  call('HSET', key, 'have', I(have))
  if math.floor(have * 4 / bytes) > math.floor(had * 4 / bytes) then
    tell('still', p, n, role .. ' ' .. still_text(p.v, role, still))
  end
  return have
end

-- role, person, still of the other side, offset, at most -> a piece of it
function A.still_want(role, id, still, offset, max)
  local p = in_call(role, id)
  if not p then return NO_CALL end
  if call('EXISTS', still_key('sm', p.v, other(role), still)) == 0 then return NO_STILL end
  local from = tonumber(offset)
  return call('GETRANGE', still_key('sd', p.v, other(role), still), I(from), I(from + tonumber(max) - 1))
end

-- role, person, still of the other side whose original is wanted, '' for a new picture
function A.still_ask(role, id, still)
  local p, n = in_call(role, id)
  if not p then return NO_CALL end
  if still ~= '' and call('EXISTS', still_key('sm', p.v, other(role), still)) == 0 then return NO_STILL end
  tell('asked', p, n, role .. ' ' .. still)
  return 1
end

-- role, person: no photograph will come of this side
function A.still_refuse(role, id)
  local p, n = in_call(role, id)
  if not p then return NO_CALL end
  tell('refused', p, n, role)
  return 1
end
