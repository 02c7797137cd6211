//! Scalars as TensorBoard reads them: records of events, each a protocol buffer, in a file of
//! TensorFlow's record format.

/// An event that begins a file.
pub fn beginning(time: f64) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, time);
    event.bytes(3, b"brain.Event:2");
    record(&event.0)
}

/// Scalars by their tags after so many steps; `time` is in seconds since 1970.
pub fn scalars(time: f64, step: u64, scalars: &[(&str, f64)]) -> Vec<u8> {
    let mut summary = Message::default();
    for (tag, number) in scalars {
        let mut value = Message::default();
        value.bytes(1, tag.as_bytes());
        value.float(2, *number as f32);
        summary.bytes(1, &value.0);
    }
    let mut event = Message::default();
    event.double(1, time);
    event.varint(2, step);
    event.bytes(5, &summary.0);
    record(&event.0)
}

/// A message of a protocol buffer, field by field.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u64, kind: u64) {
        self.number(field << 3 | kind);
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn varint(&mut self, field: u64, number: u64) {
        self.key(field, 0);
        self.number(number);
    }

    fn double(&mut self, field: u64, number: f64) {
        self.key(field, 1);
        self.0.extend(number.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, 2);
        self.number(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn float(&mut self, field: u64, number: f32) {
        self.key(field, 5);
        self.0.extend(number.to_le_bytes());
    }
}

/// A record: its length, and itself, each with a checksum.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), data, &masked(data)].concat()
}

/// TensorFlow's masked checksum.
fn masked(data: &[u8]) -> [u8; 4] {
    (crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)).to_le_bytes()
}

/// The cyclic redundancy check with Castagnoli's polynomial.
fn crc32c(data: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in data {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_3720() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_record_says_its_length_and_holds_its_numbers() {
        let bytes = scalars(1.5, 300, &[("train/loss", 0.25)]);
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap_or_default()) as usize;
        assert_eq!(bytes.len(), 8 + 4 + length + 4);
        let body = &bytes[12..12 + length];
        assert!(body.windows(10).any(|part| part == b"train/loss"));
        assert!(body.windows(4).any(|part| part == 0.25f32.to_le_bytes()));
        assert!(body.windows(3).any(|part| part == [2 << 3, 0xac, 0x02]), "the step 300");
    }
}
