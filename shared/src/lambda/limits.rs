//! Rate limits as requests meet them.

use crate::access::error::Error;
use crate::domain::limit::{Deed, Limit, Subject};
use crate::domain::time::Timestamp;
use crate::ports::store::rate_limits::{Checked, RateLimits};

/// Counts a deed of each of its subjects, one after the other, up to the first whose limit is
/// used up.
pub async fn count(
    rate_limits: &RateLimits,
    deed: Deed,
    limits: &[(Subject<'_>, Limit)],
    now: Timestamp,
) -> Result<(), Error> {
    for (who, limit) in limits {
        match rate_limits.check(who, deed, *limit, now).await? {
            Checked::Within { .. } => {}
            Checked::Over { retry_after } => return Err(Error::RateLimited { retry_after }),
        }
    }
    Ok(())
}
