//! `dx-py list`: the ids of the tests, from the project's index. No interpreter is started.

use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use dx_py_index::expression::Expression;
use dx_py_index::format::{shown, StoredTest};
use dx_py_index::options::{self, Given};
use dx_py_index::rows::{Corrections, Sum, AS_WHOLE, EXACT, FROM_RUN, HAS_TESTS, LEFT_OUT, OPEN_WORDS, UNFILTERED};
use dx_py_index::settings::normal;
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
    options: Vec<Given>,
    /// Whether one of the places may be an option's value.
    ambiguous: bool,
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
    let wish = with_files(args, cwd).and_then(|args| read(&args, cwd)).map_err(Failure::Misuse)?;
    let asked: Result<Vec<Place>, String> = wish.places.iter().map(|place| Place::read(place, cwd)).collect();
    let asked = asked.map_err(Failure::Misuse)?;

    let python = python::find(lookup, cwd).ok();
    let modules = python.as_deref().map(environment::folders_of).unwrap_or_default();
    let variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let cache = cache(lookup);
    let paths: Vec<PathBuf> = asked.iter().map(|place| place.path.clone()).collect();
    let text = |name: &str| lookup(name).map(|value| value.to_string_lossy().into_owned());
    let project = Project::load(&Request {
        folder: cwd,
        paths: &paths,
        options: &wish.options,
        deselected: &wish.deselected,
        filtered: wish.keywords.is_some() || wish.marks.is_some(),
        same_options: &|given, all| same_options(given, &wish.options, all, cwd),
        python: python.as_deref(),
        modules: &modules,
        cache: cache.as_deref(),
        lookup: &text,
        environment: &variables,
    });
    let asked = if asked.is_empty() { default_places(&project, cwd) } else { asked };
    let corrections = project.index.corrections().unwrap_or_default();
    let expression = |own: &Option<String>, set: &Option<String>, option: &str| {
        let text = own.as_deref().or(set.as_deref()).unwrap_or("");
        Expression::read(text).map_err(|why| Failure::Misuse(format!("{option}: {why}")))
    };
    let keywords = expression(&wish.keywords, &project.settings.keywords, "-k")?;
    let marks = expression(&wish.marks, &project.settings.marks, "-m")?;
    let filtered = wish.keywords.is_some() || wish.marks.is_some();
    // What a run has collected has been chosen by the settings' expressions already.
    let known = !filtered && corrections.held.iter().any(Option::is_some);
    let choice = Choice {
        asked: &asked,
        keywords: &keywords,
        marks: &marks,
        deselected: &wish.deselected,
        filtered,
        known,
        ambiguous: wish.ambiguous,
        corrections: &corrections,
    };
    let sum = print(&project, &choice, wish.json).map_err(Failure::Output)?;
    Ok(if sum.ids > 0 { 0 } else { NOTHING })
}

fn read(args: &[OsString], cwd: &Path) -> Result<Wish, String> {
    let words: Result<Vec<String>, _> =
        args.iter().map(|arg| arg.to_str().map(str::to_owned).ok_or_else(|| format!("{arg:?} is no text"))).collect();
    let line = options::part(&words?, &|word| Place::read(word, cwd).is_ok())?;
    let mut wish = Wish { places: line.places, ambiguous: line.ambiguous, ..Wish::default() };
    for one in line.options {
        match one.name.as_str() {
            "--json" => wish.json = true,
            // As pytest is asked for the same.
            "-q" | "--quiet" | "--collect-only" | "--co" => {}
            "-k" => wish.keywords = Some(one.value().to_owned()),
            "-m" => wish.marks = Some(one.value().to_owned()),
            "--deselect" => wish.deselected.push(one.value().to_owned()),
            _ => wish.options.push(one),
        }
    }
    Ok(wish)
}

/// Whether a run with the command line `given` was asked to collect as one with these options would be.
fn same_options(given: &[String], wanted: &[Given], all: bool, cwd: &Path) -> bool {
    // What was in the file of a word like that, nobody knows any more.
    if given.iter().any(|word| word.starts_with('@')) {
        return false;
    }
    let given: Vec<OsString> = given.iter().map(OsString::from).collect();
    let Ok(given) = read(&given, cwd) else { return false };
    if all {
        return given.options == wanted;
    }
    settings::deciding(&given.options) == settings::deciding(wanted)
}

