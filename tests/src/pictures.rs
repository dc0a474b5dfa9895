//! Pictures of four bytes a pixel, blue, green, red and one that doesn't count, and how they compare.

/// How many colors a picture has: a cube has many, an empty window one.
pub fn colors(picture: &[u8]) -> usize {
    let mut colors: Vec<&[u8]> = picture.chunks(4).map(|pixel| &pixel[..3]).collect();
    colors.sort_unstable();
    colors.dedup();
    colors.len()
}

/// How many pixels of two pictures differ.
///
/// # Panics
/// When they aren't of the same size.
pub fn differing(a: &[u8], b: &[u8]) -> usize {
    assert_eq!(a.len(), b.len());
    a.chunks(4).zip(b.chunks(4)).filter(|(a, b)| a[..3] != b[..3]).count()
}

/// Looks at what the host's own driver draws until that is what was seen: it leaves the last picture out at times.
///
/// # Panics
/// When there is no cube in it, and when that isn't what the driver draws in a few tries.
pub fn assert_as_native(what: &str, seen: &[u8], native: impl Fn() -> Vec<u8>) {
    assert!(colors(seen) > 20, "{what}: there is no cube: {} colors", colors(seen));
    let mut fewest = usize::MAX;
    for _ in 0..6 {
        let differing = differing(seen, &native());
        if differing == 0 {
            return;
        }
        fewest = fewest.min(differing);
    }
    panic!("{what}: at least {fewest} pixels differ from the host's own driver");
}
