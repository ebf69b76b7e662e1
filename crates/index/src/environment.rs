//! Which plugins of pytest are installed, told from the metadata beside them.

use std::path::{Path, PathBuf};

/// What is installed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Environment {
    /// Distributions with plugins.
    pub plugins: Vec<String>,
}

/// Distributions whose plugins leave ids as they are, unless a test is marked for them or asks for their fixtures.
const HARMLESS: &[&str] = &[
    "pytest_cov",
    "time_machine",
    "pytest_codspeed",
    "pytest_xdist",
    "pytest_timeout",
    "pytest_mock",
    "pytest_asyncio",
    "hypothesis",
    "pytest_benchmark",
    "pytest_randomly",
    "anyio",
    "pytest_rerunfailures",
    "pytest_sugar",
    "pytest_html",
    "pytest_metadata",
    "pytest_instafail",
    "pytest_env",
    "pytest_httpserver",
    "pytest_freezer",
    "pytest_freezegun",
    "dx_py_test_runner",
    "pytest_github_actions_annotate_failures",
    "pytest_icdiff",
    "pytest_clarity",
    "pytest_socket",
    "pytest_forked",
    "pytest_localserver",
    "pytest_httpbin",
    "pytest_random_order",
    "syrupy",
    "pytest_snapshot",
    "pytest_xprocess",
    "faker",
    "pytest_trio",
    "trio",
    "pytest_order",
    "pytest_profiling",
    "pytest_picked",
];

impl Environment {
    /// What is installed in these folders.
    pub fn read(folders: &[PathBuf]) -> Self {
        let mut plugins: Vec<String> = folders.iter().flat_map(|folder| plugins_in(folder)).collect();
        plugins.sort();
        plugins.dedup();
        Self { plugins }
    }

    /// Plugins that may change what is collected.
    pub fn doubts(&self) -> impl Iterator<Item = String> + '_ {
        let unknown = self.plugins.iter().filter(|name| !HARMLESS.contains(&name.as_str()));
        unknown.map(|name| format!("the plugin {name}"))
    }
}

/// Names as in the metadata's folder, in lower case and with underscores.
fn plugins_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if !name.ends_with(".dist-info") && !name.ends_with(".egg-info") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(entry.path().join("entry_points.txt")) else { continue };
        if text.lines().any(|line| line.trim() == "[pytest11]") {
            let distribution = name.split('-').next().unwrap_or(&name);
            found.push(distribution.to_ascii_lowercase().replace('.', "_"));
        }
    }
    found
}

/// The folders of modules that belong to an interpreter in a virtual environment.
pub fn folders_of(python: &Path) -> Vec<PathBuf> {
    let Some(prefix) = python.parent().and_then(Path::parent) else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(prefix.join("lib")) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with("python3")))
        .map(|entry| entry.path().join("site-packages"))
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_found_and_doubted_unless_known() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("pytest_cov-1.dist-info", "[pytest11]\nx = y\n"),
            ("Odd.Plug-2.dist-info", "[a]\n[pytest11]\n"),
            ("other-1.dist-info", "[console_scripts]\n"),
        ] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("entry_points.txt"), text).unwrap();
        }
        let folders = [folder.path().to_owned()];
        let environment = Environment::read(&folders);
        assert_eq!(environment.plugins, ["odd_plug", "pytest_cov"]);
        assert_eq!(environment.doubts().collect::<Vec<_>>(), ["the plugin odd_plug"]);
    }
}
