use super::{
    attempt::{Attempt, End},
    origin::{Origin, of},
};

/// What the client was sent, what the upstreams did, whose answer it was.
type Row<'a> = (Option<u16>, &'a [Attempt], Origin);
const OK: Attempt = Attempt::Status(200);

#[test]
fn origins_by_table() {
    use Attempt::{Ended, Open, Status, Unread};
    let refused = Ended(End::Error("ECONNREFUSED"));
    let table: &[Row] = &[
        (Some(500), &[], Origin::Own),
        (Some(500), &[Status(500)], Origin::Upstream),
        (Some(503), &[refused, Status(503)], Origin::Upstream),
        (Some(500), &[Status(404)], Origin::Intercepted),
        (Some(503), &[Status(500)], Origin::Intercepted),
        (Some(404), &[Status(500)], Origin::Masked),
        (Some(200), &[Status(500)], Origin::Masked),
        (Some(200), &[Status(500), Status(200)], Origin::Saved),
        (Some(502), &[refused], Origin::Refused),
        (Some(502), &[Status(500), refused], Origin::Refused),
        (Some(502), &[Ended(End::Closed)], Origin::Closed),
        (Some(502), &[Ended(End::Invalid)], Origin::Closed),
        (
            Some(502),
            &[Ended(End::Error("ECONNRESET"))],
            Origin::Closed,
        ),
        (Some(504), &[Ended(End::GaveUp)], Origin::TimedOut),
        (Some(504), &[Ended(End::GaveUpConnecting)], Origin::TimedOut),
        (
            Some(504),
            &[Ended(End::Error("ETIMEDOUT"))],
            Origin::TimedOut,
        ),
        (Some(500), &[Open], Origin::Own),
        (None, &[Status(500)], Origin::Unseen),
        // A good answer, as of auth_request or X-Accel-Redirect, and then nginx's own failure.
        (Some(500), &[OK], Origin::Own),
        (Some(502), &[OK], Origin::Own),
        (Some(502), &[OK, refused], Origin::Refused),
        // A mirror's end has nothing to do with the answer.
        (Some(503), &[Status(503), refused], Origin::Upstream),
        (Some(200), &[OK, refused], Origin::Saved),
        (Some(404), &[refused], Origin::Masked),
        (Some(200), &[Ended(End::Closed)], Origin::Masked),
        (Some(500), &[Unread], Origin::Unread),
        (Some(502), &[OK, Unread], Origin::Unread),
        (Some(200), &[refused, Unread], Origin::Saved),
    ];
    for (status, attempts, origin) in table {
        let whose = of(*status, None, attempts);
        assert_eq!(whose, *origin, "{status:?} {attempts:?}");
    }
}

#[test]
fn an_error_page_stands_for_what_nginx_had_begun() {
    let refused = Attempt::Ended(End::Error("ECONNREFUSED"));
    let with = |made| of(Some(200), made, &[OK, refused]);
    assert_eq!(with(Some(502)), Origin::Masked);
    assert_eq!(with(Some(404)), Origin::Saved);
}
