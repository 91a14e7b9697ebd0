//! Source, Stage, Sink, Clock; the sequence; the one loop; in-memory versions and the shared suites. Knows no fraud and no store.
