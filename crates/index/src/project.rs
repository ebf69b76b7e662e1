//! A project's index: opened, compared with the files, brought up to date.

use std::ffi::{OsStr, OsString};
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use dx_py_source::facts::{facts_of_bytes, Facts};
use memmap2::Mmap;

use crate::collected::{self, link_target, Collected, Kind, Slot};
use crate::correct::{self, link_stamp, Scene, Seen};
use crate::environment::Environment;
use crate::format::{self, encode, Content, Index};
use crate::options::Given;
use crate::resolve::{self, Source};
use crate::rows::{short_hash, FileRow, Guard, Short, What, HELD};
use crate::settings::Settings;
use crate::stamp::{now, Opened, Stamp};
use crate::threads::{drop_aside, in_order};
use crate::walk::{walk, Found};

/// What an index is asked for.
pub struct Request<'a> {
    /// Where the command was given.
    pub folder: &'a Path,
    /// What it names: absolute paths of files and folders.
    pub paths: &'a [PathBuf],
    /// Further options of pytest.
    pub options: &'a [Given],
    /// Beginnings of ids that are left out.
    pub deselected: &'a [String],
    /// Whether expressions are given that choose among the tests.
    pub filtered: bool,
    /// Whether these options (all that were given, or those that may decide what is collected) are those of this request.
    pub same_options: &'a dyn Fn(&[String], bool) -> bool,
    /// The interpreter, if there is one.
    pub python: Option<&'a Path>,
    /// Folders of installed modules.
    pub modules: &'a [PathBuf],
    /// Where indexes are kept, if anywhere.
    pub cache: Option<&'a Path>,
    /// Variables of the environment.
    pub lookup: &'a dyn Fn(&str) -> Option<String>,
    /// All of them.
    pub environment: &'a [(OsString, OsString)],
}

pub struct Project {
    pub settings: Settings,
    pub index: Index<Bytes>,
    /// How many files had to be read.
    pub read: usize,
}

/// Mapped or made.
pub enum Bytes {
    Mapped(Mmap),
    Made(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Made(bytes) => bytes,
        }
    }
}

impl Project {
    /// The index as the files are now. What is kept of it is written if it has changed; that this may fail changes nothing else.
    pub fn load(request: &Request) -> Self {
        let settings = Settings::load(request.folder, request.paths, request.options, request.lookup);
        let outside = left_out(&settings, request.paths);
        // What a run has left out by an expression of the settings is not known.
        let corrected = !(request.filtered && (settings.keywords.is_some() || settings.marks.is_some()));
        let slots = [Slot::Whole, Slot::Part].map(|slot| {
            let path = collected::place(request.cache.filter(|_| corrected)?, &settings.root, slot);
            Some((Stamp::of(&path)?, path))
        });
        let key = key(&settings, request, &outside, &slots);
        let place = request.cache.map(|cache| place(cache, request, &settings.root, &outside, corrected));
        let before = place.as_deref().and_then(Index::open);
        if let Some(index) = before {
            if *index.key() == key && is_true(&index) && same_variables(&index, request.environment) {
                return Self { settings, index: index.map(Bytes::Mapped), read: 0 };
            }
            return Self::update(settings, request, &outside, (key, slots), place.as_deref(), Some(&index));
        }
        Self::update(settings, request, &outside, (key, slots), place.as_deref(), None)
    }

