//! Flags, environment, file: which of them wins, and what is refused.

use clap::CommandFactory as _;

use super::*;

fn parse(text: &str) -> Result<RunOptions, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

#[test]
fn the_command_line_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn a_file_has_the_keys_of_the_flags() {
    let options = parse(
        "listen = 'none'\noutput = 'json'\njournal = '/j'\nincident-quiet = '5s'\n\
         pid-file = ['/a']\nno-logs = true\nno-uprobes = true\nfollow = 'none'\n\
         log-level = 'debug'\nstub-status-every = '250ms'\nhang-after = '2s'\n\
         access-log = ['/l=combined']\njournal-size = '1MiB'\njournal-keep = 9\n\
         instance-label = '{pod}{pid_file}'\nhost-root = '/host'\n\
         user = 'nobody'",
    )
    .expect("right");
    assert_eq!(options.listen(), None);
    assert_eq!(options.journal(), Some(Path::new("/j")));
    assert_eq!(options.user.as_deref(), Some("nobody"));
    assert_eq!(options.quiet(), Duration::from_secs(5));
    assert_eq!(
        options.stub_status_every(),
        Some(Duration::from_millis(250))
    );
    assert_eq!(options.hang_after(), Some(Duration::from_secs(2)));
    assert!(options.watch.no_logs() && options.watch.no_uprobes());
    assert_eq!(options.watch.ways(), []);
    assert_eq!(options.log_level, Some(LevelFilter::Debug));
    assert_eq!(options.watch.access_log.len(), 1);
    let limits = options.journal_limits();
    assert_eq!((limits.size, limits.keep), (1 << 20, 9));
    assert!(options.naming.instance_label.is_some());
    assert_eq!(options.naming.host_root(), Path::new("/host"));
}

#[test]
fn unknown_keys_and_bad_values_are_refused() {
    for text in [
        "lisen = 'x'",
        "listen = 'x'",
        "output = 'xml'",
        "incident-quiet = '5'",
        "log-level = 'loud'",
        "stub-status-every = '5'",
        "no-kernel = 'true'",
        "follow = 'all'",
        "journal-size = '4KB'",
        "journal-size = 'large'",
        "journal-keep = 100",
        "journal-keep = -1",
        "instance-label = '{podd}'",
        "instance-label = 'all'",
        "x = 1",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn flags_come_before_the_file() {
    let flags = RunOptions {
        listen: Some(OrNone::None),
        ..RunOptions::default()
    };
    let merged = flags.over(parse("listen = '127.0.0.1:1'\njournal = 'none'").expect("right"));
    assert_eq!(merged.listen(), None);
    assert_eq!(merged.journal(), None);
    assert_eq!(
        RunOptions::default().listen(),
        Some(([127, 0, 0, 1], 9877).into())
    );
}

#[test]
fn a_switch_can_be_turned_off_again() {
    for (flags, expected) in [
        (&["--no-kernel"][..], true),
        (&["--no-kernel=true"], true),
        (&["--no-kernel=false"], false),
        (&[], true),
    ] {
        let arguments = ["nginx-probe", "run"].iter().chain(flags);
        let Command::Run(options) = Cli::try_parse_from(arguments).expect("right").command else {
            panic!("another command");
        };
        let merged = options.over(parse("no-kernel = true").expect("right"));
        assert_eq!(merged.watch.no_kernel(), expected, "{flags:?}");
    }
}

#[test]
fn stub_status_is_asked_unless_told_never() {
    let every = |text: &str| parse(text).expect("right").stub_status_every();
    assert_eq!(every(""), Some(Duration::from_secs(5)));
    for never in ["none", "0s"] {
        assert_eq!(every(&format!("stub-status-every = '{never}'")), None);
    }
    let text = ["nginx-probe", "run", "--stub-status-every", "2s"];
    let Command::Run(flags) = Cli::try_parse_from(text).expect("right").command else {
        panic!("another command");
    };
    let merged = flags.over(parse("stub-status-every = 'none'").expect("right"));
    assert_eq!(merged.stub_status_every(), Some(Duration::from_secs(2)));
    assert_eq!(merged.hang_after(), Some(Duration::from_secs(5)));
    let never = parse("hang-after = 'none'").expect("right");
    assert_eq!(never.hang_after(), None);
}

#[test]
fn the_journal_keeps_as_much_as_it_is_told() {
    let limits = RunOptions::default().journal_limits();
    assert_eq!((limits.size, limits.keep), (64 << 20, 4));
    let run = |flags: &[&str]| {
        let arguments = ["nginx-probe", "run"].iter().chain(flags);
        match Cli::try_parse_from(arguments).map(|cli| cli.command) {
            Ok(Command::Run(options)) => Ok(options),
            Ok(_) => Err("another command".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    };
    let flags = run(&["--journal-size", "10MB", "--journal-keep", "0"]).expect("right");
    let file = parse("journal-size = '1GiB'\njournal-keep = 9").expect("right");
    let limits = flags.over(file).journal_limits();
    assert_eq!((limits.size, limits.keep), (10_000_000, 0));
    for (flags, word) in [
        (&["--journal-size", "1KiB"], "4KiB is the least"),
        (&["--journal-size", "x"], "64MiB"),
        (&["--journal-keep", "100"], "0..=99"),
    ] {
        let error = run(flags).map(drop).expect_err("refused");
        assert!(error.contains(word), "{error}");
    }
}
