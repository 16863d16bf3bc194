//! Applications answer with statuses that nobody has heard of, without a reason, and with bare line feeds.

use std::fmt::Write as _;

use anyhow::Result;
use nginx_probe_tests::fixed::Fixed;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "odd-answers",
    about: "failing answers that few applications give",
    play,
};

const ANSWERS: [(u16, &str); 3] = [
    (500, "HTTP/1.1 500\r\nContent-Length: 1\r\n\r\nx"),
    (599, "HTTP/1.1 599 Network Connect Timeout Error\r\n\r\nx"),
    (503, "HTTP/1.0 503 Later\nContent-Type: text/plain\n\nx"),
];

fn play(set: Set) -> Result<Judgement> {
    let (mut locations, mut applications) = (String::new(), Vec::new());
    for (status, answer) in ANSWERS {
        let app = Fixed::closing(answer)?;
        let port = app.port();
        writeln!(
            locations,
            "location = /{status} {{ proxy_pass http://127.0.0.1:{port}; }}"
        )?;
        applications.push(app);
    }
    let mut stage = set.location(&locations).start()?;
    for (status, _) in ANSWERS {
        stage.fail(&format!("/{status}"), status, 10, "upstream_response")?;
    }
    stage.judge()
}
