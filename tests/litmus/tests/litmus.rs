//! A wake-up gets lost where the fence is left out, and never in the driver's ring.

use std::process::Command;

struct Seen {
    rounds: f64,
    lost: f64,
    both: f64,
}

fn run(kind: &str, limits: &[String]) -> Seen {
    let out = Command::new(env!("CARGO_BIN_EXE_hesper-litmus")).arg(kind).args(limits).output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{text}\n{errors}");
    println!("{kind}: {}", text.trim());
    let words: Vec<&str> = text.split_whitespace().collect();
    let ["rounds", rounds, "lost", lost, "both", both] = words[..] else { panic!("what is {text:?}?") };
    let [rounds, lost, both] = [rounds, lost, both].map(|n| n.parse().unwrap());
    Seen { rounds, lost, both }
}

#[test]
fn a_wake_up_is_lost_without_the_fence_and_never_with_it() {
    if std::thread::available_parallelism().is_ok_and(|n| n.get() < 2) {
        println!("left out: with one processor, nobody keeps a store to itself");
        return;
    }
    let without = run("no-fence", &["--lost=30".into(), "--seconds=20".into()]);
    assert!(without.lost >= 3.0, "{} rounds without a fence have lost {} wake-ups", without.rounds, without.lost);
    // As many as would lose some in the driver, too, which takes longer from the store to the load: without its fence one in 200 000.
    let rounds = (without.rounds / without.lost * 100.0).clamp(1_500_000.0, 3_000_000.0);
    for kind in ["fence", "driver"] {
        let seen = run(kind, &[format!("--rounds={rounds:.0}"), "--seconds=20".into()]);
        assert!(seen.lost == 0.0, "{kind}: {} wake-ups are lost in {} rounds", seen.lost, seen.rounds);
        // The two sides have met: each saw what the other one had written at the very time.
        assert!(seen.both >= 3.0, "{kind}: the two sides have hardly met in {} rounds", seen.rounds);
        assert!(seen.rounds >= rounds / 20.0, "{kind}: {} rounds in 20 s are too few to tell", seen.rounds);
    }
}
