//! Answers that were sent with a status below 500: which of them are failures.

use super::{Cause, Correlator, cases::Case};
use crate::access_log::how::How;

impl Correlator {
    /// Whether an answer that was sent with a status below 500 is not known to be a failure: another
    /// upstream may have helped, a script may have, or it was a mirror that failed.
    pub(super) fn is_no_failure(&self, of: &Case, cause: Cause) -> bool {
        if cause == Cause::Unknown || self.may_be_mirrored(of) {
            return true;
        }
        let by_message = of.answer.is_none() && cause == Cause::UpstreamMasked;
        let told = of
            .logged
            .as_ref()
            .is_some_and(|line| line.how == How::Masked);
        if !by_message || told {
            return false;
        }
        let Some(returns) = self.returns.get(&of.instance) else {
            return true;
        };
        let part = of.notes.iter().find_map(|note| note.subrequest.as_deref());
        let request = of.logged.as_ref().and_then(|line| line.request.as_ref());
        let path = part.or(request.map(|request| &*request.path));
        let served = path.map(|path| returns.serve(path, of.status));
        part.is_some_and(|part| returns.mirrors(part))
            || served.is_none_or(|served| served.several || served.scripted)
    }
}
