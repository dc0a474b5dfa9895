//! The seeds of all targets, and what they have found.

use std::fs;
use std::path::Path;

use hesper_targets::TARGETS;

#[test]
fn seeds_and_what_was_found_harm_nobody() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("kept");
    let mut known = 0;
    for target in &TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for seed in &seeds {
            (target.run)(seed);
            // Cut short at each place.
            (0..seed.len().min(300)).for_each(|n| (target.run)(&seed[..n]));
        }
        for file in fs::read_dir(kept.join(target.name)).into_iter().flatten() {
            (target.run)(&fs::read(file.unwrap().path()).unwrap());
            known += 1;
        }
    }
    let there =
        fs::read_dir(&kept).into_iter().flatten().flatten().filter_map(|folder| fs::read_dir(folder.path()).ok());
    assert_eq!(known, there.map(Iterator::count).sum::<usize>(), "a folder of no target in {}", kept.display());
}
