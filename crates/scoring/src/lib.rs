//! Event and state to decision, one pure synchronous call per batch. Knows no tokio, arrow or IO.
