"""The bus: messages between stages in different processes, by way of Redis Streams."""
