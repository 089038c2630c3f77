"""One account: its plugin, its adapter, what stands in front of it, and routes over several accounts."""
