//! The four codecs of record batches. Producing uses lz4 (frame format with independent blocks, which every client
//! reads) or none; reading knows all, with a limit on the decompressed size against crafted input.

use std::io::{Read, Write};

use crate::error::{Error, Result};

/// How the records of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not compressed.
    #[default]
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Snappy, plain or in the block framing of snappy-java.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// Start of snappy-java's framing; version and compatible version (4 bytes each) follow.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\x00";
const XERIAL_HEADER_BYTES: usize = 16;

impl Compression {
    pub(super) fn from_bits(bits: u8) -> Result<Compression> {
        Ok(match bits {
            0 => Compression::None,
            1 => Compression::Gzip,
            2 => Compression::Snappy,
            3 => Compression::Lz4,
            4 => Compression::Zstd,
            other => return Err(Error::UnsupportedCompression(other)),
        })
    }

    pub(super) fn bits(self) -> i16 {
        match self {
            Compression::None => 0,
            Compression::Gzip => 1,
            Compression::Snappy => 2,
            Compression::Lz4 => 3,
            Compression::Zstd => 4,
        }
    }
}

/// Compresses `data`, appending to `out`.
pub(super) fn compress(codec: Compression, data: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| Error::InvalidBatch(format!("cannot compress: {error}"));
    match codec {
        Compression::None => out.extend_from_slice(data),
        Compression::Lz4 => {
            let info = lz4_flex::frame::FrameInfo::new()
                .block_mode(lz4_flex::frame::BlockMode::Independent)
                .block_size(lz4_flex::frame::BlockSize::Max256KB);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, out);
            encoder.write_all(data).map_err(|e| failed(&e))?;
            encoder.finish().map_err(|e| failed(&e))?;
        }
        Compression::Zstd => zstd::stream::copy_encode(data, out, 3).map_err(|e| failed(&e))?,
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
            encoder.write_all(data).map_err(|e| failed(&e))?;
            encoder.finish().map_err(|e| failed(&e))?;
        }
        Compression::Snappy => {
            let packed = snap::raw::Encoder::new().compress_vec(data).map_err(|e| failed(&e))?;
            out.extend_from_slice(&packed);
        }
    }
    Ok(())
}

/// Decompresses the records of a batch; more than `limit` bytes are an error, found without allocating them.
pub(super) fn decompress(codec: Compression, data: &[u8], limit: usize) -> Result<Vec<u8>> {
    match codec {
        Compression::None => Ok(data.to_vec()),
        Compression::Gzip => read_within(flate2::read::MultiGzDecoder::new(data), data.len(), limit),
        Compression::Lz4 => read_within(lz4_flex::frame::FrameDecoder::new(data), data.len(), limit),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(data).map_err(|e| broken(&e))?;
            decoder.window_log_max(27).map_err(|e| broken(&e))?;
            read_within(decoder, data.len(), limit)
        }
        Compression::Snappy if data.starts_with(XERIAL_MAGIC) => xerial(data, limit),
        Compression::Snappy => {
            let mut out = Vec::new();
            snappy_block(data, limit, &mut out)?;
            Ok(out)
        }
    }
}

fn read_within(from: impl Read, packed: usize, limit: usize) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(packed.saturating_mul(3).min(limit));
    from.take(limit as u64 + 1).read_to_end(&mut out).map_err(|e| broken(&e))?;
    within(out.len(), limit)?;
    Ok(out)
}

fn xerial(data: &[u8], limit: usize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = data.get(XERIAL_HEADER_BYTES..).ok_or_else(|| broken(&"short snappy header"))?;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(|| broken(&"short snappy block"))?;
        let length = u32::from_be_bytes(*length) as usize;
        let block = after.get(..length).ok_or_else(|| broken(&"short snappy block"))?;
        snappy_block(block, limit, &mut out)?;
        rest = &after[length..];
    }
    Ok(out)
}

fn snappy_block(block: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<()> {
    let size = snap::raw::decompress_len(block).map_err(|e| broken(&e))?;
    within(out.len().saturating_add(size), limit)?;
    let from = out.len();
    out.resize(from + size, 0);
    snap::raw::Decoder::new().decompress(block, &mut out[from..]).map_err(|e| broken(&e))?;
    Ok(())
}

fn within(size: usize, limit: usize) -> Result<()> {
    if size > limit { Err(Error::TooLarge { size, limit }) } else { Ok(()) }
}

fn broken(cause: &dyn std::fmt::Display) -> Error {
    Error::CorruptBatch(format!("cannot decompress: {cause}"))
}
