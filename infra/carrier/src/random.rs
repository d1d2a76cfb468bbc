//! Chance: unrepeatable for identifiers, repeatable for the network's faults.

use ring::rand::{SecureRandom as _, SystemRandom};

/// Bytes from the system, or zeros should it have none.
fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without entropy a simulated call may as well have an identifier of zeros.
    let _ = SystemRandom::new().fill(&mut bytes);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A fresh identifier of a resource, such as `CA…`.
pub(crate) fn sid(prefix: &str) -> String {
    format!("{prefix}{}", hex(&bytes::<16>()))
}

/// A fresh token in the form of a UUID.
pub(crate) fn token() -> String {
    let id = hex(&bytes::<16>());
    let parts = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]];
    parts.join("-")
}

/// A fresh seed, short enough to be typed and to survive JavaScript.
pub(crate) fn seed() -> u64 {
    u64::from(u32::from_be_bytes(bytes()))
}

/// SplitMix64: tiny, and the same everywhere for the same seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall the same for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `most`.
    pub fn up_to(&mut self, most: u64) -> u64 {
        match most.checked_add(1) {
            Some(count) => self.next() % count,
            None => self.next(),
        }
    }

    /// Whether something happens that is that likely, from 0 to 1.
    pub fn chance(&mut self, likelihood: f64) -> bool {
        // The upper 53 bits are what a float between 0 and 1 can hold.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64 >= 1.0 - likelihood
    }

    /// Puts items into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.up_to(last as u64) as usize;
            items.swap(last, other);
        }
    }
}
