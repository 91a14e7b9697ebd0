//! The lake: Delta tables on disk or object storage, and the SQL session over them.