/// A word that begins with `@` stands for the lines of a file.
fn with_files(args: &[OsString], cwd: &Path) -> Result<Vec<OsString>, String> {
    let mut found = Vec::new();
    for arg in args {
        let Some(name) = arg.to_str().and_then(|word| word.strip_prefix('@')) else {
            found.push(arg.clone());
            continue;
        };
        let text =
            std::fs::read_to_string(cwd.join(name)).map_err(|error| format!("{name} cannot be read ({error})"))?;
        let lines: Vec<OsString> = text.lines().map(OsString::from).collect();
        if lines.iter().any(|line| line.to_str().is_some_and(|line| line.starts_with('@'))) {
            return Err(format!("{name} speaks of further files"));
        }
        found.extend(lines);
    }
    Ok(found)
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
        .filter_map(|(name, below)| Some((name, PathBuf::from(lookup(name)?), below)))
        .find(|(_, path, _)| path.is_absolute())
        // A home that is not there is not made.
        .filter(|(name, path, _)| *name != "HOME" || path.is_dir())
        .map(|(_, path, below)| path.join(below))
}

type Chosen<'a> = (StoredTest<'a>, &'a str);

/// What is to be listed.
struct Choice<'a> {
    asked: &'a [Place],
    keywords: &'a Expression,
    marks: &'a Expression,
    deselected: &'a [String],
    /// Whether the expressions are others than the settings'.
    filtered: bool,
    /// Whether tests that a run has collected have been chosen by the expressions already.
    known: bool,
    /// Whether it may be something else.
    ambiguous: bool,
    corrections: &'a Corrections,
}

impl Choice<'_> {
    /// Act on each that is meant, and whether it is exact, in the order in which the places were named.
    fn each<'a>(
        &self,
        project: &'a Project,
        act: &mut dyn FnMut(&Chosen<'a>, bool) -> io::Result<()>,
    ) -> io::Result<()> {
        let files: Vec<&Path> = project.index.files().map(|file| Path::new(OsStr::from_bytes(file.path()))).collect();
        let root = &project.settings.root;
        let hides = self.hides();
        let whole = self.is_whole();
        // A test that two places mean is listed once.
        let mut taken = vec![false; if self.asked.len() > 1 { project.index.tests().len() } else { 0 }];
        for place in self.asked {
            // Most files are wholly in or out.
            let mut last = (u32::MAX, false);
            for (number, test) in project.index.tests().enumerate() {
                let Some(&file) = files.get(test.file as usize) else { continue };
                if last.0 != test.file {
                    let conftest =
                        if test.name.is_empty() && file.ends_with("conftest.py") { file.parent() } else { None };
                    // A conftest speaks of its whole folder.
                    let speaks = conftest.is_some_and(|folder| place.path.starts_with(folder));
                    last = (test.file, speaks || file.starts_with(&place.path));
                }
                let hidden = hides && test.flags & LEFT_OUT != 0;
                let there = last.1 && !hidden && (place.name.is_empty() || place.holds(file, &test));
                if !there || taken.get(number).is_some_and(|taken| *taken) {
                    continue;
                }
                let Some(sure) = self.is_meant(&test) else { continue };
                taken.get_mut(number).map(|taken| *taken = true).unwrap_or_default();
                let exact = sure
                    && test.flags & EXACT != 0
                    && (whole || test.flags & AS_WHOLE == 0)
                    && (!self.filtered || test.flags & UNFILTERED == 0);
                let shown = OsStr::from_bytes(shown(root, file.as_os_str().as_bytes())).to_str().unwrap_or("?");
                act(&(test, if test.name.is_empty() { shown } else { test.path }), exact)?;
            }
        }
        Ok(())
    }

    /// Whether all is asked for that a run has collected: then it has left out what it has left out.
    fn hides(&self) -> bool {
        let covers = |place: &String| {
            self.asked.iter().any(|one| one.name.is_empty() && Path::new(place).starts_with(&one.path))
        };
        self.corrections.places.iter().any(covers)
    }

    /// Whether exactly that is asked for.
    fn is_whole(&self) -> bool {
        let places = &self.corrections.places;
        let is_place = |one: &Place| one.name.is_empty() && places.iter().any(|place| *Path::new(place) == one.path);
        self.asked.len() == places.len() && self.asked.iter().all(is_place)
    }

    /// Whether nothing else can be there than what is listed, whatever the settings leave open.
    fn is_known(&self) -> bool {
        let below = |one: &Place| self.corrections.places.iter().any(|place| one.path.starts_with(place));
        self.corrections.whole && !self.ambiguous && self.asked.iter().all(below)
    }

    /// Whether every test is listed as the index has it.
    fn takes_all(&self, project: &Project) -> bool {
        let everything = *self.keywords == Expression::Everything && *self.marks == Expression::Everything;
        let [Place { path, name }] = self.asked else { return false };
        let below =
            |path: &[u8], place: &[u8]| path.strip_prefix(place).is_some_and(|rest| rest.first() == Some(&b'/'));
        let place = path.as_os_str().as_bytes();
        (everything || self.known && self.corrections.whole)
            && name.is_empty()
            && self.deselected.is_empty()
            && project.index.sum().special == 0
            && project.index.files().all(|file| file.flags() & HAS_TESTS == 0 || below(file.path(), place))
    }

    /// `None` if the test is not meant, and else whether that is sure.
    fn is_meant(&self, test: &StoredTest) -> Option<bool> {
        if !self.deselected.is_empty() && !test.name.is_empty() {
            let id = format!("{}{}", test.path, test.name);
            if self.deselected.iter().any(|beginning| id.starts_with(beginning.as_str())) {
                return None;
            }
        }
        let everything = *self.keywords == Expression::Everything && *self.marks == Expression::Everything;
        if everything || test.name.is_empty() || self.known && test.flags & FROM_RUN != 0 {
            return Some(true);
        }
        match is_meant(test, self.keywords, self.marks) {
            Some(true) => Some(true),
            Some(false) => None,
            None => Some(false),
        }
    }
}

