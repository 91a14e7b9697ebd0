//! The embedded single-node broker: Kafka's protocol over our own segment files. Knows no fraud and no pipeline.
