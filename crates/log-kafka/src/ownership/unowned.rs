//! Partitions that a group has given to nobody.
//!
//! A handover takes two rounds: in the first the owner gives back, and then it asks for the second, in which another
//! gains. One that ends in between and is back within its session, under its static name, is answered with what the
//! first round left: the group is stable, and nobody asks for the second round any more.

use std::collections::BTreeSet;

/// Who of the members, known by their clients' ids, is to leave and join anew, so that the group shares all partitions
/// again: the one with the fewest. `None` where each partition has an owner, or an assignment cannot be read.
pub(super) fn who_joins_anew<'a>(
    members: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    topic: &str,
    partitions: u16,
) -> Option<&'a str> {
    let (mut owned, mut counts) = (BTreeSet::new(), Vec::new());
    for (client, assignment) in members {
        let has = partitions_in(assignment, topic)?;
        counts.push((has.len(), client));
        owned.extend(has);
    }
    let is_whole = (0..partitions).all(|partition| owned.contains(&i32::from(partition)));
    counts.into_iter().min().map(|(_, client)| client).filter(|_| !is_whole)
}

/// The partitions of a topic in an assignment of Kafka's consumer protocol: a version, then topics, each with its name
/// and its partitions, then what is the assignor's own. Nothing at all is an assignment of nothing.
fn partitions_in(mut bytes: &[u8], topic: &str) -> Option<Vec<i32>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let _version = i16::from_be_bytes(number(&mut bytes)?);
    let topics = i32::from_be_bytes(number(&mut bytes)?);
    let mut found = Vec::new();
    for _topic in 0..topics {
        let length = usize::try_from(i16::from_be_bytes(number(&mut bytes)?)).ok()?;
        let (name, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        for _partition in 0..i32::from_be_bytes(number(&mut bytes)?) {
            let partition = i32::from_be_bytes(number(&mut bytes)?);
            if name == topic.as_bytes() {
                found.push(partition);
            }
        }
    }
    Some(found)
}

fn number<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a broker shows it.
    fn assigned(topics: &[(&str, &[i32])]) -> Vec<u8> {
        let mut bytes = vec![0, 0];
        bytes.extend(i32::try_from(topics.len()).unwrap().to_be_bytes());
        for (name, partitions) in topics {
            bytes.extend(i16::try_from(name.len()).unwrap().to_be_bytes());
            bytes.extend(name.as_bytes());
            bytes.extend(i32::try_from(partitions.len()).unwrap().to_be_bytes());
            bytes.extend(partitions.iter().flat_map(|partition| partition.to_be_bytes()));
        }
        bytes.extend((-1_i32).to_be_bytes());
        bytes
    }

    #[test]
    fn who_has_the_fewest_joins_anew_when_a_partition_is_nobodys() {
        let all = assigned(&[("usage", &[0, 1, 2])]);
        let two = assigned(&[("usage", &[2, 0])]);
        let one = assigned(&[("usage", &[1])]);
        let other = assigned(&[("other", &[0, 1, 2])]);
        let none = assigned(&[]);
        let who = |members: &[(&str, &[u8])]| {
            who_joins_anew(members.iter().copied(), "usage", 3).map(str::to_owned)
        };
        assert_eq!(who(&[("a", &all)]), None);
        assert_eq!(who(&[("a", &two), ("b", &one)]), None);
        assert_eq!(who(&[("a", &two), ("b", &none)]), Some("b".to_owned()));
        assert_eq!(who(&[("a", &two), ("b", &[])]), Some("b".to_owned()));
        assert_eq!(who(&[("b", &one), ("a", &other)]), Some("a".to_owned()));
        assert_eq!(who(&[("b", &one), ("a", &one)]), Some("a".to_owned()));
        assert_eq!(who(&[("a", &two), ("b", &two[..two.len() - 9])]), None, "it cannot be read");
        assert_eq!(who(&[]), None);
    }
}
