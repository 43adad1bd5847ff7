//! The meta file of a log: what it is for life.

use tally_disk::segment::{FrameReader, Step, push_frame};
use tally_disk::{Disk, DiskFile, Kind};
use tally_domain::{Topic, TopicId};

use crate::error::LogError;

const NAME: &str = "log.meta";
const DRAFT: &str = "log.meta.tmp";
const FORMAT: u32 = 1;

/// Written once, when the log is made.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Meta {
    /// Of the files; another number is another program's.
    format: u32,
    /// This life of the log.
    pub(crate) topic_id: TopicId,
    /// Of every topic.
    pub(crate) partitions: u16,
}

/// The meta of the log on `disk`; a new log gets `fresh` as its topic id.
pub(crate) fn open_or_create<D: Disk>(disk: &D, fresh: TopicId, partitions: u16) -> Result<Meta, LogError> {
    let meta = match disk.open(NAME) {
        Ok(file) => read(&file)?,
        Err(error) if error.kind == Kind::NotFound => {
            create(disk, Meta { format: FORMAT, topic_id: fresh, partitions })?
        }
        Err(error) => return Err(error.into()),
    };
    if meta.partitions == partitions {
        return Ok(meta);
    }
    Err(LogError::Partitions { file: disk.show(NAME), found: meta.partitions, wanted: partitions })
}

fn create<D: Disk>(disk: &D, meta: Meta) -> Result<Meta, LogError> {
    // The meta file is made before any lane: lanes without one have lost it, and a new topic id would make every
    // state that was folded from them wrong.
    let names = disk.list("")?;
    if let Some(topic) = Topic::ALL.into_iter().find(|topic| names.iter().any(|name| name == topic.name())) {
        let cause = format!("it is missing, but there are records in {}", disk.show(topic.name()));
        return Err(LogError::Meta { file: disk.show(NAME), cause });
    }
    if names.iter().any(|name| name == DRAFT) {
        disk.remove(DRAFT)?;
    }
    let text = serde_json::to_vec(&meta).expect("three plain fields are JSON");
    let mut bytes = Vec::new();
    push_frame(&mut bytes, &text, 0);
    let mut file = disk.create(DRAFT)?;
    file.append(&bytes)?;
    file.sync()?;
    disk.rename(DRAFT, NAME)?;
    disk.sync_dir("")?;
    Ok(meta)
}

fn read<F: DiskFile>(file: &F) -> Result<Meta, LogError> {
    let damaged = |cause: String| LogError::Meta { file: file.path().to_owned(), cause };
    let mut frames = FrameReader::new(file, 0)?;
    let Step::Frame { payload, .. } = frames.next()? else {
        return Err(damaged("its checksum does not hold".to_owned()));
    };
    let meta: Meta = serde_json::from_slice(payload).map_err(|e| damaged(e.to_string()))?;
    if meta.format != FORMAT {
        return Err(damaged(format!("it has format {}, this program reads format {FORMAT}", meta.format)));
    }
    Ok(meta)
}