/// `None` if that depends on marks and words that are not known.
fn is_meant(test: &StoredTest, keywords: &Expression, marks: &Expression) -> Option<bool> {
    let (own, more) = test.words.split_once('\n').unwrap_or((test.words, ""));
    let parted =
        |text: &'_ str| -> Vec<String> { text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect() };
    let (own, more) = (parted(own), parted(more));
    let bracket = test.name.find('[').unwrap_or(test.name.len());
    let (names, parameters) = test.name.split_at(bracket);
    let last = names.rsplit("::").next().unwrap_or("").to_owned() + parameters;
    let words = own.iter().chain(&more).map(String::as_str);
    let mut all: Vec<String> =
        test.path.split('/').chain(names.split("::")).chain(words).map(str::to_lowercase).collect();
    all.push(last.to_lowercase());
    let open = test.flags & OPEN_WORDS != 0;
    let or_open = |there: bool| if there || !open { Some(there) } else { None };
    let by_keywords = keywords.holds(&mut |wanted| {
        let wanted = wanted.to_lowercase();
        or_open(all.iter().any(|name| name.contains(&wanted)))
    });
    let by_marks = marks.holds(&mut |wanted| or_open(own.iter().any(|word| word == wanted)));
    match (by_keywords, by_marks) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// As much is written at once.
const PIECE: usize = 1 << 16;

fn print(project: &Project, choice: &Choice, json: bool) -> io::Result<Sum> {
    let mut stdout = rustix::stdio::stdout();
    let mut stdout = Output(&mut stdout);
    if !json && choice.takes_all(project) {
        let sum = project.index.sum();
        let mut last = Vec::with_capacity(256);
        write_sum(&mut last, project, choice, &sum)?;
        stdout.write_both(project.index.text(), &last)?;
        return Ok(sum);
    }
    let mut out = Vec::with_capacity(PIECE + 4096);
    let mut sum = Sum::default();
    if json && !project.settings.doubts.is_empty() && !choice.is_known() {
        // Anywhere, there may be others.
        out.extend_from_slice(b"{\"id\":null,\"exact\":false,\"file\":null,\"line\":0,\"marks\":[]}\n");
    }
    choice.each(project, &mut |one, exact| {
        let (test, path) = one;
        sum.ids += usize::from(!test.name.is_empty());
        sum.open += usize::from(test.name.is_empty());
        sum.provisional += usize::from(!test.name.is_empty() && !exact);
        if json {
            write_json(&mut out, one, exact);
        } else if !test.name.is_empty() {
            out.extend_from_slice(path.as_bytes());
            out.extend_from_slice(test.name.as_bytes());
            out.push(b'\n');
        }
        if out.len() >= PIECE {
            stdout.write_both(&out, b"")?;
            out.clear();
        }
        Ok(())
    })?;
    if !json {
        write_sum(&mut out, project, choice, &sum)?;
    }
    stdout.write_both(&out, b"")?;
    Ok(sum)
}

/// Standard output, without a buffer: what is written comes in large pieces.
struct Output<'a, Fd: AsFd>(&'a mut Fd);

