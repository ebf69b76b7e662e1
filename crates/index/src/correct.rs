//! The tests that texts tell of, corrected by what runs have collected.
//!
//! Of a collection nothing is used unless everything that it depended on is as it was. Only a test module that nobody else mentions may
//! have changed: then the others are known, and of that one holds what its text says.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use dx_py_source::facts::Facts;

use crate::collected::{link_target, names_in, Collected, Kind, Listing, Reader};
use crate::rows::{
    short_hash, Corrections, Guard, Short, TestRow, What, AS_WHOLE, EXACT, FROM_RUN, LEFT_OUT, UNFILTERED,
};
use crate::settings::Settings;
use crate::stamp::Stamp;

/// A file of the walk, as it is now.
pub struct Seen<'a> {
    pub path: &'a Path,
    pub stamp: Stamp,
    pub facts: &'a Facts,
    /// For both collections: the hash of one under which its present content held.
    pub held: [Option<Short>; 2],
}

/// All that decides.
pub struct Scene<'a> {
    pub settings: &'a Settings,
    pub folder: &'a Path,
    pub python: Option<&'a Path>,
    pub environment: &'a [(OsString, OsString)],
    pub deselected: &'a [String],
    /// Whether these options (all that were given, or those that may decide what is collected) are those that are asked for now.
    pub same_options: &'a dyn Fn(&[String], bool) -> bool,
    /// When the walk began.
    pub began: u64,
    pub files: &'a [Seen<'a>],
}

/// What becomes of the tests.
#[derive(Default)]
pub struct Corrected {
    pub tests: Vec<TestRow>,
    pub guards: Vec<Guard>,
    pub corrections: Corrections,
    /// Files behind those of the walk.
    pub more_files: Vec<(PathBuf, Stamp)>,
    /// For each file of the walk, whether the collections hold for it.
    pub held: Vec<[bool; 2]>,
}

/// The same builds write and read collections.
pub fn build() -> String {
    format!("{} {}", env!("CARGO_PKG_VERSION"), crate::resolve::VERSION)
}

/// *scanned* are the tests that the texts tell of; *collections* those of the whole and of a part, with their hashes.
pub fn correct(scene: &Scene, scanned: Vec<TestRow>, collections: [Option<(Collected, Short)>; 2]) -> Corrected {
    if collections.iter().all(Option::is_none) {
        let held = vec![[false; 2]; scene.files.len()];
        return Corrected { tests: scanned, held, ..Corrected::default() };
    }
    let places = scene.files.iter().enumerate().map(|(number, file)| (file.path, number)).collect();
    let mut work = Work {
        scene,
        places,
        mentions: None,
        guards: Vec::new(),
        corrections: Corrections::default(),
        held: vec![[false; 2]; scene.files.len()],
        more_files: Vec::new(),
    };
    let mut used: Option<Tests> = None;
    let lines = lines(&scanned);
    for (slot, one) in collections.iter().enumerate() {
        let Some((collected, id)) = one else { continue };
        if !work.fits(collected) || (used.is_some() && !collected.places_commute) {
            continue;
        }
        let Some(fresh) = work.what_holds(collected, slot, *id) else { continue };
        work.corrections.held[slot] = Some(*id);
        match &mut used {
            None => used = Some(work.base(collected, &fresh, &scanned, &lines)),
            Some(base) => work.add(base, collected, &fresh, &lines),
        }
    }
    let tests = match used {
        None => scanned,
        Some(base) => {
            work.corrections.whole = base.whole(&work);
            base.blocks.into_iter().flat_map(|block| block.tests).collect()
        }
    };
    Corrected {
        tests,
        guards: work.guards,
        corrections: work.corrections,
        more_files: work.more_files,
        held: work.held,
    }
}

struct Work<'a> {
    scene: &'a Scene<'a>,
    places: HashMap<&'a Path, usize>,
    /// Made when it is asked for: all words by which the project's files name modules; `None` within if anything may be named.
    mentions: Option<Option<HashSet<&'a str>>>,
    guards: Vec<Guard>,
    corrections: Corrections,
    held: Vec<[bool; 2]>,
    more_files: Vec<(PathBuf, Stamp)>,
}

/// Tests that follow each other in one file.
struct Block {
    file: usize,
    tests: Vec<TestRow>,
    source: From,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// A run has collected them.
    Run,
    /// The text tells of them.
    Text,
    /// They were not collected.
    LeftOut,
}

struct Tests {
    blocks: Vec<Block>,
    /// Where each file's tests come from.
    sources: HashMap<usize, From>,
}

