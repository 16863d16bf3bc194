//! Which labels a metric has.

use prometheus_client::encoding::EncodeLabelSet;

/// Labels of a metric that each nginx has series of its own of.
pub(super) trait OfInstance {
    /// Which nginx.
    fn nginx(&self) -> &str;
}

macro_rules! labels {
    ($($name:ident { $($field:ident: $type:ty),* })*) => {$(
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub(super) struct $name { $(pub(super) $field: $type),* }
    )*};
}

macro_rules! labels_of_instance {
    ($($name:ident { $($field:ident: $type:ty),* })*) => {$(
        labels! { $name { nginx: String $(, $field: $type)* } }
        impl OfInstance for $name {
            fn nginx(&self) -> &str {
                &self.nginx
            }
        }
    )*};
}

labels_of_instance! {
    OfNginx {}
    OfExit { role: &'static str, reason: &'static str, signal: &'static str }
    OfBackendExit { reason: &'static str, signal: &'static str }
    OfResponse { code: u16, seen_by: &'static str }
    OfFailure { code: u16, cause: &'static str }
    OfDrop { reason: &'static str }
    OfStall { errno: &'static str }
    OfFailedCall { syscall: &'static str, errno: &'static str }
    OfSlot { worker: u32 }
    OfLoss { reason: &'static str }
    OfReload { result: &'static str }
    OfCause { cause: &'static str }
    OfThreshold { threshold: &'static str }
    OfMessage { level: &'static str, class: &'static str }
}

labels! {
    OfSource { source: &'static str }
    OfKind { kind: &'static str }
    OfLog { log: &'static str }
    OfLines { log: &'static str, result: &'static str }
}
