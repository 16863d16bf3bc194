//! What was seen of one failed answer, and the verdict that is made of it.

use super::{
    Cause, Confidence, Correlator, Evidence,
    answers::told_by_messages_alone,
    cases::Case,
    rules::Judged,
    signs::{self, Seen},
    subjects::{Subject, Subjects},
    summary,
};
use crate::{
    clock::Time,
    error_log::{self, Class},
    facts::{Instance, Noted, Served, Sources},
    names::Name,
    records::Response,
    requests::{Attempt, End, RequestLine},
};

/// A failed answer with its cause.
#[derive(Debug)]
pub(super) struct Verdict {
    pub time: Time,
    pub instance: Instance,
    pub code: u16,
    pub cause: Cause,
    pub confidence: Confidence,
    /// The last upstream's address.
    pub upstream: Option<String>,
    pub pieces: Vec<Evidence>,
    /// What it is about.
    pub subjects: Subjects,
    /// What exactly it is.
    pub detail: Option<Name>,
    pub response: Option<Box<Response>>,
}

impl Correlator {
    pub(super) fn seen(&self, case: &Case, sources: Sources) -> Seen {
        let answer = case.answer.as_deref();
        let logged = case.logged.as_deref();
        let note = told_note(case);
        let said = !case.notes.is_empty()
            || answer.is_some_and(|answer| answer.explained().is_some() || answer.says_words());
        let made = answer.is_some_and(|answer| answer.made == Some(case.status));
        Seen {
            kernel: answer
                .map(|answer| signs::of_answer(answer, case.status, logged, sources))
                .unwrap_or_default(),
            error_log: note
                .map(|note| signs::of_note(note, case.status))
                .unwrap_or_default(),
            access_log: logged.map(signs::of_line).unwrap_or_default(),
            inferred: signs::inferred(
                signs::Absent::of(case, sources, said),
                made,
                &self.served(case),
            ),
        }
    }

    /// What the configuration says of where the request was served.
    pub(super) fn served(&self, case: &Case) -> Served {
        let returns = self.returns.get(&case.instance);
        let served = returns.zip(request(case));
        let served = served.map(|(returns, request)| returns.serve(&request.path, case.status));
        served.unwrap_or_default()
    }

    pub(super) fn verdict(&self, case: &Case, judged: Judged) -> Verdict {
        let mut pieces = Vec::new();
        let mut seen_by = Vec::new();
        if let Some(answer) = &case.answer {
            pieces.push(summary::of_answer(answer, case.status));
            seen_by.push("kernel");
        }
        if let Some(logged) = &case.logged {
            pieces.push(summary::of_line(logged));
            seen_by.push("access_log");
        }
        let sources = self.sources(&case.instance);
        // What a message alone has told of is evidence already.
        let told = |note: &&Noted| !told_by_messages_alone(sources, note);
        if let Some(note) = told_note(case).filter(told) {
            pieces.push(summary::of_note(note));
            seen_by.push("error_log");
        }
        if judged.cause == Cause::Unknown
            && let Some(why) = summary::of_unknown(sources)
        {
            pieces.push(why);
        }
        let answer = case.answer.as_deref();
        let logged = case.logged.as_deref();
        let note = told_note(case);
        let upstream = upstream(case, judged.cause);
        let request = request(case);
        let place = self.served(case).place;
        if judged.cause == Cause::ScriptResponse {
            pieces.insert(0, summary::of_script(case.status));
        }
        let place = place.filter(|_| judged.cause == Cause::ConfigResponse);
        if let Some(place) = &place {
            pieces.insert(0, summary::of_place(place, case.status));
        }
        let line = request.map(|request| format!("{} {}", request.method, request.path));
        let attempt = answer.and_then(|answer| answer.attempts.last());
        let unconnected = upstream
            .as_deref()
            .filter(|_| attempt == Some(&Attempt::Ended(End::GaveUpConnecting)));
        let explained = answer.and_then(|answer| answer.explained());
        let class = note
            .map(|note| note.class)
            .or(explained.map(|said| said.class));
        let module = class
            .and_then(Class::module)
            .filter(|_| judged.cause == Cause::ModuleError);
        let class = class.map(|class| class.name);
        let subjects = Subjects::default()
            .with(Subject::Upstream, upstream.as_deref())
            .with(Subject::Protocol, answer.and_then(|answer| answer.protocol))
            .with(Subject::File, note.and_then(file_of))
            .with(Subject::Request, line.as_deref())
            .with(Subject::Place, place.as_deref())
            .with(Subject::Class, class)
            .with(Subject::Rule, note.and_then(|note| note.rule.as_deref()))
            .with(Subject::Module, module)
            .with(Subject::Unconnected, unconnected);
        let response = self.tell_responses.then(|| {
            let mut response = match (answer, logged) {
                (Some(answer), _) => Response::of(answer, case.status, judged.cause),
                (None, Some(logged)) => Response::of_line(logged, judged.cause),
                (None, None) => Response::default(),
            };
            response.seen_by = seen_by;
            if let Some(request) = request {
                response.method = Some(request.method.clone());
                response.path = Some(request.path.clone());
            }
            Box::new(response)
        });
        Verdict {
            time: case.time,
            instance: case.instance.clone(),
            code: case.status,
            cause: judged.cause,
            confidence: judged.confidence,
            upstream,
            pieces,
            subjects,
            detail: module,
            response,
        }
    }
}

/// The file that a message is about.
pub(super) fn file_of(note: &Noted) -> Option<&str> {
    note.file.as_deref().map(summary::without_number)
}

/// The request, from whoever knows it.
fn request(case: &Case) -> Option<&RequestLine> {
    let answer = case.answer.as_ref();
    let logged = case.logged.as_ref();
    (answer.and_then(|answer| answer.request.as_ref()))
        .or_else(|| logged.and_then(|logged| logged.request.as_ref()))
}

/// The upstream that a failure is about, where it is about one.
fn upstream(of: &Case, cause: Cause) -> Option<String> {
    let of_upstream = matches!(
        cause,
        Cause::UpstreamResponse
            | Cause::UpstreamIntercepted
            | Cause::UpstreamMasked
            | Cause::UpstreamRefused
            | Cause::UpstreamTimeout
            | Cause::UpstreamClosed
    );
    if !of_upstream {
        return None;
    }
    let answer = of.answer.as_ref();
    let logged = of.logged.as_ref();
    let seen = answer.and_then(|answer| answer.about(of.status).map(str::to_owned));
    seen.or_else(|| logged.and_then(|logged| logged.upstream.clone()))
        .or_else(|| told_note(of).and_then(|note| note.upstream.clone()))
        // A good beginning of an answer that turned out to be none.
        .or_else(|| answer.and_then(|answer| answer.upstream.clone()))
}

/// The message that tells of the failure itself, and not of an earlier attempt; else words that no
/// class knows.
fn told_note(case: &Case) -> Option<&Noted> {
    let tells = |note: &&Noted| match note.class.answer {
        // What was made better of it is known, and why there was need to is not.
        error_log::Answer::Status(status) if case.status < 500 && case.answer.is_none() => {
            status >= 500
        }
        error_log::Answer::Status(_) | error_log::Answer::Fails => note.class.may_give(case.status),
        _ => note.class.cause.is_some(),
    };
    let words = |note: &&Noted| note.class.says_words();
    let notes = || case.notes.iter();
    notes().rfind(tells).or_else(|| notes().rfind(words))
}
