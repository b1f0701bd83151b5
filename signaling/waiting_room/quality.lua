-- What the relay says of a leg: the limits of what it sends, and what its link was measured to carry. What is said of a
-- leg that has been replaced changes nothing.

-- role, person, epoch of the leg, limits as JSON, "rung:why:whose" -> 1 when they are those of the leg in use
function A.limits(role, id, epoch, json, rung)
  local p, n = sides(role, id)
  if not p or p.st == 'ended' or p[role == 'p' and 'pe' or 'ne'] ~= epoch then return 0 end
  local h = role == 'p' and p or n
  local is_new = h.rg ~= rung
  set(h, 'lm', json, 'rg', rung)
  if is_new and n and CALL[p.st] then
    rung_written(role, h, p, n)
    tell('peer', p, n, peer_text(role, h))
  end
  return 1
end

-- patient, epoch of the leg, the test as JSON -> 1 when it is news
function A.link(id, epoch, json)
  local p = getp(id)
  if not p or p.st == 'ended' or p.pe ~= epoch or p.lt == json then return 0 end
  set(p, 'lt', json)
  if p.st == 'offered' then tell('changed', nil, getn(p.nu)) end
  return 1
end
