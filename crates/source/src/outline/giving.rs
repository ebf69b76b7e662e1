//! What functions give to others that may keep it: whether these do is told by their own texts, wherever they are.
//!
//! Names stand for what they may be: one that is bound to anything that has to do with a parameter is taken to be given.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::keeping::{new_names, parameters, place_of, puts, Kept, Object};
use super::tree::{Field, Id, Kind, Tree, STORE};

/// What a function puts somewhere, and what it calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gives {
    /// Its qualified name.
    pub qualname: String,
    /// Where it puts something itself, whatever stands around it.
    pub puts: Kept,
    /// Whether it puts what it is given where it stays anyway.
    pub keeps_given: bool,
    /// Whether it puts what it is given, beside its object, into its object.
    pub fills_object: bool,
    /// The parameters into which it puts what it is given.
    pub fills: Vec<String>,
    /// Its parameters that may stand in a row, without its object.
    pub parameters: Vec<String>,
    pub calls: Vec<Call>,
}

/// A call of something that is known by its last name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub name: String,
    /// What the method that is called is one of; [`Root::New`] also if it is no method.
    pub receiver: Root,
    /// Whether anything of the caller's parameters goes into it.
    pub carries: bool,
    /// The arguments that are nothing new: their place or keyword (`*` if that is not known).
    pub arguments: Vec<(String, Root)>,
}

/// Whose something is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Root {
    /// Made here, and nobody else's.
    New,
    /// The object's that the function is a method of.
    Own,
    /// That of who has called the function, by the name of the parameter.
    Given(String),
    /// Anybody's.
    Other,
}

/// Decorators of functions that make something for tests.
const FIXTURES: [&str; 2] = ["fixture", "yield_fixture"];

/// As what is called: whoever hears of a class that is made.
const A_CLASS: &str = "class";

/// Functions that make classes, as `type` does with so many arguments.
const MAKING_CLASSES: [&str; 3] = ["type", "new_class", "__new__"];
const OF_A_CLASS: usize = 3;

/// What stands before the name of a function within another.
const INNER: &str = ".<locals>.";

/// What each function gives, but for tests and fixtures: what these leave behind, they do not keep. By their names.
///
/// *own*: [`super::keeping::own_parts`].
pub(super) fn gives<'a>(tree: &Tree<'a>, own: &HashMap<Id, HashSet<&'a str>>) -> Vec<Gives> {
    let mut found: BTreeMap<&str, Gives> = BTreeMap::new();
    for one in tree.functions.iter().filter(|one| !is_of_test(tree, one.id, &one.qualname)) {
        let mut function = Function::of(tree, one.id, &one.qualname, own.get(&one.id));
        if one.qualname.contains(INNER) {
            function.see_names_around(tree.functions.iter().map(|outer| outer.id));
        }
        while function.spread() {}
        let known = found.entry(&one.qualname).or_default();
        known.puts = known.puts.max(puts(tree, one.id, &one.qualname, own.get(&one.id)));
        function.read(known);
    }
    hand_outwards(&mut found);
    let mut gives = Vec::new();
    for (name, mut one) in found {
        one.qualname = name.to_owned();
        one.fills.sort_unstable();
        one.fills.dedup();
        one.calls.sort_unstable();
        one.calls.dedup();
        // A function within may keep what it was given, though it puts and calls nothing itself.
        if one.puts != Kept::Nowhere || one.keeps_given || !one.calls.is_empty() {
            gives.push(one);
        }
    }
    gives
}

/// What a function within another does may be done with what that was given.
fn hand_outwards(found: &mut BTreeMap<&str, Gives>) {
    let inner: Vec<&str> = found.keys().copied().filter(|name| name.contains(INNER)).collect();
    for name in inner {
        let one = found[name].clone();
        for (end, _) in name.match_indices(INNER) {
            let Some(outer) = found.get_mut(&name[..end]) else { continue };
            outer.keeps_given |= one.keeps_given || one.fills_object || !one.fills.is_empty();
            outer.calls.extend(one.calls.iter().cloned().map(|call| Call {
                receiver: if call.receiver == Root::New { Root::New } else { Root::Other },
                carries: true,
                arguments: call.arguments.into_iter().map(|(place, _)| (place, Root::Other)).collect(),
                ..call
            }));
        }
    }
}

