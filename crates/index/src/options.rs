//! pytest's command line, parted into options and places as `argparse` parts it, without pytest.
//!
//! An option that is not known here (a conftest may add any) is kept with what is joined to it; whether the next word is its value, nobody
//! can tell without asking the project.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many words belong to an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    One,
    /// The next word if that is no option.
    Maybe,
    Two,
    /// All words up to the next option.
    All,
}

/// One option of a command line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Given {
    /// With its dashes.
    pub name: String,
    pub values: Vec<String>,
}

impl Given {
    fn new(name: &str, values: impl IntoIterator<Item = String>) -> Self {
        Self { name: name.to_owned(), values: values.into_iter().collect() }
    }

    /// The only value that most options have.
    pub fn value(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }
}

impl fmt::Display for Given {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}", self.name)?;
        self.values.iter().try_for_each(|value| write!(out, " {value}"))
    }
}

/// A command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    pub options: Vec<Given>,
    pub places: Vec<String>,
    /// Whether a word stands behind an option that is not known: it is kept as a place, and may be its value.
    pub ambiguous: bool,
}

/// Part *words*; `is_place` says whether there is something at a path.
///
/// # Errors
///
/// An option lacks its value.
pub fn part(words: &[String], is_place: &dyn Fn(&str) -> bool) -> Result<Line, String> {
    let mut line = Line::default();
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        if word == "--" {
            line.places.extend(words.map(str::to_owned));
            break;
        }
        if !is_option(word) {
            line.places.push(word.to_owned());
            continue;
        }
        let mut values = |name: &str, joined: Option<&str>, takes: Takes| -> Result<Vec<String>, String> {
            if let Some(value) = joined {
                return Ok(vec![value.to_owned()]);
            }
            let (least, most) = match takes {
                Takes::Nothing => (0, 0),
                Takes::One => (1, 1),
                Takes::Maybe => (0, 1),
                Takes::Two => (2, 2),
                Takes::All => (1, usize::MAX),
            };
            let mut found = Vec::new();
            while found.len() < most {
                let Some(value) = words.next_if(|word| !is_option(word)) else { break };
                found.push(value.to_owned());
            }
            if found.len() < least {
                Err(format!("{name} needs a value."))
            } else {
                Ok(found)
            }
        };
        if word.starts_with("--") {
            let (name, joined) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            match of_long(name) {
                Some(takes) => line.options.push(Given::new(name, values(name, joined, takes)?)),
                None => {
                    line.options.push(Given::new(name, joined.map(str::to_owned)));
                    let value = if joined.is_some() { None } else { words.next_if(|word| !is_option(word)) };
                    match value {
                        Some(value) if is_place(value) => {
                            line.ambiguous = true;
                            line.places.push(value.to_owned());
                        }
                        Some(value) => {
                            line.options.last_mut().map(|last| last.values.push(value.to_owned())).unwrap_or_default()
                        }
                        None => {}
                    }
                }
            }
            continue;
        }
        // One dash, and as many options as stand behind it.
        let mut rest = &word[1..];
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            let name = format!("-{letter}");
            match of_short(letter) {
                Some(Takes::Nothing) => line.options.push(Given::new(&name, [])),
                Some(takes) => {
                    let joined = (!rest.is_empty()).then(|| rest.strip_prefix('=').unwrap_or(rest));
                    let found = values(&name, joined, takes)?;
                    line.options.push(Given::new(&name, found));
                    break;
                }
                None => {
                    line.options.push(Given::new(&format!("{name}{rest}"), []));
                    break;
                }
            }
        }
    }
    Ok(line)
}

