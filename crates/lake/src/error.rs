//! Errors of Delta and of SQL, sorted by what the reader must do next.

use datafusion::error::DataFusionError;
use deltalake::DeltaTableError;
use deltalake::kernel::transaction::TransactionError;
use domain::Error;

/// What went wrong with a table. Storage that is away, slow or full may be better soon; so is a version that another writer took first.
pub(crate) fn delta(what: impl std::fmt::Display, e: DeltaTableError) -> Error {
    let message = what.to_string();
    match &e {
        DeltaTableError::SchemaMismatch { .. } => {
            Error::stop(message, "give the table columns of the types it has, or write it anew (overwrite, --full-refresh)").because(e)
        }
        DeltaTableError::NotATable(_) | DeltaTableError::InvalidTableLocation(_) => {
            Error::stop(message, "`sluice lake status` names the tables there are").because(e)
        }
        DeltaTableError::InvalidVersion(_) | DeltaTableError::InvalidDateTimeString { .. } => {
            Error::stop(message, "`sluice lake history TABLE` shows its versions; old ones are forgotten").because(e)
        }
        DeltaTableError::Transaction { source: TransactionError::UnsupportedTableFeatures(_) | TransactionError::DeltaTableAppendOnly } => {
            Error::stop(message, "another program gave the table a feature that cannot be written here; take it off again").because(e)
        }
        _ => Error::retry(message).because(e),
    }
}

/// What went wrong with a query: mostly the query.
pub(crate) fn sql(what: impl std::fmt::Display, e: DataFusionError) -> Error {
    let message = what.to_string();
    match e.find_root() {
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) => Error::retry(message).because(e),
        DataFusionError::ResourcesExhausted(_) => {
            Error::stop(message, "the query needs more memory than it may have; take fewer rows or columns at once").because(e)
        }
        DataFusionError::Internal(_) => Error::bug(message).because(e),
        _ => Error::stop(message, "correct the query; `sluice lake describe TABLE` shows a table's columns").because(e),
    }
}
