"""What each stage of the pipeline computes, and the contracts between stages; no process, no broker.

The folders read in the order in which data flows::

    source ─▶ ingest ─Frame▶ tracker ─Faces▶ inference ─Scores▶ sink ─Results▶ Redis Streams, Parquet
"""
