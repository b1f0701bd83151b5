-- Everything a snapshot needs, at one instant.

local function number(kind, id)
  local key = P .. 'sq:' .. kind .. ':' .. id
  local n = call('INCR', key)
  call('EXPIRE', key, KEEP_SEQ_S)
  return n
end

-- Snapshot numbers go on from what the page has seen, also when the store has lost them.
function A.seen(kind, id, seq)
  local key = P .. 'sq:' .. kind .. ':' .. id
  if (tonumber(call('GET', key)) or 0) < tonumber(seq) then call('SET', key, seq, 'EX', KEEP_SEQ_S) end
  return 1
end

local function place(p)
  local rank, waiting
  for _, l in ipairs(split(p.la)) do
    local key = P .. 'w:' .. p.sk .. ':' .. l
    local r = call('ZRANK', key, p.id)
    if r and (not rank or r < rank) then rank, waiting = r, call('ZCARD', key) end
  end
  return rank or -1, waiting or 0
end

local function lines_of(p) return CALL[p.st] and call('LRANGE', P .. 'c:' .. p.v, 0, -1) or {} end
local function times_of(p) return {deadline('offer', p.id), deadline('intr', p.id), deadline('nlost', p.id)} end

function A.p_view(id)
  local p = getp(id)
  if not p then return {number('p', id), I(now), id, {}, {}, {}, {}, {}, {}} end
  local rank, waiting = -1, 0
  if p.st == 'waiting' then rank, waiting = place(p) end
  local n = p.nu ~= '' and call('HMGET', P .. 'n:' .. p.nu, 'ms', 'b', 'rg') or {}
  return {
    number('p', id), I(now), id, call('HGETALL', P .. 'p:' .. id), times_of(p), {rank, waiting}, lines_of(p),
    {n[1] or '', n[2] or '', n[3] or ''}, stills_of(p, 'n'),
  }
end

function A.n_view(id)
  local n = getn(id)
  if not n then return {number('n', id), I(now), {}, '', '', {}, {}, {}, {}} end
  local p = getp(n.pt)
  return {
    number('n', id), I(now), call('HGETALL', P .. 'n:' .. id), deadline('wrap', id),
    n.pt, p and call('HGETALL', P .. 'p:' .. p.id) or {}, p and times_of(p) or {}, p and lines_of(p) or {},
    p and stills_of(p, 'p') or {},
  }
end

-- The queue of some skills and languages: {how many wait, {joined at, languages, reason, suspended} …}, oldest first
function A.q_view(skills, langs, limit)
  limit = tonumber(limit)
  local seen, rows, exact = {}, {}, 0
  local sum, buckets = 0, {}
  for _, s in ipairs(split(skills)) do
    for _, l in ipairs(split(langs)) do
      local key = P .. 'w:' .. s .. ':' .. l
      sum = sum + call('ZCARD', key)
      buckets[#buckets + 1] = {key, P .. 's:' .. s .. ':' .. l}
    end
  end
  local last = (#buckets > 1 and sum <= QUEUE_COUNTED) and -1 or limit - 1
  for _, keys in ipairs(buckets) do
    for i, key in ipairs(keys) do
      local suspended = i == 2
      local r = call('ZRANGE', key, 0, suspended and limit - 1 or last, 'WITHSCORES')
      for j = 1, #r, 2 do
        if not seen[r[j]] then
          seen[r[j]] = true
          rows[#rows + 1] = {r[j], tonumber(r[j + 1]), suspended}
          if not suspended then exact = exact + 1 end
        end
      end
    end
  end
  table.sort(rows, function(a, b) if a[2] == b[2] then return a[1] < b[1] end return a[2] < b[2] end)
  local out = {last == -1 and exact or sum}
  for i = 1, math.min(limit, #rows) do
    local f = call('HMGET', P .. 'p:' .. rows[i][1], 'jt', 'lf', 'rs')
    out[#out + 1] = {f[1] or '', f[2] or '', f[3] or '', rows[i][3] and '1' or '0'}
  end
  return out
end
