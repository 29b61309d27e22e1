"""What a browser and a monitor see: a live page, metrics, health. It reads; nothing in the pipeline waits for it."""
