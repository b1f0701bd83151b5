"""Bad links as a person meets them: two browsers, one call, what was heard and seen. See docs/links.md."""