    fn update(
        settings: Settings,
        request: &Request,
        outside: &[PathBuf],
        (key, slots): (Short, Slots),
        place: Option<&Path>,
        before: Option<&Index>,
    ) -> Self {
        let began = now();
        let found = walk(&settings, outside);
        let mut files = read_all(&found, before, began);
        let read = files.iter().filter(|file| file.read).count();
        let environment = Environment::read(request.modules);
        let free = (request.lookup)("PYTEST_DISABLE_PLUGIN_AUTOLOAD").is_some_and(|value| !value.is_empty());
        let doubted = !settings.doubts.is_empty()
            || (!free && (request.modules.is_empty() || environment.doubts().next().is_some()));
        let sources: Vec<Source> =
            found.files.iter().zip(&files).map(|(path, file)| Source { path, facts: &file.facts }).collect();
        let tests = resolve::resolve(&settings, doubted, &sources);
        let collections = slots.map(|slot| Collected::open(&slot?.1));
        let before_held = before.and_then(Index::corrections).unwrap_or_default().held;
        let seen: Vec<Seen> = found
            .files
            .iter()
            .zip(&files)
            .map(|(path, file)| Seen {
                path,
                stamp: file.stamp,
                facts: &file.facts,
                held: [0, 1].map(|slot| before_held[slot].filter(|_| file.held[slot])),
            })
            .collect();
        let scene = Scene {
            settings: &settings,
            folder: request.folder,
            python: request.python,
            environment: request.environment,
            deselected: request.deselected,
            same_options: request.same_options,
            began,
            files: &seen,
        };
        let corrected = correct::correct(&scene, tests, collections);
        let walked = found.folders.iter().map(|(path, stamp)| Guard {
            path: bytes_of(path),
            what: What::Stamp,
            stamp: stamp.kept(began),
        });
        let more = corrected.more_files.into_iter().map(|(path, stamp)| FileRow {
            path: bytes_of(&path),
            stamp,
            content: [0; 32],
            facts: encode(&Facts::default()),
            flags: 0,
        });
        let rows = files.iter_mut().zip(&corrected.held).map(|(file, held)| {
            let flags = HELD.iter().zip(held).map(|(flag, held)| flag * u32::from(*held)).sum();
            FileRow { flags, ..std::mem::take(&mut file.row) }
        });
        let content = Content {
            key,
            root: settings.root.clone(),
            guards: walked.chain(corrected.guards).collect(),
            files: rows.chain(more).collect(),
            tests: corrected.tests,
            corrections: corrected.corrections,
        };
        let bytes = content.to_bytes();
        drop_aside(read, (content, files, found));
        if let Some(place) = place {
            let _ = format::write(place, &bytes);
        }
        let made = Bytes::Made(bytes);
        let index = Index::check(made).unwrap_or_else(|| {
            Index::check(Bytes::Made(Content::default().to_bytes())).expect("an empty index is one")
        });
        Self { settings, index, read }
    }
}

type Slots = [Option<(Stamp, PathBuf)>; 2];

/// Whether the environment is, as far as it counts, the one that the index was made in.
fn same_variables<B: Deref<Target = [u8]>>(index: &Index<B>, environment: &[(OsString, OsString)]) -> bool {
    index
        .corrections()
        .is_some_and(|known| known.variables.iter().all(|(variables, values)| variables.hash(environment) == *values))
}

/// Paths that the walk from the root leaves out, but that are asked for.
fn left_out(settings: &Settings, paths: &[PathBuf]) -> Vec<PathBuf> {
    let is_left_out = |path: &&PathBuf| {
        let below = path.ancestors().take_while(|above| *above != settings.root);
        !path.starts_with(&settings.root) || below.into_iter().any(|folder| settings.is_left_out(folder))
    };
    paths.iter().filter(is_left_out).cloned().collect()
}

/// All on which the tests depend besides the files.
fn key(settings: &Settings, request: &Request, outside: &[PathBuf], slots: &Slots) -> Short {
    let modules: Vec<_> = request.modules.iter().map(|folder| (folder, Stamp::of(folder))).collect();
    let free = (request.lookup)("PYTEST_DISABLE_PLUGIN_AUTOLOAD");
    let parts = (settings, modules, free, outside, resolve::VERSION, env!("CARGO_PKG_VERSION"));
    let collections = slots.each_ref().map(|slot| slot.as_ref().map(|(stamp, _)| stamp));
    // Whether a collection may be used depends on more.
    let more = collections.iter().any(Option::is_some).then_some((request.folder, request.python, request.options));
    short_hash(&postcard::to_allocvec(&(parts, collections, more)).unwrap_or_default())
}

/// What chooses among a collection's tests has an index of its own.
fn place(cache: &Path, request: &Request, root: &Path, outside: &[PathBuf], corrected: bool) -> PathBuf {
    let mut hasher = blake3::Hasher::new();
    for path in std::iter::once(root).chain(outside.iter().map(PathBuf::as_path)) {
        hasher.update(path.as_os_str().as_bytes()).update(&[0]);
    }
    if !corrected {
        hasher.update(b"as the texts say");
    }
    for id in request.deselected {
        hasher.update(&[1]).update(id.as_bytes());
    }
    cache.join(format!("{}.dxti", &hasher.finalize().to_hex()[..32]))
}

/// Whether every file, and everything else, is as it was.
pub fn is_true<B: Deref<Target = [u8]>>(index: &Index<B>) -> bool {
    let same = |path: &[u8], stamp: Stamp| Stamp::of(Path::new(OsStr::from_bytes(path))) == Some(stamp);
    let mut files = index.files().map(|file| (file.path(), file.stamp())).peekable();
    if !index.guards().all(|(path, what, stamp)| holds(Path::new(OsStr::from_bytes(path)), what, stamp)) {
        return false;
    }
    // Files of one folder follow each other: they are looked up from there, which spares the way to it.
    while let Some((path, stamp)) = files.next() {
        let (folder, _) = parted(path);
        let has_more = files.peek().is_some_and(|(next, _)| parted(next).0 == folder);
        let Some(opened) = has_more.then(|| Opened::at(folder)).flatten() else {
            if !same(path, stamp) {
                return false;
            }
            continue;
        };
        if opened.stamp_of(parted(path).1) != Some(stamp) {
            return false;
        }
        while let Some((path, stamp)) = files.next_if(|(next, _)| parted(next).0 == folder) {
            if opened.stamp_of(parted(path).1) != Some(stamp) {
                return false;
            }
        }
    }
    true
}

