//! Times as the wire has them.

use jiff::Timestamp;
use ward_model::Wall;

/// RFC 3339, in UTC. What no year of four digits holds is the nearest that one does.
pub(crate) fn rfc3339(wall: Wall) -> String {
    let moment = Timestamp::from_millisecond(wall.0);
    let nearest = if wall.0 < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    moment.unwrap_or(nearest).to_string()
}
