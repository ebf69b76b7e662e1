//! Which Python runs the tests, and what it is told to do first.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::Lookup;

/// `python -c` puts the current directory at the front of `sys.path`; a project's own `signal.py` would be imported
/// in place of the standard one. (With `-P` or PYTHONSAFEPATH it does not.)
macro_rules! without_current_directory {
    ($rest:literal) => {
        concat!("import sys\nif sys.path[:1] == ['']:\n    del sys.path[0]\n", $rest)
    };
}

/// The program of a supervisor. Its argument is the number of its end of the socket pair.
pub const BOOT: &str = without_current_directory!("from dx_py_test_runner.daemon.boot import main\nsys.exit(main())\n");

/// The program of every verb but `test`. Its arguments are the verb and the verb's.
pub const BOOT_VERB: &str =
    without_current_directory!("from dx_py_test_runner.cli.main import main\nsys.exit(main(sys.argv[1:]))\n");

/// The interpreter, as an absolute path whose links are left alone: a virtual environment *is* the link.
pub fn find(lookup: Lookup, cwd: &Path) -> Result<PathBuf, String> {
    let own = std::env::current_exe().ok();
    search(lookup, cwd, own.as_deref().and_then(Path::parent))
}

fn search(lookup: Lookup, cwd: &Path, beside: Option<&Path>) -> Result<PathBuf, String> {
    let set = |name: &str| lookup(name).filter(|value| !value.is_empty());

    if let Some(wanted) = set("DX_PY_PYTHON") {
        // Someone who names an interpreter wants that one or none.
        return named(&wanted, set("PATH"), cwd).ok_or_else(|| {
            format!(
                "DX_PY_PYTHON is {}, which is not an executable file{}. Set it to the Python to use, or unset it.",
                wanted.display(),
                if wanted.as_bytes().contains(&b'/') { "" } else { " on PATH" },
            )
        });
    }

    let mut tried = Vec::new();
    let mut candidates = Vec::new();
    if let Some(folder) = beside {
        tried.push(format!("python and python3 in {} (where dx-py is)", folder.display()));
        candidates.extend(interpreter_of_pytest(folder));
        candidates.extend([folder.join("python"), folder.join("python3")]);
    }
    if let Some(environment) = set("VIRTUAL_ENV") {
        let python = Path::new(&environment).join("bin/python");
        tried.push(format!("{} ($VIRTUAL_ENV)", python.display()));
        candidates.push(python);
    }
    if let Some(python) = candidates.iter().find_map(|path| program(cwd.join(path))) {
        return Ok(python);
    }
    named(OsStr::new("python3"), set("PATH"), cwd).ok_or_else(|| {
        tried.push("python3 on PATH".to_owned());
        format!(
            "found no Python. Tried: {}. Activate the environment that dx-py-test-runner is installed in, \
             or set DX_PY_PYTHON to its python.",
            tried.join("; ")
        )
    })
}

/// The interpreter in the first line of the `pytest` command beside us, if it is beside us, too: the name a process was
/// started by is `sys.executable`, and tests may look at it.
fn interpreter_of_pytest(folder: &Path) -> Option<PathBuf> {
    let mut line = String::new();
    let script = std::fs::File::open(folder.join("pytest")).ok()?;
    std::io::BufReader::new(script.take(4096)).read_line(&mut line).ok()?;
    let interpreter = PathBuf::from(line.strip_prefix("#!")?.trim());
    (interpreter.parent() == Some(folder)).then_some(interpreter)
}

/// A program as a shell would find it: by its path if it has a slash, on PATH otherwise.
fn named(name: &OsStr, path: Option<OsString>, cwd: &Path) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return program(cwd.join(name));
    }
    std::env::split_paths(&path?).find_map(|folder| program(cwd.join(folder).join(name)))
}

