//! What the example says of itself: its own tests pass.

use super::{
    super::peer,
    generated::{generated, python},
};

#[tokio::test]
async fn the_examples_own_tests_pass() -> anyhow::Result<()> {
    let work = generated().await?;
    let mut command = python(work.path())?;
    let outcome = peer::run(command.args(["-m", "unittest", "discover", "-s", "tests", "-t", "."])).await?;
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("Ran 13 tests"),
        "all of them: {}",
        outcome.stderr
    );
    Ok(())
}
