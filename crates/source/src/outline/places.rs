//! Into what a function puts something, by the names that it has there: what has not changed under any of them has not been kept by it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::keeping::{is_new, parameters, puts_something, unknown_decorators, wrapped};
use super::mentions::aliases;
use super::tree::{Field, Id, Kind, Tree, Value, LOAD, STORE};

/// An attribute, of whatever object, or an item of anything.
const ANY_ATTRIBUTE: &str = ".*";
const ANYTHING: &str = "*";

/// Behind the name of what something is within, once for each step, up to [`DEEP`].
const WITHIN: &str = "[]";
const DEEP: usize = 3;

fn at_depth(name: &str, depth: usize) -> String {
    format!("{name}{}", WITHIN.repeat(depth.min(DEEP)))
}

/// Methods that give what is in what they are called on, or another view of it.
const INNER: [&str; 6] = ["get", "setdefault", "values", "items", "__getitem__", "pop"];

/// Functions that give the attributes of something as a dictionary.
const NAMESPACES: [&str; 3] = ["vars", "globals", "locals"];

/// Items of the object that the method is one of.
const ITS_OBJECT: &str = "~";

/// How many assignments a name is followed through.
const FAR: usize = 5;

/// For each function that puts something anywhere, or has something unknown around it, the places:
///
/// - `.name`: an attribute, or a variable of a module, of this name;
/// - `name`: items of what has this name, as an attribute or a variable;
/// - `~`: items of the object that it is a method of;
/// - `.*`: attributes of whatever; `*[]`, `*append`, …: items of whatever, and how they are put there;
/// - `=a.b.c`, `#a.b`: the same, with the whole path, if it begins with a name that is none of the function's own;
/// - `name[]`, `name[][]`: the same, of what is within what has this name;
///   (`=!`, `#!`: with something that is imported in the function);
/// - `@a.b`: wherever the decorator of this name puts what it gives (`@?`: it has no name); `@*`: it is given to somebody.
pub(super) fn places(tree: &Tree) -> Vec<(String, Vec<String>)> {
    let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let handed = wrapped(tree);
    for one in &tree.functions {
        let mut places = Places::of(tree, one.id);
        let around = tree.functions.iter().filter(|outer| outer.id < one.id && tree.node(outer.id).end > one.id);
        for outer in around.map(|outer| Places::of(tree, outer.id)) {
            places.around.extend(outer.bound.into_keys().chain(outer.parameters.into_keys()));
        }
        places.read();
        for decorator in unknown_decorators(tree, one.id) {
            let called = if tree.kind(decorator) == Kind::Call { decorator + 1 } else { decorator };
            let path = places.path(called).unwrap_or_else(|| "?".to_owned());
            places.found.insert(format!("@{path}"));
        }
        if handed.contains(tree.node(one.id).name()) {
            places.found.insert("@*".to_owned());
        }
        found.entry(&one.qualname).or_default().append(&mut places.found);
    }
    let found = found.into_iter().filter(|(_, places)| !places.is_empty());
    found.map(|(name, places)| (name.to_owned(), places.into_iter().collect())).collect()
}

struct Places<'t, 'a> {
    tree: &'t Tree<'a>,
    id: Id,
    parameters: HashMap<&'a str, bool>,
    /// What local names are bound to, and whether only to a part of it; None for what is not known.
    bound: HashMap<&'a str, Vec<Option<(Id, bool)>>>,
    /// Local names of what is imported here.
    imported: HashSet<&'a str>,
    /// The name of the object that it is a method of.
    object: Option<&'a str>,
    /// Names of the functions around it.
    around: HashSet<&'a str>,
    found: BTreeSet<String>,
}

impl<'t, 'a> Places<'t, 'a> {
    fn of(tree: &'t Tree<'a>, id: Id) -> Self {
        let mut one = Self {
            tree,
            id,
            parameters: parameters(tree, id).1,
            bound: HashMap::new(),
            imported: HashSet::new(),
            around: HashSet::new(),
            object: first_parameter_of_method(tree, id),
            found: BTreeSet::new(),
        };
        one.bind();
        one
    }

