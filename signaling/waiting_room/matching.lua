-- Who is offered to whom.

local function fits(p, n)
  if not has(n.sk, p.sk) or has(p.dec, n.id) then return false end
  for _, l in ipairs(split(p.la)) do if has(n.la, l) then return true end end
  return false
end

local function offer(p, n)
  local g = I(call('INCR', P .. 'seq'))
  bucket_rem('w', p)
  idle_rem(n)
  -- The nurse's leg is a new one for each offer: the page of a former nurse never hears this visit.
  set(p, 'st', 'offered', 'nu', n.id, 'g', g, 'ne', I((tonumber(p.ne) or 0) + 1), 'nm', '0')
  nurse_state(n, 'offered')
  set(n, 'pt', p.id, 'g', g, 'b', '', 'lm', '', 'rg', '')
  timer('offer', p.id, T_OFFER)
  emit('offered', p, n)
end

-- The first of a sorted set that `accepts`, looked for in slices.
local function first_of(key, accepts)
  local at = 0
  while true do
    local r = call('ZRANGE', key, at, at + 19, 'WITHSCORES')
    if #r == 0 then return nil end
    for i = 1, #r, 2 do
      if accepts(r[i]) then return r[i], tonumber(r[i + 1]) end
    end
    at = at + 20
  end
end

local function match_patient(p)     -- p waits, is connected, and is in its buckets
  if p.pref ~= '' then
    local n = getn(p.pref)
    if n and n.st == 'idle' and fits(p, n) then return offer(p, n) end
  end
  local best, best_score
  for _, l in ipairs(split(p.la)) do
    local id, score = first_of(P .. 'i:' .. p.sk .. ':' .. l, function(x) return not has(p.dec, x) end)
    if id and (not best or score < best_score) then best, best_score = id, score end
  end
  if best then offer(p, getn(best)) end
end

local function match_nurse(n)       -- n is idle, connected, and in her buckets
  local best, best_score
  local function not_declined(id) return not has(call('HGET', P .. 'p:' .. id, 'dec') or '', n.id) end
  each_idle_bucket(n, function(_, waiting)
    local id, score = first_of(waiting, not_declined)
    if id and (not best or score < best_score) then best, best_score = id, score end
  end)
  local id, score = first_of(P .. 'wp:' .. n.id, function(x) return fits(getp(x), n) end)
  if id and (not best or score - PREFER < best_score) then best = id end
  if best then offer(getp(best), n) end
end
