//! A ZIP archive written from front to back: sizes and checksums follow each entry's data.

use std::io::Write as _;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// Compression is not what a table's size is worth waiting for.
const LEVEL: Compression = Compression::fast();
/// Sizes come after the data; names are UTF-8.
const FLAGS: u16 = 1 << 3 | 1 << 11;
const DEFLATE: u16 = 8;
/// Version of the format that knows deflate.
const VERSION: u16 = 20;
/// 1 January 1980, the first day there is: an archive says nothing of when it was made.
const DATE: u16 = 1 << 5 | 1;

const FITS: &str = "an archive of sheets that are cut in time is far below 4 GB";

/// An archive being written.
pub(super) struct Zip {
    out: Vec<u8>,
    /// Bytes taken away.
    before: u64,
    entries: Vec<Entry>,
    open: Option<(DeflateEncoder<Vec<u8>>, Crc)>,
}

struct Entry {
    name: String,
    offset: u32,
    packed: u64,
    size: u64,
    crc: u32,
}

impl Zip {
    pub(super) fn new() -> Self {
        Zip { out: Vec::new(), before: 0, entries: Vec::new(), open: None }
    }

    /// A whole entry.
    pub(super) fn entry(&mut self, name: &str, text: &str) {
        self.begin(name);
        self.write(text.as_bytes());
        self.end();
    }

    /// Begins an entry; the one before has ended.
    pub(super) fn begin(&mut self, name: &str) {
        let offset = u32::try_from(self.before + self.out.len() as u64).expect(FITS);
        self.entries.push(Entry { name: name.to_owned(), offset, packed: 0, size: 0, crc: 0 });
        self.out.extend(0x0403_4b50_u32.to_le_bytes());
        self.common(VERSION, (0, 0, 0), name);
        self.out.extend(name.bytes());
        self.open = Some((DeflateEncoder::new(Vec::new(), LEVEL), Crc::new()));
    }

    /// Adds to the open entry.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let (Some((encoder, crc)), Some(entry)) = (&mut self.open, self.entries.last_mut()) else { return };
        crc.update(bytes);
        entry.size += bytes.len() as u64;
        encoder.write_all(bytes).expect("memory takes everything");
        self.drain();
    }

    fn drain(&mut self) {
        let (Some((encoder, _)), Some(entry)) = (&mut self.open, self.entries.last_mut()) else { return };
        entry.packed += encoder.get_ref().len() as u64;
        self.out.append(encoder.get_mut());
    }

    /// Bytes of the open entry before they are packed.
    pub(super) fn size(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.size)
    }

    /// Ends the open entry.
    pub(super) fn end(&mut self) {
        let (Some((encoder, crc)), Some(entry)) = (self.open.take(), self.entries.last_mut()) else { return };
        let rest = encoder.finish().expect("memory takes everything");
        entry.packed += rest.len() as u64;
        entry.crc = crc.sum();
        let numbers = [0x0807_4b50, entry.crc, fits(entry.packed), fits(entry.size)];
        self.out.extend(rest);
        self.out.extend(numbers.into_iter().flat_map(u32::to_le_bytes));
    }

    /// What has been written since the last time.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.before += self.out.len() as u64;
        std::mem::take(&mut self.out)
    }

    /// The rest, the list of entries at its end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.end();
        let start = fits(self.before + self.out.len() as u64);
        let entries = std::mem::take(&mut self.entries);
        for entry in &entries {
            self.out.extend(0x0201_4b50_u32.to_le_bytes());
            self.out.extend(VERSION.to_le_bytes());
            self.common(VERSION, (entry.crc, fits(entry.packed), fits(entry.size)), &entry.name);
            // No comment, first disk, no attributes.
            self.out.extend([0; 10]);
            self.out.extend(entry.offset.to_le_bytes());
            self.out.extend(entry.name.bytes());
        }
        let size = fits(self.before + self.out.len() as u64) - start;
        let count = u16::try_from(entries.len()).expect("a handful of sheets");
        self.out.extend(0x0605_4b50_u32.to_le_bytes());
        self.out.extend([0; 4]);
        self.out.extend(count.to_le_bytes());
        self.out.extend(count.to_le_bytes());
        self.out.extend(size.to_le_bytes());
        self.out.extend(start.to_le_bytes());
        self.out.extend([0; 2]);
        self.out
    }

    /// What an entry's two headers have in common: from the version to the extra field's length, which is none.
    fn common(&mut self, version: u16, (crc, packed, size): (u32, u32, u32), name: &str) {
        let length = u16::try_from(name.len()).expect("names of entries are short");
        self.out.extend([version, FLAGS, DEFLATE, 0, DATE].into_iter().flat_map(u16::to_le_bytes));
        self.out.extend([crc, packed, size].into_iter().flat_map(u32::to_le_bytes));
        self.out.extend([length, 0].into_iter().flat_map(u16::to_le_bytes));
    }
}

fn fits(size: u64) -> u32 {
    u32::try_from(size).expect(FITS)
}
