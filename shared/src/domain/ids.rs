//! Public ids: UUIDv7-shaped packings of where a row is, so that no row needs an id column or a second index.
//!
//! 48 bits are the plan's creation in ms, 74 bits hold plan id (36), slot (12) and recipient no (26), mixed by a
//! fixed bijection so that ids do not show how many plans other tenants make. Nothing here is a secret: every look-up is
//! scoped by tenant and compares `created_ms` with the plan's.

use jiff::Timestamp;
use uuid::Uuid;

const PAYLOAD_BITS: u32 = 74;
/// Bits of a plan id, and of the part of a slot beside the recipient; the rest of the slot is in front of the plan id, where ids made
/// when slots had 8 bits and plan ids 40 have zeros.
const PLAN_BITS: u32 = 36;
const SLOT_LOW_BITS: u32 = 8;
const MASK: u128 = (1 << PAYLOAD_BITS) - 1;
/// Any odd number is invertible modulo 2^74; these are digits of pi and its inverse found by Newton's iteration.
const MIX: u128 = 0x243_F6A8_885A_308D_3131 & MASK | 1;

/// Crockford's base 32.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const MASK40: u64 = (1 << 40) - 1;
const MIX40: u64 = 0x9E_3779_B97F;

/// A plan's identity: when it was made and its internal id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PlanRef {
    /// Creation in Unix milliseconds, 48 bits.
    pub created_ms: i64,
    /// `plan.id`, at most 36 bits.
    pub id: i64,
}

/// What a public id packs. A plan has slot 0 and no 0, a recipient slot 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// The plan.
    pub plan: PlanRef,
    /// `delivery.slot`, or 0.
    pub slot: i16,
    /// `recipient.no`, or 0.
    pub no: i32,
}

impl PlanRef {
    /// The plan made at `created_at` with internal `id`.
    #[must_use]
    pub fn new(created_at: Timestamp, id: i64) -> Self {
        PlanRef { created_ms: created_at.as_millisecond(), id }
    }

    /// The plan's public id.
    #[must_use]
    pub fn uuid(self) -> Uuid {
        pack(Packed { plan: self, slot: 0, no: 0 })
    }

    /// The internal id in a plan's number, however it is written; `None` when this is no number. Whether the date is the plan's, and
    /// whether there is such a plan, is for the caller to find out.
    #[must_use]
    pub fn id_of_number(text: &str) -> Option<i64> {
        let (date, word) = text.trim().split_once('-')?;
        if date.len() != 8 || word.len() != 8 || !date.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let mixed = word.bytes().try_fold(0, |number: u64, digit| {
            let value = DIGITS.iter().position(|own| *own == digit.to_ascii_uppercase())?;
            Some(number << 5 | value as u64)
        })?;
        Some(unmix40(mixed) as i64)
    }

