//! Files to records: CSV, JSON lines, Parquet. Knows no scoring.
