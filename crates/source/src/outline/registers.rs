//! Which functions keep what is handed in, and which classes remember those that are derived from them.

use super::reader::{local_names, place_of, Reader};
use super::tree::{Field, Id, Kind, STORE};

/// What is called for the sake of people.
const TALKERS: [&str; 9] = ["log", "logger", "_log", "_logger", "LOG", "LOGGER", "logging", "warnings", "warn"];

/// Functions that are called when a class is defined.
const HOOKS: [&str; 2] = ["__init_subclass__", "__set_name__"];
/// Those of a metaclass.
const META_HOOKS: [&str; 3] = ["__new__", "__init__", "__prepare__"];

impl Reader<'_, '_> {
    /// Names of the functions, at any depth, that register something; sorted.
    pub(super) fn registering(&self) -> Vec<String> {
        let functions = self.tree.functions.iter().filter(|one| self.registers(one.id));
        let mut found: Vec<String> = functions.map(|one| self.tree.node(one.id).name().to_owned()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether a function puts something into what is neither its own nor an argument, or calls others for their effect.
    fn registers(&self, function: Id) -> bool {
        if self.tree.node(function).name().starts_with("test") {
            return false;
        }
        let mut local = None;
        let mut is_local =
            |name: &str| local.get_or_insert_with(|| local_names(self.tree, function)).binary_search(&name).is_ok();
        self.tree.within(function).any(|id| {
            if matches!(self.tree.kind(id), Kind::Global | Kind::Nonlocal) {
                return true;
            }
            let place = place_of(self.tree, id).and_then(|place| self.tree.root_name(place));
            place.is_some_and(|name| !is_local(name))
                || self.called_for_its_effect(id).is_some_and(|name| !is_local(name))
        })
    }

    /// The name, not of a talker, of the module or an import, by which a statement calls with arguments.
    fn called_for_its_effect(&self, id: Id) -> Option<&str> {
        let call = id + 1;
        if self.tree.kind(id) != Kind::Expr || self.tree.kind(call) != Kind::Call {
            return None;
        }
        self.tree.child(call, Field::Args)?;
        let name = self.tree.root_name(call)?;
        let is_known = self.imported.contains_key(name) || self.bound.contains_key(name);
        (is_known && !TALKERS.contains(&name)).then_some(name)
    }

    /// Whether a class of the file, or its metaclass, remembers the classes that are derived from it.
    pub(super) fn registers_classes(&self) -> bool {
        let tree = self.tree;
        let classes = tree.within(0).filter(|&id| tree.kind(id) == Kind::ClassDef);
        classes.into_iter().any(|class| {
            let mut bases = tree.children_in(class, Field::Bases).map(|base| tree.last_name(base));
            let is_meta =
                bases.any(|base| base == "type" || base.ends_with("Meta")) || tree.node(class).name().ends_with("Meta");
            let mut functions = tree.children_in(class, Field::Body).filter(|&id| tree.kind(id).is_function());
            functions.any(|function| {
                let name = tree.node(function).name();
                (HOOKS.contains(&name) || (is_meta && META_HOOKS.contains(&name)))
                    && (self.registers(function) || self.fills_an_attribute(function))
            })
        })
    }

    /// Whether something is put into what hangs on an argument: `cls.known[name] = cls`.
    fn fills_an_attribute(&self, function: Id) -> bool {
        self.tree.within(function).filter_map(|id| place_of(self.tree, id)).any(|place| {
            let node = self.tree.node(place);
            match node.kind {
                Kind::Subscript => self.tree.kind(place + 1) == Kind::Attribute,
                Kind::Attribute => node.flag != STORE,
                _ => false,
            }
        })
    }
}