    fn bind(&mut self) {
        let tree = self.tree;
        let mut told = BTreeSet::new();
        for id in tree.own_nodes(self.id) {
            let (targets, source) = match tree.kind(id) {
                Kind::Assign | Kind::AnnAssign | Kind::NamedExpr => (Field::Target, Field::Value),
                Kind::For | Kind::AsyncFor => (Field::Target, Field::Iter),
                _ => continue,
            };
            let Some(source) = tree.child(id, source) else { continue };
            for target in tree.children_in(id, targets) {
                let is_part = tree.kind(target) != Kind::Name || matches!(tree.kind(id), Kind::For | Kind::AsyncFor);
                // Parts of a row are within what the row is made from.
                for part in tree.within(target).filter(|&part| is_stored(tree, part)) {
                    told.insert(part);
                    self.bound.entry(tree.node(part).name()).or_default().push(Some((source, is_part)));
                }
            }
        }
        for id in tree.own_nodes(self.id).filter(|&id| is_stored(tree, id) && !told.contains(&id)) {
            self.bound.entry(tree.node(id).name()).or_default().push(None);
        }
        for node in tree.own_nodes(self.id).map(|id| tree.node(id)) {
            let is_bound =
                matches!(node.kind, Kind::MatchAs | Kind::MatchStar | Kind::MatchMapping | Kind::ExceptHandler);
            if (is_bound || node.kind.is_scope()) && !node.name().is_empty() {
                self.bound.entry(node.name()).or_default().push(None);
            }
        }
        for id in tree.own_nodes(self.id).filter(|&id| tree.kind(id) == Kind::ImportFrom) {
            self.imported.extend(aliases(tree, id).map(|(name, renamed)| renamed.unwrap_or(name)));
        }
        for name in self.declared() {
            self.bound.remove(name);
        }
    }

