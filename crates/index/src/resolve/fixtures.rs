//! Which fixtures a test asks for, and their parameters.

use std::collections::HashSet;

use dx_py_source::facts::{Binding, Bound, Fixture, Function};

use super::known::FIXTURES;
use super::{Layer, Module};

/// What a test asks for, with what that asks for.
pub(super) struct Closure<'a, 'b> {
    module: &'b Module<'a>,
    layers: Vec<Layer>,
    direct: &'b HashSet<&'a str>,
    seen: HashSet<(&'a str, usize)>,
    /// The ids of each parametrized fixture.
    pub parameters: Vec<Option<&'a [String]>>,
    pub unknown: bool,
}

impl<'a, 'b> Closure<'a, 'b> {
    pub fn new(module: &'b Module<'a>, classes: &[u32], direct: &'b HashSet<&'a str>) -> Self {
        let mut layers: Vec<Layer> = classes.iter().rev().map(|&class| (module.number, Some(class))).collect();
        layers.push((module.number, None));
        layers.extend(module.conftests.iter().map(|&number| (number, None)));
        Self { module, layers, direct, seen: HashSet::new(), parameters: Vec::new(), unknown: false }
    }

    fn fixtures(&self, layer: Layer) -> impl Iterator<Item = (&'a str, &'a Binding, &'a Function, &'a Fixture)> {
        let (file, scope) = layer;
        let bindings = self.module.project.files[file].facts.bindings.iter();
        bindings.filter(move |binding| binding.scope == scope).filter_map(|binding| match &binding.bound {
            Bound::Function(function) => {
                let fixture = function.decorators.fixture.as_ref()?;
                Some((fixture.name.as_deref().unwrap_or(&binding.name), binding, function, fixture))
            }
            _ => None,
        })
    }

    pub fn add_autouse(&mut self) {
        for layer in 0..self.layers.len() {
            let names: Vec<_> = self
                .fixtures(self.layers[layer])
                .filter(|(.., fixture)| fixture.autouse != Some(false) || fixture.computed)
                .map(|(name, ..)| name)
                .collect();
            names.into_iter().for_each(|name| self.add(name, 0, false));
        }
    }

    /// Ask for a fixture, looking from `first` on; if `filled`, one that is not there is given by something else.
    pub fn add(&mut self, name: &'a str, first: usize, filled: bool) {
        if self.direct.contains(name) || !self.seen.insert((name, first)) {
            return;
        }
        for layer in first..self.layers.len() {
            let mut found = self.fixtures(self.layers[layer]).filter(|(known, ..)| *known == name);
            let Some((_, binding, function, fixture)) = found.next() else {
                if self.is_bound_otherwise(self.layers[layer], name) {
                    self.unknown = true;
                    return;
                }
                continue;
            };
            let several = found.next().is_some();
            drop(found);
            self.unknown |=
                several || binding.conditional || fixture.computed || !function.decorators.others.is_empty();
            if let Some(parameters) = &fixture.parameters {
                self.parameters.push(parameters.ids.as_deref());
            }
            let skipped = usize::from(binding.scope.is_some());
            for needed in function.parameters.iter().skip(skipped) {
                self.add(needed, if **needed == *name { layer + 1 } else { 0 }, false);
            }
            return;
        }
        self.unknown |= !filled && !FIXTURES.contains(&name);
    }

    /// An import or an assignment may be a fixture.
    fn is_bound_otherwise(&self, (file, scope): Layer, name: &str) -> bool {
        let bindings = &self.module.project.files[file].facts.bindings;
        bindings.iter().any(|binding| {
            binding.scope == scope && *binding.name == *name && matches!(binding.bound, Bound::Import(_) | Bound::Value)
        })
    }
}