impl<'a> Work<'a> {
    /// Whether the collection was asked for in the same way, with the same environment.
    fn fits(&mut self, collected: &Collected) -> bool {
        let scene = self.scene;
        let same = collected.build == build()
            && Path::new(&collected.root) == scene.settings.root
            && Path::new(&collected.folder) == scene.folder
            && scene.python == Some(Path::new(&collected.python))
            && collected.deselected.iter().all(|id| scene.deselected.contains(id))
            && (scene.same_options)(&collected.arguments, collected.options_matter);
        let values = collected.variables.hash(scene.environment);
        self.corrections.variables.push((collected.variables.clone(), values));
        same && values == collected.variables.values
    }

    /// The modules of the collection that are as they were; `None` if anything else has changed.
    fn what_holds(&mut self, collected: &Collected, slot: usize, id: Short) -> Option<HashSet<usize>> {
        let own: HashMap<&str, usize> =
            collected.modules.iter().enumerate().map(|(number, path)| (path.as_str(), number)).collect();
        let mut guards = Vec::new();
        let mut claimed: HashSet<usize> = HashSet::new();
        let mut changed: HashSet<usize> = HashSet::new();
        let mut held: Vec<usize> = Vec::new();
        for (name, stamp) in &collected.files {
            let path = Path::new(name);
            let module = own.get(name.as_str()).copied();
            claimed.extend(module);
            let same = match self.places.get(path) {
                Some(&number) => {
                    let file = &self.scene.files[number];
                    let same = file.stamp == *stamp || file.held[slot] == Some(id);
                    held.extend(same.then_some(number));
                    same
                }
                None => {
                    let now = Stamp::of(path).unwrap_or_default();
                    guards.push(self.guard(path, What::Stamp, now.kept(self.scene.began)));
                    now == *stamp
                }
            };
            if !same {
                let module = module.filter(|_| !collected.texts.contains(name) && self.is_alone(path))?;
                changed.insert(module);
            }
        }
        let gone = |module: &usize| !claimed.contains(module);
        if (0..collected.modules.len()).any(|module| gone(&module)) {
            // Collected without having been read: nobody knows from what.
            return None;
        }
        for (name, kind) in &collected.kinds {
            let path = Path::new(name);
            if Kind::of(path) != *kind {
                return None;
            }
            let what = match kind {
                Kind::Nothing => What::Nothing,
                Kind::File => What::File,
                Kind::Folder => What::Folder,
            };
            guards.push(self.guard(path, what, Stamp::default()));
        }
        for (name, target) in &collected.links {
            let now = link_target(Path::new(name));
            if now != *target {
                return None;
            }
            guards.push(self.guard(Path::new(name), What::Link, link_stamp(now.as_deref())));
        }
        for listing in &collected.listings {
            let path = Path::new(&listing.folder);
            // Before it is read.
            let stamp = Stamp::of(path).unwrap_or_default();
            if !self.same_names(collected, listing) {
                return None;
            }
            guards.push(self.guard(path, What::Stamp, stamp.kept(self.scene.began)));
        }
        held.into_iter().for_each(|number| self.held[number][slot] = true);
        self.guards.append(&mut guards);
        Some((0..collected.modules.len()).filter(|module| !changed.contains(module)).collect())
    }

    fn guard(&self, path: &Path, what: What, stamp: Stamp) -> Guard {
        Guard { path: path.as_os_str().as_bytes().to_vec(), what, stamp }
    }

    /// Whether nobody but itself has to do with the test module at *path*.
    fn is_alone(&mut self, path: &Path) -> bool {
        let Some(name) = path.file_name().and_then(OsStr::to_str) else { return false };
        self.places.contains_key(path) && self.is_private(name)
    }

    /// Whether a file of that name is a test module, and no file of the project mentions a module of that name.
    fn is_private(&mut self, name: &str) -> bool {
        let Some(stem) = name.strip_suffix(".py") else { return false };
        let test = self.scene.settings.is_module(name) && !matches!(stem, "conftest" | "__init__");
        let files = self.scene.files;
        test && self.mentions.get_or_insert_with(|| mentions(files)).as_ref().is_some_and(|words| !words.contains(stem))
    }

    fn same_names(&mut self, collected: &Collected, listing: &Listing) -> bool {
        let now = names_in(listing.reader, Path::new(&listing.folder));
        let (Some(now), Some(then)) = (&now, &listing.names) else { return now.is_none() && listing.names.is_none() };
        let Some(now) = now.iter().map(|name| name.to_str()).collect::<Option<Vec<&str>>>() else { return false };
        let then: Vec<&str> = then.iter().map(String::as_str).collect();
        if now == then {
            return true;
        }
        let mut matters = |name: &str| match listing.reader {
            Reader::Metadata | Reader::All => true,
            Reader::Import => !self.is_private(name),
            Reader::Visible if matches!(name, "conftest.py" | "__init__.py") => true,
            // What else there is to be collected, the walk finds.
            Reader::Visible => !collected.plain_walk && !name.ends_with(".py"),
        };
        let now: Vec<&str> = now.into_iter().filter(|name| matters(name)).collect();
        let then: Vec<&str> = then.into_iter().filter(|name| matters(name)).collect();
        now == then
    }

