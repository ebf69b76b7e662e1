//! Texts and index files that nobody wrote: nothing may panic, and memory stays bounded.
//!
//! Each target runs for DX_PY_FUZZ_SECONDS (two, unless it says otherwise; `make fuzz` says ten minutes). What it begins with are the
//! sources of this repository's Python code, and an index of them; what it makes of them is changed in random places, cut, and put together.
//! The seed is printed when a target fails: DX_PY_FUZZ_SEED repeats it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dx_py_index::collected::{self, Collected, Kind, Known, Listing, Reader};
use dx_py_index::correct::{build, correct, Scene, Seen};
use dx_py_index::format::{encode, Content, Index};
use dx_py_index::resolve::{resolve, Source};
use dx_py_index::rows::{Corrections, FileRow, Guard, TestRow, Variables, What};
use dx_py_index::settings::Settings;
use dx_py_index::stamp::Stamp;
use dx_py_source::facts::{facts_of_bytes, Facts};
use dx_py_source::outline::{outline_of_bytes, outline_of_text, Reading};

/// What a process may take, whatever it reads.
const MOST_MEMORY: u64 = 1 << 30;

struct Random(u64);

impl Random {
    fn new() -> Self {
        let given = std::env::var("DX_PY_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |passed| passed.as_nanos() as u64);
        let seed = given.unwrap_or_else(clock) | 1;
        println!("DX_PY_FUZZ_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, all: &'a [Box<T>]) -> &'a T {
        &all[self.below(all.len())]
    }
}

fn seconds() -> Duration {
    let given = std::env::var("DX_PY_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(given.unwrap_or(2))
}

fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    peak.and_then(|words| words.trim().trim_end_matches(" kB").trim().parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes << 10)
}

/// Act until the time is over; gives how often.
fn run(name: &str, mut act: impl FnMut(&mut Random)) {
    let (mut random, began, mut count) = (Random::new(), Instant::now(), 0u64);
    while began.elapsed() < seconds() {
        act(&mut random);
        count += 1;
        if count % 256 == 0 {
            let taken = memory();
            assert!(taken < MOST_MEMORY, "{name}: {taken} bytes after {count} rounds");
        }
    }
    println!("{name}: {count} rounds, {} MB", memory() >> 20);
    assert!(count > 0);
}

fn python_files(folder: &Path, found: &mut Vec<Box<[u8]>>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            python_files(&path, found);
        } else if path.extension().is_some_and(|end| end == "py") {
            found.extend(fs::read(path).ok().map(Vec::into_boxed_slice));
        }
    }
}

fn seeds() -> Vec<Box<[u8]>> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found: Vec<Box<[u8]>> = vec![b"def f(): pass\n".to_vec().into()];
    for folder in ["tests", "python", "benches", "examples"] {
        python_files(&repository.join(folder), &mut found);
    }
    found
}

const WORDS: &[&[u8]] = &[
    b"(",
    b")",
    b"[",
    b"]",
    b"{",
    b"}",
    b":",
    b"\n",
    b"\n    ",
    b"\t",
    b"'''",
    b"f'{",
    b"}'",
    b"\\",
    b"\"",
    b"#",
    b"def f(",
    b"class A(",
    b"@",
    b"lambda ",
    b"import ",
    b"from . import *\n",
    b"@pytest.mark.parametrize('a', [",
    b"pytestmark = ",
    b"\xff",
    b"\0",
    b"\xef\xbb\xbf",
    b"# coding: latin-1\n",
    b"match x:\n",
    b"async ",
    b"await ",
    b"yield ",
    b":=",
    b"...",
    b"0x",
    b"1e999",
    b"t'{x!r:>{y}}'",
    b"if ",
    b"else ",
    b"not ",
    b"\r",
    b";",
];

/// A piece of one, with pieces of another in it, and with words, bytes and cuts at random places.
fn changed(random: &mut Random, seeds: &[Box<[u8]>]) -> Vec<u8> {
    let piece = |random: &mut Random, most: usize| {
        let seed = random.pick(seeds);
        let start = random.below(seed.len());
        seed[start..seed.len().min(start + random.below(most) + 1)].to_vec()
    };
    let mut text = piece(random, 4000);
    for _ in 0..random.below(8) {
        let at = random.below(text.len() + 1);
        match random.below(6) {
            0 => drop(text.splice(at..at, piece(random, 300))),
            1 => drop(text.splice(at..at, WORDS[random.below(WORDS.len())].iter().copied())),
            2 => {
                let word = WORDS[random.below(WORDS.len())].repeat(random.below(400));
                drop(text.splice(at..at, word));
            }
            3 => drop(text.drain(at..text.len().min(at + random.below(200)))),
            4 => text.truncate(at),
            _ => {
                if let Some(byte) = text.get_mut(at) {
                    *byte = random.next() as u8;
                }
            }
        }
    }
    text
}

