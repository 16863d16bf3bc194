//! A film cannot be sent from its middle on: its index is too large, or there is none.

use std::fs;

use anyhow::Result;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "mp4",
    about: "films of which no part can be sent",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .location("location /films/ { mp4; mp4_buffer_size 4k; mp4_max_buffer_size 8k; }")
        .start()?;
    let films = stage.nginx.folder().join("html/films");
    fs::create_dir(&films)?;
    let (kind, data) = (
        atom(b"ftyp", b"isom\0\0\0\x01isom")?,
        atom(b"mdat", &[0; 1000])?,
    );
    let index = atom(b"moov", &vec![0; 50_000])?;
    fs::write(films.join("large.mp4"), [&kind[..], &index, &data].concat())?;
    fs::write(films.join("none.mp4"), [kind, data].concat())?;
    let port = stage.port();
    for film in ["large", "none"] {
        stage.fail_by(4, 500, 10, "module_error", |_| {
            clients::get(port, &format!("/films/{film}.mp4?start=1"))
        })?;
    }
    stage.judge()
}

fn atom(name: &[u8], content: &[u8]) -> Result<Vec<u8>> {
    let length = u32::try_from(content.len() + 8)?;
    Ok([&length.to_be_bytes(), name, content].concat())
}
