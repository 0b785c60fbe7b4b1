//! Who is blamed for what, without a server; with one it is tried by `ward-e2e`.

use ward_model::Status;

use super::*;

const SECRET: &str = "hunter2-of-postgres";

fn database() -> Database {
    // Nobody listens there.
    let url = SecretString::from(format!("postgresql://ward:{SECRET}@127.0.0.1:1/shop"));
    Database::new(&url, Clock::start(), Metrics::default()).unwrap()
}

fn count(database: &Database, times: usize, fault: Option<&Fault>) {
    (0..times).for_each(|_| database.count(Duration::ZERO, fault));
}

#[tokio::test]
async fn a_pool_that_is_used_up_is_no_word_about_the_server() {
    let database = database();
    count(&database, 10, None);
    assert_eq!(database.check_pool().status, Status::Healthy);
    count(&database, 10, Some(&Fault::Shortage));
    assert!(database.is_well());
    let told = database.check_pool();
    assert!(
        told.status.is_bad() && told.message.contains("in use"),
        "{told:?}"
    );
    // Who waits behind a silent server waits for that, and when it is back nothing is left of it.
    count(&database, 20, Some(&Fault::Late("no answer".into())));
    assert!(!database.is_well());
    assert_eq!(database.check_pool().status, Status::Healthy);
    *database.0.calls.lock() = Calls::new();
    assert_eq!(database.check_pool().status, Status::Healthy);
}

#[tokio::test]
async fn a_table_that_is_gone_is_made_again() {
    let database = database();
    database.0.made.store(true, Relaxed);
    count(&database, 1, Some(&Fault::NoTable));
    assert!(!database.0.made.load(Relaxed));
    assert!(database.is_well());
}

#[tokio::test]
async fn nothing_says_the_password() {
    let database = database();
    let failure = database.view(&Waited::default(), 1, 1).await.unwrap_err();
    assert_eq!(failure.culprit, POSTGRES);
    let said = format!("{database:?} {failure:?} {:?}", database.check().await);
    assert!(!said.contains(SECRET), "{said}");
    for url in [&format!("postgresql://ward:{SECRET}@[host/shop")[..], SECRET, ""] {
        let url = SecretString::from(url);
        let refused = Database::new(&url, Clock::start(), Metrics::default()).unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains(SECRET));
    }
}