impl<Fd: AsFd> Output<'_, Fd> {
    fn write_both(&mut self, mut one: &[u8], mut other: &[u8]) -> io::Result<()> {
        while !one.is_empty() || !other.is_empty() {
            let count = match rustix::io::writev(&*self.0, &[IoSlice::new(one), IoSlice::new(other)]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => count,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let of_one = count.min(one.len());
            one = &one[of_one..];
            other = &other[count - of_one..];
        }
        Ok(())
    }
}

fn write_sum(out: &mut Vec<u8>, project: &Project, choice: &Choice, sum: &Sum) -> io::Result<()> {
    write!(out, "\n{} tests", sum.ids)?;
    if sum.provisional > 0 {
        write!(out, ", {} of them provisional", sum.provisional)?;
    }
    if sum.open > 0 {
        write!(out, "; {} times there may be others", sum.open)?;
    }
    let doubts = if choice.is_known() { &[][..] } else { &project.settings.doubts };
    for doubt in doubts.iter().take(3) {
        write!(out, "\nin doubt because of {doubt}")?;
    }
    writeln!(out)
}

fn write_json(out: &mut Vec<u8>, (test, path): &Chosen, exact: bool) {
    let marks = test.words.split('\n').next().unwrap_or("");
    out.extend_from_slice(b"{\"id\":");
    if test.name.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        write_string(out, &format!("{path}{}", test.name));
    }
    out.extend_from_slice(b",\"exact\":");
    out.extend_from_slice(if exact { b"true" } else { b"false" });
    out.extend_from_slice(b",\"file\":");
    write_string(out, path);
    out.extend_from_slice(format!(",\"line\":{},\"marks\":[", test.line).as_bytes());
    for (number, word) in marks.split(' ').filter(|word| !word.is_empty()).enumerate() {
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
        read(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>(), Path::new("/"))
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
            (2, vec!["a".to_owned(), "b".to_owned()], vec!["t".to_owned()])
        );
        assert!(wish("-k").is_err());
    }

    #[test]
    fn options_are_the_same_however_they_are_written() {
        let same = |given: &str, wanted: &str, all: bool| {
            let given: Vec<String> = given.split_whitespace().map(str::to_owned).collect();
            same_options(&given, &wish(wanted).unwrap().options, all, Path::new("/"))
        };
        for (given, wanted, deciding, all) in [
            ("-vp no:x", "-pno:x", true, false),
            ("-n 4 --tb short", "", true, false),
            ("--numprocesses 4 -x", "--numprocesses=4 -x", true, true),
            ("-o a=b", "-oa=b", true, true),
            ("-W error", "-W ignore", false, false),
            ("@words", "", false, false),
        ] {
            assert_eq!((same(given, wanted, false), same(given, wanted, true)), (deciding, all), "{given} | {wanted}");
        }
    }

    #[test]
    fn ids_name_themselves_and_what_is_below() {
        let place = |name: &str| Place { path: "/p/t.py".into(), name: name.to_owned() };
        let test = |name: &'static str| StoredTest { file: 0, line: 0, path: "t.py", name, words: "", flags: EXACT };
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
        let name = "::TestA::test_b[one::two]";
        let mut test = StoredTest {
            file: 0,
            line: 0,
            path: "sub/test_m.py",
            name,
            words: "slow parametrize\nodd_word",
            flags: EXACT,
        };
        let meant = |test: &StoredTest, keywords: &str, marks: &str| {
            is_meant(test, &Expression::read(keywords).unwrap(), &Expression::read(marks).unwrap())
        };
        for keywords in ["testa", "sub", "b[one", "slow", "test_m.py and not other", "TWO", "odd"] {
            assert_eq!(meant(&test, keywords, ""), Some(true), "{keywords}");
        }
        assert_eq!(meant(&test, "", "slow"), Some(true));
        for (keywords, marks) in [("", "slo"), ("", "odd_word"), ("not slow", ""), ("a::test", "")] {
            assert_eq!(meant(&test, keywords, marks), Some(false), "{keywords} {marks}");
        }
        test.flags = OPEN_WORDS;
        assert_eq!(
            (meant(&test, "", "fast"), meant(&test, "", "not fast"), meant(&test, "", "not slow")),
            (None, None, Some(false))
        );
    }

    #[test]
    fn json_strings_are_escaped() {
        let mut out = Vec::new();
        write_string(&mut out, "a\"\\\n\u{e9}");
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\\\"\\\\\\u000a\u{e9}\"");
    }
}
