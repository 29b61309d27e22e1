"""The face detector: its network, its training on a teacher's labels, its export and its measurement."""