    /// The tests in the order of a collection.
    fn base(&mut self, collected: &Collected, fresh: &HashSet<usize>, scanned: &[TestRow], lines: &Lines) -> Tests {
        self.corrections.places = collected.places.clone();
        let files = self.files_of(collected);
        let mut by_file: HashMap<usize, Vec<TestRow>> = HashMap::new();
        scanned.iter().for_each(|row| by_file.entry(row.file as usize).or_default().push(row.clone()));
        let mut base = Tests { blocks: Vec::new(), sources: HashMap::new() };
        for (module, &file) in files.iter().enumerate() {
            base.sources.insert(file, if fresh.contains(&module) { From::Run } else { From::Text });
        }
        let mut flags = if collected.places_commute { 0 } else { AS_WHOLE };
        flags |= if collected.expressions_commute { 0 } else { UNFILTERED };
        let mut given: HashSet<usize> = HashSet::new();
        for test in &collected.tests {
            let module = test.module as usize;
            let file = files[module];
            if !fresh.contains(&module) {
                if given.insert(file) {
                    let tests = by_file.remove(&file).unwrap_or_default();
                    base.blocks.push(Block { file, tests, source: From::Text });
                }
                continue;
            }
            if base.blocks.last().is_none_or(|block| block.file != file) {
                base.blocks.push(Block { file, tests: Vec::new(), source: From::Run });
            }
            let row = row_of(file, &test.name, &test.words, flags, lines);
            base.blocks.last_mut().map(|block| block.tests.push(row)).unwrap_or_default();
        }
        let listed: HashMap<&str, &Listing> = collected
            .listings
            .iter()
            .filter(|one| matches!(one.reader, Reader::Visible | Reader::All))
            .map(|one| (one.folder.as_str(), one))
            .collect();
        self.add_others(collected, &listed, by_file, &mut base);
        base
    }

    /// Files that were not collected, or gave nothing, each behind what comes before it in the walk.
    fn add_others(
        &self,
        collected: &Collected,
        listed: &HashMap<&str, &Listing>,
        mut by_file: HashMap<usize, Vec<TestRow>>,
        base: &mut Tests,
    ) {
        let mut last: HashMap<usize, usize> = HashMap::new();
        for (place, block) in base.blocks.iter().enumerate() {
            last.insert(block.file, place + 1);
        }
        let mut inserted: Vec<(usize, Block)> = Vec::new();
        let mut place = 0;
        for (file, seen) in self.scene.files.iter().enumerate() {
            place = last.get(&file).copied().unwrap_or(place);
            let Some(mut tests) = by_file.remove(&file) else { continue };
            let source = base.sources.get(&file).copied().unwrap_or_else(|| was_left_out(collected, listed, seen.path));
            match source {
                From::Run => continue,
                From::LeftOut => tests.iter_mut().for_each(|row| row.flags = row.flags & !EXACT | LEFT_OUT),
                From::Text => {}
            }
            base.sources.insert(file, source);
            inserted.push((place, Block { file, tests, source }));
        }
        // From the end, so that the places stay right.
        for (place, block) in inserted.into_iter().rev() {
            base.blocks.insert(place, block);
        }
        self.drop_needless_conftests(base);
    }

    /// A conftest says that there may be others; below it all may be known.
    fn drop_needless_conftests(&self, base: &mut Tests) {
        let is_conftest = |file: usize| self.path(file).is_some_and(|path| path.ends_with("conftest.py"));
        let open: Vec<&Path> = base
            .blocks
            .iter()
            .filter(|block| block.source == From::Text && !is_conftest(block.file))
            .filter_map(|block| self.path(block.file))
            .collect();
        base.blocks.retain(|block| {
            let folder = self.path(block.file).and_then(Path::parent);
            let known = || folder.is_some_and(|folder| !open.iter().any(|path| path.starts_with(folder)));
            block.source == From::Run || !is_conftest(block.file) || !known()
        });
    }