/// Whether a word is an option to `argparse`: it begins with a dash, and is neither a number nor several words.
fn is_option(word: &str) -> bool {
    let Some(rest) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else { return false };
    let (whole, part) = rest.split_once('.').unwrap_or((rest, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = digits(whole) && digits(part) && !part.is_empty();
    let name = word.split('=').next().unwrap_or(word);
    let is_known =
        if name.starts_with("--") { of_long(name).is_some() } else { rest.chars().next().and_then(of_short).is_some() };
    !is_number && (is_known || !word.contains(' '))
}

fn of_short(letter: char) -> Option<Takes> {
    match letter {
        'W' | 'c' | 'k' | 'm' | 'n' | 'o' | 'p' | 'r' => Some(Takes::One),
        'V' | 'd' | 'f' | 'h' | 'l' | 'q' | 's' | 'v' | 'x' => Some(Takes::Nothing),
        _ => None,
    }
}

fn of_long(name: &str) -> Option<Takes> {
    let name = name.strip_prefix("--")?;
    let is_among = |known: &[&str]| known.contains(&name);
    if is_among(WITH_VALUE) {
        Some(Takes::One)
    } else if is_among(PERHAPS_WITH_VALUE) {
        Some(Takes::Maybe)
    } else if is_among(&["history", "metadata"]) {
        Some(Takes::Two)
    } else if name == "benchmark-compare-fail" {
        Some(Takes::All)
    } else if is_among(FLAGS) {
        Some(Takes::Nothing)
    } else {
        None
    }
}

/// Of pytest, of ours, and of the plugins that are met most often.
#[rustfmt::skip]
const WITH_VALUE: &[&str] = &[
    "assert", "basetemp", "capture", "code-highlight", "color", "config-file", "confcutdir", "deselect", "doctest-glob", "doctest-report",
    "durations", "durations-min", "ignore", "ignore-glob", "import-mode", "junit-prefix", "junit-xml", "junitprefix", "junitxml",
    "last-failed-no-failures", "lfnf", "log-auto-indent", "log-cli-date-format", "log-cli-format", "log-cli-level", "log-date-format",
    "log-disable", "log-file", "log-file-date-format", "log-file-format", "log-file-level", "log-file-mode", "log-format", "log-level",
    "max-warnings", "maxfail", "override-ini", "pastebin", "pdbcls", "pythonwarnings", "report-chars", "rootdir", "show-capture", "tb",
    "verbosity",
    // ours
    "audit", "engine", "isolation", "tell", "why",
    // pytest-xdist
    "dist", "max-worker-restart", "maxprocesses", "maxschedchunk", "numprocesses", "px", "rsyncdir", "rsyncignore", "testrunuid", "tx",
    // pytest-cov
    "cov-config", "cov-context", "cov-fail-under", "cov-precision", "cov-report",
    // pytest-timeout, anyio, pytest-asyncio, hypothesis, pytest-randomly, pytest-rerunfailures
    "session-timeout", "timeout", "timeout-method", "timeout_method", "anyio-mode", "asyncio-mode", "hypothesis-profile", "hypothesis-seed",
    "hypothesis-verbosity", "randomly-seed", "only-rerun", "reruns", "reruns-delay", "rerun-except",
    // pytest-benchmark
    "benchmark-calibration-precision", "benchmark-columns", "benchmark-confidence", "benchmark-cprofile", "benchmark-cprofile-loops",
    "benchmark-cprofile-top", "benchmark-group-by", "benchmark-json", "benchmark-max-time", "benchmark-min-rounds", "benchmark-min-time",
    "benchmark-name", "benchmark-precision", "benchmark-save", "benchmark-sort", "benchmark-storage", "benchmark-time-unit",
    "benchmark-timer", "benchmark-warmup-iterations",
    // pytest-html, pytest-metadata, pytest-run-parallel, pytest-django, pytest-split, flaky
    "css", "html", "metadata-from-json", "metadata-from-json-file", "iterations", "parallel-threads", "skip-thread-unsafe", "dc", "ds",
    "group", "splits", "splitting-algorithm", "store-durations-path", "durations-path", "max-runs", "min-passes",
];

const PERHAPS_WITH_VALUE: &[&str] = &[
    "benchmark-compare",
    "benchmark-cprofile-dump",
    "benchmark-histogram",
    "benchmark-netrc",
    "benchmark-warmup",
    "cache-show",
    "changed",
    "cov",
    "debug",
];

#[rustfmt::skip]
const FLAGS: &[&str] = &[
    "cache-clear", "co", "collect-in-virtualenv", "collect-only", "collectonly", "continue-on-collection-errors",
    "disable-plugin-autoload", "disable-pytest-warnings", "disable-warnings", "doctest-continue-on-failure", "doctest-ignore-import-errors",
    "doctest-modules", "exitfirst", "failed-first", "ff", "fixtures", "fixtures-per-test", "force-short-summary", "full-trace", "fulltrace",
    "funcargs", "help", "keep-duplicates", "keepduplicates", "last-failed", "lf", "lsof", "markers", "new-first", "nf", "no-fold-skipped",
    "no-header", "no-showlocals", "no-summary", "noconftest", "pdb", "pyargs", "quiet", "runxfail", "setup-only", "setup-plan",
    "setup-show", "setuponly", "setupplan", "setupshow", "showlocals", "stepwise", "stepwise-reset", "stepwise-skip", "strict",
    "strict-config", "strict-markers", "sw", "sw-reset", "sw-skip", "trace", "trace-config", "traceconfig", "verbose", "version",
    "xfail-tb",
    // ours
    "affected", "doctor", "json", "no-daemon",
    // plugins
    "asyncio-debug", "benchmark-autosave", "benchmark-disable", "benchmark-disable-gc", "benchmark-enable", "benchmark-only",
    "benchmark-quiet", "benchmark-save-data", "benchmark-skip", "benchmark-verbose", "boxed", "cov-append", "cov-branch", "cov-reset",
    "create-db", "force-flaky", "hypothesis-explain", "hypothesis-show-statistics", "loadscope-reorder", "looponfail", "migrations",
    "no-cov", "no-cov-on-fail", "no-flaky-report", "no-loadscope-reorder", "no-migrations", "no-success-flaky-report", "nomigrations",
    "randomly-dont-reorganize", "randomly-dont-reset-seed", "reuse-db", "self-contained-html", "timeout-disable-debugger-detection",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parted(line: &str) -> String {
        let words: Vec<String> = line.split('|').map(str::to_owned).collect();
        match part(&words, &|word| word.starts_with('t')) {
            Err(why) => why,
            Ok(line) => {
                let options: Vec<String> =
                    line.options.iter().map(|one| format!("{} {:?}", one.name, one.values)).collect();
                format!("{}; {}{}", options.join(" "), line.places.join(" "), if line.ambiguous { "?" } else { "" })
            }
        }
    }

    #[test]
    fn words_are_parted_as_argparse_parts_them() {
        for (line, expected) in [
            ("-xkfoo|t", r#"-x [] -k ["foo"]; t"#),
            ("-xvk|a b|t", r#"-x [] -v [] -k ["a b"]; t"#),
            ("-k=foo|-mbar|-rA|-n|4", r#"-k ["foo"] -m ["bar"] -r ["A"] -n ["4"]; "#),
            ("-vv|-qs", "-v [] -v [] -q [] -s []; "),
            ("--numprocesses|4|t", r#"--numprocesses ["4"]; t"#),
            ("--numprocesses=4|t", r#"--numprocesses ["4"]; t"#),
            ("--cov|t|t2", r#"--cov ["t"]; t2"#),
            ("--cov|-x|t2", "--cov [] -x []; t2"),
            ("--metadata|a|b|t", r#"--metadata ["a", "b"]; t"#),
            ("--lf|t", "--lf []; t"),
            ("-k|-x", "-k needs a value."),
            ("--tb", "--tb needs a value."),
            ("--tb|--|t", "--tb needs a value."),
            ("-k|-x y|-1|-.5", r#"-k needs a value."#),
            ("-k|-a b|-1|-1.5|-", r#"-k ["-a b"]; -1 -1.5 -"#),
            ("-x|--|-k|--lf", "-x []; -k --lf"),
            ("-xZfoo|t", "-x [] -Zfoo []; t"),
            ("--mine|t", "--mine []; t?"),
            ("--mine|a|t", r#"--mine ["a"]; t"#),
            ("--mine=t|t", r#"--mine ["t"]; t"#),
            ("--mine|--|t", "--mine []; t"),
        ] {
            assert_eq!(parted(line), expected, "{line}");
        }
    }
}
