//! An application behind SCGI answers 500, closes without a word, or writes the traceback of its exception where
//! headers belong.

use anyhow::Result;
use nginx_probe_tests::fixed::Fixed;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "scgi",
    about: "an application behind SCGI fails",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let explicit = Fixed::closing("Status: 500 Sorry\r\nContent-Type: text/plain\r\n\r\nsorry")?;
    let bare = Fixed::closing("Traceback (most recent call last):\n  File \"app.py\", line 1\n\n")?;
    let closing = Fixed::closing("")?;
    let mut stage = set
        .location(&format!(
            "location = /explicit {{ scgi_pass 127.0.0.1:{}; }}
             location = /bare {{ scgi_pass 127.0.0.1:{}; }}
             location = /closing {{ scgi_pass 127.0.0.1:{}; }}",
            explicit.port(),
            bare.port(),
            closing.port()
        ))
        .start()?;
    stage.fail("/explicit", 500, 10, "upstream_response")?;
    stage.fail("/bare", 502, 10, "upstream_closed")?;
    stage.fail("/closing", 502, 10, "upstream_closed")?;
    stage.judge()
}
