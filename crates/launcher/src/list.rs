//! `dx-py list`: the ids of the tests, from the project's index. No interpreter is started.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use dx_py_index::expression::Expression;
use dx_py_index::format::StoredTest;
use dx_py_index::{environment, settings, Project, Request};

use crate::{python, Lookup};

const USAGE: &str = "usage: dx-py list [--json] [-k EXPRESSION] [-m EXPRESSION] [PATH[::NAME…] …]";
/// pytest's exit codes.
const NOTHING: u8 = 5;
const MISUSED: u8 = 4;

/// What `dx-py list` was asked for.
#[derive(Debug, Default, PartialEq)]
struct Wish {
    json: bool,
    keywords: Option<String>,
    marks: Option<String>,
    places: Vec<String>,
    /// Beginnings of ids that are left out.
    deselected: Vec<String>,
    /// Other options of pytest: those that may change what is collected make it provisional.
    options: Vec<String>,
}

/// Print the tests; gives the exit code.
pub fn list(args: &[OsString], cwd: &Path, lookup: Lookup) -> Result<u8, String> {
    take_memory_in_pieces();
    match carry_out(args, cwd, lookup) {
        Ok(code) => Ok(code),
        Err(Failure::Misuse(sentence)) => {
            crate::say::error(&format!("{sentence}\n{USAGE}"));
            Ok(MISUSED)
        }
        // Whoever read it has seen enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        Err(Failure::Output(error)) => Err(format!("the list cannot be written ({error}).")),
    }
}

enum Failure {
    Misuse(String),
    Output(io::Error),
}

/// Threads take memory from the system in large pieces: page by page costs them half of their time.
fn take_memory_in_pieces() {
    #[cfg(target_env = "gnu")]
    // SAFETY: only this thread runs yet, and the values are allowed ones.
    unsafe {
        libc::mallopt(libc::M_TOP_PAD, 16 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 1 << 30);
    }
}

fn carry_out(args: &[OsString], cwd: &Path, lookup: Lookup) -> Result<u8, Failure> {
    let wish = read(args).map_err(Failure::Misuse)?;
    let asked: Result<Vec<Place>, String> = wish.places.iter().map(|place| Place::read(place, cwd)).collect();
    let asked = asked.map_err(Failure::Misuse)?;

    let modules = python::find(lookup, cwd).map(|python| environment::folders_of(&python)).unwrap_or_default();
    let cache = cache(lookup);
    let paths: Vec<PathBuf> = asked.iter().map(|place| place.path.clone()).collect();
    let text = |name: &str| lookup(name).map(|value| value.to_string_lossy().into_owned());
    let project = Project::load(&Request {
        folder: cwd,
        paths: &paths,
        options: &wish.options,
        modules: &modules,
        cache: cache.as_deref(),
        lookup: &text,
    });
    let asked = if asked.is_empty() { default_places(&project, cwd) } else { asked };
    let expression = |own: &Option<String>, set: &Option<String>, option: &str| {
        let text = own.as_deref().or(set.as_deref()).unwrap_or("");
        Expression::read(text).map_err(|why| Failure::Misuse(format!("{option}: {why}")))
    };
    let keywords = expression(&wish.keywords, &project.settings.keywords, "-k")?;
    let marks = expression(&wish.marks, &project.settings.marks, "-m")?;
    let choice = Choice { asked: &asked, keywords: &keywords, marks: &marks, deselected: &wish.deselected };
    let sum = print(&project, &choice, wish.json).map_err(Failure::Output)?;
    Ok(if sum.tests > 0 { 0 } else { NOTHING })
}

