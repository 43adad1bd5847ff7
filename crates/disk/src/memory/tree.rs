//! The names of the disk, current and durable, and the plan of its accidents.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fault, content::Content, random::Random};
use crate::error::Kind;

type Names = BTreeMap<String, u64>;

/// A change of a directory that was not synced yet.
#[derive(Clone, Debug)]
enum Renaming {
    Set { name: String, node: u64 },
    Remove { name: String },
    Move { from: String, to: String, node: u64 },
}

#[derive(Clone, Debug, Default)]
struct Dir {
    now: Names,
    durable: Names,
    unsynced: Vec<Renaming>,
}

#[derive(Clone, Debug)]
enum Node {
    Dir(Dir),
    File { content: Content, handles: usize },
}

/// What the plan says about the operation at hand.
pub(super) enum Verdict {
    Proceed,
    Refuse(Kind),
    Crash,
    Down,
}

const ROOT: u64 = 0;

#[derive(Clone, Debug)]
pub(super) struct Tree {
    nodes: BTreeMap<u64, Node>,
    next_node: u64,
    pub(super) random: Random,
    pub(super) operations: u64,
    pub(super) plan: BTreeMap<u64, Fault>,
    pub(super) limit_bytes: Option<u64>,
    pub(super) locks: BTreeSet<String>,
    pub(super) down: bool,
    /// Counts crashes, so that files opened before one are dead after it.
    pub(super) epoch: u64,
}

impl Tree {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            nodes: BTreeMap::from([(ROOT, Node::Dir(Dir::default()))]),
            next_node: ROOT + 1,
            random: Random(seed),
            operations: 0,
            plan: BTreeMap::new(),
            limit_bytes: None,
            locks: BTreeSet::new(),
            down: false,
            epoch: 0,
        }
    }

    pub(super) fn snapshot(&self) -> Self {
        let mut copy = self.clone();
        copy.locks.clear();
        for node in copy.nodes.values_mut() {
            if let Node::File { handles, .. } = node {
                *handles = 0;
            }
        }
        copy
    }

    pub(super) fn verdict(&mut self) -> Verdict {
        if self.down {
            return Verdict::Down;
        }
        let planned = self.plan.remove(&self.operations);
        self.operations += 1;
        match planned {
            None => Verdict::Proceed,
            Some(Fault::Refuse(kind)) => Verdict::Refuse(kind),
            Some(Fault::Crash) => {
                self.down = true;
                Verdict::Crash
            }
        }
    }

    pub(super) fn crash(&mut self) {
        for node in self.nodes.values_mut() {
            match node {
                Node::File { content, handles } => {
                    content.crash(&mut self.random);
                    *handles = 0;
                }
                Node::Dir(dir) => dir.crash(&mut self.random),
            }
        }
        self.plan.clear();
        self.locks.clear();
        self.down = false;
        self.epoch += 1;
        self.forget_unreachable();
    }

    pub(super) fn create(&mut self, path: &str) -> Result<(u64, u64), Kind> {
        let (dir, name) = self.parent(path)?;
        if self.dir(dir).now.contains_key(name) {
            return Err(Kind::Exists);
        }
        let node = self.insert(Node::File { content: Content::default(), handles: 1 });
        self.dir(dir).set(name, node);
        Ok((node, self.epoch))
    }

    pub(super) fn open(&mut self, path: &str) -> Result<(u64, u64), Kind> {
        let node = self.find(path)?;
        match self.nodes.get_mut(&node) {
            Some(Node::File { handles, .. }) => *handles += 1,
            _ => return Err(Kind::Other),
        }
        Ok((node, self.epoch))
    }

    pub(super) fn close(&mut self, node: u64) {
        if let Some(Node::File { handles, .. }) = self.nodes.get_mut(&node) {
            *handles = handles.saturating_sub(1);
        }
    }

    pub(super) fn list(&self, path: &str) -> Result<Vec<String>, Kind> {
        match self.nodes.get(&self.find(path)?) {
            Some(Node::Dir(dir)) => Ok(dir.now.keys().cloned().collect()),
            _ => Err(Kind::Other),
        }
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), Kind> {
        let node = self.find(from)?;
        let (from_dir, from) = self.parent(from)?;
        let (to_dir, to) = self.parent(to)?;
        if from_dir != to_dir {
            // Two directories could lose one half each; nobody here needs it.
            return Err(Kind::Other);
        }
        self.dir(to_dir).change(Renaming::Move { from: from.to_owned(), to: to.to_owned(), node });
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &str) -> Result<(), Kind> {
        let node = self.find(path)?;
        if !matches!(self.nodes.get(&node), Some(Node::File { .. })) {
            return Err(Kind::Other);
        }
        let (dir, name) = self.parent(path)?;
        self.dir(dir).change(Renaming::Remove { name: name.to_owned() });
        Ok(())
    }

    pub(super) fn make_dir(&mut self, path: &str) -> Result<(), Kind> {
        let mut above = ROOT;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            above = match self.dir(above).now.get(name).copied() {
                Some(node) if matches!(self.nodes.get(&node), Some(Node::Dir(_))) => node,
                Some(_) => return Err(Kind::Exists),
                None => {
                    let node = self.insert(Node::Dir(Dir::default()));
                    self.dir(above).set(name, node);
                    node
                }
            };
        }
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, path: &str) -> Result<(), Kind> {
        let node = self.find(path)?;
        let Some(Node::Dir(dir)) = self.nodes.get_mut(&node) else { return Err(Kind::Other) };
        dir.unsynced.clear();
        dir.durable.clone_from(&dir.now);
        self.forget_unreachable();
        Ok(())
    }

    pub(super) fn lock(&mut self, path: &str) -> Result<u64, Kind> {
        let _dir_exists = self.parent(path)?;
        if self.locks.insert(path.to_owned()) { Ok(self.epoch) } else { Err(Kind::Locked) }
    }

    /// Appends; with `stop`, only some of the bytes, and says why.
    pub(super) fn append(&mut self, node: u64, bytes: &[u8], stop: Option<Kind>) -> Result<(), Kind> {
        let fitting = self.limit_bytes.map_or(u64::MAX, |limit| limit.saturating_sub(self.used_bytes()));
        let fitting = usize::try_from(fitting).unwrap_or(usize::MAX).min(bytes.len());
        let taken = if stop.is_some() { self.random.up_to(fitting) } else { fitting };
        self.file(node).append(&bytes[..taken]);
        match stop {
            Some(kind) => Err(kind),
            None if taken < bytes.len() => Err(Kind::Full),
            None => Ok(()),
        }
    }

    pub(super) fn damage(&mut self, path: &str, offset: u64, mask: u8) -> bool {
        let Ok(node) = self.find(path) else { return false };
        match self.nodes.get_mut(&node) {
            Some(Node::File { content, .. }) => content.damage(offset, mask),
            _ => false,
        }
    }

    pub(super) fn used_bytes(&self) -> u64 {
        let files = self.nodes.values().map(|node| match node {
            Node::File { content, .. } => content.len(),
            Node::Dir(_) => 0,
        });
        files.sum()
    }

    /// The content of an open file.
    pub(super) fn file(&mut self, node: u64) -> &mut Content {
        match self.nodes.get_mut(&node) {
            Some(Node::File { content, .. }) => content,
            _ => unreachable!("an open file of this epoch has a node until it is closed"),
        }
    }

    fn dir(&mut self, node: u64) -> &mut Dir {
        match self.nodes.get_mut(&node) {
            Some(Node::Dir(dir)) => dir,
            _ => unreachable!("`find` and `parent` gave the number of a directory"),
        }
    }

    fn insert(&mut self, node: Node) -> u64 {
        let number = self.next_node;
        self.next_node += 1;
        let _new = self.nodes.insert(number, node);
        number
    }

    fn find(&self, path: &str) -> Result<u64, Kind> {
        path.split('/').filter(|name| !name.is_empty()).try_fold(ROOT, |above, name| {
            match self.nodes.get(&above) {
                Some(Node::Dir(dir)) => dir.now.get(name).copied().ok_or(Kind::NotFound),
                _ => Err(Kind::NotFound),
            }
        })
    }

    fn parent<'p>(&self, path: &'p str) -> Result<(u64, &'p str), Kind> {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = self.find(dir)?;
        match self.nodes.get(&dir) {
            Some(Node::Dir(_)) => Ok((dir, name)),
            _ => Err(Kind::NotFound),
        }
    }

    /// Lets go of nodes that no name, current or durable, and no handle reaches.
    fn forget_unreachable(&mut self) {
        let mut reached = BTreeSet::from([ROOT]);
        let mut ahead = vec![ROOT];
        while let Some(node) = ahead.pop() {
            let Some(Node::Dir(dir)) = self.nodes.get(&node) else { continue };
            let unsynced = dir.unsynced.iter().filter_map(Renaming::node);
            for below in dir.now.values().chain(dir.durable.values()).copied().chain(unsynced) {
                if reached.insert(below) {
                    ahead.push(below);
                }
            }
        }
        self.nodes.retain(|number, node| {
            reached.contains(number) || matches!(node, Node::File { handles, .. } if *handles > 0)
        });
    }
}