#[test]
fn facts_of_whatever() {
    let seeds = seeds();
    let settings = Settings::load(Path::new("/nowhere"), &[], &[], &|_| None);
    run("facts", |random| {
        let all: Vec<Facts> = (0..1 + random.below(3)).map(|_| facts_of_bytes(&changed(random, &seeds))).collect();
        let names = ["/nowhere/conftest.py", "/nowhere/test_a.py", "/nowhere/sub/test_b.py"];
        let sources: Vec<Source> =
            all.iter().zip(names).map(|(facts, name)| Source { path: Path::new(name), facts }).collect();
        for row in resolve(&settings, false, &sources) {
            assert!((row.file as usize) < sources.len());
        }
        // What is kept of them is what they were.
        for facts in &all {
            let again: Facts = decoded(&encode(facts)).expect("facts can be kept");
            assert!(again == *facts || format!("{again:?}") == format!("{facts:?}"));
        }
    });
}

/// Outlines are in order, and comments and blank lines change nothing in them.
#[test]
fn outlines_of_whatever() {
    let seeds = seeds();
    let mut told = 0u64;
    run("outlines", |random| {
        let text = if random.below(4) == 0 { random.pick(&seeds).to_vec() } else { changed(random, &seeds) };
        let minor = 11 + random.below(4) as u8;
        let Reading::Outline(found) = outline_of_bytes(&text, minor) else { return };
        told += 1;
        assert!(found.bodies.windows(2).all(|pair| pair[0].qualname < pair[1].qualname));
        assert!(found.keepers.iter().all(|name| found.bodies.iter().any(|known| known.qualname == *name)));
        assert!(found.gives.iter().all(|one| found.bodies.iter().any(|known| known.qualname == one.qualname)));
        assert!(found.in_object.iter().all(|name| found.keepers.contains(name)));
        assert!(found.names.windows(2).all(|pair| pair[0] < pair[1]));
        if let Ok(text) = std::str::from_utf8(&text) {
            // A byte order mark is one at the start alone.
            let (mark, rest) = text.split_at(text.len() - text.trim_start_matches('\u{feff}').len());
            let longer = format!("{mark}\n# {}\n\n{rest}\n\n# more\n", random.below(9));
            match (outline_of_text(text, minor), outline_of_text(&longer, minor)) {
                (one, other @ Reading::Outline(_)) => assert!(one == other, "{text:?}"),
                // A last line that goes on has nothing to go on with.
                (_, other) => assert!(text.ends_with('\\'), "{other:?} {text:?}"),
            }
        }
    });
    assert!(told > 0);
}

fn decoded(bytes: &[u8]) -> Option<Facts> {
    let file =
        FileRow { path: b"/a".to_vec(), stamp: Stamp::default(), content: [0; 32], facts: bytes.to_vec(), flags: 0 };
    let content = Content { files: vec![file], ..Content::default() }.to_bytes();
    let index = Index::check(content.as_slice())?;
    let file = index.files().next()?;
    file.facts()
}

#[test]
fn index_files_of_whatever() {
    let whole = index_of(&seeds()).to_bytes();
    run("index", |random| {
        let mut bytes = whole.clone();
        for _ in 0..1 + random.below(12) {
            // Most of what is looked at lies in front.
            let reach = if random.below(2) == 0 { bytes.len().min(400) } else { bytes.len() };
            let at = random.below(reach);
            match random.below(4) {
                0 => bytes[at..].iter_mut().take(8).for_each(|byte| *byte = 0xff),
                1 => bytes[at] ^= 1 << random.below(8),
                2 => bytes[at] = random.next() as u8,
                _ => bytes.truncate(at.max(1)),
            }
        }
        // With the checksum that such a file should have, or it would be refused at once.
        if random.below(8) > 0 {
            dx_py_index::format::reseal(&mut bytes);
        }
        if let Some(index) = Index::check(bytes.as_slice()) {
            let places: usize = index.guards().map(|(path, ..)| path.len()).sum();
            let names: usize = index.tests().map(|test| test.path.len() + test.name.len() + test.words.len()).sum();
            let corrections = (index.corrections().map(|known| known.places.len()), index.text().len(), index.sum());
            std::hint::black_box(corrections);
            let facts = index.files().filter(|file| file.facts().is_some()).count();
            let found = index.find(b"/p/7.py").is_some();
            std::hint::black_box((places, names, facts, found));
        }
    });
}