fn read(args: &[OsString]) -> Result<Wish, String> {
    let mut wish = Wish::default();
    let words: Result<Vec<&str>, _> =
        args.iter().map(|arg| arg.to_str().ok_or_else(|| format!("{arg:?} is no text"))).collect();
    let words = words?;
    let mut words = words.iter().copied();
    let mut only_places = false;
    while let Some(word) = words.next() {
        let (name, value) = match word.split_at_checked(2) {
            Some((name @ ("-k" | "-m"), value)) if !value.is_empty() => {
                (name, Some(value.strip_prefix('=').unwrap_or(value)))
            }
            _ => (word, None),
        };
        match name {
            _ if only_places => wish.places.push(word.to_owned()),
            "--" => only_places = true,
            "--json" => wish.json = true,
            // As pytest is asked for the same.
            "-q" | "--quiet" | "--collect-only" | "--co" => {}
            "-k" | "-m" => {
                let value = value.or_else(|| words.next()).ok_or_else(|| format!("{name} needs an expression."))?;
                let place = if name == "-k" { &mut wish.keywords } else { &mut wish.marks };
                *place = Some(value.to_owned());
            }
            "--deselect" => wish.deselected.push(words.next().ok_or("--deselect needs an id.")?.to_owned()),
            _ if word.starts_with("--deselect=") => wish.deselected.push(word["--deselect=".len()..].to_owned()),
            _ if word.starts_with('-') => {
                wish.options.push(word.to_owned());
                if settings::takes_value(word) {
                    wish.options.extend(words.next().map(str::to_owned));
                }
            }
            _ => wish.places.push(word.to_owned()),
        }
    }
    Ok(wish)
}

/// A file or folder, and what is meant in it.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    path: PathBuf,
    /// As in ids, with the colons before it; empty if everything is meant.
    name: String,
}

impl Place {
    fn read(word: &str, cwd: &Path) -> Result<Self, String> {
        let bracket = word.find('[').unwrap_or(word.len());
        let (path, name) = match word[..bracket].find("::") {
            Some(at) => word.split_at(at),
            None => (word, ""),
        };
        let path = normal(&cwd.join(path));
        if !path.exists() {
            return Err(format!("file or directory not found: {word}"));
        }
        Ok(Self { path, name: name.to_owned() })
    }

    fn holds(&self, file: &Path, test: &StoredTest) -> bool {
        let inside = || match test.name.strip_prefix(self.name.as_str()) {
            Some(rest) => self.name.is_empty() || rest.is_empty() || rest.starts_with("::") || rest.starts_with('['),
            // It may be one of those.
            None => {
                test.name.is_empty()
                    || test.name.strip_suffix("[...]").is_some_and(|known| self.name.starts_with(known))
            }
        };
        file.starts_with(&self.path) && inside()
    }
}

/// Without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(found.pop()),
            part => found.push(part),
        }
    }
    found
}

/// `testpaths` count where the command is given in the root folder.
fn default_places(project: &Project, cwd: &Path) -> Vec<Place> {
    let root = &project.settings.root;
    let places =
        || project.settings.testpaths.iter().map(|path| Place { path: normal(&root.join(path)), name: String::new() });
    let found: Vec<Place> =
        if cwd == root { places().filter(|place| place.path.exists()).collect() } else { Vec::new() };
    if found.is_empty() {
        return vec![Place { path: cwd.to_owned(), name: String::new() }];
    }
    found
}

fn cache(lookup: Lookup) -> Option<PathBuf> {
    [("DX_PY_CACHE_DIR", "index"), ("XDG_CACHE_HOME", "dx-py/index"), ("HOME", ".cache/dx-py/index")]
        .into_iter()
        .filter_map(|(name, below)| Some(PathBuf::from(lookup(name)?).join(below)))
        .find(|path| path.is_absolute())
}

type Chosen<'a> = (StoredTest<'a>, &'a str);

/// What is to be listed.
struct Choice<'a> {
    asked: &'a [Place],
    keywords: &'a Expression,
    marks: &'a Expression,
    deselected: &'a [String],
}