/// In place of the name of a class that another derives from, if it has none there.
const UNKNOWN_BASE: &str = "?";

/// The classes that derive from others, and the last names of those; sorted.
pub(super) fn derived(tree: &Tree) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for class in tree.within(0).filter(|&id| tree.kind(id) == Kind::ClassDef) {
        let bases = tree.children_in(class, Field::Bases).map(|base| match tree.kind(base) {
            Kind::Name | Kind::Attribute => tree.last_name(base),
            Kind::Subscript if !tree.last_name(base + 1).is_empty() => tree.last_name(base + 1),
            _ => UNKNOWN_BASE,
        });
        let bases: Vec<String> = bases.map(str::to_owned).collect();
        if !bases.is_empty() {
            found.push((tree.node(class).name().to_owned(), bases));
        }
    }
    found.sort_unstable();
    found
}

/// Whether a function is a test or a fixture, or stands in one.
fn is_of_test(tree: &Tree, function: Id, qualname: &str) -> bool {
    let outermost = qualname.split(INNER).next().unwrap_or(qualname);
    let name = outermost.rsplit('.').next().unwrap_or(outermost);
    let is_fixture = |decorator: Id| tree.within(decorator).any(|part| FIXTURES.contains(&tree.node(part).name()));
    name.starts_with("test") || tree.children_in(function, Field::Decorators).any(is_fixture)
}

/// What has to do with parameters of a function, and with the object that it is a method of.
const OF_GIVEN: u8 = 1;
const OF_OBJECT: u8 = 2;

struct Function<'t, 'a> {
    tree: &'t Tree<'a>,
    id: Id,
    new: HashSet<&'a str>,
    object: Option<Object<'a>>,
    /// Its parameters, with whether what they are without an argument may be there for the next call.
    parameters: HashMap<&'a str, bool>,
    in_a_row: Vec<&'a str>,
    /// What names have to do with.
    taint: HashMap<&'a str, u8>,
}

impl<'t, 'a> Function<'t, 'a> {
    fn of(tree: &'t Tree<'a>, id: Id, qualname: &str, parts: Option<&HashSet<&'a str>>) -> Self {
        let (mut in_a_row, all) = parameters(tree, id);
        // A method's own object, be it its class; a static one has none.
        let owner = in_a_row.first().copied().filter(|_| parts.is_some() && !is_static(tree, id));
        if owner.is_some() {
            in_a_row.remove(0);
        }
        let mut taint: HashMap<&str, u8> = all.keys().map(|&name| (name, OF_GIVEN)).collect();
        if let Some(owner) = owner {
            taint.insert(owner, OF_OBJECT);
        }
        Self {
            tree,
            id,
            new: new_names(tree, id).0,
            object: Object::of(tree, id, qualname, parts),
            parameters: all.into_iter().filter(|&(name, _)| Some(name) != owner).collect(),
            in_a_row,
            taint,
        }
    }

    /// Names of the functions around this one may stand for what these were given.
    fn see_names_around(&mut self, functions: impl Iterator<Item = Id>) {
        let mut names = Vec::new();
        for outer in functions.filter(|&outer| outer < self.id && self.tree.node(outer).end > self.id) {
            names.extend(parameters(self.tree, outer).1.into_keys());
            let nodes = self.tree.own_nodes(outer).map(|id| self.tree.node(id));
            names.extend(nodes.filter(|node| node.kind == Kind::Name && node.flag == STORE).map(|node| node.name()));
        }
        for name in names {
            self.taint.entry(name).or_insert(OF_GIVEN);
        }
    }

