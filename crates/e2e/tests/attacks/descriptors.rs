//! More connections than the server has descriptors for.

use std::time::Duration;

use tokio::{net::TcpStream, time};

use crate::{
    honest::{Honest, ask_once},
    target::{Setup, Target},
};

const OPEN_FILES: u64 = 64;
const WATCHED: Duration = Duration::from_secs(1);

/// The CPU time that the server used in [`WATCHED`] without a descriptor left.
async fn attack(target: &Target) -> Duration {
    let mut held = Vec::new();
    for _ in 0..2 * OPEN_FILES {
        // The kernel completes these; the server cannot accept all of them.
        held.push(TcpStream::connect(target.addr).await.unwrap());
    }
    let exhausted = async {
        while target.open_files() < usize::try_from(OPEN_FILES).unwrap() {
            time::sleep(Duration::from_millis(2)).await;
        }
    };
    time::timeout(Duration::from_secs(5), exhausted)
        .await
        .expect("descriptors run out");
    let before = target.cpu();
    time::sleep(WATCHED).await;
    target.cpu() - before
}

#[tokio::test(flavor = "multi_thread")]
async fn descriptors() {
    let mut burned = Vec::new();
    for setup in Setup::both() {
        let target = Target::start(&Setup {
            open_files: Some(OPEN_FILES),
            ..setup
        });
        let honest = Honest::start(target.addr).await;
        let cpu = attack(&target).await;
        let experience = honest.finish().await;
        let recovered = ask_once(target.addr).await;
        let happened =
            format!("{cpu:.2?} of CPU in {WATCHED:?} with none left; new ones after: {recovered:?}");
        target.report("descriptors", &happened, experience);
        assert_eq!(recovered, Ok(()));
        burned.push(cpu);
    }
    let (guarded, without) = (burned[0], burned[1]);
    assert!(
        guarded < WATCHED / 4,
        "sleeps while there is nothing to accept with: {guarded:?}"
    );
    assert!(
        without > 2 * guarded.max(Duration::from_millis(50)),
        "the guard is what holds: {without:?}"
    );
}