/// The path without its `.` components if it can be executed: `./python` and `python` are one interpreter.
fn program(path: PathBuf) -> Option<PathBuf> {
    let usable = path.is_file() && rustix::fs::access(&path, Access::EXEC_OK).is_ok();
    usable.then(|| path.components().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{symlink, PermissionsExt};

    struct Scene {
        top: tempfile::TempDir,
        env: Vec<(&'static str, String)>,
    }

    impl Scene {
        fn new() -> Self {
            Scene { top: tempfile::tempdir().unwrap(), env: Vec::new() }
        }

        fn program(&self, name: &str) -> PathBuf {
            let path = self.top.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        }

        fn set(mut self, name: &'static str, value: &str) -> Self {
            self.env.push((name, value.replace("TOP", self.top.path().to_str().unwrap())));
            self
        }

        fn search(&self) -> Result<PathBuf, String> {
            let lookup = |name: &str| self.env.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
            search(&lookup, self.top.path(), Some(&self.top.path().join("own")))
        }
    }

    #[test]
    fn the_order_is_variable_own_directory_environment_path() {
        let scene = Scene::new().set("PATH", "/nowhere:TOP/path").set("VIRTUAL_ENV", "TOP/venv");
        let on_path = scene.program("path/python3");
        assert_eq!(scene.search().unwrap(), on_path);
        let in_environment = scene.program("venv/bin/python");
        assert_eq!(scene.search().unwrap(), in_environment);
        let own = scene.program("own/python3");
        assert_eq!(scene.search().unwrap(), own);
        let own = scene.program("own/python");
        assert_eq!(scene.search().unwrap(), own);
        let wanted = scene.program("wanted");
        let found = scene.set("DX_PY_PYTHON", "./wanted").search().unwrap();
        assert_eq!(found.as_os_str(), wanted.as_os_str());
    }

    #[test]
    fn the_interpreter_of_the_pytest_beside_us_comes_first() {
        let scene = Scene::new().set("PATH", "");
        scene.program("own/python");
        let own = scene.program("own/python3.11");
        let script = scene.program("own/pytest");
        fs::write(&script, format!("#!{}\nimport pytest\n", own.display())).unwrap();
        assert_eq!(scene.search().unwrap(), own);
        fs::write(&script, "#!/usr/bin/env python3\nimport pytest\n").unwrap();
        assert_eq!(scene.search().unwrap(), scene.top.path().join("own/python"));
    }

    #[test]
    fn a_bare_name_is_looked_up_on_path() {
        let scene = Scene::new().set("PATH", "TOP/path").set("DX_PY_PYTHON", "python3.14");
        let found = scene.program("path/python3.14");
        assert_eq!(scene.search().unwrap(), found);
    }

    #[test]
    fn links_are_left_alone() {
        let scene = Scene::new().set("PATH", "");
        let real = scene.program("real");
        fs::create_dir_all(scene.top.path().join("own")).unwrap();
        symlink(real, scene.top.path().join("own/python3")).unwrap();
        assert_eq!(scene.search().unwrap(), scene.top.path().join("own/python3"));
    }

    #[test]
    fn a_wanted_interpreter_that_is_not_there_is_an_error_even_if_others_are() {
        let scene = Scene::new().set("DX_PY_PYTHON", "TOP/gone");
        scene.program("own/python3");
        let sentence = scene.search().unwrap_err();
        assert!(sentence.contains("DX_PY_PYTHON") && sentence.contains("/gone"), "{sentence}");
    }

    #[test]
    fn none_at_all_names_what_was_tried() {
        let scene = Scene::new().set("VIRTUAL_ENV", "TOP/venv").set("PATH", "TOP/path");
        fs::create_dir_all(scene.top.path().join("own/python3")).unwrap();
        let sentence = scene.search().unwrap_err();
        for part in ["/own", "venv/bin/python", "on PATH", "DX_PY_PYTHON"] {
            assert!(sentence.contains(part), "{part} in {sentence}");
        }
    }
}