    /// The plan's readable number, like `20261121-7KQ2M9XA`: the UTC date and its id, mixed, in Crockford's base 32.
    #[must_use]
    pub fn number(self) -> String {
        let at = Timestamp::from_millisecond(self.created_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let date = at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y%m%d").to_string();
        let mut rest = mix40(self.id as u64);
        let mut word = [0u8; 8];
        for digit in word.iter_mut().rev() {
            *digit = DIGITS[(rest & 31) as usize];
            rest >>= 5;
        }
        format!("{date}-{}", String::from_utf8_lossy(&word))
    }
}

/// The public id of a delivery; also its `webhook-id` and the local part of its Message-ID, so stable over attempts.
#[must_use]
pub fn delivery_uuid(plan: PlanRef, slot: i16, no: i32) -> Uuid {
    pack(Packed { plan, slot, no })
}

/// The public id of a recipient.
#[must_use]
pub fn recipient_uuid(plan: PlanRef, no: i32) -> Uuid {
    pack(Packed { plan, slot: 0, no })
}

/// Reads any of our public ids; `None` for a UUID that is none of ours (not version 7).
#[must_use]
pub fn parse(uuid: Uuid) -> Option<Packed> {
    let bits = uuid.as_u128();
    if (bits >> 76) & 0xF != 7 || (bits >> 62) & 0b11 != 0b10 {
        return None;
    }
    let created_ms = (bits >> 80) as i64;
    let payload = ((bits >> 64) & 0xFFF) << 62 | (bits & ((1 << 62) - 1));
    let plain = unmix(payload);
    Some(Packed {
        plan: PlanRef { created_ms, id: (plain >> 34 & ((1 << PLAN_BITS) - 1)) as i64 },
        slot: ((plain >> (34 + PLAN_BITS) << SLOT_LOW_BITS) | (plain >> 26 & 0xFF)) as i16,
        no: (plain & 0x3FF_FFFF) as i32,
    })
}

fn pack(packed: Packed) -> Uuid {
    let slot = packed.slot as u128 & 0xFFF;
    let plain = (slot >> SLOT_LOW_BITS << (34 + PLAN_BITS))
        | ((packed.plan.id as u128 & ((1 << PLAN_BITS) - 1)) << 34)
        | ((slot & 0xFF) << 26)
        | (packed.no as u128 & 0x3FF_FFFF);
    let payload = mix(plain);
    let ms = packed.plan.created_ms as u128 & 0xFFFF_FFFF_FFFF;
    Uuid::from_u128(ms << 80 | 7 << 76 | (payload >> 62) << 64 | 0b10 << 62 | (payload & ((1 << 62) - 1)))
}

fn mix(plain: u128) -> u128 {
    let x = plain.wrapping_mul(MIX) & MASK;
    let x = x ^ (x >> 37);
    x.wrapping_mul(MIX) & MASK
}

fn unmix(mixed: u128) -> u128 {
    let inverse = inverse(MIX);
    let x = mixed.wrapping_mul(inverse) & MASK;
    let x = x ^ (x >> 37);
    x.wrapping_mul(inverse) & MASK
}

/// The inverse of an odd number modulo 2^128: each round of Newton's iteration doubles the right bits.
const fn inverse(odd: u128) -> u128 {
    let mut guess: u128 = 1;
    let mut round = 0;
    while round < 7 {
        guess = guess.wrapping_mul(2u128.wrapping_sub(odd.wrapping_mul(guess)));
        round += 1;
    }
    guess
}

fn mix40(id: u64) -> u64 {
    let x = id.wrapping_mul(MIX40) & MASK40;
    let x = x ^ (x >> 20);
    x.wrapping_mul(MIX40) & MASK40
}

fn unmix40(mixed: u64) -> u64 {
    let inverse = inverse(MIX40 as u128) as u64;
    let x = mixed.wrapping_mul(inverse) & MASK40;
    let x = x ^ (x >> 20);
    x.wrapping_mul(inverse) & MASK40
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_reads_back_what_it_packs(ms in 0i64..1 << 47, id in 1i64..1 << 36, slot in 0i16..4096, no in 0i32..1 << 26) {
            let packed = Packed { plan: PlanRef { created_ms: ms, id }, slot, no };
            let uuid = pack(packed);
            prop_assert_eq!(uuid.get_version_num(), 7);
            prop_assert_eq!(parse(uuid), Some(packed));
        }

        #[test]
        fn numbers_differ_for_different_plans(a in 1u64..1 << 40, b in 1u64..1 << 40) {
            prop_assert_eq!(a == b, mix40(a) == mix40(b));
        }
    }

    proptest! {
        #[test]
        fn a_number_reads_back_whose_it_is(ms in 0i64..1 << 42, id in 1i64..1 << 40) {
            let number = PlanRef { created_ms: ms, id }.number();
            prop_assert_eq!(PlanRef::id_of_number(&number), Some(id));
            prop_assert_eq!(PlanRef::id_of_number(&number.to_lowercase()), Some(id));
        }
    }

    #[test]
    fn other_words_are_no_number() {
        for text in [
            "",
            "water",
            "20261121",
            "20261121-7KQ2",
            "2026112x-7KQ2M9XA",
            "20261121-7KQ2M9XU",
            "20261121-７",
        ] {
            assert_eq!(PlanRef::id_of_number(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_is_a_date_and_eight_characters() {
        let plan = PlanRef { created_ms: 1_795_219_200_000, id: 42 };
        let number = plan.number();
        assert_eq!(number.len(), 17, "{number}");
        assert!(number.starts_with("20261121-"), "{number}");
    }

    #[test]
    fn ids_from_before_slots_had_twelve_bits_still_read() {
        let before: Uuid = "019c5a3d-0c00-7000-8000-000000000000".parse().unwrap();
        let plain = (1234u128 << 34) | (0x1A << 26) | 77;
        let payload = mix(plain);
        let old = before.as_u128() | (payload >> 62) << 64 | (payload & ((1 << 62) - 1));
        let packed = parse(Uuid::from_u128(old)).unwrap();
        assert_eq!((packed.plan.id, packed.slot, packed.no), (1234, 0x1A, 77));
    }

    #[test]
    fn a_random_uuid_is_none_of_ours() {
        assert_eq!(parse(Uuid::from_u128(0)), None);
    }
}