impl Choice<'_> {
    /// Act on each that is meant, with its file's path from the root, in the order in which the places were named.
    fn each<'a>(&self, project: &'a Project, act: &mut dyn FnMut(Chosen<'a>) -> io::Result<()>) -> io::Result<()> {
        let root = &project.settings.root;
        let files: Vec<&Path> = project.index.files().map(|file| Path::new(OsStr::from_bytes(file.path()))).collect();
        let shown: Vec<&str> =
            files.iter().map(|path| path.strip_prefix(root).unwrap_or(path).to_str().unwrap_or("?")).collect();
        // A test that two places mean is listed once.
        let mut taken = vec![false; if self.asked.len() > 1 { project.index.tests().len() } else { 0 }];
        for place in self.asked {
            // Most files are wholly in or out.
            let mut last = (u32::MAX, false);
            for (number, test) in project.index.tests().enumerate() {
                let file = test.file as usize;
                if last.0 != test.file {
                    let conftest = if test.name.is_empty() && files[file].ends_with("conftest.py") {
                        files[file].parent()
                    } else {
                        None
                    };
                    // A conftest speaks of its whole folder.
                    let speaks = conftest.is_some_and(|folder| place.path.starts_with(folder));
                    last = (test.file, speaks || files[file].starts_with(&place.path));
                }
                let there = last.1 && (place.name.is_empty() || place.holds(files[file], &test));
                if there && self.is_meant(shown[file], &test) && !taken.get(number).is_some_and(|taken| *taken) {
                    taken.get_mut(number).map(|taken| *taken = true).unwrap_or_default();
                    act((test, shown[file]))?;
                }
            }
        }
        Ok(())
    }

    fn is_meant(&self, path: &str, test: &StoredTest) -> bool {
        let everything = *self.keywords == Expression::Everything && *self.marks == Expression::Everything;
        let meant = everything || test.name.is_empty() || is_meant(path, test, self.keywords, self.marks);
        meant
            && (self.deselected.is_empty() || {
                let id = format!("{path}{}", test.name);
                !self.deselected.iter().any(|beginning| id.starts_with(beginning.as_str()))
            })
    }
}

fn is_meant(path: &str, test: &StoredTest, keywords: &Expression, marks: &Expression) -> bool {
    let words = || test.words.split(' ').filter(|word| !word.is_empty());
    let bracket = test.name.find('[').unwrap_or(test.name.len());
    let (names, parameters) = test.name.split_at(bracket);
    let last = names.rsplit("::").next().unwrap_or("").to_owned() + parameters;
    let mut all: Vec<String> = path.split('/').chain(names.split("::")).chain(words()).map(str::to_lowercase).collect();
    all.push(last.to_lowercase());
    let mut has_part = |wanted: &str| {
        let wanted = wanted.to_lowercase();
        all.iter().any(|name| name.contains(&wanted))
    };
    keywords.holds(&mut has_part) && marks.holds(&mut |wanted| words().any(|word| word == wanted))
}

/// How many of what was listed.
#[derive(Debug, Default)]
struct Sum {
    tests: usize,
    provisional: usize,
    /// Files that may hold others.
    open: usize,
}

/// As much is written at once.
const PIECE: usize = 1 << 16;

fn print(project: &Project, choice: &Choice, json: bool) -> io::Result<Sum> {
    let mut stdout = io::stdout().lock();
    let mut out = Vec::with_capacity(PIECE + 4096);
    let mut sum = Sum::default();
    if json && !project.settings.doubts.is_empty() {
        // Anywhere, there may be others.
        out.extend_from_slice(b"{\"id\":null,\"exact\":false,\"file\":null,\"line\":0,\"marks\":[]}\n");
    }
    choice.each(project, &mut |one| {
        let (test, path) = one;
        sum.tests += usize::from(!test.name.is_empty());
        sum.open += usize::from(test.name.is_empty());
        sum.provisional += usize::from(!test.name.is_empty() && !test.exact);
        if json {
            write_json(&mut out, &one);
        } else if !test.name.is_empty() {
            out.extend_from_slice(path.as_bytes());
            out.extend_from_slice(test.name.as_bytes());
            out.push(b'\n');
        }
        if out.len() >= PIECE {
            stdout.write_all(&out)?;
            out.clear();
        }
        Ok(())
    })?;
    if !json {
        write_sum(&mut out, project, &sum)?;
    }
    stdout.write_all(&out)?;
    stdout.flush()?;
    Ok(sum)
}

