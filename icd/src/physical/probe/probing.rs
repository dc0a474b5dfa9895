//! Trying out a device, at the first question for what it has.

use std::path::Path;
use std::sync::OnceLock;

use ash::vk;

use crate::base::log::debug;
use crate::base::settings;
use crate::physical::probe::findings::Findings;
use crate::physical::probe::kept;
use crate::physical::probe::subject::Subject;
use crate::physical::probe::table::TABLE;
use crate::physical::probe::trial::{self, Failure, Run, Told};

/// What was found out of one device, at the first question.
#[derive(Default)]
pub struct Probe(OnceLock<Findings>);

impl Probe {
    /// What the device has, which is tried out if nobody has asked before.
    pub fn of(&self, subject: &Subject<'_>) -> &Findings {
        self.0.get_or_init(|| {
            if !is_wanted(subject, settings::get().probe) {
                return Findings::default();
            }
            let found = find(subject, settings::get().cache.as_deref(), &trial::run);
            debug!("tried out on the host's device: {found:?}");
            found
        })
    }
}

/// Whether a device is tried out, with this setting. Other drivers weren't seen to take such shaders from a device that has the features
/// switched off.
fn is_wanted(subject: &Subject<'_>, setting: Option<bool>) -> bool {
    setting.unwrap_or(subject.driver == vk::DriverId::NVIDIA_PROPRIETARY)
}

