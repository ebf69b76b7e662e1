//! pytest's settings, as far as they decide what is collected, read without pytest.
//!
//! What is not understood is no error: it is a *doubt*, and what is listed under it is provisional.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::options::{self, Given};
use crate::words;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub root: PathBuf,
    pub testpaths: Vec<String>,
    pub norecursedirs: Vec<String>,
    pub python_files: Vec<String>,
    pub python_classes: Vec<String>,
    pub python_functions: Vec<String>,
    /// Expressions of `-k` and `-m`, unless the command line has others.
    pub keywords: Option<String>,
    pub marks: Option<String>,
    /// Why what is collected may be something else than these settings say.
    pub doubts: Vec<String>,
}

type Values = BTreeMap<String, String>;

/// Settings that do not change which ids there are.
const HARMLESS: &[&str] = &[
    "minversion",
    "required_plugins",
    "markers",
    "filterwarnings",
    "xfail_strict",
    "log_cli",
    "log_level",
    "log_format",
    "log_date_format",
    "log_cli_level",
    "log_cli_format",
    "log_file",
    "log_file_level",
    "log_auto_indent",
    "log_cli_date_format",
    "log_file_mode",
    "log_file_format",
    "log_file_date_format",
    "junit_family",
    "junit_suite_name",
    "junit_logging",
    "junit_log_passing_tests",
    "junit_duration_report",
    "console_output_style",
    "cache_dir",
    "faulthandler_timeout",
    "faulthandler_exit_on_timeout",
    "tmp_path_retention_count",
    "tmp_path_retention_policy",
    "truncation_limit_lines",
    "truncation_limit_chars",
    "verbosity_assertions",
    "verbosity_test_cases",
    "verbosity_subtests",
    "pythonpath",
    "testpaths",
    "norecursedirs",
    "python_files",
    "python_classes",
    "python_functions",
    "addopts",
    "asyncio_mode",
    "asyncio_default_fixture_loop_scope",
    "timeout",
    "timeout_method",
    "empty_parameter_set_mark",
    "enable_assertion_pass_hook",
    "consider_namespace_packages",
    "doctest_optionflags",
    "doctest_encoding",
    "strict_markers",
    "strict_config",
    "strict_xfail",
    "xvfb_width",
    "looponfailroots",
    "env",
];

/// Options that do not change which ids there are.
const HARMLESS_SHORT: &[&str] = &["-v", "-q", "-s", "-x", "-l", "-r", "-n", "-W"];

/// The same, by their beginning.
const HARMLESS_OPTIONS: &[&str] = &[
    "--tb",
    "--strict",
    "--cov",
    "--no-cov",
    "--durations",
    "--color",
    "--capture",
    "--showlocals",
    "--no-showlocals",
    "--maxfail",
    "--import-mode",
    "--verbos",
    "--quiet",
    "--junit",
    "--exitfirst",
    "--report-chars",
    "--show-capture",
    "--no-header",
    "--no-summary",
    "--no-fold-skipped",
    "--disable-warnings",
    "--disable-pytest-warnings",
    "--max-warnings",
    "--basetemp",
    "--log-",
    "--dist",
    "--numprocesses",
    "--maxprocesses",
    "--timeout",
    "--benchmark",
    "--code-highlight",
    "--full-trace",
    "--assert",
    "--pythonwarnings",
    "--hypothesis",
    "--asyncio-mode",
    "--instafail",
    "--reruns",
    "--cache-clear",
];

