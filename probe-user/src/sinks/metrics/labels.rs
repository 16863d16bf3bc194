//! Which labels a metric has.

use prometheus_client::encoding::EncodeLabelSet;

macro_rules! labels {
    ($($name:ident { $($field:ident: $type:ty),* })*) => {$(
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub(super) struct $name { $(pub(super) $field: $type),* }
    )*};
}

labels! {
    OfNginx { nginx: String }
    OfExit { nginx: String, role: &'static str, reason: &'static str, signal: &'static str }
    OfResponse { nginx: String, code: u16, seen_by: &'static str }
    OfFailure { nginx: String, code: u16, cause: &'static str }
    OfReload { nginx: String, result: &'static str }
    OfCause { nginx: String, cause: &'static str }
    OfSource { source: &'static str }
    OfKind { kind: &'static str }
    OfLines { log: String, result: &'static str }
}
