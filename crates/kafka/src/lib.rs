//! Source and Sink on a Kafka client, for a real cluster. Knows no fraud.