impl Settings {
    /// The settings of a run from `folder` with these paths and options; `lookup` gives variables of the environment.
    pub fn load(folder: &Path, paths: &[PathBuf], given: &[Given], lookup: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut doubts = Vec::new();
        let mut asked = read_options("PYTEST_ADDOPTS", &lookup("PYTEST_ADDOPTS").unwrap_or_default(), &mut doubts);
        asked.extend_from_slice(given);
        let (root, mut values, more) = locate(folder, paths, &asked, lookup);
        doubts.extend(more);
        override_values(&mut values, &asked, &mut doubts);
        let list = |name: &str, default: &[&str]| match values.get(name) {
            Some(value) => words::split(value).unwrap_or_default(),
            None => default.iter().map(|&word| word.to_owned()).collect(),
        };
        for name in values.keys().filter(|name| !HARMLESS.contains(&name.as_str())) {
            doubts.push(format!("the setting {name}"));
        }
        let mut options =
            read_options("the setting addopts", values.get("addopts").map_or("", String::as_str), &mut doubts);
        options.extend(asked);
        let last = |name: &str| options.iter().rev().find(|one| one.name == name).map(|one| one.value().to_owned());
        let (keywords, marks) = (last("-k"), last("-m"));
        options.retain(|one| !matches!(one.name.as_str(), "-k" | "-m"));
        doubts.extend(doubtful_options(&options));
        if lookup("PYTEST_PLUGINS").is_some_and(|plugins| !plugins.is_empty()) {
            doubts.push("PYTEST_PLUGINS".to_owned());
        }
        let testpaths = list("testpaths", &[]);
        let norecursedirs =
            list("norecursedirs", &["*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}"]);
        let python_files = list("python_files", &["test_*.py", "*_test.py"]);
        // pytest expands them, in an order of its own.
        for path in testpaths.iter().filter(|path| path.contains(['*', '?', '['])) {
            doubts.push(format!("the pattern {path}"));
        }
        for pattern in python_files.iter().filter(|pattern| pattern.contains('/')) {
            doubts.push(format!("the pattern {pattern}"));
        }
        Self {
            root,
            testpaths,
            norecursedirs,
            python_files,
            python_classes: list("python_classes", &["Test"]),
            python_functions: list("python_functions", &["test"]),
            keywords,
            marks,
            doubts,
        }
    }

    /// Whether a function of that name is a test.
    pub fn is_function(&self, name: &str) -> bool {
        named(&self.python_functions, name)
    }

    /// Whether a class of that name holds tests.
    pub fn is_class(&self, name: &str) -> bool {
        named(&self.python_classes, name)
    }

    /// Whether a file of that name is a test module.
    pub fn is_module(&self, name: &str) -> bool {
        name.ends_with(".py") && self.python_files.iter().any(|pattern| words::matches(pattern, name))
    }

    /// Whether a folder is left out unless it is asked for.
    pub fn is_left_out(&self, path: &Path) -> bool {
        // Names that are no text are not listed.
        let (Some(name), Some(whole)) = (path.file_name().and_then(|name| name.to_str()), path.to_str()) else {
            return true;
        };
        name == "__pycache__"
            || self.norecursedirs.iter().any(|pattern| match (pattern.contains('/'), pattern.starts_with('/')) {
                (false, _) => words::matches(pattern, name),
                (true, true) => words::matches(pattern, whole),
                (true, false) => words::matches(&format!("*/{pattern}"), whole),
            })
    }
}

fn named(options: &[String], name: &str) -> bool {
    options.iter().any(|option| {
        name.starts_with(option.as_str()) || (option.contains(['*', '?', '[']) && words::matches(option, name))
    })
}

/// The options in the words of a setting, in which places are doubtful.
fn read_options(setting: &str, text: &str, doubts: &mut Vec<String>) -> Vec<Given> {
    let line = words::split(text).and_then(|words| options::part(&words, &|_| true).ok());
    match line {
        Some(line) if line.places.is_empty() => line.options,
        Some(line) => {
            doubts.push(format!("{setting}: {}", line.places.join(" ")));
            line.options
        }
        None => {
            doubts.push(setting.to_owned());
            Vec::new()
        }
    }
}

/// Settings that are given as options take the place of those in files.
fn override_values(values: &mut Values, options: &[Given], doubts: &mut Vec<String>) {
    for one in options.iter().filter(|one| matches!(one.name.as_str(), "-o" | "--override-ini")) {
        match one.value().split_once('=') {
            Some((name, value)) => drop(values.insert(name.to_owned(), value.to_owned())),
            None => doubts.push(format!("the option {one}")),
        }
    }
}

/// Our own options that decide where and how tests run.
const OWN: &[&str] = &["--no-daemon", "--engine", "--isolation", "--tell"];

/// Options that decide whether files can be collected; whoever reads their texts assumes that they can.
const DECIDING: &[&str] = &["-W", "--pythonwarnings", "--strict", "--import-mode"];

