//! What a run has collected, written for `dx-py list`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use dx_py_index::collected::{self, Collected, Kind, Known, Listing, Reader, Slot};
use dx_py_index::correct::build;
use dx_py_index::rows::Variables;
use dx_py_index::stamp::Stamp;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

type Status = (u64, u64, u64, u64);
type Names = Option<Vec<String>>;
type Environment = Vec<(Vec<u8>, Vec<u8>)>;
/// Names, beginnings, exceptions if all were read, the whole environment.
type Read = (Vec<String>, Vec<String>, Names, Environment);
/// Root, folder, interpreter, arguments, places, deselected beginnings of ids.
type Asked = (String, String, String, Vec<String>, Vec<String>, Vec<String>);
/// Options matter, expressions commute, places commute, plain walk.
type Answers = (bool, bool, bool, bool);

/// Where a collection is kept.
///
/// :param whole: of all that is collected when nothing is named.
#[pyfunction]
#[pyo3(signature = (cache, root, /, *, whole))]
pub fn collection_place(cache: PathBuf, root: PathBuf, whole: bool) -> PathBuf {
    collected::place(&cache, &root, if whole { Slot::Whole } else { Slot::Part })
}

/// The name of the collection in the file at *path*; None if there is none.
#[pyfunction]
#[pyo3(signature = (path, /))]
pub fn collection_name(path: PathBuf) -> Option<[u8; 16]> {
    collected::name_at(&path)
}

/// Replace the collection in the file at *path*.
///
/// :param name: 16 bytes that no other collection has.
/// :param asked: root, folder, interpreter, arguments, places, deselected beginnings of ids; and what is known of
///     such requests: options matter, expressions commute, places commute, plain walk.
/// :param variables: names, beginnings, exceptions if all were read, the whole environment.
/// :param inputs: files, texts, kinds, links, listings.
/// :param tests: modules; and for each test its module's place, its name and its words.
/// :raises ValueError: something is no text.
/// :raises OSError: it cannot be written; then all is as it was.
#[pyfunction]
#[pyo3(signature = (path, name, asked, variables, inputs, tests, /))]
#[allow(clippy::type_complexity)]
pub fn write_collection(
    py: Python<'_>,
    path: PathBuf,
    name: [u8; 16],
    asked: (Asked, Answers),
    variables: Read,
    inputs: (
        Vec<(String, Option<Status>)>,
        Vec<String>,
        Vec<(String, String)>,
        Vec<(String, Option<String>)>,
        Vec<(String, String, Names)>,
    ),
    tests: (Vec<String>, Vec<(u32, String, String)>),
) -> PyResult<()> {
    let ((root, folder, python, arguments, places, deselected), answers) = asked;
    let (options_matter, expressions_commute, places_commute, plain_walk) = answers;
    let (files, texts, kinds, links, listings) = inputs;
    let found = Collected {
        build: build(),
        root,
        folder,
        python,
        arguments,
        options_matter,
        places,
        deselected,
        expressions_commute,
        places_commute,
        plain_walk,
        variables: variables_of(variables),
        files: files.into_iter().map(|(path, status)| (path, stamp(status))).collect(),
        texts,
        kinds: kinds.into_iter().map(|(path, word)| (path, kind(&word))).collect(),
        links,
        listings: listings.into_iter().map(listing).collect::<PyResult<_>>()?,
        modules: tests.0,
        tests: tests.1.into_iter().map(|(module, name, words)| Known { module, name, words }).collect(),
    };
    Ok(py.detach(|| found.write(&path, name))?)
}

fn variables_of((mut names, beginnings, all_but, environment): Read) -> Variables {
    names.sort_unstable();
    let environment: Vec<(OsString, OsString)> =
        environment.into_iter().map(|(name, value)| (OsString::from_vec(name), OsString::from_vec(value))).collect();
    let mut found = Variables { names, beginnings, all_but, values: Default::default() };
    found.values = found.hash(&environment);
    found
}

fn stamp(status: Option<Status>) -> Stamp {
    status.map_or_else(Stamp::default, |(size, mtime, ctime, inode)| Stamp { size, mtime, ctime, inode })
}

fn kind(word: &str) -> Kind {
    match word {
        "" => Kind::Nothing,
        "folder" => Kind::Folder,
        _ => Kind::File,
    }
}

fn listing((reader, folder, names): (String, String, Names)) -> PyResult<Listing> {
    let reader = match reader.as_str() {
        "import" => Reader::Import,
        "metadata" => Reader::Metadata,
        "visible" => Reader::Visible,
        "all" => Reader::All,
        other => return Err(PyValueError::new_err(format!("no reader: {other}"))),
    };
    let names = names.map(|mut names| {
        names.sort_unstable();
        names
    });
    Ok(Listing { reader, folder, names })
}
