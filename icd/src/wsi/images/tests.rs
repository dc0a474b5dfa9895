//! Images go round, and nobody waits in vain.

use ash::vk::PresentModeKHR as Mode;
use ash::vk::Result as R;

use super::*;

fn alive() -> Result<(), R> {
    Ok(())
}

#[test]
fn images_go_round() {
    let images = Images::new(2);
    assert_eq!(images.acquire(0, alive), Ok((0, true)));
    assert_eq!(images.acquire(u64::MAX, alive), Ok((1, true)));
    assert_eq!(images.acquire(0, alive), Err(R::NOT_READY));
    assert_eq!(images.acquire(1_000_000, alive), Err(R::TIMEOUT));
    assert_eq!(images.take(1), Ok(true));
    images.present(Present::uncopied(1, 7, Mode::FIFO));
    assert_eq!(images.acquire(0, alive), Err(R::NOT_READY), "the screen has it");
    let p = images.next().unwrap();
    assert_eq!(images.wait_for_present(7, 0, alive), Err(R::TIMEOUT));
    images.over(p, Some(false));
    assert_eq!(images.wait_for_present(6, 0, alive), Ok(false));
    assert_eq!(images.acquire(0, alive), Ok((1, false)), "suboptimal");
}

#[test]
fn what_the_program_does_not_have_it_can_not_present() {
    let images = Images::new(2);
    for index in [0, 1, 2, u32::MAX] {
        assert_eq!(images.take(index), Err(R::ERROR_VALIDATION_FAILED_EXT));
        assert_eq!(images.release(&[index]), Err(R::ERROR_VALIDATION_FAILED_EXT));
    }
    assert_eq!(images.acquire(0, alive), Ok((0, true)));
    assert_eq!(images.release(&[0, 0]), Err(R::ERROR_VALIDATION_FAILED_EXT), "twice");
    assert_eq!(images.release(&[0, 1]), Err(R::ERROR_VALIDATION_FAILED_EXT));
    assert_eq!(images.release(&[0]), Ok(()));
    assert_eq!((images.acquire(0, alive), images.acquire(0, alive)), (Ok((1, true)), Ok((0, true))));
    assert_eq!((images.take(0), images.take(0)), (Ok(true), Err(R::ERROR_VALIDATION_FAILED_EXT)));
    images.hand_back(0);
    assert_eq!(images.take(0), Ok(true));
}

#[test]
fn retired_and_lost_swapchains_say_so() {
    let images = Images::new(3);
    assert_eq!(images.acquire(0, alive), Ok((0, true)));
    images.retire();
    assert_eq!(images.acquire(u64::MAX, alive), Err(R::ERROR_OUT_OF_DATE_KHR));
    assert_eq!(images.take(0), Ok(true), "what was acquired before may be shown");
    images.lose(R::ERROR_SURFACE_LOST_KHR);
    images.lose(R::ERROR_DEVICE_LOST);
    assert!(images.is_lost());
    assert_eq!(images.acquire(u64::MAX, alive), Err(R::ERROR_SURFACE_LOST_KHR), "the first reason");
    assert_eq!(images.wait_for_present(1, u64::MAX, alive), Err(R::ERROR_SURFACE_LOST_KHR));
    assert_eq!(images.acquire(0, || Err(R::ERROR_DEVICE_LOST)), Err(R::ERROR_DEVICE_LOST));
}

#[test]
fn a_mailbox_has_room_for_one() {
    let images = Images::new(3);
    let soon = Instant::now() + Duration::from_millis(5);
    images.present(Present::uncopied(0, 1, Mode::MAILBOX));
    images.present(Present::uncopied(1, 2, Mode::MAILBOX));
    images.present(Present::uncopied(2, 3, Mode::FIFO));
    assert_eq!(images.next().map(|p| p.id), Some(1));
    assert_eq!(images.replacement(soon).map(|p| p.id), Some(2));
    assert!(images.replacement(soon).is_none(), "that one wants to be seen");
    assert_eq!(images.next().map(|p| p.id), Some(3));
    assert!(images.replacement(soon).is_none());
    assert!(Instant::now() >= soon);
    images.present(Present::uncopied(0, 4, Mode::FIFO));
    images.close();
    images.rest(Instant::now() + Duration::from_secs(3600));
    assert_eq!(images.next().map(|p| p.id), Some(4), "what waits is still shown");
    assert!(images.next().is_none());
}

#[test]
fn what_was_not_shown_does_not_count() {
    let images = Images::new(2);
    // The second one has no number.
    let second = images.replaced(Present::uncopied(0, 1, Mode::MAILBOX), Present::uncopied(1, 0, Mode::MAILBOX));
    assert_eq!(images.wait_for_present(1, 0, alive), Err(R::TIMEOUT), "nothing is to be seen yet");
    images.over(second, Some(true));
    assert_eq!(images.wait_for_present(1, 0, alive), Ok(true));
    images.lose(R::ERROR_SURFACE_LOST_KHR);
    images.over(Present::uncopied(0, 3, Mode::FIFO), None);
    assert_eq!(images.wait_for_present(3, 0, alive), Err(R::ERROR_SURFACE_LOST_KHR));
}

#[test]
fn a_wait_ends_when_an_image_is_given_back_or_the_host_is_lost() {
    let images = Images::new(1);
    assert_eq!(images.acquire(0, alive), Ok((0, true)));
    std::thread::scope(|s| {
        let waits = s.spawn(|| images.acquire(u64::MAX, alive));
        std::thread::sleep(Duration::from_millis(5));
        images.take(0).unwrap();
        images.over(Present::uncopied(0, 0, Mode::FIFO), None);
        assert_eq!(waits.join().unwrap(), Ok((0, true)));
    });
    let asked = std::cell::Cell::new(0);
    let dies = || {
        asked.set(asked.get() + 1);
        if asked.get() > 2 { Err(R::ERROR_DEVICE_LOST) } else { Ok(()) }
    };
    assert_eq!(images.acquire(u64::MAX, dies), Err(R::ERROR_DEVICE_LOST));
}
