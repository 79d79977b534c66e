//! Tables over the turns of projects and of their functions.

use super::*;

fn project(name: &str) -> ProjectId {
    ProjectId(name.to_owned())
}

fn taken(turns: &mut Turns, most: usize) -> Vec<i64> {
    std::iter::from_fn(|| turns.next()).map(|no| no.0).take(most).collect()
}

/// Functions 1 to 1000 of the one, 2001 and 2002 of the other.
fn crowd() -> Turns {
    let mut turns = Turns::default();
    (1..=1000).for_each(|no| turns.join(&project("many"), FunctionNo(no)));
    (2001..=2002).for_each(|no| turns.join(&project("few"), FunctionNo(no)));
    turns
}

#[test]
fn projects_take_turns_however_many_functions_they_have() {
    let mut turns = crowd();
    assert_eq!(turns.len(), 1002);
    assert_eq!(taken(&mut turns, 6), [1, 2001, 2, 2002, 3, 4]);
    turns.join(&project("few"), FunctionNo(2001));
    assert_eq!(taken(&mut turns, 3), [5, 2001, 6]);
}

#[test]
fn functions_of_a_project_take_turns() {
    let mut turns = Turns::default();
    let one = project("one");
    turns.join(&one, FunctionNo(1));
    turns.join(&one, FunctionNo(1));
    turns.join(&one, FunctionNo(2));
    assert_eq!(turns.next(), Some(FunctionNo(1)));
    turns.join(&one, FunctionNo(1));
    assert_eq!(taken(&mut turns, 9), [2, 1]);
}

#[test]
fn a_turn_that_nobody_used_stays_with_the_project() {
    let mut turns = crowd();
    assert_eq!(turns.next(), Some(FunctionNo(1)));
    turns.pass(&project("many"));
    assert_eq!(taken(&mut turns, 3), [2, 2001, 3]);
    // The last one of a project has nobody to leave its turn to.
    let mut turns = Turns::default();
    turns.join(&project("few"), FunctionNo(1));
    turns.join(&project("many"), FunctionNo(2));
    assert_eq!(turns.next(), Some(FunctionNo(1)));
    turns.pass(&project("few"));
    assert_eq!(taken(&mut turns, 9), [2]);
}

#[test]
fn a_project_that_is_held_has_no_turn_until_it_is_released() {
    let mut turns = crowd();
    turns.hold(&project("many"));
    assert_eq!(taken(&mut turns, 9), [2001, 2002]);
    turns.join(&project("many"), FunctionNo(1001));
    assert_eq!((turns.next(), turns.len()), (None, 1001));
    turns.release(&project("many"));
    assert_eq!(turns.next(), Some(FunctionNo(1)));
    assert_eq!(taken(&mut turns, 2000).len(), 1000);
}

#[test]
fn nothing_is_kept_of_who_has_nothing_in_line() {
    let mut turns = crowd();
    turns.hold(&project("few"));
    turns.hold(&project("nobody"));
    turns.release(&project("few"));
    turns.release(&project("nobody"));
    turns.release(&project("never seen"));
    while turns.next().is_some() {}
    assert_eq!((turns.len(), turns.line.len(), turns.projects.len()), (0, 0, 0));
}