fn write_sum(out: &mut Vec<u8>, project: &Project, sum: &Sum) -> io::Result<()> {
    write!(out, "\n{} tests", sum.tests)?;
    if sum.provisional > 0 {
        write!(out, ", {} of them provisional", sum.provisional)?;
    }
    if sum.open > 0 {
        write!(out, "; {} times there may be others", sum.open)?;
    }
    for doubt in project.settings.doubts.iter().take(3) {
        write!(out, "\nin doubt because of {doubt}")?;
    }
    writeln!(out)
}

fn write_json(out: &mut Vec<u8>, (test, path): &Chosen) {
    out.extend_from_slice(b"{\"id\":");
    if test.name.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        write_string(out, &format!("{path}{}", test.name));
    }
    out.extend_from_slice(b",\"exact\":");
    out.extend_from_slice(if test.exact { b"true" } else { b"false" });
    out.extend_from_slice(b",\"file\":");
    write_string(out, path);
    out.extend_from_slice(format!(",\"line\":{},\"marks\":[", test.line).as_bytes());
    for (number, word) in test.words.split(' ').filter(|word| !word.is_empty()).enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write_string(out, word);
    }
    out.extend_from_slice(b"]}\n");
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend_from_slice(format!("\\{character}").as_bytes()),
            _ if character.is_control() => out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes()),
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(line: &str) -> Result<Wish, String> {
        read(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_pytests() {
        let expected = Wish {
            json: true,
            keywords: Some("a".into()),
            marks: Some("b".into()),
            places: vec!["t/x.py::y".into(), "-z".into()],
            ..Wish::default()
        };
        assert_eq!(wish("--json -k a -mb t/x.py::y -q --collect-only -- -z"), Ok(expected));
        let found = wish("--lf -p x --deselect a --deselect=b t").unwrap();
        assert_eq!(
            (found.options.len(), found.deselected, found.places),
            (3, vec!["a".to_owned(), "b".to_owned()], vec!["t".to_owned()])
        );
        assert!(wish("-k").is_err());
    }

    #[test]
    fn ids_name_themselves_and_what_is_below() {
        let place = |name: &str| Place { path: "/p/t.py".into(), name: name.to_owned() };
        let test = |name: &'static str| StoredTest { file: 0, line: 0, name, words: "", exact: true };
        let file = Path::new("/p/t.py");
        for (asked, name) in [
            ("", "::a"),
            ("::a", "::a"),
            ("::a", "::a[1]"),
            ("::A", "::A::b"),
            ("::a[1]", "::a[1]"),
            ("::a[1]", "::a[...]"),
            ("::a", ""),
        ] {
            assert!(place(asked).holds(file, &test(name)), "{asked} {name}");
        }
        for (asked, name) in [("::a", "::ab"), ("::a[1]", "::a[2]"), ("::A::b", "::A")] {
            assert!(!place(asked).holds(file, &test(name)), "{asked} {name}");
        }
        assert!(!place("").holds(Path::new("/p/t2.py"), &test("::a")));
    }

    #[test]
    fn names_of_every_level_and_marks_are_keywords() {
        let test =
            StoredTest { file: 0, line: 0, name: "::TestA::test_b[one::two]", words: "slow parametrize", exact: true };
        let meant = |keywords: &str, marks: &str| {
            is_meant("sub/test_m.py", &test, &Expression::read(keywords).unwrap(), &Expression::read(marks).unwrap())
        };
        for keywords in ["testa", "sub", "b[one", "slow", "test_m.py and not other", "TWO"] {
            assert!(meant(keywords, ""), "{keywords}");
        }
        assert!(meant("", "slow") && !meant("", "slo") && !meant("not slow", "") && !meant("a::test", ""));
    }

    #[test]
    fn json_strings_are_escaped() {
        let mut out = Vec::new();
        write_string(&mut out, "a\"\\\n\u{e9}");
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\\\"\\\\\\u000a\u{e9}\"");
    }
}
