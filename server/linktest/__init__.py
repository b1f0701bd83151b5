"""The link test: what a clinic's link will carry, measured with a relay leg that belongs to no visit."""