    /// Names that the function says are not its own.
    fn declared(&self) -> Vec<&'a str> {
        let nodes = self.tree.own_nodes(self.id).map(|id| self.tree.node(id));
        let names = nodes.filter(|node| matches!(node.kind, Kind::Global | Kind::Nonlocal)).map(|node| node.value);
        names
            .flat_map(|value| match value {
                Value::Names(names) => names.iter().map(ruff_python_ast::Identifier::as_str).collect(),
                _ => Vec::new(),
            })
            .collect()
    }

    fn read(&mut self) {
        let tree = self.tree;
        for name in self.declared() {
            self.found.extend([format!(".{name}"), name.to_owned()]);
        }
        for id in tree.own_nodes(self.id) {
            let node = tree.node(id);
            match node.kind {
                Kind::Attribute if node.flag == STORE => {
                    self.found.insert(format!(".{}", node.name()));
                    if let Some(path) = self.path(id) {
                        self.found.insert(format!("={path}"));
                    }
                }
                Kind::Subscript if node.flag == STORE => self.put_into(id + 1, "[]", 0, 0),
                Kind::Call => self.read_call(id),
                _ => {}
            }
        }
    }

    fn read_call(&mut self, id: Id) {
        let tree = self.tree;
        let called = tree.node(id + 1);
        let is_setting = match called.kind {
            Kind::Name => called.name() == "setattr",
            Kind::Attribute => called.name() == "__setattr__",
            _ => return,
        };
        if is_setting {
            // The name is given behind the object, if there is one.
            let given = tree.children_in(id, Field::Args).take(2);
            let word = given.filter_map(|given| tree.text(given)).last();
            let place = word.map_or_else(|| ANY_ATTRIBUTE.to_owned(), |word| format!(".{}", word.value));
            self.found.insert(place);
        } else if called.kind == Kind::Attribute && puts_something(called.name()) {
            self.put_into(id + 2, called.name(), 0, 0);
        }
    }

    /// Something is put into what *id* gives, or, with a *depth*, into what is within that.
    fn put_into(&mut self, id: Id, how: &str, depth: usize, far: usize) {
        let tree = self.tree;
        if far == 0 {
            if let Some(path) = self.path(id) {
                self.found.insert(format!("#{path}"));
            }
        }
        let node = tree.node(id);
        match node.kind {
            _ if far > FAR => self.anything(how),
            Kind::Attribute if node.name() == "__dict__" => {
                self.found.insert(ANY_ATTRIBUTE.to_owned());
            }
            Kind::Attribute => {
                self.found.insert(at_depth(node.name(), depth));
            }
            Kind::Subscript => self.put_into(id + 1, how, depth + 1, far + 1),
            Kind::Starred => self.put_into(id + 1, how, depth, far + 1),
            Kind::Name => self.put_into_name(node.name(), how, depth, far),
            Kind::Call if is_new(tree, id) => {}
            Kind::Call => {
                let called = tree.node(id + 1);
                if called.kind == Kind::Name && NAMESPACES.contains(&called.name()) {
                    self.found.insert(ANY_ATTRIBUTE.to_owned());
                } else if called.kind == Kind::Attribute && INNER.contains(&called.name()) {
                    self.put_into(id + 2, how, depth + 1, far + 1);
                } else {
                    self.anything(how);
                }
            }
            _ if is_new(tree, id) => {}
            _ => self.anything(how),
        }
    }

    fn put_into_name(&mut self, name: &'a str, how: &str, depth: usize, far: usize) {
        let is_given = self.parameters.contains_key(name);
        if is_given && self.object == Some(name) {
            self.found.insert(ITS_OBJECT.to_owned());
        } else if is_given {
            self.anything(how);
        }
        match self.bound.get(name).cloned() {
            Some(sources) => {
                for source in sources {
                    match source {
                        Some((source, false)) => self.put_into(source, how, depth, far + 1),
                        Some((source, true)) => self.put_into(source, how, depth + 1, far + 1),
                        None => self.anything(how),
                    }
                }
            }
            None if is_given => {}
            None => {
                self.found.insert(at_depth(name, depth));
            }
        }
    }

    fn anything(&mut self, how: &str) {
        self.found.insert(format!("{ANYTHING}{how}"));
    }

    /// The dotted path of an expression that begins with a name that is none of the function's own; up to where it is no path any more.
    fn path(&self, mut id: Id) -> Option<String> {
        let mut names = Vec::new();
        loop {
            let node = self.tree.node(id);
            match node.kind {
                Kind::Attribute => names.push(node.name()),
                Kind::Subscript => names.clear(),
                Kind::Name if self.imported.contains(node.name()) => return Some("!".to_owned()),
                Kind::Name if self.around.contains(node.name()) => return None,
                Kind::Name if self.bound.contains_key(node.name()) || self.parameters.contains_key(node.name()) => {
                    return None
                }
                Kind::Name => {
                    names.push(node.name());
                    names.reverse();
                    return Some(names.join("."));
                }
                _ => return None,
            }
            id += 1;
        }
    }
}

fn first_parameter_of_method<'a>(tree: &Tree<'a>, function: Id) -> Option<&'a str> {
    let is_static = |decorator: Id| tree.last_name(decorator) == "staticmethod";
    let is_method = tree.kind(tree.node(function).parent) == Kind::ClassDef
        && !tree.children_in(function, Field::Decorators).any(is_static);
    is_method.then(|| parameters(tree, function).0.first().copied()).flatten()
}

fn is_stored(tree: &Tree, id: Id) -> bool {
    tree.kind(id) == Kind::Name && tree.node(id).flag == STORE
}

/// Functions that give nothing of what they are given.
const ASKING: [&str; 13] =
    ["len", "isinstance", "issubclass", "repr", "str", "bool", "any", "all", "sum", "id", "hash", "type", "print"];

