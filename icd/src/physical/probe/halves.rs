//! 16-bit floating-point numbers.

/// The bits of a number that such a format holds exactly: of no more than 11 bits, from 2^-14 to 65504, or 0.
pub fn bits(number: f32) -> u16 {
    let all = number.to_bits();
    let (sign, exponent, fraction) = (all >> 31, all >> 23 & 0xff, all >> 13 & 0x3ff);
    let exponent = if exponent == 0 { 0 } else { exponent.saturating_sub(127 - 15) };
    (sign << 15 | exponent << 10 | fraction) as u16
}

#[cfg(test)]
mod tests {
    use super::bits;

    #[test]
    fn numbers_have_the_bits_of_ieee_754() {
        for (number, wanted) in [
            (0.0, 0),
            (1.0, 0x3c00),
            (-2.0, 0xc000),
            (0.5, 0x3800),
            (3.0, 0x4200),
            (-129.0, 0xd808),
            (2047.0, 0x67ff),
            (65504.0, 0x7bff),
        ] {
            assert_eq!(bits(number), wanted, "{number}");
        }
    }
}
