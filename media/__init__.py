"""Everything that is a packet: legs, rooms and the relay worker. Imports neither `signaling` nor `server`."""
