//! Commands of which several are on their way, so that the host runs one while this side is at work on another.

use ash::vk;

/// Commands that are on their way at the same time.
pub const AT_ONCE: usize = 16;

/// Asks for each of `items`, at most [`AT_ONCE`] before their answers are taken, in the same order. Whatever was asked is answered in the end,
/// also where something fails: the host may write to a reply's memory until then.
///
/// # Errors
/// The first one; nothing is asked any more after its batch.
pub fn in_flight<T, A>(
    items: impl Iterator<Item = T>,
    mut ask: impl FnMut(&T) -> Result<A, vk::Result>,
    mut answer: impl FnMut(T, A) -> Result<(), vk::Result>,
) -> Result<(), vk::Result> {
    let mut items = items.fuse();
    let mut asked = Vec::new();
    loop {
        let mut outcome = Ok(());
        for item in items.by_ref().take(AT_ONCE) {
            match ask(&item) {
                Ok(a) => asked.push((item, a)),
                Err(e) => {
                    outcome = Err(e);
                    break;
                }
            }
        }
        if asked.is_empty() {
            return outcome;
        }
        for (item, a) in asked.drain(..) {
            let answered = answer(item, a);
            outcome = outcome.and(answered);
        }
        outcome?;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const FAILED: Result<(), vk::Result> = Err(vk::Result::ERROR_OUT_OF_HOST_MEMORY);

    /// What was asked and answered for 40 items, of which those of `bad` fail.
    fn run(bad_to_ask: Option<u32>, bad_to_answer: Option<u32>) -> (Vec<u32>, Vec<u32>, Result<(), vk::Result>) {
        let (asked, answered) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        let outcome = in_flight(
            0..40,
            |item| {
                if Some(*item) == bad_to_ask {
                    return Err(vk::Result::ERROR_OUT_OF_HOST_MEMORY);
                }
                asked.borrow_mut().push(*item);
                assert!(asked.borrow().len() - answered.borrow().len() <= AT_ONCE);
                Ok(*item * 2)
            },
            |item, a| {
                assert_eq!(a, item * 2);
                answered.borrow_mut().push(item);
                if Some(item) == bad_to_answer { FAILED } else { Ok(()) }
            },
        );
        (asked.into_inner(), answered.into_inner(), outcome)
    }

    #[test]
    fn all_are_asked_and_answered_in_their_order() {
        let all: Vec<u32> = (0..40).collect();
        assert_eq!(run(None, None), (all.clone(), all, Ok(())));
    }

    #[test]
    fn what_was_asked_is_answered_whatever_fails() {
        for (to_ask, to_answer, reached) in [
            (Some(3), None, 3),
            (Some(20), None, 20),
            (None, Some(0), 16),
            (None, Some(17), 32),
            (Some(18), Some(16), 18),
        ] {
            let (asked, answered, outcome) = run(to_ask, to_answer);
            assert_eq!((asked.len(), outcome), (reached, FAILED), "{to_ask:?} {to_answer:?}");
            assert_eq!(asked, answered);
        }
    }
}
