//! A certificate that nobody trusts, for servers that speak TLS on loopback.

use std::fs;
use std::path::Path;

use anyhow::Result;

/// Writes a new one, `NAME.pem`, and its key, `NAME.key`, into a folder.
pub fn write(folder: &Path, name: &str) -> Result<()> {
    let made = rcgen::generate_simple_self_signed(["test".to_owned()])?;
    fs::write(folder.join(format!("{name}.pem")), made.cert.pem())?;
    let key = made.signing_key.serialize_pem();
    Ok(fs::write(folder.join(format!("{name}.key")), key)?)
}
