//! Uploads of sizes around those at which a driver may change its way, several in front of one submission, and the same memory again and again.

use anyhow::Result;

use super::uploader::Uploader;
use crate::gpu::Gpu;

/// Words of 8, 64 and 256 KiB.
const KIB_8: usize = 2 << 10;
const KIB_64: usize = 16 << 10;
const KIB_256: usize = 64 << 10;
/// Words of the buffers.
const ALL: usize = 2 * KIB_256;

/// Uploads in front of one look: where they go, how many words they have, and a number that tells them apart.
type Series = Vec<(usize, usize, u32)>;

pub fn run(gpu: &Gpu) -> Result<()> {
    let up = Uploader::with_words(gpu, ALL)?;
    let mut model = vec![0u32; ALL];
    up.clear()?;
    // Twice each: what a driver makes at first need is there the second time.
    for (round, series) in all().into_iter().flat_map(|s| [s.clone(), s]).enumerate() {
        for (at, words, number) in series {
            let value = |w: u32| (round as u32) << 24 ^ number << 20 ^ w;
            up.put(&up.far, at, words, value)?;
            model[at..at + words].iter_mut().zip(0..).for_each(|(m, w)| *m = value(w));
        }
        up.expect(&format!("larger uploads, round {round}"), |w| model[w as usize])?;
        up.reset()?;
    }
    Ok(())
}

fn all() -> Vec<Series> {
    let alone = [KIB_8 - 1, KIB_8, KIB_8 + 1, KIB_64, KIB_64 + 1, KIB_256 - 1, KIB_256, KIB_256 + 1];
    let mut all: Vec<Series> = alone.into_iter().map(|words| vec![(5, words, 1)]).collect();
    // As much as fits into 256 KiB, and one more.
    all.push((0..33).map(|i| (i * KIB_8, KIB_8, i as u32 % 16)).collect());
    // Small ones beside them, of odd numbers of words.
    all.push((0..20).map(|i| (i * 3000, if i % 3 == 0 { 2999 } else { 7 + i }, i as u32 % 16)).collect());
    // Large over small over large at the same place, wholly and in part.
    all.push(vec![
        (0, KIB_64, 1),
        (100, 40, 2),
        (50, KIB_8, 3),
        (KIB_8, KIB_8, 4),
        (KIB_8 - 9, 18, 5),
        (0, KIB_64 + 7, 6),
    ]);
    all.push(vec![(0, KIB_8, 1), (KIB_8 / 2, KIB_8, 2), (KIB_8, KIB_8, 3), (KIB_8 / 2, 10, 4)]);
    all
}
