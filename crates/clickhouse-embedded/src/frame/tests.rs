use std::io::Read;

use super::encoding::{Encoder, Encoding};
use super::{BlockReader, write_block};

fn blocks(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        write_block(part, &mut out);
    }
    out
}

fn read_blocks(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    BlockReader::new(body).read_to_end(&mut out).map(|_| out)
}

#[test]
fn every_block_of_a_body_is_read() {
    let body = blocks(&[b"first", b"", &vec![7; 100_000]]);
    let read = read_blocks(&body).expect("three sound blocks");
    assert_eq!((read.len(), &read[..5]), (100_005, b"first".as_slice()));
}

#[test]
fn a_block_is_laid_out_as_documented() {
    // Checksum, method, sizes 12 and 2, and one literal run.
    let body = blocks(&[b"x\n"]);
    assert_eq!(body[16..], [0x82, 12, 0, 0, 0, 2, 0, 0, 0, 0x20, b'x', b'\n']);
}

#[test]
fn a_cut_or_flipped_block_is_an_error() {
    let body = blocks(&[b"some data", b"more of it"]);
    for cut in 1..body.len() {
        let whole_first = cut == blocks(&[b"some data"]).len();
        assert_eq!(read_blocks(&body[..cut]).is_ok(), whole_first, "cut at {cut}");
    }
    for at in 0..body.len() {
        let mut flipped = body.clone();
        flipped[at] ^= 1;
        assert!(read_blocks(&flipped).is_err(), "flipped at {at}");
    }
}

const ENCODINGS: [Encoding; 5] =
    [Encoding::Zstd, Encoding::Lz4, Encoding::Brotli, Encoding::Gzip, Encoding::Deflate];

fn encoded(encoding: Encoding, data: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(Some(encoding)).expect("an encoder");
    let mut out = encoder.write(data).expect("memory does not fail");
    out.extend(encoder.finish().expect("memory does not fail"));
    out
}

fn decoded(encoding: Encoding, body: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    encoding.reader(Box::new(std::io::Cursor::new(body)))?.read_to_end(&mut out).map(|_| out)
}

#[test]
fn every_encoding_reads_what_it_writes_and_no_less() {
    let data: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
    for encoding in ENCODINGS {
        let body = encoded(encoding, &data);
        assert_eq!(decoded(encoding, body.clone()).expect("sound"), data, "{encoding:?}");
        for cut in [body.len() / 3, body.len() / 2, body.len() - 1] {
            assert!(
                decoded(encoding, body[..cut].to_vec()).is_err(),
                "{encoding:?} cut at {cut} of {}",
                body.len()
            );
        }
    }
}

#[test]
fn frames_one_after_another_are_one_body() {
    for encoding in [Encoding::Lz4, Encoding::Zstd, Encoding::Gzip] {
        let body =
            [encoded(encoding, b"one "), encoded(encoding, b"two "), encoded(encoding, b"three")].concat();
        assert_eq!(decoded(encoding, body).expect("sound"), b"one two three", "{encoding:?}");
    }
}

#[test]
fn the_best_accepted_encoding_is_taken() {
    assert_eq!(Encoding::accepted("gzip, br;q=0.5, lz4"), Some(Encoding::Lz4));
    assert_eq!(Encoding::accepted("zstd;q=0, gzip"), Some(Encoding::Gzip));
    assert_eq!(Encoding::accepted("identity"), None);
}
