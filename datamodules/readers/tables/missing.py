"""Words of a column that say that a value is missing."""

MISSING = (
    *("NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "None"),
    *("NULL", "null", "\\N"),
)
"""What programs write for an entry that is missing."""
