//! Whether numbers are larger than others by more than chance.

/// How likely numbers of one kind fall so that as many or more of `these` are larger than `those`: the one-sided test of Mann and Whitney, exactly. Equal
/// ones count as not larger. 1 where there are none.
pub fn larger_by_chance(these: &[f64], those: &[f64]) -> f64 {
    let larger: usize = these.iter().map(|this| those.iter().filter(|that| this > *that).count()).sum();
    let ways = ways(these.len(), those.len());
    ways[larger..].iter().sum::<f64>() / ways.iter().sum::<f64>()
}

/// In how many orders `n` numbers and `m` others can fall, by how many pairs there are of one of the `n` and a smaller one of the `m`.
fn ways(n: usize, m: usize) -> Vec<f64> {
    // For none, one, two… of the `n`, with as many of the `m` as have come: the largest is one of either.
    let mut row = vec![vec![1.0]; n + 1];
    for others in 1..=m {
        for these in 1..=n {
            let mut sum = vec![0.0; these * others + 1];
            row[these].iter().enumerate().for_each(|(pairs, ways)| sum[pairs] += ways);
            row[these - 1].iter().enumerate().for_each(|(pairs, ways)| sum[pairs + others] += ways);
            row[these] = sum;
        }
    }
    row.swap_remove(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_orders_are_counted() {
        assert_eq!(ways(2, 2), [1.0, 1.0, 2.0, 1.0, 1.0]);
        assert_eq!((ways(0, 3), ways(3, 0)), (vec![1.0], vec![1.0]));
        let many = ways(9, 9);
        assert_eq!((many.len(), many.iter().sum::<f64>()), (82, 48620.0), "18 over 9");
        assert!(many.iter().eq(many.iter().rev()));
    }

    #[test]
    fn larger_numbers_are_told_from_equal_ones() {
        let [low, high] = [[1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]];
        assert_eq!(larger_by_chance(&high, &low), 1.0 / 252.0, "one order of 10 over 5");
        assert_eq!(larger_by_chance(&low, &high), 1.0);
        let [odd, even] = [[1.0, 3.0, 5.0, 7.0, 9.0], [2.0, 4.0, 6.0, 8.0, 10.0]];
        assert!((0.3..0.5).contains(&larger_by_chance(&even, &odd)), "{}", larger_by_chance(&even, &odd));
        assert!((0.5..0.9).contains(&larger_by_chance(&low, &low)), "{}", larger_by_chance(&low, &low));
        assert!(larger_by_chance(&[3.0; 5], &[3.0; 5]) == 1.0 && larger_by_chance(&[], &low) == 1.0);
    }
}
