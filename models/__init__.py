"""The networks that affectstream ships, their cards, and the code that trains and measures them."""

# Turns ONNX Runtime's telemetry off, before anything in here loads ONNX Runtime.
import pipeline  # noqa: F401
