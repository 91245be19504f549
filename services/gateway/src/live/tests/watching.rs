//! Files that change while nobody looks.

use std::time::Duration;

use super::*;

/// Watches until the method is served.
async fn served(reloader: Reloader, current: &Current) {
    let watch = tokio::spawn(reloader.watch());
    let served = async {
        while current.load().table.get(X).is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), served).await.unwrap();
    watch.abort();
}

#[tokio::test]
async fn descriptors_that_were_refused_are_read_again_when_they_are_mended() {
    let mut bench = Bench::new();
    let a = Echo::start("a").await;
    fs::write(bench.folder.path().join("x.binpb"), b"no descriptors").unwrap();
    assert_eq!(bench.routes(&upstream("a", &a, "x.binpb", "x")).await, Outcome::Refused);
    // Before the watch begins.
    bench.set("x.binpb", &proto("x"));
    let state = bench.reloader.state();
    served(bench.reloader, &bench.current).await;
    assert!(state.load().problems.is_empty());
}

#[tokio::test]
async fn a_file_that_is_replaced_before_the_watch_begins_is_read_again() {
    let mut bench = Bench::new();
    bench.set("x.binpb", &proto("x"));
    let a = Echo::start("a").await;
    assert_eq!(bench.routes("").await, Outcome::Unchanged);
    let routes = upstream("a", &a, "x.binpb", "x");
    fs::write(bench.folder.path().join("routes.toml"), routes).unwrap();
    served(bench.reloader, &bench.current).await;
}

#[tokio::test]
async fn what_is_as_it_was_read_is_not_read_again() {
    let mut bench = Bench::new();
    assert!(bench.reloader.changed().await, "nothing is read yet");
    bench.set("x.binpb", &proto("x"));
    let a = Echo::start("a").await;
    let routes = upstream("a", &a, "x.binpb", "x");
    for text in [&*routes, "[[upstream]]", &routes] {
        bench.routes(text).await;
        assert!(!bench.reloader.changed().await, "{text}");
    }
}