/// Those among the options that may decide what is collected.
pub fn deciding(options: &[Given]) -> Vec<&Given> {
    let is_among = |one: &Given, known: &[&str]| known.iter().any(|known| one.name.starts_with(known));
    options
        .iter()
        .filter(|one| !OWN.contains(&one.name.as_str()) && (!is_harmless(one) || is_among(one, DECIDING)))
        .collect()
}

fn is_harmless(one: &Given) -> bool {
    let name = one.name.as_str();
    HARMLESS_SHORT.contains(&name)
        || name.starts_with("--") && HARMLESS_OPTIONS.iter().any(|known| name.starts_with(known))
}

fn doubtful_options(options: &[Given]) -> impl Iterator<Item = String> + '_ {
    let is_doubtful = |one: &&Given| match one.name.as_str() {
        "-p" => !one.value().starts_with("no:"),
        // They have been heeded.
        "-o" | "--override-ini" => false,
        _ => !is_harmless(one),
    };
    options.iter().filter(is_doubtful).map(|one| format!("the option {one}"))
}

/// Without `.` and `..`.
pub fn normal(path: &Path) -> PathBuf {
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

fn common_ancestor(folder: &Path, paths: &[PathBuf]) -> PathBuf {
    let mut common: Option<PathBuf> = None;
    for path in paths.iter().filter(|path| path.exists()) {
        let path = if path.is_dir() { path.clone() } else { path.parent().unwrap_or(path).to_owned() };
        common = Some(match common {
            None => path,
            Some(before) => before
                .components()
                .zip(path.components())
                .take_while(|(one, two)| one == two)
                .map(|(one, _)| one)
                .collect(),
        });
    }
    common.unwrap_or_else(|| folder.to_owned())
}

/// Root, settings, doubts, as the options want them.
fn locate(
    folder: &Path,
    paths: &[PathBuf],
    options: &[Given],
    lookup: &dyn Fn(&str) -> Option<String>,
) -> (PathBuf, Values, Vec<String>) {
    let last = |names: &[&str]| Some(options.iter().rev().find(|one| names.contains(&one.name.as_str()))?.value());
    let (mut root, values, mut doubts) = match last(&["-c", "--config-file"]) {
        Some(file) => read_at(&normal(&folder.join(file))),
        None => locate_files(folder, &common_ancestor(folder, paths)),
    };
    if let Some(wanted) = last(&["--rootdir"]) {
        let wanted = normal(&folder.join(with_variables(wanted, lookup)));
        if !wanted.is_dir() {
            doubts.push(format!("there is no {}", wanted.display()));
        }
        root = wanted;
    }
    (root, values, doubts)
}

/// The settings of the file that is asked for; its folder is the root.
fn read_at(file: &Path) -> (PathBuf, Values, Vec<String>) {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let root = file.parent().unwrap_or(file).to_owned();
    let doubt = |why: &str| vec![format!("{}: {why}", file.display())];
    let Ok(text) = std::fs::read_to_string(file) else { return (root, Values::new(), doubt("cannot be read")) };
    // What a file is, pytest tells by the end of its name.
    let kind = match name.rsplit_once('.') {
        Some((_, "ini")) => "pytest.ini",
        Some((_, "cfg")) => "setup.cfg",
        Some((_, "toml")) if name == "pyproject.toml" => name,
        _ => return (root, Values::new(), doubt("is of another kind")),
    };
    match read(kind, &text) {
        Ok(values) => (root, values.unwrap_or_default(), Vec::new()),
        Err(why) => (root, Values::new(), doubt(&why)),
    }
}

/// `$NAME` and `${NAME}` are variables of the environment.
fn with_variables(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let inner = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let (name, behind, written) = match inner {
            Some((name, behind)) => (name, behind, &after[..name.len() + 2]),
            None => (&after[..end], &after[end..], &after[..end]),
        };
        match lookup(name).filter(|_| !name.is_empty()) {
            Some(value) => out.push_str(&value),
            None => out.extend(["$", written]),
        }
        rest = behind;
    }
    out + rest
}

