//! Recordings in progress, and an object that is destroyed meanwhile.

use std::sync::Arc;

use loom::thread;

use crate::base::in_progress::InProgress;
use crate::base::shared::Mutex;

/// What the host is sent, in this order.
#[derive(Default)]
struct Sent(Mutex<Vec<&'static str>>);

impl Sent {
    fn send(&self, command: &'static str) {
        self.0.lock().push(command);
    }
}

/// The recording of `number` is over: what it holds is sent, and then what waited for its end.
fn end(recordings: &InProgress<&'static str>, sent: &Sent, number: u64, commands: &'static str) {
    sent.send(commands);
    recordings.end(number).into_iter().for_each(|late| sent.send(late));
}

/// A recording names an object that another thread destroys, while a third recording begins and ends: the object is destroyed once, and
/// after the commands that name it.
pub fn check() {
    let recordings = Arc::new(InProgress::default());
    let sent = Arc::new(Sent::default());
    let names_it = recordings.begin();
    let (theirs, to) = (recordings.clone(), sent.clone());
    let destroying = thread::spawn(move || {
        // As `forwarding` does it.
        if theirs.is_empty() {
            to.send("destroy");
        } else if let Some(now) = theirs.wait("destroy") {
            to.send(now);
        }
    });
    let (theirs, to) = (recordings.clone(), sent.clone());
    let other = thread::spawn(move || {
        let number = theirs.begin();
        end(&theirs, &to, number, "other");
    });
    end(&recordings, &sent, names_it, "use");
    destroying.join().unwrap();
    other.join().unwrap();
    assert!(recordings.is_empty() && recordings.close().is_empty(), "it waits for nothing");
    let sent = sent.0.lock();
    let place = |what| sent.iter().position(|s| *s == what).unwrap();
    assert!(sent.len() == 3 && place("use") < place("destroy"), "{:?}", *sent);
}