fn holds(path: &Path, what: What, stamp: Stamp) -> bool {
    match what {
        What::Stamp => Stamp::of(path).unwrap_or_default() == stamp,
        What::Nothing => Kind::of(path) == Kind::Nothing,
        What::File => Kind::of(path) == Kind::File,
        What::Folder => Kind::of(path) == Kind::Folder,
        What::Link => link_stamp(link_target(path).as_deref()) == stamp,
    }
}

/// Folder and name.
fn parted(path: &[u8]) -> (&[u8], &[u8]) {
    let at = path.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
    path.split_at(at)
}

fn bytes_of(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

struct ReadFile {
    row: FileRow,
    /// As it is, however young.
    stamp: Stamp,
    /// Whether its content is one that collections held for.
    held: [bool; 2],
    facts: Facts,
    read: bool,
}

/// Every file's row and facts: those from before where the stamp or the content is the same.
fn read_all(found: &Found, before: Option<&Index>, began: u64) -> Vec<ReadFile> {
    in_order(found.files.len(), |numbers| {
        let mut text = Vec::with_capacity(1 << 14);
        numbers.map(|number| read_one(&found.files[number], before, began, &mut text)).collect()
    })
}

fn read_one(path: &Path, before: Option<&Index>, began: u64, text: &mut Vec<u8>) -> ReadFile {
    let name = bytes_of(path);
    let known = before.and_then(|index| index.find(&name));
    let held = |flags: u32| HELD.map(|flag| flags & flag != 0);
    if let Some(known) = &known {
        if let (true, Some(facts), Some(encoded)) =
            (Stamp::of(path) == Some(known.stamp()), known.facts(), known.encoded())
        {
            let stamp = known.stamp();
            let row = FileRow {
                path: name,
                stamp: stamp.kept(began),
                content: known.content(),
                facts: encoded.to_vec(),
                flags: 0,
            };
            return ReadFile { row, stamp, held: held(known.flags()), facts, read: false };
        }
    }
    // What cannot be read has no stamp, and is looked at again each time.
    text.clear();
    let stamp = read_into(path, text).unwrap_or_default();
    let content = *blake3::hash(text).as_bytes();
    let known = known.filter(|known| known.content() == content);
    let flags = known.as_ref().map_or(0, |known| known.flags());
    let same = known.and_then(|known| Some((known.facts()?, known.encoded()?.to_vec())));
    let (facts, encoded) = same.unwrap_or_else(|| {
        let facts = facts_of_bytes(text);
        let encoded = encode(&facts);
        (facts, encoded)
    });
    let row = FileRow { path: name, stamp: stamp.kept(began), content, facts: encoded, flags: 0 };
    ReadFile { row, stamp, held: held(flags), facts, read: true }
}

/// The content of a regular file, and its stamp from before it was read: what is written after that shows next time.
fn read_into(path: &Path, text: &mut Vec<u8>) -> Option<Stamp> {
    use rustix::fs::{FileType, Mode, OFlags};
    // Non-blocking: opening a named pipe would otherwise wait for somebody to write to it.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    let status = rustix::fs::fstat(&file).ok()?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return None;
    }
    text.reserve(usize::try_from(status.st_size).unwrap_or(0) + 1);
    // There is room for one byte more than the file has: one call reads it all, and says with that that it is all.
    let mut room = text.spare_capacity_mut().len();
    loop {
        let count = rustix::io::read(&file, rustix::buffer::spare_capacity(text)).ok()?;
        if count < room {
            return Some(Stamp::from_status(&status));
        }
        text.reserve(1 << 16);
        room = text.spare_capacity_mut().len();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Scene {
        top: tempfile::TempDir,
    }

    fn request() -> Request<'static> {
        Request {
            folder: Path::new(""),
            paths: &[],
            options: &[],
            deselected: &[],
            filtered: false,
            same_options: &|_, _| true,
            python: None,
            modules: &[],
            cache: None,
            lookup: &|_| None,
            environment: &[],
        }
    }

    impl Scene {
        fn new() -> Self {
            let scene = Self { top: tempfile::tempdir().unwrap() };
            scene.write("project/pytest.ini", "[pytest]\n");
            scene.write("project/test_a.py", "def test_one(): pass\n");
            scene.write("project/sub/test_b.py", "def test_two(): pass\n");
            fs::create_dir(scene.path("modules")).unwrap();
            scene
        }

        fn path(&self, name: &str) -> PathBuf {
            self.top.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
            fs::write(self.path(name), text).unwrap();
        }

        fn load(&self) -> Project {
            let (folder, modules, cache) = (self.path("project"), [self.path("modules")], self.path("cache"));
            Project::load(&Request { folder: &folder, modules: &modules, cache: Some(&cache), ..request() })
        }

        fn names(&self) -> Vec<String> {
            let project = self.load();
            project
                .index
                .tests()
                .map(|test| format!("{}{}", &test.name, if test.flags & crate::rows::EXACT != 0 { "" } else { "?" }))
                .collect()
        }

        /// Wait until what has been written is old enough to be known by its stamp.
        fn settle(&self) {
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
            while self.load().read > 0 {
                assert!(std::time::Instant::now() < deadline);
            }
            assert!(is_true(&self.load().index));
        }

        fn index_file(&self) -> PathBuf {
            fs::read_dir(self.path("cache")).unwrap().next().unwrap().unwrap().path()
        }
    }

    #[test]
    fn only_what_has_changed_is_read_again() {
        let scene = Scene::new();
        assert_eq!(scene.load().read, 2);
        scene.settle();
        assert_eq!(scene.names(), ["::test_two", "::test_one"]);
        scene.write("project/test_a.py", "def test_new(): pass\n");
        assert_eq!(scene.load().read, 1);
        assert_eq!(scene.names(), ["::test_two", "::test_new"]);
        scene.settle();
        scene.write("project/sub/test_c.py", "def test_three(): pass\n");
        assert_eq!(scene.names(), ["::test_two", "::test_three", "::test_new"]);
        fs::remove_file(scene.path("project/sub/test_b.py")).unwrap();
        assert_eq!(scene.names(), ["::test_three", "::test_new"]);
        fs::rename(scene.path("project/sub"), scene.path("project/build")).unwrap();
        assert_eq!(scene.names(), ["::test_new"]);
    }

    #[test]
    fn an_edit_of_the_same_size_with_its_time_put_back_is_seen() {
        let scene = Scene::new();
        scene.settle();
        let path = scene.path("project/test_a.py");
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        scene.write("project/test_a.py", "def test_neo(): pass\n");
        fs::File::options().append(true).open(&path).unwrap().set_modified(before).unwrap();
        assert_eq!(scene.names(), ["::test_two", "::test_neo"]);
    }

    #[test]
    fn settings_and_plugins_count() {
        let scene = Scene::new();
        scene.settle();
        scene.write("project/pytest.ini", "[pytest]\npython_files = test_b*.py\n");
        assert_eq!(scene.names(), ["::test_two"]);
        scene.write("modules/odd-1.dist-info/entry_points.txt", "[pytest11]\nx = y\n");
        assert_eq!(scene.names(), ["::test_two?"]);
    }

    #[test]
    fn whatever_is_wrong_with_the_file_the_tests_are_the_same() {
        let scene = Scene::new();
        scene.settle();
        let whole = fs::read(scene.index_file()).unwrap();
        let expected = scene.names();
        let mut newer = whole.clone();
        newer[4] = 200;
        let mut corrupt = whole.clone();
        let middle = whole.len() / 2;
        corrupt[middle] ^= 0x10;
        let mut facts = whole.clone();
        *facts.last_mut().unwrap() ^= 1;
        let cases = [&whole[..10], &whole[..middle], &[], b"something else entirely", &newer, &corrupt, &facts];
        for damaged in cases {
            fs::write(scene.index_file(), damaged).unwrap();
            assert_eq!(scene.names(), expected);
            scene.settle();
            let path = scene.path("project/test_a.py");
            // With damaged facts, too, when they are asked for.
            fs::write(scene.index_file(), damaged).unwrap();
            fs::write(path, "def test_one(): pass\n").unwrap();
            assert_eq!(scene.names(), expected);
            scene.settle();
        }
        fs::remove_file(scene.index_file()).unwrap();
        fs::create_dir(scene.path("cache/").join("x")).unwrap();
        assert_eq!(scene.names(), expected);
    }

    #[test]
    fn without_a_place_to_keep_it_all_is_read_each_time() {
        let scene = Scene::new();
        let folder = scene.path("project");
        for cache in [None, Some(Path::new("/proc/nowhere"))] {
            let project =
                Project::load(&Request { folder: &folder, modules: &[scene.path("modules")], cache, ..request() });
            assert_eq!((project.read, project.index.tests().len()), (2, 2));
        }
    }
}
