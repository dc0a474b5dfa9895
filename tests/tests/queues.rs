//! Two families of two queues each, which the test layer makes of lavapipe's one queue.

use hesper_rig::{Driver, Host};
use hesper_tests::{good, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
const QUEUES: [(&str, &str); 1] = [("HESPER_TEST_LAYER_QUEUES", "1")];

/// The part for several queues, and all others, which must not mind them.
const PARTS: [&str; 2] = ["queues", "all"];

#[test]
fn several_queues_on_native() {
    for part in PARTS {
        let mut command = root().native_with_layer(&QUEUES, CLIENT).unwrap();
        good(&format!("the client's part {part} on native"), command.arg(part));
    }
}

fn several_queues(driver: Driver) {
    let root = root();
    let host = Host::start_with(&root, &QUEUES).unwrap();
    for part in PARTS {
        let mut command = root.client(driver, Some(&host), CLIENT).unwrap();
        good(&format!("the client's part {part} on {driver}"), command.arg(part));
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

#[test]
fn several_queues_on_mesa() {
    several_queues(Driver::Mesa);
}

#[test]
fn several_queues_on_hesper() {
    several_queues(Driver::Hesper);
}

/// The same program on a device with one queue, so that the tests above can't pass there.
#[test]
fn one_queue_is_too_few() {
    let mut command = root().client(Driver::Native, None, CLIENT).unwrap();
    let out = hesper_tests::output("the client on lavapipe's one queue", command.arg("queues"));
    assert!(!out.status.success() && hesper_tests::both(&out).contains("two families"), "{out:?}");
}
