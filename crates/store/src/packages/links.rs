//! Symbolic links of an archive: where each leads, decided before any is made.
//!
//! Links are followed by hand over the planned tree, as the kernel would, so that a chain of links or a `..` behind
//! one cannot leave the code folder. A link to nothing is kept: it harms nobody.

use std::collections::{HashMap, VecDeque};

use super::name::{MOST_PARTS, Name};

/// As many as Linux follows (path_resolution(7)).
const MOST_HOPS: usize = 40;
/// Parts walked over for all links of an archive: far more than real ones need, a second or two at most.
const MOST_STEPS: usize = 1_000_000;

/// Follows the links of one archive.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    /// What each link says, by its place.
    targets: &'a HashMap<&'a [String], &'a str>,
    steps: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(targets: &'a HashMap<&'a [String], &'a str>) -> Self {
        Self { targets, steps: 0 }
    }

    /// Checks that the link `name` stays inside.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence about the entry.
    pub(super) fn check(&mut self, name: &'a Name) -> Result<(), &'static str> {
        let mut todo: VecDeque<&str> = name.parts().iter().map(String::as_str).collect();
        let mut here: Vec<String> = Vec::new();
        let mut hops = 0;
        while let Some(part) = todo.pop_front() {
            self.steps += 1;
            if self.steps > MOST_STEPS || here.len() > MOST_PARTS {
                return Err("is a link through too many folders and links; pack with fewer links");
            }
            match part {
                "" | "." => continue,
                ".." => {
                    here.pop().ok_or("is a link out of the code folder; link only to files inside it")?;
                    continue;
                }
                _ => here.push(part.to_owned()),
            }
            let Some(target) = self.targets.get(here.as_slice()) else { continue };
            hops += 1;
            if hops > MOST_HOPS {
                return Err("is a link that leads round in a circle, or through more than 40 links; remove it");
            }
            here.pop();
            check_target(target)?;
            for part in target.split('/').rev() {
                todo.push_front(part);
            }
        }
        Ok(())
    }
}

fn check_target(target: &str) -> Result<(), &'static str> {
    if target.starts_with('/') {
        return Err("is a link to an absolute name; link relative to the link's own folder");
    }
    if target.is_empty() || target.contains('\0') {
        return Err("is a link without a usable target; remove it");
    }
    Ok(())
}
