//! The store as its users see it, over SQLite and over a PostgreSQL that the tests start, freeze, kill and fill.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed; some measure, and say what they found"
)]

mod backup;
mod durable;
mod history;
mod kept;
mod known;
mod outages;
mod place;
mod program;
mod recorded;

/// Each test once over a file and once over a server.
macro_rules! over_both {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                let home = crate::place::Home::sqlite().await.unwrap();
                super::$test(home).await;
            })+
        }

        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                if let Some(home) = crate::place::Home::postgres().await {
                    super::$test(home).await;
                }
            })+
        }
    };
}
pub(crate) use over_both;
