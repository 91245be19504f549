//! Python: a client that grpcio-tools generates from `proto/` while the test runs, as another team would.

use logicore_harness::Layout;
use serde_json::json;

use super::peer;
use crate::support::{in_both_layouts, start};

in_both_layouts!(a_client_generated_in_python_works);

async fn a_client_generated_in_python_works(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[]).await?;
    let generated = tempfile::tempdir()?;
    let address = format!("localhost:{}", system.address().port());
    let protos = peer::workspace("proto").display().to_string();
    let folder = generated.path().display().to_string();
    let seen = peer::script("python", "client.py", &[&address, &protos, &folder]).await?;

    let expected = json!({
        "me": {"email": "demo@example.com", "state": "ACCOUNT_STATE_ACTIVE"},
        "rotated": true,
        "without_token": {"code": "UNAUTHENTICATED", "reason": "AUTH_TOKEN_MISSING", "metadata": {}},
        "with_a_bad_token": {"code": "UNAUTHENTICATED", "reason": "AUTH_TOKEN_INVALID", "metadata": {}},
        "in_no_time": "DEADLINE_EXCEEDED",
        "in_time_again": {"code": "OK"},
        "not_allowed": {
            "code": "PERMISSION_DENIED", "reason": "PERMISSION_MISSING", "metadata": {"permission": "users.read"},
        },
        "code_again": {"code": "UNAUTHENTICATED", "reason": "AUTH_CODE_INVALID", "metadata": {}},
        "made": [true, "made-4@example.com"],
        "profile": ["Made 4", {"n": "4"}],
        "bad_user": {
            "code": "INVALID_ARGUMENT", "reason": "INVALID_FIELD", "metadata": {}, "fields": ["user.email", "user.locale"],
        },
        "second_of_an_email": {"code": "ALREADY_EXISTS", "reason": "RESOURCE_EXISTS", "metadata": {}},
        "pages": {"sizes": [2, 2, 1], "names": ["Made 0", "Made 1", "Made 2", "Made 3", "Made 4"]},
        "page_of_another_list": {"code": "INVALID_ARGUMENT", "reason": "INVALID_PAGE_TOKEN", "metadata": {}},
    });
    for (name, value) in expected.as_object().into_iter().flatten() {
        assert_eq!(&seen[name], value, "{name}");
    }
    Ok(())
}
