"""The whole product, driven by real browsers."""
