"""Everything that is live: who is connected, who waits, who is offered to whom. Its only truth is in Redis."""
