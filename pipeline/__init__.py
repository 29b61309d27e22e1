"""What each stage of the pipeline computes, and the contracts between stages.

It starts no process, and knows Redis only as a place to publish to.

The folders read in the order in which data flows::

    source ─▶ ingest ─Frame▶ tracker ─Faces▶ inference ─Scores▶ sink ─Results▶ Redis Streams, Parquet
"""

import os

# ONNX Runtime reports its use to its makers unless told otherwise before it is loaded. Whoever wants that sets it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