impl Renaming {
    fn node(&self) -> Option<u64> {
        match self {
            Self::Set { node, .. } | Self::Move { node, .. } => Some(*node),
            Self::Remove { .. } => None,
        }
    }

    fn apply(&self, names: &mut Names) {
        match self {
            Self::Set { name, node } => {
                let _replaced = names.insert(name.clone(), *node);
            }
            Self::Remove { name } => {
                let _removed = names.remove(name);
            }
            Self::Move { from, to, node } => {
                if names.get(from) == Some(node) {
                    let _moved = names.remove(from);
                }
                let _replaced = names.insert(to.clone(), *node);
            }
        }
    }
}

impl Dir {
    fn set(&mut self, name: &str, node: u64) {
        self.change(Renaming::Set { name: name.to_owned(), node });
    }

    fn change(&mut self, renaming: Renaming) {
        renaming.apply(&mut self.now);
        self.unsynced.push(renaming);
    }

    /// No order is promised between unsynced names: none, all, the first few, or any of them survive.
    fn crash(&mut self, random: &mut Random) {
        let unsynced = std::mem::take(&mut self.unsynced);
        let kept = match random.up_to(3) {
            0 => 0,
            1 => unsynced.len(),
            _ => random.up_to(unsynced.len()),
        };
        let scattered = random.up_to(3) == 0;
        for (position, renaming) in unsynced.iter().enumerate() {
            let survives = if scattered { random.coin() } else { position < kept };
            if survives {
                renaming.apply(&mut self.durable);
            }
        }
        self.now.clone_from(&self.durable);
    }
}
