use super::{
    attempt::{Attempt, End},
    origin::{Origin, of},
};

/// What the client was sent, what the upstreams did, whose answer it was.
type Row<'a> = (Option<u16>, &'a [Attempt], Origin);

#[test]
fn origins_by_table() {
    use Attempt::{Ended, Open, Status};
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
    ];
    for (status, attempts, origin) in table {
        assert_eq!(of(*status, attempts), *origin, "{status:?} {attempts:?}");
    }
}
