//! HTTP content encodings, both ways.

use std::io::{self, BufRead, BufReader, Read, Write};

/// An encoding of a body that both sides can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Zstd,
    Lz4,
    Brotli,
    Gzip,
    /// HTTP's `deflate`, which is zlib.
    Deflate,
}

impl Encoding {
    /// In the order of preference of an answer.
    const ALL: [(Self, &'static str); 5] = [
        (Self::Zstd, "zstd"),
        (Self::Lz4, "lz4"),
        (Self::Brotli, "br"),
        (Self::Gzip, "gzip"),
        (Self::Deflate, "deflate"),
    ];

    /// The encoding of this name in a `Content-Encoding` header.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name.trim()))
            .map(|(encoding, _)| *encoding)
    }

    /// The best encoding that an `Accept-Encoding` header allows.
    pub(crate) fn accepted(header: &str) -> Option<Self> {
        let refused = |item: &str| {
            item.split(';').nth(1).is_some_and(|q| q.trim().trim_end_matches(['0', '.']) == "q=")
        };
        let offered: Vec<Self> = header
            .split(',')
            .filter(|item| !refused(item))
            .filter_map(|item| Self::named(item.split(';').next().unwrap_or_default()))
            .collect();
        Self::ALL.iter().map(|(encoding, _)| *encoding).find(|encoding| offered.contains(encoding))
    }

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(encoding, _)| *encoding == self).map_or("identity", |(_, name)| name)
    }

    /// Reads `inner` decoded. A body that ends within its encoding is an error, never a shorter body.
    pub(crate) fn reader(self, inner: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
        let inner = BufReader::with_capacity(64 * 1024, inner);
        Ok(match self {
            Self::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(inner)?),
            Self::Lz4 => Box::new(Lz4Frames {
                decoder: lz4_flex::frame::FrameDecoder::new(Unending(inner)),
                within: false,
            }),
            Self::Brotli => Box::new(brotli::Decompressor::new(inner, 64 * 1024)),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(inner)),
            Self::Deflate => Box::new(Zlib { inner, state: flate2::Decompress::new(true), ended: false }),
        })
    }
}

/// LZ4 frames one after another, each to its end mark.
///
/// The decoder stops after the first frame, and takes a frame that was cut between two blocks for a whole one: the
/// rows of the others, or of the missing blocks, would be lost without a word.
struct Lz4Frames<R: Read> {
    decoder: lz4_flex::frame::FrameDecoder<Unending<R>>,
    within: bool,
}

/// Makes an end of the input an error of its own, for the decoder hides the usual one.
struct Unending<R>(R);

impl<R: Read> Read for Unending<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 if !buffer.is_empty() => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "an LZ4 frame ends before its end mark"))
            }
            read => Ok(read),
        }
    }
}

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() {
            if !self.within && self.decoder.get_mut().0.fill_buf()?.is_empty() {
                break;
            }
            self.within = true;
            match self.decoder.read(buffer)? {
                0 => self.within = false,
                read => return Ok(read),
            }
        }
        Ok(0)
    }
}

/// A zlib stream that must reach its end: `flate2`'s own reader takes a cut one for a short one.
struct Zlib<R> {
    inner: R,
    state: flate2::Decompress,
    ended: bool,
}

impl<R: BufRead> Read for Zlib<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !buffer.is_empty() {
            let input = self.inner.fill_buf()?;
            if input.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "a deflate body ends within its stream",
                ));
            }
            let (before_in, before_out) = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress(input, buffer, flate2::FlushDecompress::None)
                .map_err(io::Error::other)?;
            let consumed = usize::try_from(self.state.total_in() - before_in).map_err(io::Error::other)?;
            let produced = usize::try_from(self.state.total_out() - before_out).map_err(io::Error::other)?;
            self.inner.consume(consumed);
            self.ended = status == flate2::Status::StreamEnd;
            if produced > 0 {
                return Ok(produced);
            }
        }
        Ok(0)
    }
}

/// Encodes an answer as it is produced.
pub(crate) enum Encoder {
    Plain(Vec<u8>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
    Lz4(Box<lz4_flex::frame::FrameEncoder<Vec<u8>>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Deflate(flate2::write::ZlibEncoder<Vec<u8>>),
}

impl Encoder {
    pub(crate) fn new(encoding: Option<Encoding>) -> io::Result<Self> {
        // ClickHouse's default level (`http_zlib_compression_level`) for all of them.
        let fast = flate2::Compression::new(3);
        Ok(match encoding {
            None => Self::Plain(Vec::new()),
            Some(Encoding::Zstd) => Self::Zstd(Box::new(zstd::stream::write::Encoder::new(Vec::new(), 3)?)),
            Some(Encoding::Lz4) => Self::Lz4(Box::new(lz4_flex::frame::FrameEncoder::new(Vec::new()))),
            Some(Encoding::Brotli) => {
                Self::Brotli(Box::new(brotli::CompressorWriter::new(Vec::new(), 64 * 1024, 3, 22)))
            }
            Some(Encoding::Gzip) => Self::Gzip(flate2::write::GzEncoder::new(Vec::new(), fast)),
            Some(Encoding::Deflate) => Self::Deflate(flate2::write::ZlibEncoder::new(Vec::new(), fast)),
        })
    }

    /// Encodes `data` and returns what is ready to be sent; all of it, so that a reader is never left waiting.
    pub(crate) fn write(&mut self, data: &[u8]) -> io::Result<Vec<u8>> {
        fn through<W: Write>(writer: &mut W, data: &[u8]) -> io::Result<()> {
            writer.write_all(data)?;
            writer.flush()
        }
        Ok(std::mem::take(match self {
            Self::Plain(out) => {
                out.extend_from_slice(data);
                out
            }
            Self::Zstd(encoder) => {
                through(encoder, data)?;
                encoder.get_mut()
            }
            Self::Lz4(encoder) => {
                through(encoder, data)?;
                encoder.get_mut()
            }
            Self::Brotli(encoder) => {
                through(encoder, data)?;
                encoder.get_mut()
            }
            Self::Gzip(encoder) => {
                through(encoder, data)?;
                encoder.get_mut()
            }
            Self::Deflate(encoder) => {
                through(encoder, data)?;
                encoder.get_mut()
            }
        }))
    }

    /// Ends the encoding and returns its last bytes.
    pub(crate) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain(out) => Ok(out),
            Self::Zstd(encoder) => encoder.finish(),
            Self::Lz4(encoder) => encoder.finish().map_err(io::Error::other),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Deflate(encoder) => encoder.finish(),
        }
    }
}