    /// Have names that are bound to what has to do with something have to do with it; whether any did not.
    fn spread(&mut self) -> bool {
        let mut changed = false;
        for id in self.tree.own_nodes(self.id) {
            let (targets, source) = match self.tree.kind(id) {
                Kind::Assign | Kind::AnnAssign | Kind::AugAssign | Kind::NamedExpr => (Field::Target, Field::Value),
                Kind::For | Kind::AsyncFor => (Field::Target, Field::Iter),
                Kind::WithItem => (Field::OptionalVars, Field::ContextExpr),
                kind if kind.is_function() || kind == Kind::ClassDef => {
                    // What stands within it may be of all that is around it.
                    let all = self.taint_within(id);
                    changed |= self.add(self.tree.node(id).name(), all);
                    continue;
                }
                _ => continue,
            };
            let taint = self.tree.child(id, source).map_or(0, |source| self.taint_within(source));
            if taint == 0 {
                continue;
            }
            for target in self.tree.children_in(id, targets) {
                for part in self.tree.within(target) {
                    let node = self.tree.node(part);
                    // What something is put into has to do with it from then on.
                    if node.kind == Kind::Name {
                        changed |= self.add(node.name(), taint);
                    }
                }
            }
        }
        changed
    }

    fn add(&mut self, name: &'a str, taint: u8) -> bool {
        let known = self.taint.entry(name).or_default();
        let changed = *known | taint != *known;
        *known |= taint;
        changed
    }

    fn taint_within(&self, id: Id) -> u8 {
        let names = self.tree.within(id).map(|part| self.tree.node(part)).filter(|node| node.kind == Kind::Name);
        names.fold(0, |found, node| found | self.taint.get(node.name()).copied().unwrap_or(0))
    }

    fn read(&mut self, known: &mut Gives) {
        let tree = self.tree;
        known.parameters = self.in_a_row.iter().map(|&name| name.to_owned()).collect();
        for id in tree.own_nodes(self.id) {
            if matches!(tree.kind(id), Kind::Global | Kind::Nonlocal) {
                known.keeps_given |= !self.taint.is_empty();
            }
            if let Some((whole, place)) = place_of(tree, id) {
                let value = self.taint_of_put(id, place);
                match self.root_of(whole, place) {
                    Root::New => {}
                    Root::Own => known.fills_object |= value & OF_GIVEN != 0,
                    Root::Given(name) if value != 0 => known.fills.push(name),
                    Root::Given(_) => {}
                    Root::Other => known.keeps_given |= value != 0,
                }
            }
            if tree.kind(id) == Kind::Call {
                known.calls.extend(self.call(id));
            }
            if tree.kind(id).is_scope() {
                self.read_scope(id, known);
            }
        }
    }

    /// What a function or a class that stands in this one has called when it is made: decorators, and what is told of new classes.
    fn read_scope(&self, scope: Id, known: &mut Gives) {
        let tree = self.tree;
        let carries = self.taint_within(scope) != 0;
        let given = |name: &str, place: &str| Call {
            name: name.to_owned(),
            receiver: Root::Other,
            carries,
            arguments: vec![(place.to_owned(), Root::Other)],
        };
        for decorator in tree.children_in(scope, Field::Decorators) {
            let called = tree.decorating(decorator);
            known.calls.push(given(tree.last_name(called), "0"));
        }
        if tree.kind(scope) == Kind::ClassDef {
            known.calls.push(given(A_CLASS, "*"));
        }
        // A class's body is executed there and then; of a function, what stands around its own.
        let mut next = scope + 1;
        while next < tree.node(scope).end {
            let node = tree.node(next);
            if tree.kind(scope) != Kind::ClassDef && node.parent == scope && node.field == Field::Body {
                break;
            }
            if node.kind == Kind::Call {
                known.calls.extend(self.call(next));
            }
            if node.kind.is_scope() {
                self.read_scope(next, known);
                next = node.end;
            } else {
                next += 1;
            }
        }
    }

