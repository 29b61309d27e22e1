"""What scripts that run inside Redis have in common."""

from typing import Final

MISTYPED: Final = """
-- The error for a key that holds something else than `wanted`, or nil. Scripts ask before they write: what fails
-- half-way is not taken back.
local function mistyped(key, wanted)
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'none' and kind ~= wanted then return redis.error_reply('WRONGTYPE ' .. key .. ' holds a ' .. kind) end
end
"""
"""Lua, to be put before a script."""
