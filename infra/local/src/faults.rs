//! What can go wrong with a message on its way, by chance that repeats with its seed.

use std::sync::Mutex;
use std::time::Duration;

use maskline_carrier::Dice;

use crate::log::lock;

/// What happens to messages. By default, nothing does.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Faults {
    /// Each is delayed by a random time up to this, so that they overtake each other.
    pub delay: Duration,
    /// How often one comes twice, from 0 to 1.
    pub repeat: f64,
    /// How often one is lost, from 0 to 1.
    pub lose: f64,
}

/// One way that messages take.
#[derive(Debug)]
pub(crate) struct Way(Mutex<(Faults, Dice)>);

impl Default for Way {
    fn default() -> Self {
        Self(Mutex::new((Faults::default(), Dice::new(0))))
    }
}

impl Way {
    /// Has those faults happen from now on.
    pub(crate) fn trouble(&self, faults: Faults, seed: u64) {
        *lock(&self.0) = (faults, Dice::new(seed));
    }

    /// The delays after which the next message arrives, once for each time that it does.
    pub(crate) fn arrivals(&self) -> Vec<Duration> {
        let (faults, dice) = &mut *lock(&self.0);
        let copies = match (dice.chance(faults.lose), dice.chance(faults.repeat)) {
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => 1,
        };
        let most = u64::try_from(faults.delay.as_micros()).unwrap_or(u64::MAX);
        let delays = std::iter::repeat_with(|| Duration::from_micros(dice.up_to(most)));
        delays.take(copies).collect()
    }
}

/// Lets that time pass. None takes none: even the shortest sleep lasts a millisecond.
pub(crate) async fn pass(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
