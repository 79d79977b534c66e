//! Who gives up how much where all together have too much: whoever has most, by project and then by function, so that a busy project pushes
//! out nothing of a quiet one. Pure.

use std::collections::BTreeMap;

/// How much each has to give up so that all together have no more than `room`: project, name, and how much that one has.
pub(super) fn excess<P: Ord, K>(held: impl IntoIterator<Item = (P, K, u64)>, room: u64) -> Vec<(K, u64)> {
    let mut projects: BTreeMap<P, Vec<(K, u64)>> = BTreeMap::new();
    for (project, key, has) in held {
        projects.entry(project).or_default().push((key, has));
    }
    let sums: Vec<u64> = projects.values().map(|of| of.iter().map(|(_, has)| has).sum()).collect();
    let mut excess = Vec::new();
    for (of, room) in projects.into_values().zip(kept(&sums, room)) {
        let sizes: Vec<u64> = of.iter().map(|(_, has)| *has).collect();
        let kept = kept(&sizes, room);
        excess.extend(of.into_iter().zip(kept).map(|((key, has), kept)| (key, has - kept)));
    }
    excess.retain(|(_, gives)| *gives > 0);
    excess
}

/// How much each keeps of so much room: who has less than an equal part keeps all of it, and what he leaves is for the others.
fn kept(held: &[u64], mut room: u64) -> Vec<u64> {
    let mut order: Vec<usize> = (0..held.len()).collect();
    order.sort_by_key(|at| held[*at]);
    let mut kept = vec![0; held.len()];
    for (others, at) in (1..=held.len() as u64).rev().zip(order) {
        kept[at] = held[at].min(room.div_ceil(others));
        room -= kept[at];
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_less_than_an_equal_part_keeps_all_of_it() {
        let check = |held: &[u64], room, expected: &[u64]| assert_eq!(kept(held, room), expected, "{held:?} in {room}");
        check(&[], 5, &[]);
        check(&[1, 2, 3], 6, &[1, 2, 3]);
        check(&[10, 1, 10], 9, &[4, 1, 4]);
        check(&[10, 10, 10], 8, &[3, 3, 2]);
        check(&[7, 0, 9], 0, &[0, 0, 0]);
        check(&[u64::MAX, 1], u64::MAX, &[u64::MAX - 1, 1]);
    }

    #[test]
    fn the_busiest_project_gives_up_first_and_in_it_the_busiest_function() {
        let held = [("quiet", "a", 5), ("busy", "b", 90), ("busy", "c", 10), ("busy", "d", 40)];
        assert_eq!(excess(held, 145), []);
        assert_eq!(excess(held, 100), [("b", 45)]);
        assert_eq!(excess(held, 65), [("b", 65), ("d", 15)]);
        // However many functions a project has, it keeps no more than another.
        let many = (0..9).map(|name| ("many", name, 10)).chain([("one", 9, 50)]);
        assert_eq!(excess(many, 100).iter().map(|(_, gives)| gives).sum::<u64>(), 40);
    }
}
