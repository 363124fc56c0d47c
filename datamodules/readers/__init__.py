"""Files in, arrays out; no Lightning and no batches."""
