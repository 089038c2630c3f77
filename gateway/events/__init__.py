"""Events: how they come in, are completed from records and live calls, and are read again."""
