"""The sink: smooths every track's distribution over time, then writes Redis Streams and Parquet."""