/// For each function, and the module itself (`""`), the names of what it hands on: attributes and variables, none of them its own, that it gives to
/// others, returns, or binds to another name, or of which it does so with a part. Both sorted.
///
/// Where that is only a part, the name has `[]` behind it, once for each step. What is handed on by nobody is reached by its name alone.
pub(super) fn handing(tree: &Tree) -> Vec<(String, Vec<String>)> {
    let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut functions: Vec<(Id, &str)> = tree.functions.iter().map(|one| (one.id, one.qualname.as_str())).collect();
    functions.sort_unstable();
    // The names of those that others stand in are not only theirs.
    let is_alone = |function: Id| {
        !tree.within(function).skip(1).any(|id| tree.kind(id).is_function() || tree.kind(id) == Kind::Lambda)
    };
    let mut around: Vec<(Id, &str, Option<Places>)> = Vec::new();
    let mut next = functions.into_iter().peekable();
    for id in tree.within(0) {
        while around.last().is_some_and(|one| tree.node(one.0).end <= id) {
            around.pop();
        }
        if let Some((function, name)) = next.next_if(|&(function, _)| function == id) {
            around.push((function, name, is_alone(function).then(|| Places::of(tree, function))));
        }
        let node = tree.node(id);
        if !matches!(node.kind, Kind::Attribute | Kind::Name) || node.flag != LOAD {
            continue;
        }
        let Some(depth) = handed_on(tree, id) else { continue };
        let (name, own) = around.last().map_or(("", None), |(_, name, own)| (*name, own.as_ref()));
        let is_own =
            own.is_some_and(|own| own.bound.contains_key(node.name()) || own.parameters.contains_key(node.name()));
        if node.kind == Kind::Attribute || !is_own {
            let handed = found.entry(name).or_default();
            handed.extend((depth.min(DEEP)..=DEEP).map(|depth| at_depth(node.name(), depth)));
        }
    }
    found.into_iter().map(|(name, handed)| (name.to_owned(), handed.into_iter().collect())).collect()
}

/// Whether what an expression gives goes anywhere from where it stands; how far within it what does is.
fn handed_on(tree: &Tree, mut id: Id) -> Option<usize> {
    let mut depth = 0;
    loop {
        let (field, above) = (tree.node(id).field, tree.node(id).parent);
        let node = tree.node(above);
        match node.kind {
            Kind::Attribute => {
                let call = node.parent;
                let is_called = tree.kind(call) == Kind::Call && node.field == Field::Func;
                if !is_called || !INNER.contains(&node.name()) {
                    return None;
                }
                depth += 1;
                id = call;
            }
            Kind::Subscript if field != Field::Value => return None,
            Kind::Call if field == Field::Func => return None,
            Kind::Call => {
                let called = tree.node(above + 1);
                match called.kind {
                    Kind::Name if ASKING.contains(&called.name()) => return None,
                    Kind::Name if PASSING.contains(&called.name()) => {
                        depth += 1;
                        id = above;
                    }
                    // Of what is added, the parts are in two places from then on.
                    Kind::Attribute if matches!(called.name(), "update" | "extend") => return Some(depth + 1),
                    _ => return Some(depth),
                }
            }
            Kind::Subscript => {
                depth += 1;
                id = above;
            }
            Kind::BoolOp | Kind::Starred | Kind::NamedExpr | Kind::Await | Kind::Tuple | Kind::List => id = above,
            Kind::IfExp if field != Field::Test => id = above,
            Kind::For | Kind::AsyncFor | Kind::Comprehension => return Some(depth + 1),
            Kind::IfExp | Kind::Compare | Kind::UnaryOp | Kind::BinOp | Kind::If | Kind::While | Kind::Assert => {
                return None
            }
            Kind::Expr | Kind::FormattedValue | Kind::Delete => return None,
            _ => return Some(depth),
        }
    }
}

/// Functions that give the parts of what they are given.
const PASSING: [&str; 8] = ["list", "tuple", "set", "sorted", "reversed", "iter", "enumerate", "zip"];
