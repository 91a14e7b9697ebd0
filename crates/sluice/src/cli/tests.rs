use super::*;
use clap::CommandFactory as _;

fn leaves<'a>(command: &'a clap::Command, path: &str, found: &mut Vec<(String, &'a clap::Command)>) {
    for sub in command.get_subcommands() {
        let path = format!("{path} {}", sub.get_name());
        if sub.has_subcommands() { leaves(sub, &path, found) } else { found.push((path, sub)) }
    }
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

/// As a shell would have them: what stands in quotes of either kind is one.
fn words(line: &str) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), line.trim());
    while let Some(first) = rest.chars().next() {
        let (word, after) = match first {
            '"' | '\'' => rest[1..].split_once(first).unwrap_or((&rest[1..], "")),
            _ => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word);
        rest = after.trim_start();
    }
    words
}

#[test]
fn every_command_shows_examples_that_can_be_said() {
    let cli = Cli::command();
    let mut found = Vec::new();
    leaves(&cli, "sluice", &mut found);
    assert!(found.len() > 15, "{}", found.len());
    for (path, command) in found {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.starts_with("Examples:\n"), "`{path} --help` has no examples");
        let own = help.lines().filter_map(|l| l.trim().strip_prefix("sluice ")).map(|l| l.split("  ").next().unwrap_or_default());
        let mut tried = 0;
        for example in own {
            // Up to where a shell takes over.
            let words: Vec<_> = words(example).into_iter().take_while(|w| !["|", "<", ">", ">>", "&&", "||", "&"].contains(w)).collect();
            let parsed = Cli::try_parse_from(std::iter::once("sluice").chain(words));
            assert!(parsed.is_ok(), "`{path}`: `sluice {example}` cannot be said: {}", parsed.unwrap_err());
            tried += 1;
        }
        assert!(tried > 0, "`{path}` has no example of itself");
    }
}
