//! What a file mentions: imports, and names that may be modules.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::tree::{Field, Id, Kind, Tree, Value, LOAD};
use super::Import;

/// Functions that import what their first argument names.
const IMPORTERS: [&str; 3] = ["import_module", "__import__", "importorskip"];

/// Executes a text that may import, or look up, anything.
const EXECUTING: &str = "exec";

/// Functions by which modules are reached that no import statement names.
#[rustfmt::skip]
const LOOKERS: [&str; 15] = [
    EXECUTING, "run_path", "run_module", "find_spec", "spec_from_file_location", "entry_points", "load_module", "exec_module", "iter_modules",
    "walk_packages", "import_string", "import_from_string", "resolve_name", "locate", "find_loader",
];

/// Functions that reach what is in their first argument, be it a package, by names that may be computed.
const NAMESPACES: [&str; 4] = ["getattr", "vars", "dir", "getmembers"];

/// Attributes by which all that an object has is reached.
const ASKING: [&str; 2] = ["__dict__", "__getattribute__"];

/// Functions of which it is told, where functions are listened to, what they are called with (`SEEN` in `select/outline.py`).
const TOLD_BY_MODULE: &str = "importlib.import_module";
const TOLD_BY_BUILTIN: &str = "__import__";

/// As many arguments of `__import__` leave its name absolute.
const ABSOLUTE: usize = 4;

/// The function of a module that is asked for what the module has not.
const LACKING: &str = "__getattr__";

/// The table of all modules.
const MODULES: [&str; 2] = ["sys", "modules"];

/// Functions that change the table of modules that they are given, and do nothing else with it.
const CHANGING: [&str; 2] = ["setitem", "delitem"];

/// Functions that are given others to be called when something is gone, whatever these give.
const FORGETTING: [&str; 4] = ["ref", "proxy", "finalize", "WeakMethod"];

/// Where a module may be reached whose name is not in the text.
enum Reaching {
    Nowhere,
    /// In the function around, or by it.
    Here,
    Anywhere,
}

/// Strings that are as long, in characters, are no names.
const LONG: usize = 200;

pub(super) struct Mentions {
    pub(super) imports: Vec<Import>,
    pub(super) names: Vec<String>,
    pub(super) dynamic: bool,
    pub(super) dynamic_in: Vec<(String, Vec<String>)>,
}

pub(super) fn mentions(tree: &Tree) -> Mentions {
    let mut finder = Finder::new(tree);
    let (mut id, end) = (0, tree.node(0).end);
    while id < end {
        id = finder.visit(id);
    }
    let mut seen = HashSet::new();
    finder.imports.retain(|import| seen.insert(import.clone()));
    Mentions {
        imports: finder.imports,
        names: finder.names.into_iter().collect(),
        dynamic: finder.dynamic,
        dynamic_in: finder.dynamic_in.into_iter().map(|(name, by)| (name.to_owned(), words(by))).collect(),
    }
}

/// Import statements that are neither in a function nor on a condition.
pub(super) fn certain_imports(tree: &Tree) -> Vec<Import> {
    let (mut found, mut id) = (Vec::new(), 1);
    while id < tree.node(0).end {
        let node = tree.node(id);
        match node.kind {
            Kind::Import => {
                found.extend(aliases(tree, id).map(|(name, _)| (0, name.to_owned(), Vec::new())));
            }
            Kind::ImportFrom => found.push(import_from(tree, id)),
            _ => {}
        }
        let goes_in = matches!(node.kind, Kind::ClassDef | Kind::With | Kind::Try);
        id = if goes_in { id + 1 } else { node.end };
    }
    found
}

fn import_from(tree: &Tree, id: Id) -> Import {
    let (module, level) = source(tree, id);
    (level, module.unwrap_or("").to_owned(), aliases(tree, id).map(|(name, _)| name.to_owned()).collect())
}

/// The module and the level of a `from … import`.
pub(super) fn source<'a>(tree: &Tree<'a>, id: Id) -> (Option<&'a str>, u32) {
    match tree.node(id).value {
        Value::From(module, level) => (module, level),
        _ => (None, 0),
    }
}

/// The names of an import statement, each with the one that it gets.
pub(super) fn aliases<'t, 'a>(tree: &'t Tree<'a>, id: Id) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + 't {
    tree.children(id).filter_map(|alias| match tree.node(alias).value {
        Value::Alias(name, renamed) => Some((name, renamed)),
        _ => None,
    })
}

