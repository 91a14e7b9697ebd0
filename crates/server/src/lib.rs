//! HTTP API with OpenAPI behind a trait. Knows no DataFusion, Kafka or SQL driver.