/// What is kept in the folder of a device, or else what trying it out tells, which is kept.
fn find(
    subject: &Subject<'_>,
    folder: Option<&Path>,
    trial: &dyn Fn([u8; 16], Vec<Run>) -> Result<Vec<Told>, Failure>,
) -> Findings {
    // Without an id nobody knows whose numbers are kept.
    let folder = folder.filter(|_| subject.uuid != [0; 16]);
    let path = folder.map(|f| f.join(kept::file_name(&subject.uuid)));
    if let Some(known) = path.as_deref().and_then(|p| kept::read(p, subject.driver_version)) {
        return known;
    }
    let runs = TABLE.each_ref().map(|e| match e.needs {
        Some(other) if !(subject.offers)(other) => Vec::new(),
        _ => (e.runs)(subject),
    });
    let told = match trial(subject.uuid, runs.iter().flatten().cloned().collect()) {
        Ok(told) => told,
        Err(e) => {
            // Perhaps it works at the next start, so nothing is kept.
            debug!("the host's device can't be tried out: {e:?}");
            return Findings::default();
        }
    };
    let mut told = told.into_iter();
    let mut found = Findings::default();
    for ((extension, runs), found) in TABLE.iter().zip(&runs).zip(&mut found.0) {
        let told: Vec<Told> = told.by_ref().take(runs.len()).collect();
        let numbers = (extension.judge)(subject, runs, &told);
        *found = numbers.filter(|n| !runs.is_empty() && (extension.possible)(n));
    }
    if let Some(path) = path {
        // Not being able to keep it costs the next start some time.
        let _ = kept::write(&path, subject.driver_version, &found);
    }
    found
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::ffi::CStr;
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    const MATRICES: &CStr = c"VK_NV_cooperative_matrix2";
    const MULTIPROCESSORS: &CStr = c"VK_NV_shader_sm_builtins";

    fn subject_with(offers: &dyn Fn(&CStr) -> bool, then: impl FnOnce(&Subject<'_>)) {
        let limits = vk::PhysicalDeviceLimits { max_compute_shared_memory_size: 49152, ..Default::default() };
        let driver = vk::DriverId::NVIDIA_PROPRIETARY;
        then(&Subject { uuid: [7; 16], driver, driver_version: 580, limits: &limits, offers });
    }

    /// What the host's device writes where all is right: multiprocessors are told by it alone.
    fn right(runs: &[Run]) -> Vec<Told> {
        let multiprocessors: Vec<u8> = [132u32, 64].iter().flat_map(|n| n.to_le_bytes()).collect();
        let told = |run: &Run| if run.right.is_empty() { multiprocessors.clone() } else { run.right.clone() };
        runs.iter().map(|run| Told::Wrote(told(run))).collect()
    }

    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("hesper-probing-{name}-{}", std::process::id()))
    }

    #[test]
    fn what_is_right_is_offered_and_kept() {
        let folder = folder("kept");
        subject_with(&|_| true, |subject| {
            let trials = Cell::new(0);
            let trial = |uuid: [u8; 16], runs: Vec<Run>| {
                trials.set(trials.get() + 1);
                assert_eq!(uuid, [7; 16]);
                assert!(runs.iter().all(|r| r.right.is_empty() || r.right.len() == r.room));
                Ok(right(&runs))
            };
            let found = find(subject, Some(&folder), &trial);
            assert_eq!(found.of(MULTIPROCESSORS), Some(&[132, 64][..]));
            assert_eq!(found.of(MATRICES), Some(&[0x7f, 0x7fff, 1024, 16384][..]));
            assert_eq!((find(subject, Some(&folder), &trial), trials.get()), (found.clone(), 1), "the second start");
            // Another version of the host's driver, a damaged file, no file that could be kept.
            let other = Subject { driver_version: 581, offers: subject.offers, ..*subject };
            assert_eq!((find(&other, Some(&folder), &trial), trials.get()), (found.clone(), 2));
            let path = folder.join(kept::file_name(&subject.uuid));
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace("132", "131")).unwrap();
            assert_eq!((find(&other, Some(&folder), &trial), trials.get()), (found.clone(), 3));
            assert_eq!((find(&other, None, &trial), trials.get()), (found.clone(), 4));
            let nameless = Subject { uuid: [0; 16], offers: subject.offers, ..*subject };
            let unnamed = |_: [u8; 16], runs: Vec<Run>| Ok(right(&runs));
            assert_eq!(find(&nameless, Some(&folder), &unnamed), found);
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is kept of a device without an id");
        });
        fs::remove_dir_all(&folder).unwrap();
    }

    /// Whatever is wrong, the other extension is offered all the same; and what was refused is no reason to try again.
    #[test]
    fn one_wrong_number_is_enough() {
        let folder = folder("wrong");
        subject_with(&|_| true, |subject| {
            let runs = TABLE.each_ref().map(|e| (e.runs)(subject));
            let all = right(&runs.concat());
            // The first of the feature of work groups, the last of its operations, and a shape that llama.cpp needs.
            for at in [0, 8, 15] {
                for refused in [true, false] {
                    let mut told = all.clone();
                    match &mut told[at] {
                        Told::Wrote(bytes) if !refused => bytes[5] ^= 0x40,
                        told => *told = Told::Refused,
                    }
                    let found = find(subject, Some(&folder), &|_, _| Ok(told.clone()));
                    assert_eq!((found.of(MATRICES), found.of(MULTIPROCESSORS)), (None, Some(&[132, 64][..])), "{at}");
                    let again = find(subject, Some(&folder), &|_, _| panic!("it is known"));
                    assert_eq!(again, found);
                    fs::remove_dir_all(&folder).unwrap();
                }
            }
            // A shape that llama.cpp doesn't need, and the larger dimension, are left out alone.
            let mut told = all.clone();
            let last = told.len() - 2;
            (told[10], told[last]) = (Told::Refused, Told::Refused);
            let found = find(subject, None, &|_, _| Ok(told.clone()));
            assert_eq!(found.of(MATRICES), Some(&[0x7f, 0x7ffe, 512, 16384][..]));
            // Where shared memory is damaged, all of it counts as taken.
            let mut told = all.clone();
            told[9] = Told::Refused;
            let found = find(subject, None, &|_, _| Ok(told.clone()));
            assert_eq!(found.of(MATRICES), Some(&[0x7f, 0x7fff, 1024, 49152][..]));
            // Multiprocessors that can't be.
            let mut told = all.clone();
            *told.last_mut().unwrap() = Told::Wrote(vec![0; 8]);
            let found = find(subject, None, &|_, _| Ok(told.clone()));
            assert!(found.of(MATRICES).is_some() && found.of(MULTIPROCESSORS).is_none());
            assert_eq!(find(subject, None, &|_, _| Ok(Vec::new())), Findings::default());
        });
    }

    #[test]
    fn a_failed_trial_offers_and_keeps_nothing() {
        let folder = folder("failed");
        subject_with(&|_| true, |subject| {
            for failure in [Failure::NoTrial, Failure::NoAnswer, Failure::Vulkan(vk::Result::ERROR_DEVICE_LOST)] {
                let failure = Cell::new(Some(failure));
                let found = find(subject, Some(&folder), &|_, _| Err(failure.take().unwrap()));
                assert_eq!(found, Findings::default());
                assert!(!folder.exists());
            }
        });
    }

    #[test]
    fn a_device_without_matrices_is_not_asked_for_more() {
        subject_with(&|_| false, |subject| {
            let found = find(subject, None, &|_, runs| {
                assert_eq!(runs.len(), 1, "that of multiprocessors");
                Ok(right(&runs))
            });
            assert!(found.of(MATRICES).is_none() && found.of(MULTIPROCESSORS).is_some());
        });
    }

    /// Without a setting only NVIDIA's driver is tried out. No trial is registered here, so that a device that is tried out has nothing, too.
    #[test]
    fn other_drivers_are_left_alone() {
        subject_with(&|_| true, |subject| {
            let other = Subject { driver: vk::DriverId::MESA_LLVMPIPE, offers: subject.offers, ..*subject };
            assert!(!is_wanted(&other, None) && is_wanted(subject, None));
            assert!(is_wanted(&other, Some(true)) && !is_wanted(subject, Some(false)));
            assert_eq!(*Probe::default().of(&other), Findings::default());
        });
    }
}
