//! Bounds on what outsiders send. Each keeps one sender from costing the others memory or time; past one the sender is
//! told which.

use std::time::Duration;

/// Longest name of a service, instance, check or signal, in bytes (a DNS label).
pub const NAME_BYTES: usize = 63;
/// Longest incarnation id, in bytes. A UUID has 36.
pub const INCARNATION_BYTES: usize = 64;
/// Most labels of an instance.
pub const LABELS: usize = 16;
/// Longest key or value of a label, in bytes.
pub const LABEL_BYTES: usize = 128;
/// Most checks of an instance.
pub const CHECKS: usize = 32;
/// Most signals of an instance.
pub const SIGNALS: usize = 32;
/// Most declared dependencies of a service.
pub const DEPENDENCIES: usize = 64;
/// Longest message of a check, in bytes; what is longer is cut at a character boundary.
pub const MESSAGE_BYTES: usize = 512;
/// Longest version string, in bytes.
pub const VERSION_BYTES: usize = 64;
/// Most services.
pub const SERVICES: usize = 10_000;
/// Most instances.
pub const INSTANCES: usize = 1_000_000;
/// Most instances of one service, a tenth of all: who may report for one takes no place from those of others.
pub const INSTANCES_OF_SERVICE: usize = INSTANCES / 10;
/// Most instances told in one answer about a service, the worst first.
pub const INSTANCES_TOLD: usize = 1_000;
/// Most root causes named beside a status.
pub const CAUSES: usize = 8;

/// Shortest reporting interval.
pub const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// Longest reporting interval.
pub const INTERVAL_MAX: Duration = Duration::from_secs(3_600);
/// Longest reporting interval of one who reports once: a job that runs every month.
pub const INTERVAL_ONCE_MAX: Duration = Duration::from_secs(31 * 24 * 3_600);
/// Reporting interval of one who declares none.
pub const INTERVAL_DEFAULT: Duration = Duration::from_secs(5);
/// How long checks may stay without a first result.
pub const STARTUP_DEADLINE_DEFAULT: Duration = Duration::from_secs(300);
/// Longest startup deadline.
pub const STARTUP_DEADLINE_MAX: Duration = Duration::from_secs(24 * 3_600);
