"""The sidecar: one aiohttp application and the server that runs it."""
