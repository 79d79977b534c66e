//! Who is next: projects take turns, and in each project its functions, so that neither a flood of one function nor a project with
//! thousands of them delays another's single call. Pure, and each step costs the same however many stand in line.

use std::collections::{HashMap, HashSet, VecDeque};

use fungraph_model::ProjectId;
use fungraph_store::queue::FunctionNo;

/// Functions in line, each once.
#[derive(Debug, Default)]
pub(super) struct Turns {
    line: VecDeque<ProjectId>,
    projects: HashMap<ProjectId, Own>,
    len: usize,
}

/// The functions of one project that wait for their turn.
#[derive(Debug, Default)]
struct Own {
    line: VecDeque<FunctionNo>,
    inside: HashSet<FunctionNo>,
    /// Whether the project stands in line.
    stands: bool,
    /// Whether it has no turn at present, whoever waits.
    is_held: bool,
}

impl Own {
    fn is_idle(&self) -> bool {
        self.line.is_empty() && !self.stands && !self.is_held
    }
}

impl Turns {
    /// Stands at the end of its project's line, unless it stands there already.
    pub(super) fn join(&mut self, project: &ProjectId, function: FunctionNo) {
        let own = self.own(project);
        if own.inside.insert(function) {
            own.line.push_back(function);
            self.len += 1;
            self.stand(project);
        }
    }

    /// The first one, which leaves the line. Its project stands at the end of the line of projects, if others of it wait.
    pub(super) fn next(&mut self) -> Option<FunctionNo> {
        while let Some(project) = self.line.pop_front() {
            let Some(own) = self.projects.get_mut(&project) else { continue };
            own.stands = false;
            if own.is_held {
                // Comes back when it is released.
                continue;
            }
            let function = own.line.pop_front();
            if let Some(function) = function {
                own.inside.remove(&function);
                self.len -= 1;
            }
            self.stand(&project);
            if function.is_some() {
                return function;
            }
        }
        None
    }

    /// The one whose turn it was has made no use of it: another one of its project is next.
    pub(super) fn pass(&mut self, project: &ProjectId) {
        if self.line.back() == Some(project) {
            self.line.rotate_right(1);
        }
    }

    /// A project has no turn until it is released; its functions go on joining.
    pub(super) fn hold(&mut self, project: &ProjectId) {
        self.own(project).is_held = true;
    }

    pub(super) fn release(&mut self, project: &ProjectId) {
        if let Some(own) = self.projects.get_mut(project) {
            own.is_held = false;
            self.stand(project);
        }
    }

    /// Functions in line.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn own(&mut self, project: &ProjectId) -> &mut Own {
        // Most are there already, and a name is longer than a look.
        if !self.projects.contains_key(project) {
            self.projects.insert(project.clone(), Own::default());
        }
        self.projects.get_mut(project).expect("it was put there")
    }

    /// The project stands in line if it should, and is forgotten where nothing is known of it.
    fn stand(&mut self, project: &ProjectId) {
        let Some(own) = self.projects.get_mut(project) else { return };
        if !own.line.is_empty() && !own.stands && !own.is_held {
            own.stands = true;
            self.line.push_back(project.clone());
        } else if own.is_idle() {
            self.projects.remove(project);
        }
    }
}

#[cfg(test)]
mod tests;
