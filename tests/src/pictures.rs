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
