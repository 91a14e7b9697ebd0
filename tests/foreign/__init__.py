"""Programs that none of us wrote, run against Sluice's broker and against Apache Kafka, and what they say compared."""