/// What each name stands for that an import binds: its level and a dotted name.
pub(super) fn bound_by_import<'a>(tree: &Tree<'a>, id: Id) -> Vec<(&'a str, (u32, String))> {
    let mut found = Vec::new();
    match tree.kind(id) {
        Kind::Import => {
            for (name, renamed) in aliases(tree, id) {
                let first = name.split('.').next().unwrap_or(name);
                found.push(match renamed {
                    Some(renamed) => (renamed, (0, name.to_owned())),
                    None => (first, (0, first.to_owned())),
                });
            }
        }
        Kind::ImportFrom => {
            let (module, level) = source(tree, id);
            for (name, renamed) in aliases(tree, id) {
                let full = module.map_or_else(|| name.to_owned(), |module| format!("{module}.{name}"));
                found.push((renamed.unwrap_or(name), (level, full)));
            }
        }
        _ => {}
    }
    found
}

struct Finder<'t, 'a> {
    tree: &'t Tree<'a>,
    imports: Vec<Import>,
    names: BTreeSet<String>,
    dynamic: bool,
    dynamic_in: BTreeMap<&'t str, BTreeSet<&'a str>>,
    aliases: HashMap<&'a str, String>,
    /// What names stand for that may be packages: the level and the name of an import.
    bound: HashMap<&'a str, (u32, String)>,
}

impl<'t, 'a> Finder<'t, 'a> {
    fn new(tree: &'t Tree<'a>) -> Self {
        let (aliases, bound) = (HashMap::new(), HashMap::new());
        Self {
            tree,
            imports: Vec::new(),
            names: BTreeSet::new(),
            dynamic: false,
            dynamic_in: BTreeMap::new(),
            aliases,
            bound,
        }
    }

    /// Look at a node; gives the one to look at next.
    fn visit(&mut self, id: Id) -> Id {
        let node = self.tree.node(id);
        match node.kind {
            Kind::Import => self.import(id),
            Kind::ImportFrom => self.import_from(id),
            Kind::Constant => {
                self.constant(id);
                id + 1
            }
            Kind::Name => {
                if node.flag == LOAD && IMPORTERS.contains(&node.name()) {
                    // Not called here, but wherever it is handed to.
                    self.is_dynamic(None, "");
                }
                id + 1
            }
            Kind::Subscript if self.is_standing(id) => {
                self.names.insert(MODULES.join("."));
                self.tree.node(id + 1).end
            }
            Kind::Attribute => self.attribute(id),
            Kind::Call => self.call(id),
            _ => id + 1,
        }
    }

    fn import(&mut self, id: Id) -> Id {
        for (name, renamed) in aliases(self.tree, id) {
            self.imports.push((0, name.to_owned(), Vec::new()));
            if let Some(renamed) = renamed {
                self.aliases.insert(renamed, name.to_owned());
            }
        }
        self.bound.extend(bound_by_import(self.tree, id));
        self.tree.node(id).end
    }

    fn import_from(&mut self, id: Id) -> Id {
        self.imports.push(import_from(self.tree, id));
        let (module, level) = source(self.tree, id);
        for (name, renamed) in aliases(self.tree, id) {
            let is_renamed = renamed.is_some_and(|renamed| renamed != name);
            if (module == Some(MODULES[0]) && name == MODULES[1])
                || (is_renamed && (IMPORTERS.contains(&name) || LOOKERS.contains(&name)))
            {
                self.is_dynamic(None, "");
            }
            if level == 0 {
                self.aliases.insert(renamed.unwrap_or(name), format!("{}.{name}", module.unwrap_or("")));
            }
        }
        self.bound.extend(bound_by_import(self.tree, id));
        self.tree.node(id).end
    }

    /// A module is reached whose name is not in the text: at *place* (None: perhaps anywhere), by the function of this name, if it is called by its name
    /// alone.
    fn is_dynamic(&mut self, place: Option<Id>, by: &'a str) {
        self.dynamic = true;
        let name = place.and_then(|id| self.function_around(id)).unwrap_or_default();
        if name == LACKING {
            // Each is asked for once, and is there for everybody then.
            self.imports.push((1, String::new(), vec!["*".to_owned()]));
        }
        self.dynamic_in.entry(name).or_default().insert(by);
    }

