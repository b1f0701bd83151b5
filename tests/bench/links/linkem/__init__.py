"""The link emulator."""
