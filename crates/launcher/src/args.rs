//! The few things the launcher reads from a command line. All the rest is Python's.

use std::ffi::OsString;

use crate::Lookup;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// A run, with or without a daemon.
    Test { daemon: bool },
    /// The tests' ids: no interpreter is needed.
    List,
    /// Any other verb, a known one or not, or none: Python answers.
    Other,
}

/// `args` is the command line behind the command's own name.
pub fn scan(args: &[OsString], lookup: Lookup) -> Wish {
    let Some((verb, rest)) = args.split_first() else { return Wish::Other };
    if verb == "list" {
        return Wish::List;
    }
    if verb != "test" {
        return Wish::Other;
    }
    let given = |option: &str| rest.iter().take_while(|arg| *arg != "--").any(|arg| arg == option);
    // A watch is a program of its own, which asks for one run after the other.
    if given("--watch") {
        return Wish::Other;
    }
    let refused = given("--no-daemon");
    let in_ci = lookup("CI").is_some_and(|value| !value.is_empty());
    let off = lookup("DX_PY_DAEMON").is_some_and(|value| value == "0");
    Wish::Test { daemon: !(refused || in_ci || off) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(line: &str, env: &[(&str, &str)]) -> Wish {
        let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        scan(&args, &|name| env.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
    }

    const WITH: Wish = Wish::Test { daemon: true };
    const WITHOUT: Wish = Wish::Test { daemon: false };

    #[test]
    fn a_plain_test_wants_a_daemon() {
        assert_eq!(scanned("test", &[]), WITH);
        assert_eq!(scanned("test -k name tests/", &[("CI", ""), ("DX_PY_DAEMON", "1")]), WITH);
    }

    #[test]
    fn ci_the_variable_and_the_option_say_no() {
        assert_eq!(scanned("test", &[("CI", "true")]), WITHOUT);
        assert_eq!(scanned("test", &[("DX_PY_DAEMON", "0")]), WITHOUT);
        assert_eq!(scanned("test -x --no-daemon tests", &[]), WITHOUT);
    }

    #[test]
    fn the_option_counts_only_before_the_double_dash() {
        assert_eq!(scanned("test -- --no-daemon", &[]), WITH);
        assert_eq!(scanned("test --no-daemon -- x", &[]), WITHOUT);
        assert_eq!(scanned("test --no-daemons", &[]), WITH);
        assert_eq!(scanned("test -- --watch", &[]), WITH);
    }

    #[test]
    fn lists_need_no_python() {
        assert_eq!(scanned("list --no-daemon", &[]), Wish::List);
    }

    #[test]
    fn everything_else_is_pythons() {
        for line in
            ["", "--version", "--help", "daemon stop", "doctor", "tset", "--no-daemon test", "test a.py --watch"]
        {
            assert_eq!(scanned(line, &[]), Wish::Other, "{line}");
        }
    }
}