    /// The name of the innermost function of which a node is executed.
    fn function_around(&self, mut id: Id) -> Option<&'t str> {
        let tree = self.tree;
        while id > 0 {
            let node = tree.node(id);
            if node.field == Field::Body && tree.kind(node.parent).is_function() {
                return tree.functions.iter().find(|one| one.id == node.parent).map(|one| one.qualname.as_str());
            }
            id = node.parent;
        }
        None
    }

    /// Where a module may be reached by the table of modules, which is the attribute *table*.
    fn reaching(&self, table: Id) -> Reaching {
        let (tree, node) = (self.tree, self.tree.node(table));
        let parent = tree.node(node.parent);
        match parent.kind {
            Kind::Subscript if node.field == Field::Value && parent.flag == LOAD => Reaching::Here,
            Kind::Subscript if node.field == Field::Value => Reaching::Nowhere,
            Kind::Compare => Reaching::Here,
            Kind::Attribute if tree.kind(parent.parent) == Kind::Call && parent.field == Field::Func => {
                match parent.name() {
                    "pop" if self.is_dropped(parent.parent) => Reaching::Nowhere,
                    "get" | "pop" | "setdefault" => Reaching::Here,
                    _ => Reaching::Anywhere,
                }
            }
            Kind::Call if node.field == Field::Args && CHANGING.contains(&tree.last_name(node.parent + 1)) => {
                Reaching::Nowhere
            }
            _ => Reaching::Anywhere,
        }
    }

    /// Whether nobody gets what a call gives.
    fn is_dropped(&self, call: Id) -> bool {
        let tree = self.tree;
        let around = tree.node(call).parent;
        let caller = tree.node(around).parent;
        match tree.kind(around) {
            Kind::Expr => true,
            Kind::Lambda => {
                tree.kind(caller) == Kind::Call
                    && tree.node(around).field == Field::Args
                    && FORGETTING.contains(&tree.last_name(caller + 1))
            }
            _ => false,
        }
    }

    /// Whether a subscript takes the main module out of the table of modules: it is there in any case, and none of the project's.
    fn is_standing(&self, id: Id) -> bool {
        let (table, tree) = (id + 1, self.tree);
        let is_table = tree.kind(table) == Kind::Attribute
            && tree.node(table).name() == MODULES[1]
            && tree.kind(table + 1) == Kind::Name
            && self.aliases.get(tree.node(table + 1).name()).map_or(tree.node(table + 1).name(), String::as_str)
                == MODULES[0];
        let key = tree.child(id, Field::Slice);
        is_table
            && tree.node(id).flag == LOAD
            && key.and_then(|key| tree.text(key)).is_some_and(|text| text.value == "__main__")
    }

    fn constant(&mut self, id: Id) {
        let Some(text) = self.tree.text(id) else { return };
        let value = &*text.value;
        // A character takes four bytes at most.
        if text.raw.is_empty() && value.len() < 4 * LONG && is_dotted(value) && value.chars().count() < LONG {
            self.names.insert(value.trim_end_matches('.').to_owned());
        }
    }

    fn attribute(&mut self, id: Id) -> Id {
        let node = self.tree.node(id);
        if IMPORTERS.contains(&node.name()) {
            self.is_dynamic(None, "");
        } else if ASKING.contains(&node.name()) {
            self.take_all(id + 1);
        }
        let (mut parts, mut value) = (vec![node.name()], id + 1);
        while self.tree.kind(value) == Kind::Attribute {
            parts.push(self.tree.node(value).name());
            value += 1;
        }
        if self.tree.kind(value) != Kind::Name {
            return value;
        }
        let name = self.tree.node(value).name();
        let first = self.aliases.get(name).map_or(name, String::as_str);
        let is_table = [first, parts[parts.len() - 1]] == MODULES;
        parts.push(first);
        parts.reverse();
        self.names.insert(parts.join("."));
        if is_table {
            match self.reaching(value - 1) {
                Reaching::Anywhere => self.is_dynamic(None, ""),
                Reaching::Here => self.is_dynamic(Some(id), ""),
                Reaching::Nowhere => self.dynamic = true,
            }
        }
        node.end
    }

    fn call(&mut self, id: Id) -> Id {
        let function = id + 1;
        let name = self.tree.last_name(function);
        if name == EXECUTING {
            // What is executed then is told of, where that is listened to.
            self.dynamic = true;
        } else if LOOKERS.contains(&name) {
            let is_plain = self.tree.kind(function) == Kind::Name;
            self.is_dynamic(Some(id), if is_plain { name } else { "" });
        } else if IMPORTERS.contains(&name) {
            let first = self.tree.child(id, Field::Args).and_then(|first| self.tree.text(first));
            // A name with half a pair of surrogates is nobody's.
            match first.filter(|text| text.raw.is_empty()) {
                Some(text) => {
                    let rest = text.value.trim_start_matches('.');
                    let level = (text.value.len() - rest.len()) as u32;
                    self.imports.push((level, rest.to_owned(), Vec::new()));
                }
                None => self.is_dynamic(Some(id), self.told_of(id)),
            }
            let is_attribute = self.tree.kind(function) == Kind::Attribute;
            return if is_attribute { function + 1 } else { self.tree.node(function).end };
        } else if NAMESPACES.contains(&name) {
            let mut arguments = self.tree.children_in(id, Field::Args);
            if let Some(first) = arguments.next() {
                let named = arguments.next().is_some_and(|second| self.tree.kind(second) == Kind::Constant);
                if !(name == "getattr" && named) {
                    self.take_all(first);
                }
            }
        }
        function
    }

    /// Whether an import has bound a name to what has this full one.
    fn stands_for(&self, name: &str, full: &str) -> bool {
        self.bound.get(name).is_some_and(|(level, target)| *level == 0 && target == full)
    }

    /// Whether a call of `__import__` can have no level: then its first argument is the full name.
    fn is_absolute(&self, call: Id) -> bool {
        let tree = self.tree;
        let arguments: Vec<Id> = tree.children_in(call, Field::Args).collect();
        tree.child(call, Field::Keywords).is_none()
            && (1..=ABSOLUTE).contains(&arguments.len())
            && arguments.iter().all(|&argument| tree.kind(argument) != Kind::Starred)
    }

    /// The function that a call imports with whose first argument is no text: one that is told of, or its name, if that is all that it is called by.
    fn told_of(&self, call: Id) -> &'a str {
        let (function, tree) = (call + 1, self.tree);
        let module = function + 1;
        match (tree.last_name(function), tree.kind(function) == Kind::Name) {
            ("__import__", true) if self.is_absolute(call) => TOLD_BY_BUILTIN,
            ("__import__", _) => "",
            ("import_module", true) if self.stands_for("import_module", TOLD_BY_MODULE) => TOLD_BY_MODULE,
            ("import_module", false)
                if tree.kind(module) == Kind::Name && self.stands_for(tree.node(module).name(), "importlib") =>
            {
                TOLD_BY_MODULE
            }
            (name, true) => name,
            (_, false) => "",
        }
    }

    /// All that is in what an expression stands for, if that may be a package.
    fn take_all(&mut self, mut id: Id) {
        let mut below = Vec::new();
        while self.tree.kind(id) == Kind::Attribute {
            below.push(self.tree.node(id).name());
            id += 1;
        }
        if self.tree.kind(id) != Kind::Name {
            return;
        }
        if let Some((level, target)) = self.bound.get(self.tree.node(id).name()) {
            below.push(target);
            below.reverse();
            self.imports.push((*level, below.join("."), vec!["*".to_owned()]));
        }
    }
}

fn words(words: BTreeSet<&str>) -> Vec<String> {
    words.into_iter().map(str::to_owned).collect()
}

/// Whether a text is words with dots between them, and perhaps one behind the last.
fn is_dotted(text: &str) -> bool {
    let words = text.strip_suffix('.').unwrap_or(text);
    words.split('.').all(|word| {
        let mut characters = word.chars();
        characters.next().is_some_and(|first| is_word(first) && !is_digit(first)) && characters.all(is_word)
    })
}

fn is_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// Also of fractions and their like, with which no name begins.
fn is_digit(character: char) -> bool {
    character.is_numeric() && !character.is_alphabetic()
}

#[cfg(test)]
mod tests {
    use super::is_dotted;

    #[test]
    fn dotted_names() {
        for name in ["a", "a.b", "a.b.", "_.a1", "é.ñ", "__init__"] {
            assert!(is_dotted(name), "{name}");
        }
        for name in ["", ".", ".a", "a..", "a..b", "1a", "a.1", "a b", "a-b", "²", "a\n"] {
            assert!(!is_dotted(name), "{name}");
        }
    }
}
