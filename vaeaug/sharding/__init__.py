"""New rows by the billion: folders of Parquet shards, written by many workers."""