    fn path(&self, file: usize) -> Option<&'a Path> {
        self.scene.files.get(file).map(|seen| seen.path)
    }

    /// For each module, its place among the files; those that the walk has not found are added.
    fn files_of(&mut self, collected: &Collected) -> Vec<usize> {
        let mut files = Vec::with_capacity(collected.modules.len());
        for name in &collected.modules {
            let path = Path::new(name);
            files.push(match self.places.get(path) {
                Some(&number) => number,
                None => {
                    let stamp = Stamp::of(path).unwrap_or_default().kept(self.scene.began);
                    self.more_files.push((path.to_owned(), stamp));
                    self.scene.files.len() + self.more_files.len() - 1
                }
            });
        }
        files
    }

    /// Tests of files that only the collection of a part knows.
    fn add(&mut self, base: &mut Tests, collected: &Collected, fresh: &HashSet<usize>, lines: &Lines) {
        let flags = if collected.expressions_commute { 0 } else { UNFILTERED };
        let mut by_module: HashMap<usize, Vec<TestRow>> = HashMap::new();
        let mut last = usize::MAX;
        for test in &collected.tests {
            let module = test.module as usize;
            if module != last && by_module.contains_key(&module) {
                // Tests of several files in turn: their order is not that of the whole.
                return;
            }
            last = module;
            let Some(&file) = self.places.get(Path::new(&collected.modules[module])) else { continue };
            let row = row_of(file, &test.name, &test.words, flags, lines);
            by_module.entry(module).or_default().push(row);
        }
        for (module, name) in collected.modules.iter().enumerate().filter(|(module, _)| fresh.contains(module)) {
            let Some(&file) = self.places.get(Path::new(name)) else { continue };
            if base.sources.get(&file) != Some(&From::Text) {
                continue;
            }
            base.sources.insert(file, From::Run);
            let tests = by_module.remove(&module).unwrap_or_default();
            if let Some(block) = base.blocks.iter_mut().find(|block| block.file == file) {
                (block.tests, block.source) = (tests, From::Run);
            } else if let Some(place) = self.place_for(base, file) {
                base.blocks.insert(place, Block { file, tests, source: From::Run });
            }
        }
        self.drop_needless_conftests(base);
    }

    fn place_for(&self, base: &Tests, file: usize) -> Option<usize> {
        let before = base.blocks.iter().enumerate().filter(|(_, block)| block.file < file);
        Some(before.max_by_key(|(place, block)| (block.file, *place)).map_or(0, |(place, _)| place + 1))
    }
}

impl Tests {
    /// Whether no test is known from its text alone.
    fn whole(&self, work: &Work) -> bool {
        let below = |path: &Path| work.corrections.places.iter().any(|place| path.starts_with(place));
        self.blocks
            .iter()
            .filter(|block| block.source == From::Text)
            .all(|block| work.path(block.file).is_some_and(|path| !below(path)))
    }
}

type Lines<'a> = HashMap<(u32, &'a str), u32>;

fn lines(scanned: &[TestRow]) -> Lines<'_> {
    scanned.iter().map(|row| ((row.file, without_parameters(&row.name)), row.line)).collect()
}

fn without_parameters(name: &str) -> &str {
    &name[..name.find('[').unwrap_or(name.len())]
}

fn row_of(file: usize, name: &str, words: &str, flags: u32, lines: &Lines) -> TestRow {
    let line = lines.get(&(file as u32, without_parameters(name))).copied().unwrap_or(0);
    TestRow { file: file as u32, line, name: name.to_owned(), words: words.to_owned(), flags: flags | EXACT | FROM_RUN }
}

/// Where the tests of a file come from that was not collected.
fn was_left_out(collected: &Collected, listed: &HashMap<&str, &Listing>, path: &Path) -> From {
    if !collected.places.iter().any(|place| path.starts_with(place)) {
        return From::Text;
    }
    let mut end = "";
    for inner in path.ancestors() {
        let (Some(folder), Some(name)) =
            (inner.parent().and_then(Path::to_str), inner.file_name().and_then(OsStr::to_str))
        else {
            return From::Text;
        };
        if let Some(listing) = listed.get(folder) {
            let wanted = format!("{name}{end}");
            let there = listing.names.as_ref().is_some_and(|names| names.binary_search(&wanted).is_ok());
            return if there { From::LeftOut } else { From::Text };
        }
        end = "/";
    }
    From::Text
}

/// All words by which files name modules; `None` if some name is computed where modules are imported.
fn mentions<'a>(files: &[Seen<'a>]) -> Option<HashSet<&'a str>> {
    let mut found = HashSet::new();
    for file in files {
        for import in &file.facts.imports {
            found.extend(import.module.split('.'));
            found.extend(import.name.as_deref());
        }
        for call in &file.facts.dynamic_imports {
            match &call.module {
                Some(module) => found.extend(module.split('.')),
                None if call.in_function => {}
                None => return None,
            }
        }
        for name in file.facts.plugins.iter().flat_map(|plugins| &plugins.literal) {
            found.extend(name.split('.'));
        }
    }
    Some(found)
}

/// What an index keeps of where a link leads.
pub fn link_stamp(target: Option<&str>) -> Stamp {
    let hash = short_hash(target.unwrap_or("\0").as_bytes());
    let number = |at: usize| hash[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    Stamp { size: number(0), mtime: number(8), ctime: 0, inode: 0 }
}
