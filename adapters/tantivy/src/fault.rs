//! tantivy's errors as faults; they do not leave this crate otherwise.

use madrigal_core::Fault;
use tantivy::TantivyError;

/// A failed read or write of the index. Nothing that was committed is affected.
pub(crate) fn of(operation: &'static str, error: TantivyError) -> Fault {
    match error {
        TantivyError::DataCorruption(_) | TantivyError::SchemaError(_) | TantivyError::InvalidArgument(_) => {
            Fault::permanent("tantivy", operation, error)
        }
        other => Fault::not_applied("tantivy", operation, other),
    }
}

/// Work that panicked or was cut off by the end of the runtime.
pub(crate) fn cut(operation: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> Fault {
    Fault::unknown("tantivy", operation, error)
}
