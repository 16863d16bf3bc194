//! What nginx answers by itself: `error_page` and `return`.

use std::sync::Arc;

use super::lexer::Words;
use super::pool::Pool;
use super::units::number;

/// The status that an error page is sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PageStatus {
    /// The error's own.
    Keep,
    /// `=`: that of whatever answers for the page.
    OfPage,
    /// `=CODE`
    Code(u16),
}

/// What an error page is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PageTarget {
    /// A path, which is looked up as a request for it would be.
    Uri(Arc<str>),
    /// `@NAME`, with the `@`.
    Named(Arc<str>),
    /// Another address, to which the client is redirected.
    Url(Arc<str>),
    /// Known for each request only; the text with its variables.
    Variable(Arc<str>),
}

/// One `error_page`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ErrorPage {
    /// The statuses it stands for.
    pub codes: Arc<[u16]>,
    /// The status that is sent.
    pub status: PageStatus,
    /// What is sent.
    pub target: PageTarget,
}

impl ErrorPage {
    /// `error_page CODE … [=[CODE]] TARGET`; `None` for what nginx refuses, or with no room left.
    pub(super) fn of(words: &Words, pool: &mut Pool) -> Option<Self> {
        let mut before: Vec<&[u8]> = words.arguments().collect();
        let target = before.pop()?;
        let status = match before.last() {
            Some([b'=']) => PageStatus::OfPage,
            Some([b'=', code @ ..]) => PageStatus::Code(number(code)?),
            _ => PageStatus::Keep,
        };
        if status != PageStatus::Keep {
            before.pop();
        }
        let codes: Option<Vec<u16>> = before.into_iter().map(code_of).collect();
        let codes = codes.filter(|codes| !codes.is_empty())?;
        let target_text = pool.text(target);
        let target = match target {
            _ if target.contains(&b'$') => PageTarget::Variable(target_text),
            [b'/', ..] => PageTarget::Uri(target_text),
            [b'@', ..] => PageTarget::Named(target_text),
            _ => PageTarget::Url(target_text),
        };
        pool.take_bytes(size_of::<Self>() + size_of_val(&*codes))
            .then(|| Self {
                codes: codes.into(),
                status,
                target,
            })
    }
}

/// A status that may have an error page.
fn code_of(word: &[u8]) -> Option<u16> {
    number(word).filter(|code| (300..=599).contains(code) && *code != 499)
}

/// One `return`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Return {
    /// The status; 302 when only an address is given.
    pub code: u16,
    /// The text or address.
    pub text: Option<Arc<str>>,
}

impl Return {
    /// `return CODE [TEXT]` or `return URL`; `None` for what nginx refuses.
    pub(super) fn of(words: &Words, pool: &mut Pool) -> Option<Self> {
        let first = words.argument(0)?;
        let text = words.argument(1);
        if let Some(code) = number::<u16>(first) {
            return (code <= 999).then(|| Self {
                code,
                text: text.map(|text| pool.text(text)),
            });
        }
        let is_url = [&b"http://"[..], b"https://", b"$scheme"]
            .iter()
            .any(|begin| first.starts_with(begin));
        (is_url && text.is_none()).then(|| Self {
            code: 302,
            text: Some(pool.text(first)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::{Lexer, Statement};
    use super::*;

    fn with<T>(text: &str, read: impl Fn(&Words, &mut Pool) -> T) -> T {
        match Lexer::new(text.as_bytes()).statement().unwrap().unwrap() {
            Statement::Simple(words) => read(&words, &mut Pool::new(10_000)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn error_page_forms() {
        use PageStatus::{Code, Keep, OfPage};
        for (text, codes, status, target) in [
            (
                "error_page 500 502 /5x.html;",
                &[500, 502][..],
                Keep,
                PageTarget::Uri("/5x.html".into()),
            ),
            (
                "error_page 404 = @back;",
                &[404],
                OfPage,
                PageTarget::Named("@back".into()),
            ),
            (
                "error_page 404 =200 /e;",
                &[404],
                Code(200),
                PageTarget::Uri("/e".into()),
            ),
            (
                "error_page 403 =301 http://h/;",
                &[403],
                Code(301),
                PageTarget::Url("http://h/".into()),
            ),
            (
                "error_page 403 /x$uri;",
                &[403],
                Keep,
                PageTarget::Variable("/x$uri".into()),
            ),
        ] {
            let page = with(text, ErrorPage::of).unwrap();
            assert_eq!((&*page.codes, page.status), (codes, status), "{text}");
            assert_eq!(page.target, target, "{text}");
        }
        for text in [
            "error_page;",
            "error_page /x;",
            "error_page =200 /x;",
            "error_page 499 /x;",
            "error_page 200 /x;",
            "error_page 600 /x;",
            "error_page 404 =x /x;",
            "error_page 404 500x /x;",
        ] {
            assert_eq!(with(text, ErrorPage::of), None, "{text}");
        }
    }

    #[test]
    fn return_forms() {
        for (text, code, shown) in [
            ("return 500;", 500, None),
            ("return 200 'ok';", 200, Some("ok")),
            ("return https://h/;", 302, Some("https://h/")),
            ("return $scheme://h/;", 302, Some("$scheme://h/")),
        ] {
            let found = with(text, Return::of).unwrap();
            assert_eq!((found.code, found.text.as_deref()), (code, shown), "{text}");
        }
        for text in ["return;", "return 1000;", "return /x;", "return x y;"] {
            assert_eq!(with(text, Return::of), None, "{text}");
        }
    }
}
