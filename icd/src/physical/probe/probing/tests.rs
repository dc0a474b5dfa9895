//! What is tried out at which start, and what is kept.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use hesper_encoder::Codec;
use hesper_winsys::Capset;

use super::*;
use crate::physical::probe::features::Features;
use crate::physical::probe::halves;

const MULTIPROCESSORS: &CStr = c"VK_NV_shader_sm_builtins";
const MATRICES: &CStr = c"VK_NV_cooperative_matrix2";
const VECTORS: &CStr = c"VK_NV_cooperative_matrix_decode_vector";
/// Runs of each.
const BATCHES: [usize; 3] = [1, 28, 1];
const NOW: u64 = 1_753_000_000;
const LOST: Failure = Failure::Vulkan(vk::Result::ERROR_DEVICE_LOST);
const SHORT: Failure = Failure::Vulkan(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY);

fn all_features() -> Features {
    let bfloat16 = Features { bfloat16: vk::TRUE, bfloat16_cooperative_matrix: vk::TRUE, ..Default::default() };
    Features { cooperative_matrix: vk::TRUE, ..bfloat16 }
}

fn with_subject(then: impl FnOnce(&Subject<'_>)) {
    let limits = vk::PhysicalDeviceLimits { max_compute_shared_memory_size: 49152, ..Default::default() };
    let capset = Capset { vk_xml_version: 1, venus_version: 3, codec: Codec::ALL };
    let (driver, features) = (vk::DriverId::NVIDIA_PROPRIETARY, all_features());
    then(&Subject { uuid: [7; 16], driver, driver_version: 580, limits: &limits, features, capset: &capset });
}

/// What the host's device writes where all is right: multiprocessors, and what only vectors' decoding makes, are told by it alone.
fn right(run: &Run) -> Told {
    let numbers = |n: &[u32]| n.iter().flat_map(|n| n.to_le_bytes()).collect();
    Told::Wrote(match run.room {
        8 => numbers(&[132, 64]),
        _ if run.right.is_empty() => decoded(64.0),
        _ => run.right.clone(),
    })
}

/// The elements of the vectors' trial, with this added.
fn decoded(added: f32) -> Vec<u8> {
    crate::physical::probe::blocks::Blocks { rows: 64, columns: 64 }.halves(added)
}

/// What becomes of a batch, by its place and what is right.
type Answer = dyn Fn(usize, Vec<Told>) -> Result<Vec<Told>, Failure>;

/// A device of which each batch tells what `answer` makes of its place and of what is right; and the batches that it was given.
struct Device {
    batches: RefCell<Vec<usize>>,
    devices: Cell<usize>,
    /// Shaders that the last one compiles with those of the first batch.
    ahead: Cell<usize>,
    answer: Box<Answer>,
}

fn device(answer: impl Fn(usize, Vec<Told>) -> Result<Vec<Told>, Failure> + 'static) -> Rc<Device> {
    let (batches, devices, ahead) = (RefCell::default(), Cell::default(), Cell::default());
    Rc::new(Device { batches, devices, ahead, answer: Box::new(answer) })
}

impl Device {
    fn find(self: &Rc<Self>, subject: &Subject<'_>, folder: Option<&Path>, now: u64) -> Findings {
        find(subject, folder, now, &|uuid, ahead| {
            assert_eq!(uuid, subject.uuid);
            self.ahead.set(ahead.len());
            self.devices.set(self.devices.get() + 1);
            let device = self.clone();
            Ok(Box::new(move |runs: Vec<Run>| {
                assert!(runs.iter().all(|r| r.right.is_empty() || r.right.len() == r.room));
                device.batches.borrow_mut().push(runs.len());
                let place = BATCHES.iter().position(|n| *n == runs.len() && (*n > 1 || runs[0].room == 8));
                (device.answer)(place.unwrap_or(2), runs.iter().map(right).collect())
            }))
        })
    }

    /// The batches since the last question.
    fn was_given(&self) -> Vec<usize> {
        self.batches.take()
    }
}

fn good() -> Rc<Device> {
    device(|_, told| Ok(told))
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("hesper-probing-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

#[test]
fn what_is_right_is_offered_and_kept() {
    let folder = folder("kept");
    with_subject(|subject| {
        let device = good();
        let found = device.find(subject, Some(&folder), NOW);
        assert_eq!(found.of(MULTIPROCESSORS), Some(&[132, 64][..]));
        assert_eq!(found.of(MATRICES), Some(&[0x7f, 0x7fff, 512, 16384][..]));
        assert_eq!(found.of(VECTORS), Some(&[4][..]));
        assert_eq!((device.was_given(), device.devices.get()), (BATCHES.to_vec(), 1), "one device for all");
        assert_eq!(device.find(subject, Some(&folder), NOW + 1_000_000_000), found, "the second start");
        assert_eq!((device.was_given(), device.devices.get()), (vec![], 1));
        // A damaged file, no file that could be kept.
        let path = folder.join(kept::file_name(&subject.uuid));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("132", "131")).unwrap();
        assert_eq!((device.find(subject, Some(&folder), NOW), device.was_given()), (found.clone(), BATCHES.to_vec()));
        assert_eq!((device.find(subject, None, NOW), device.was_given()), (found.clone(), BATCHES.to_vec()));
        let nameless = Subject { uuid: [0; 16], ..*subject };
        assert_eq!(device.find(&nameless, Some(&folder), NOW), found);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is kept of a device without an id");
    });
    fs::remove_dir_all(&folder).unwrap();
}

/// Whatever the results depend on: the next start finds out anew what that changes, and no more.
#[test]
fn what_is_kept_holds_for_the_same_device_alone() {
    let folder = folder("key");
    with_subject(|subject| {
        let newer = Capset { venus_version: 4, ..subject.capset.clone() };
        let mut codec = subject.capset.codec;
        codec.mask[5] ^= 1;
        let other_codec = Capset { codec, ..newer.clone() };
        let fewer = vk::PhysicalDeviceLimits { max_compute_shared_memory_size: 32768, ..*subject.limits };
        let features = Features { shader_int8: vk::TRUE, ..subject.features };
        // Each differs from the one before it.
        let driver = Subject { driver_version: 581, ..*subject };
        let venus = Subject { capset: &newer, ..driver };
        let codec = Subject { capset: &other_codec, ..venus };
        let features = Subject { features, ..codec };
        let memory = Subject { limits: &fewer, ..features };
        for (what, subject, again) in [
            ("nothing", subject, &BATCHES[..]),
            ("the host's driver", &driver, &BATCHES),
            ("virglrenderer", &venus, &BATCHES),
            ("its codec", &codec, &BATCHES),
            ("features", &features, &BATCHES),
            ("shared memory", &memory, &BATCHES[1..2]),
        ] {
            let device = good();
            device.find(subject, Some(&folder), NOW);
            assert_eq!(device.was_given(), again, "another {what}");
            device.find(subject, Some(&folder), NOW);
            assert_eq!(device.was_given(), [0; 0], "{what} is known by then");
        }
    });
    fs::remove_dir_all(&folder).unwrap();
}

/// Whatever is wrong, other extensions are offered all the same; and what was refused is no reason to try again.
#[test]
fn one_wrong_number_is_enough() {
    let folder = folder("wrong");
    with_subject(|subject| {
        // The first of the feature of work groups, the last of its operations, a side of 512, and a shape that llama.cpp needs.
        for at in [0, 8, 12, 18] {
            for refused in [true, false] {
                let device = device(move |place, mut told| {
                    if place == 1 {
                        match &mut told[at] {
                            Told::Wrote(bytes) if !refused => bytes[5] ^= 0x40,
                            told => *told = Told::Refused,
                        }
                    }
                    Ok(told)
                });
                let found = device.find(subject, Some(&folder), NOW);
                assert_eq!((found.of(MATRICES), found.of(MULTIPROCESSORS)), (None, Some(&[132, 64][..])), "{at}");
                assert_eq!(found.of(VECTORS), None);
                assert_eq!(device.was_given(), BATCHES[..2], "without matrices there are no vectors of them");
                assert_eq!((device.find(subject, Some(&folder), NOW), device.was_given()), (found, vec![]));
                fs::remove_dir_all(&folder).unwrap();
            }
        }
        let found = |wrong: fn(&mut [Told])| {
            let device = device(move |place, mut told| {
                if place == 1 {
                    wrong(&mut told);
                }
                Ok(told)
            });
            device.find(subject, None, NOW).of(MATRICES).map(<[u32]>::to_vec)
        };
        // A shape that llama.cpp doesn't need is left out alone.
        let fewer = found(|told| told[13] = Told::Refused);
        assert_eq!(fewer, Some(vec![0x7f, 0x7ffe, 512, 16384]));
        // Where shared memory is damaged, all of it counts as taken.
        assert_eq!(found(|told| told[9] = Told::Refused), Some(vec![0x7f, 0x7fff, 512, 49152]));
        // Multiprocessors that can't be, and no result at all.
        let odd = device(|place, told| Ok(if place == 0 { vec![Told::Wrote(vec![0; 8])] } else { told }));
        let found = odd.find(subject, None, NOW);
        assert!(found.of(MATRICES).is_some() && found.of(VECTORS).is_some() && found.of(MULTIPROCESSORS).is_none());
        assert_eq!(device(|_, _| Ok(Vec::new())).find(subject, None, NOW), Findings::default());
    });
}

/// A compiler that knows nothing of vectors calls the other function, and the products are right nonetheless.
#[test]
fn vectors_must_be_seen_to_be_decoded() {
    with_subject(|subject| {
        let found = |bytes: Vec<u8>| {
            let device =
                device(move |place, told| Ok(if place == 2 { vec![Told::Wrote(bytes.clone())] } else { told }));
            device.find(subject, None, NOW).of(VECTORS).is_some()
        };
        let (single, vector) = (decoded(0.0), decoded(64.0));
        assert!(found(vector.clone()) && !found(single.clone()) && !found(Vec::new()) && !found(vector[2..].to_vec()));
        let half = single.len() / 2;
        assert!(found([&single[..half], &vector[half..]].concat()), "it may choose for each call");
        let mut other = vector;
        other[half..half + 2].copy_from_slice(&halves::bits(2047.0).to_le_bytes());
        assert!(!found(other));
    });
}

#[test]
fn a_shortage_is_no_answer() {
    let folder = folder("short");
    with_subject(|subject| {
        let short = device(|place, told| if place == 1 { Err(SHORT) } else { Ok(told) });
        let found = short.find(subject, Some(&folder), NOW);
        assert!(found.of(MULTIPROCESSORS).is_some() && found.of(MATRICES).is_none());
        // The next start tries what is missing.
        let device = good();
        assert_eq!(device.find(subject, Some(&folder), NOW).of(VECTORS), Some(&[4][..]));
        assert_eq!(device.was_given(), BATCHES[1..]);
        fs::remove_dir_all(&folder).unwrap();
        for passing in [SHORT, Failure::NoTrial, Failure::NoThread] {
            assert_eq!(find(subject, Some(&folder), NOW, &|_, _| Err(passing)), Findings::default());
            assert!(!folder.exists());
        }
    });
}

#[test]
fn what_failed_is_left_alone_for_a_while() {
    let folder = folder("failed");
    with_subject(|subject| {
        for failure in [Failure::NoAnswer, LOST, Failure::Vulkan(vk::Result::TIMEOUT)] {
            let bad = device(move |place, told| if place == 1 { Err(failure) } else { Ok(told) });
            let found = bad.find(subject, Some(&folder), NOW);
            assert_eq!((found.of(MULTIPROCESSORS), found.of(MATRICES)), (Some(&[132, 64][..]), None));
            assert_eq!((bad.was_given(), bad.find(subject, Some(&folder), NOW + 599)), (vec![1, 28], found.clone()));
            assert_eq!(bad.was_given(), [0; 0]);
            // Ten minutes, then twenty.
            bad.find(subject, Some(&folder), NOW + 600);
            assert_eq!(bad.was_given(), [28]);
            bad.find(subject, Some(&folder), NOW + 600 + 1199);
            assert_eq!(bad.was_given(), [0; 0]);
            // Another version of the host's driver begins anew.
            let other = Subject { driver_version: 581, ..*subject };
            let device = good();
            assert!(device.find(&other, Some(&folder), NOW + 1200).of(VECTORS).is_some());
            fs::remove_dir_all(&folder).unwrap();
        }
    });
}

/// Where nothing has failed, all is compiled at once. After a failure each has its own batch's shaders compiled alone, until that failure is forgotten.
#[test]
fn what_is_unknown_is_compiled_at_once_unless_something_failed() {
    let folder = folder("ahead");
    with_subject(|subject| {
        let ahead = |device: &Rc<Device>, now| {
            device.ahead.set(usize::MAX);
            device.find(subject, Some(&folder), now);
            device.ahead.get()
        };
        let all: usize = BATCHES.iter().sum();
        assert_eq!(ahead(&device(|_, _| Err(SHORT)), NOW), all);
        assert_eq!(ahead(&device(|place, _| Err(if place == 0 { LOST } else { SHORT })), NOW), all);
        assert_eq!(ahead(&device(|_, _| Err(SHORT)), NOW), 0, "multiprocessors have failed");
        assert_eq!(ahead(&good(), NOW + 600), 0, "and are tried again");
        assert_eq!(ahead(&good(), NOW + 600), usize::MAX, "all is known");
        fs::remove_dir_all(&folder).unwrap();
        // The first is known, the others aren't.
        assert_eq!(ahead(&device(|place, told| if place == 0 { Ok(told) } else { Err(SHORT) }), NOW), all);
        assert_eq!(ahead(&good(), NOW), BATCHES[1] + BATCHES[2]);
        fs::remove_dir_all(&folder).unwrap();
        let bare = Subject { features: Features::default(), ..*subject };
        let device = good();
        device.find(&bare, None, NOW);
        assert_eq!(device.ahead.get(), BATCHES[0], "without matrices their shaders aren't compiled");
    });
}

/// No device: none of the extensions is known, and none is tried at the next start.
#[test]
fn a_device_that_cannot_be_made_is_left_alone_for_a_while() {
    let folder = folder("none");
    with_subject(|subject| {
        let begun = Cell::new(0);
        let begin = |_, _| {
            begun.set(begun.get() + 1);
            Err(Failure::NoAnswer)
        };
        for (now, times) in [(NOW, 1), (NOW + 599, 1), (NOW + 600, 2)] {
            assert_eq!(find(subject, Some(&folder), now, &begin), Findings::default());
            assert_eq!(begun.get(), times);
        }
    });
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_device_without_matrices_is_not_asked_for_more() {
    with_subject(|subject| {
        let (device, bare) = (good(), Subject { features: Features::default(), ..*subject });
        let found = device.find(&bare, None, NOW);
        assert_eq!(device.was_given(), [1], "that of multiprocessors");
        assert!(found.of(MATRICES).is_none() && found.of(VECTORS).is_none() && found.of(MULTIPROCESSORS).is_some());
    });
}

#[test]
fn without_bfloat16_its_shapes_are_left_out() {
    with_subject(|subject| {
        let features = Features { bfloat16_cooperative_matrix: vk::FALSE, ..subject.features };
        let (device, bare) = (good(), Subject { features, ..*subject });
        let found = device.find(&bare, None, NOW);
        assert_eq!(device.was_given(), [1, 25, 1]);
        assert_eq!(found.of(MATRICES), Some(&[0x7f, 0x7fff & !(1 << 4 | 1 << 9 | 1 << 14), 512, 16384][..]));
    });
}

/// Without a setting only NVIDIA's driver is tried out. No trial is registered here, so that a device that is tried out has nothing, too.
#[test]
fn other_drivers_are_left_alone() {
    with_subject(|subject| {
        let other = Subject { driver: vk::DriverId::MESA_LLVMPIPE, ..*subject };
        assert!(!is_wanted(&other, None) && is_wanted(subject, None));
        assert!(is_wanted(&other, Some(true)) && !is_wanted(subject, Some(false)));
        assert_eq!(findings(&other), Findings::default());
    });
}