/// Root, settings, doubts.
fn locate_files(folder: &Path, ancestor: &Path) -> (PathBuf, Values, Vec<String>) {
    let mut pyproject = None;
    for base in ancestor.ancestors() {
        for name in
            ["pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"]
        {
            let path = base.join(name);
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            if name == "pyproject.toml" && pyproject.is_none() {
                pyproject = Some(base.to_owned());
            }
            match read(name, &text) {
                Ok(Some(values)) => return (base.to_owned(), values, Vec::new()),
                Ok(None) => {}
                Err(why) => return (base.to_owned(), Values::new(), vec![format!("{}: {why}", path.display())]),
            }
        }
    }
    if let Some(base) = pyproject {
        return (base, Values::new(), Vec::new());
    }
    let setup = ancestor.ancestors().find(|base| base.join("setup.py").is_file());
    let root = setup.map(Path::to_owned).unwrap_or_else(|| {
        let common: PathBuf = folder
            .components()
            .zip(ancestor.components())
            .take_while(|(one, two)| one == two)
            .map(|(one, _)| one)
            .collect();
        if common.parent().is_none() {
            ancestor.to_owned()
        } else {
            common
        }
    });
    (root, Values::new(), Vec::new())
}

/// The settings in a file's text; `None` if it has none for pytest.
fn read(name: &str, text: &str) -> Result<Option<Values>, String> {
    match name {
        "pytest.toml" | ".pytest.toml" => Err("settings in TOML with types".to_owned()),
        "pyproject.toml" => read_pyproject(text),
        _ => {
            let wanted = if name == "setup.cfg" { "tool:pytest" } else { "pytest" };
            let found = read_ini(text, wanted)?;
            Ok(found.or_else(|| name.ends_with("pytest.ini").then(Values::new)))
        }
    }
}

