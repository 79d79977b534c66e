//! The paths of one group as a tree, so that a group of thousands is as fast as one of a few. Pure.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use super::{GatewayApi, Method, pattern::Segment};

/// A place in the paths, and what ends there.
#[derive(Debug, Default)]
pub(super) struct Tree {
    fixed: HashMap<String, Tree>,
    parameter: Option<Box<Tree>>,
    /// Take a path that ends here.
    whole: Vec<Arc<GatewayApi>>,
    /// Take a path that ends here or goes on.
    prefix: Vec<Arc<GatewayApi>>,
    /// Take a path that goes on.
    rest: Vec<Arc<GatewayApi>>,
}

/// What was found, and how well it fits: segments of its own, and whether it is the whole path.
type Found<'a> = ((usize, bool), &'a Arc<GatewayApi>);

impl Tree {
    pub(super) fn of(apis: &[Arc<GatewayApi>]) -> Self {
        let mut tree = Self::default();
        for api in apis {
            let (mut place, mut takes_rest) = (&mut tree, false);
            for segment in &api.pattern.segments {
                match segment {
                    Segment::Fixed(text) => place = place.fixed.entry(text.clone()).or_default(),
                    Segment::Parameter(_) => place = place.parameter.get_or_insert_default(),
                    Segment::Rest(_) => takes_rest = true,
                }
            }
            let ends = match (takes_rest, api.is_prefix) {
                (true, _) => &mut place.rest,
                (false, true) => &mut place.prefix,
                (false, false) => &mut place.whole,
            };
            ends.push(Arc::clone(api));
        }
        tree.sort();
        tree
    }

    /// A method comes before ANY.
    fn sort(&mut self) {
        for ends in [&mut self.whole, &mut self.prefix, &mut self.rest] {
            ends.sort_by_key(|api| Reverse(api.method != Method::Any));
        }
        self.fixed.values_mut().chain(self.parameter.as_deref_mut()).for_each(Self::sort);
    }

    pub(super) fn find(&self, path: &[&str], method: &str) -> Option<Arc<GatewayApi>> {
        self.best(path, 0, method).map(|(_, api)| Arc::clone(api))
    }

    /// No place is looked at twice, so the tree bounds the work, and its depth the stack.
    fn best(&self, path: &[&str], depth: usize, method: &str) -> Option<Found<'_>> {
        let first = |apis: &'_ [Arc<GatewayApi>]| apis.iter().position(|api| api.method.takes(method));
        let of = |apis, fit| first(apis).map(|index| (fit, &apis[index]));
        let Some((segment, further)) = path.split_first() else {
            return of(&self.whole, (depth, true)).or_else(|| of(&self.prefix, (depth, false)));
        };
        let fixed = self.fixed.get(*segment).and_then(|place| place.best(further, depth + 1, method));
        let parameter = self.parameter.as_ref().and_then(|place| place.best(further, depth + 1, method));
        let here = of(&self.rest, (depth, false)).or_else(|| of(&self.prefix, (depth, false)));
        // Of two that fit equally well the later one wins: letters before parameters.
        [here, parameter, fixed].into_iter().flatten().max_by_key(|(fit, _)| *fit)
    }
}