fn index_of(seeds: &[Box<[u8]>]) -> Content {
    let paths: Vec<PathBuf> = (0..seeds.len().min(12)).map(|number| format!("/p/{number}.py").into()).collect();
    let rows = paths.iter().zip(seeds).map(|(path, text)| FileRow {
        path: path.to_str().unwrap_or("").as_bytes().to_vec(),
        stamp: Stamp { size: 1, mtime: 2, ctime: 3, inode: 4 },
        content: *blake3::hash(text).as_bytes(),
        facts: encode(&facts_of_bytes(text)),
        flags: 1,
    });
    let test = |number: u32| TestRow {
        file: number % paths.len() as u32,
        line: number,
        name: format!("::test_{number}"),
        words: "slow".to_owned(),
        flags: 1,
    };
    Content {
        key: [1; 16],
        root: "/p".into(),
        guards: vec![Guard { path: b"/p".to_vec(), what: What::Stamp, stamp: Stamp::default() }],
        corrections: Corrections {
            held: [Some([2; 16]), None],
            variables: vec![(Variables { names: vec!["A".to_owned()], ..Variables::default() }, [3; 16])],
            places: vec!["/p".to_owned()],
            whole: true,
        },
        files: rows.collect(),
        tests: (0..40).map(test).collect(),
    }
}

/// What a run has collected, damaged, with the checksum that such a file should have; and what is made of it.
#[test]
fn collections_of_whatever() {
    let texts = ["import pytest\ndef test_a(): pass\n", "def test_b(): pass\n"];
    let known: Vec<(PathBuf, Facts)> = (0..6)
        .map(|number| (format!("/p/test_{number}.py").into(), facts_of_bytes(texts[number % texts.len()].as_bytes())))
        .collect();
    let whole = collection_of(&known).to_bytes([5; 16]);
    let settings = Settings::load(Path::new("/nowhere"), &[], &[], &|_| None);
    let settings = Settings { root: "/p".into(), ..settings };
    let sources: Vec<Source> = known.iter().map(|(path, facts)| Source { path, facts }).collect();
    let scanned = resolve(&settings, false, &sources);
    let files: Vec<Seen> =
        known.iter().map(|(path, facts)| Seen { path, stamp: STAMP, facts, held: [None; 2] }).collect();
    let mut used = 0u64;
    run("collections", |random| {
        let mut bytes = whole.clone();
        for _ in 0..random.below(6) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at..].iter_mut().take(8).for_each(|byte| *byte = 0xff),
                1 => bytes[at] ^= 1 << random.below(8),
                2 => bytes[at] = random.next() as u8,
                _ => bytes.truncate(at.max(1)),
            }
        }
        if random.below(8) > 0 {
            collected::reseal(&mut bytes);
        }
        let Some(found) = Collected::check(&bytes) else { return };
        let scene = Scene {
            settings: &settings,
            folder: Path::new("/p"),
            python: Some(Path::new("/python")),
            environment: &[],
            deselected: &[],
            same_options: &|_, _| true,
            began: 9,
            files: &files,
        };
        let pair = [Some((found.clone(), [1; 16])), (random.below(2) == 0).then_some((found, [2; 16]))];
        let made = correct(&scene, scanned.clone(), pair);
        used += u64::from(made.corrections.held[0].is_some());
        let count = files.len() + made.more_files.len();
        assert!(made.tests.iter().all(|test| (test.file as usize) < count));
    });
    assert!(used > 0);
}

const STAMP: Stamp = Stamp { size: 1, mtime: 2, ctime: 3, inode: 4 };

fn collection_of(files: &[(PathBuf, Facts)]) -> Collected {
    let names: Vec<String> = files.iter().filter_map(|(path, _)| path.to_str().map(str::to_owned)).collect();
    let listing = |reader| Listing { reader, folder: "/proc/nowhere/at/all".to_owned(), names: None };
    Collected {
        build: build(),
        root: "/p".to_owned(),
        folder: "/p".to_owned(),
        python: "/python".to_owned(),
        places: vec!["/p".to_owned()],
        places_commute: true,
        variables: Variables { values: Variables::default().hash(&[]), ..Variables::default() },
        files: names.iter().map(|name| (name.clone(), STAMP)).collect(),
        kinds: vec![("/proc/nowhere/at/all".to_owned(), Kind::Nothing)],
        links: vec![("/proc/nowhere".to_owned(), None)],
        listings: vec![listing(Reader::Import), listing(Reader::Visible)],
        tests: (0..12)
            .map(|number| Known { module: number / 3, name: format!("::test_{number}"), words: "slow\nx".to_owned() })
            .collect(),
        modules: names,
        ..Collected::default()
    }
}
