//! Chance that is the same for the same seed.

/// SplitMix64.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `most`.
    pub fn up_to(&mut self, most: u64) -> u64 {
        self.next() % (most + 1)
    }

    /// Whether something happens that does so many times in a thousand.
    pub fn chance(&mut self, per_thousand: u64) -> bool {
        self.up_to(999) < per_thousand
    }

    /// One of them; there must be one.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.up_to(items.len() as u64 - 1) as usize]
    }
}
