//! The files that dbt leaves in `target/` and that tools of its world read: manifest, run results, sources, catalog; in dbt's shapes.

mod catalog;
mod manifest;
mod results;

pub use catalog::catalog;
pub use manifest::manifest;
pub use results::{run_results, sources};

use serde_json::{Value as Json, json};

/// The versions of dbt's schemas that these files follow.
const MANIFEST: &str = "https://schemas.getdbt.com/dbt/manifest/v12.json";
const RUN_RESULTS: &str = "https://schemas.getdbt.com/dbt/run-results/v6.json";
const SOURCES: &str = "https://schemas.getdbt.com/dbt/sources/v3.json";
const CATALOG: &str = "https://schemas.getdbt.com/dbt/catalog/v1.json";

/// What the dialect is modelled on, for tools that ask.
const DBT_VERSION: &str = "1.11.0";

/// The one database there is.
const DATABASE: &str = "sluice";

/// Of one invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub id: String,
    /// RFC 3339.
    pub started_at: String,
    pub generated_at: String,
}

fn metadata(schema: &str, invocation: &Invocation) -> Json {
    json!({
        "dbt_schema_version": schema, "dbt_version": DBT_VERSION, "generated_at": invocation.generated_at,
        "invocation_id": invocation.id, "invocation_started_at": invocation.started_at, "env": {},
    })
}

#[cfg(test)]
mod tests;