fn read_pyproject(text: &str) -> Result<Option<Values>, String> {
    if !text.contains("pytest") {
        return Ok(None);
    }
    let table: toml::Table = text.parse().map_err(|_| "cannot be read".to_owned())?;
    let Some(pytest) = table.get("tool").and_then(|tool| tool.get("pytest")) else { return Ok(None) };
    let Some(pytest) = pytest.as_table() else { return Err("tool.pytest is no table".to_owned()) };
    if pytest.keys().any(|key| key != "ini_options") {
        return Err("settings in TOML with types".to_owned());
    }
    let Some(options) = pytest.get("ini_options").and_then(toml::Value::as_table) else { return Ok(None) };
    let mut values = Values::new();
    for (name, value) in options {
        let words = match value {
            toml::Value::Array(words) => {
                let words: Vec<String> = words.iter().map(|word| quoted(word.as_str().unwrap_or_default())).collect();
                words.join(" ")
            }
            toml::Value::String(text) => text.clone(),
            toml::Value::Boolean(value) => value.to_string(),
            toml::Value::Integer(value) => value.to_string(),
            toml::Value::Float(value) => value.to_string(),
            _ => return Err(format!("{name} is no setting")),
        };
        values.insert(name.clone(), words);
    }
    Ok(Some(values))
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// One section of an ini file as the package `iniconfig` reads it.
fn read_ini(text: &str, wanted: &str) -> Result<Option<Values>, String> {
    let (mut found, mut inside, mut last) = (None::<Values>, false, None::<String>);
    for line in text.lines() {
        let is_comment = line.trim_start().starts_with(['#', ';']);
        if line.trim().is_empty() || is_comment {
            continue;
        }
        if !line.starts_with([' ', '\t']) {
            if let Some(section) = line.strip_prefix('[') {
                let end = section.find(']').ok_or("a section that does not end")?;
                inside = &section[..end] == wanted;
                last = None;
                if inside {
                    found.get_or_insert_default();
                }
            } else if inside {
                let (name, value) =
                    line.split_once('=').or_else(|| line.split_once(':')).ok_or("a line without a value")?;
                found.get_or_insert_default().insert(name.trim().to_owned(), value.trim().to_owned());
                last = Some(name.trim().to_owned());
            }
        } else if let (true, Some(values), Some(name)) = (inside, &mut found, &last) {
            let value = values.entry(name.clone()).or_default();
            value.push('\n');
            value.push_str(line.trim());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_decide_unless_they_are_known_to_be_harmless() {
        let decide = |line: &str| -> String {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let options = options::part(&words, &|_| true).unwrap().options;
            let found: Vec<String> = deciding(&options).into_iter().map(Given::to_string).collect();
            found.join(" ")
        };
        for line in ["-v -q -s -x --tb short", "--maxfail=1 -n 2 --no-daemon", "--isolation test --engine=lean"] {
            assert_eq!(decide(line), "", "{line}");
        }
        for line in ["--ignore x", "-p no:cacheprovider", "-W error", "--strict-markers", "--import-mode importlib"] {
            assert_eq!(decide(&format!("-v {line} -x")), line);
        }
    }

    fn load(files: &[(&str, &str)]) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let mut settings = Settings::load(&folder.path().join("sub"), &[], &[], &|_| None);
        settings.root = settings.root.strip_prefix(folder.path()).map(Path::to_owned).unwrap_or_default();
        settings
    }

    #[test]
    fn the_nearest_file_with_a_section_counts() {
        let settings = load(&[
            ("sub/tox.ini", "[tox]\n"),
            ("pyproject.toml", "[tool.pytest.ini_options]\ntestpaths = ['a b', 'c']\npython_files = 'check_*.py x.py'\naddopts = '-q --strict-markers'\n"),
            ("setup.cfg", "[tool:pytest]\ntestpaths = no\n"),
        ]);
        assert_eq!(settings.root, Path::new(""));
        assert_eq!(settings.testpaths, ["a b", "c"]);
        assert!(settings.is_module("check_a.py") && !settings.is_module("test_a.py"));
        assert!(settings.doubts.is_empty(), "{:?}", settings.doubts);
        let settings =
            load(&[("sub/pytest.ini", ""), ("pyproject.toml", "[tool.pytest.ini_options]\ntestpaths = 'a'\n")]);
        assert_eq!((settings.root.as_path(), settings.testpaths.len()), (Path::new("sub"), 0));
    }

    #[test]
    fn values_go_on_in_indented_lines() {
        let settings = load(&[("setup.cfg", "[x]\ny = 1\n[tool:pytest]\n# why\npython_classes =\n    Test\n    *Check\ntestpaths = t\n[z]\ntestpaths = no\n")]);
        assert_eq!(settings.python_classes, ["Test", "*Check"]);
        assert_eq!(settings.testpaths, ["t"]);
        assert!(settings.is_class("MyCheck") && settings.is_class("TestA") && !settings.is_class("ATest"));
    }

    #[test]
    fn what_is_not_understood_is_a_doubt() {
        for text in [
            "addopts = --doctest-modules",
            "addopts = -p plug",
            "python_files = a/test_*.py",
            "testpaths = tests/*",
            "testpaths = a te[s]ts",
            "usefixtures = a",
            "unheard = 1",
            "addopts = tests",
            "addopts = 'open",
        ] {
            let settings = load(&[("pytest.ini", &format!("[pytest]\n{text}\n"))]);
            assert!(!settings.doubts.is_empty(), "{text}");
        }
        assert!(load(&[("pytest.ini", "[pytest]\naddopts = -ra --tb short -p no:cacheprovider -n 2\n")])
            .doubts
            .is_empty());
        assert!(!load(&[("pyproject.toml", "[tool.pytest]\nx = 1\n")]).doubts.is_empty());
        assert!(!load(&[("pyproject.toml", "[tool.pytest.ini_options\n")]).doubts.is_empty());
    }

    #[test]
    fn expressions_of_the_settings_count() {
        let settings = load(&[("pytest.ini", "[pytest]\naddopts = -m 'not slow' -kname\n")]);
        assert_eq!((settings.marks.as_deref(), settings.keywords.as_deref()), (Some("not slow"), Some("name")));
        assert!(settings.doubts.is_empty());
    }

    #[test]
    fn folders_are_left_out_by_pattern() {
        let settings = load(&[]);
        for name in [".git", "build", "venv", "a.egg", "__pycache__"] {
            assert!(settings.is_left_out(&Path::new("/p").join(name)), "{name}");
        }
        assert!(!settings.is_left_out(Path::new("/p/builds")));
        let settings = load(&[("pytest.ini", "[pytest]\nnorecursedirs = a/b\n")]);
        assert!(settings.is_left_out(Path::new("/p/a/b")) && !settings.is_left_out(Path::new("/p/b")));
        assert!(settings.doubts.is_empty());
    }
}
