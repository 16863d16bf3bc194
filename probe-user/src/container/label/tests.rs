//! Templates: what they make, and which are refused.

use super::*;
use crate::container::{Container, Runtime};

fn pod() -> Identity {
    Identity {
        container: Some(Container {
            id: Some("a".repeat(64)),
            name: Some("nginx".into()),
            pod: Some("web-0".into()),
            namespace: Some("shop".into()),
            runtime: Some(Runtime::Containerd),
        }),
        unit: None,
    }
}

fn name(template: &str, identity: &Identity) -> String {
    let template: Template = template.parse().expect("right");
    template.name(&Subject {
        pid_file: "/run/nginx.pid",
        identity,
        host: "node",
    })
}

#[test]
fn empty_values_take_their_separators_with_them() {
    let (pod, plain) = (pod(), Identity::default());
    let template = "{namespace}/{pod}/{container}{pid_file}";
    assert_eq!(name(template, &pod), "shop/web-0/nginx/run/nginx.pid");
    assert_eq!(name(template, &plain), "/run/nginx.pid");
    assert_eq!(name("{container}/{pid_file}", &pod), "nginx/run/nginx.pid");
    assert_eq!(name("{host}: {unit}-{id}", &pod), "node-aaaaaaaaaaaa");
    assert_eq!(name("{{{runtime}}}", &pod), "{containerd}");
    assert_eq!(
        name("nginx {pod}", &plain),
        "",
        "nothing tells it from others"
    );
}

#[test]
fn hostile_values_are_bounded_and_made_harmless() {
    let identity = Identity {
        unit: Some(format!("\u{1b}\n\u{202e}{}", "x".repeat(5_000))),
        container: None,
    };
    let name = name("{unit}", &identity);
    assert!(name.starts_with("???x"));
    assert_eq!(name.chars().count(), MAX_LABEL);
}

#[test]
fn what_is_not_right_is_refused_by_name() {
    for (text, word) in [
        ("{podd}", "{podd}: {pid_file}, {container}"),
        ("{pod", "stands alone"),
        ("pod}", "stands alone"),
        ("nginx", "called the same"),
        ("", "called the same"),
    ] {
        let error = text.parse::<Template>().expect_err(text).to_string();
        assert!(error.contains(word), "{text}: {error}");
    }
    assert_eq!(
        "x".repeat(2_000).parse::<Template>(),
        Err(TemplateError::TooLong)
    );
}

#[test]
fn a_container_comes_before_the_pid_file() {
    let mut identity = pod();
    let file = "/run/nginx.pid";
    assert_eq!(
        default_name(file, &identity),
        "shop/web-0/nginx/run/nginx.pid"
    );
    if let Some(container) = &mut identity.container {
        (container.pod, container.namespace) = (None, None);
    }
    assert_eq!(default_name(file, &identity), "nginx/run/nginx.pid");
    if let Some(container) = &mut identity.container {
        container.name = None;
    }
    assert_eq!(default_name(file, &identity), "aaaaaaaaaaaa/run/nginx.pid");
    assert_eq!(default_name(file, &Identity::default()), file);
}