    /// What the value or the key has to do with that a node puts into *place*.
    fn taint_of_put(&self, id: Id, place: Id) -> u8 {
        let tree = self.tree;
        if tree.kind(id) == Kind::Call {
            let given = [Field::Args, Field::Keywords].into_iter().flat_map(|field| tree.children_in(id, field));
            return given.filter(|&one| one != place).fold(0, |found, one| found | self.taint_within(one));
        }
        let mut found = 0;
        let mut part = id;
        while matches!(tree.kind(part), Kind::Attribute | Kind::Subscript) {
            found |= tree.child(part, Field::Slice).map_or(0, |slice| self.taint_within(slice));
            part += 1;
        }
        let mut around = tree.node(id).parent;
        while matches!(tree.kind(around), Kind::Tuple | Kind::List | Kind::Starred) {
            around = tree.node(around).parent;
        }
        let source = match tree.kind(around) {
            Kind::Assign | Kind::AnnAssign | Kind::AugAssign => Field::Value,
            Kind::For | Kind::AsyncFor => Field::Iter,
            Kind::WithItem => Field::ContextExpr,
            _ => return OF_GIVEN | OF_OBJECT,
        };
        found | tree.child(around, source).map_or(0, |source| self.taint_within(source))
    }

    /// Whose *whole* is; the search for the name that it begins with starts at *place*.
    fn root_of(&self, whole: Id, mut place: Id) -> Root {
        let tree = self.tree;
        while matches!(tree.kind(place), Kind::Attribute | Kind::Subscript) {
            place += 1;
        }
        let node = tree.node(place);
        if self.object.as_ref().is_some_and(|object| object.has(tree, whole)) {
            return Root::Own;
        }
        match node.kind {
            Kind::Name if self.new.contains(node.name()) => Root::New,
            Kind::Name => match self.parameters.get(node.name()) {
                Some(false) if !self.is_bound(node.name()) => Root::Given(node.name().to_owned()),
                _ => Root::Other,
            },
            Kind::Call | Kind::Await => {
                if super::keeping::is_new(tree, place) {
                    Root::New
                } else {
                    Root::Other
                }
            }
            Kind::Yield | Kind::YieldFrom | Kind::IfExp | Kind::BoolOp | Kind::NamedExpr => Root::Other,
            _ => Root::New,
        }
    }

    /// Whether a parameter is bound to something else, too.
    fn is_bound(&self, name: &str) -> bool {
        self.tree
            .own_nodes(self.id)
            .map(|id| self.tree.node(id))
            .any(|node| node.kind == Kind::Name && node.flag == STORE && node.name() == name)
    }

    fn call(&self, id: Id) -> Option<Call> {
        let tree = self.tree;
        let called = tree.node(id + 1);
        let mut taint = 0;
        let receiver = match called.kind {
            Kind::Name => Root::New,
            Kind::Attribute => {
                taint |= self.taint_within(id + 2);
                self.root_of(id + 2, id + 2)
            }
            _ => return None,
        };
        let mut arguments = Vec::new();
        let mut is_given_any = called.kind == Kind::Attribute;
        let mut is_in_a_row = true;
        for (number, argument) in tree.children_in(id, Field::Args).enumerate() {
            is_given_any = true;
            taint |= self.taint_within(argument);
            is_in_a_row &= tree.kind(argument) != Kind::Starred;
            let place = if is_in_a_row { number.to_string() } else { "*".to_owned() };
            // The row may be new; what is in it need not be.
            let root = if is_in_a_row { self.root_of(argument, argument) } else { Root::Other };
            arguments.push((place, root));
        }
        for keyword in tree.children_in(id, Field::Keywords) {
            is_given_any = true;
            let value = keyword + 1;
            taint |= self.taint_within(value);
            let name = tree.node(keyword).name();
            arguments.push(match name {
                "" => ("*".to_owned(), Root::Other),
                _ => (name.to_owned(), self.root_of(value, value)),
            });
        }
        let count = tree.children_in(id, Field::Args).count();
        let makes_class = MAKING_CLASSES.contains(&called.name()) && (called.name() != "type" || count >= OF_A_CLASS);
        let name = if makes_class { A_CLASS } else { called.name() };
        arguments.retain(|(_, root)| *root != Root::New);
        is_given_any.then(|| Call { name: name.to_owned(), receiver, carries: taint != 0, arguments })
    }
}

fn is_static(tree: &Tree, function: Id) -> bool {
    tree.children_in(function, Field::Decorators)
        .any(|decorator| tree.within(decorator).any(|part| tree.last_name(part) == "staticmethod"))
}
