//! Hands the path of the kernel half to the agent, which takes the object into itself.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=NGINX_PROBE_EBPF_OBJECT");
    let Ok(object) = env::var("NGINX_PROBE_EBPF_OBJECT") else {
        println!(
            "cargo::error=NGINX_PROBE_EBPF_OBJECT is not set: \
             build inside the repository, whose .cargo/config.toml sets it"
        );
        return;
    };
    println!("cargo::rerun-if-changed={object}");
    if Path::new(&object).is_file() {
        println!("cargo::rustc-env=NGINX_PROBE_EBPF_FILE={object}");
    } else {
        println!(
            "cargo::error=no kernel half at {object}: run `cargo xtask build`, which makes it"
        );
    }
}
