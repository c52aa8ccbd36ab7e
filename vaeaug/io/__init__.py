"""Files in and out: CSV and Parquet tables, the archive of a model, checkpoints of a fit."""
