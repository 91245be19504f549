//! What the tests of the running system share.

use std::sync::{Arc, Weak};

use logicore_harness::{Layout, System};
use serde_json::Value;
use tokio::sync::Mutex;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_logicore");

/// A password that is taken.
pub(crate) const GOOD_PASSWORD: &str = "a wholly different passphrase";

/// Starts a system of its own for a test.
///
/// # Errors
/// When it does not start.
pub(crate) async fn start(layout: Layout, env: &[(&str, &str)]) -> anyhow::Result<System> {
    System::start(PROGRAM, layout, env).await
}

/// A system that tests share which run at the same time and change nothing that another one looks at. It has no limits that many
/// tests together would reach, and ends with the last test that uses it.
///
/// # Errors
/// When it does not start.
pub(crate) async fn shared(layout: Layout) -> anyhow::Result<Arc<System>> {
    static ONE: Mutex<Weak<System>> = Mutex::const_new(Weak::new());
    static FOUR: Mutex<Weak<System>> = Mutex::const_new(Weak::new());
    let running = match layout {
        Layout::One => &ONE,
        Layout::Four => &FOUR,
    };
    let mut running = running.lock().await;
    if let Some(system) = running.upgrade() {
        return Ok(system);
    }
    let limits = [("RATE_LIMIT", "1000000"), ("LOGICORE_ADDRESS_RATE_LIMIT", "1000000")];
    let system = Arc::new(start(layout, &limits).await?);
    *running = Arc::downgrade(&system);
    Ok(system)
}

/// A JSON string as text; empty where it is none.
pub(crate) fn text(json: &Value) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

/// Runs each claim against the system as one process and as four.
macro_rules! in_both_layouts {
    ($($claim:ident),* $(,)?) => {$(
        mod $claim {
            use logicore_harness::Layout;

            #[tokio::test]
            async fn in_one_process() -> anyhow::Result<()> {
                super::$claim(Layout::One).await
            }

            #[tokio::test]
            async fn in_four_processes() -> anyhow::Result<()> {
                super::$claim(Layout::Four).await
            }
        }
    )*};
}
pub(crate) use in_both_layouts;
