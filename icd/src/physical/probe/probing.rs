//! Trying out a device, at the first question for what it has.

use std::cmp::Reverse;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use ash::vk;

use crate::base::log::debug;
use crate::base::settings;
use crate::physical::probe::entry::{Entry, Outcome};
use crate::physical::probe::extension::Extension;
use crate::physical::probe::findings::Findings;
use crate::physical::probe::planned::Planned;
use crate::physical::probe::subject::Subject;
use crate::physical::probe::table::{COUNT, TABLE};
use crate::physical::probe::trial::{Failure, Run, Session, Shader, Told};
use crate::physical::probe::{kept, key};

/// Runs a batch of shaders.
type RunBatch = Box<dyn FnMut(Vec<Run>) -> Result<Vec<Told>, Failure>>;

/// What the device has, which is tried out unless that is known, or isn't wanted.
pub fn findings(subject: &Subject<'_>) -> Findings {
    if !is_wanted(subject, settings::get().probe) {
        return Findings::default();
    }
    let begin = |uuid, ahead| -> Result<RunBatch, Failure> {
        let mut session = Session::begin(uuid, ahead)?;
        Ok(Box::new(move |runs| session.run(runs)))
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let found = find(subject, settings::get().cache.as_deref(), now, &begin);
    debug!("tried out on the host's device: {found:?}");
    found
}

/// Whether a device is tried out, with this setting. Other drivers weren't seen to take such shaders from a device that has the features
/// switched off.
fn is_wanted(subject: &Subject<'_>, setting: Option<bool>) -> bool {
    setting.unwrap_or(subject.driver == vk::DriverId::NVIDIA_PROPRIETARY)
}

/// Makes a device that runs batches, and compiles these shaders with those of the first.
type Begin<'a> = dyn Fn([u8; 16], Vec<Shader>) -> Result<RunBatch, Failure> + 'a;

/// What is kept in the folder of a device, or else what trying it out tells, which is kept. The time is in seconds after 1970.
fn find(subject: &Subject<'_>, folder: Option<&Path>, now: u64, begin: &Begin<'_>) -> Findings {
    // Without an id nobody knows whose numbers are kept.
    let folder = folder.filter(|_| subject.uuid != [0; 16]);
    let path = folder.map(|f| f.join(kept::file_name(&subject.uuid)));
    let mut entries = path.as_deref().and_then(kept::read).unwrap_or_default();
    let plans: [Vec<Planned>; COUNT] = TABLE.each_ref().map(|extension| (extension.runs)(subject));
    let keys = plans.each_ref().map(|planned| key::of(subject, planned));
    let known = |entry: &Option<Entry>, key| entry.clone().filter(|known| known.key == key);
    let ahead = ahead(subject, &plans, &std::array::from_fn(|i| known(entries.get(i)?, *keys.get(i)?)));
    let (mut found, mut device, mut is_news) = (Findings::default(), None, false);
    for (place, (extension, entry)) in TABLE.iter().zip(&mut entries).enumerate() {
        let is_base_there = extension.extends.is_none_or(|base| found.of(base).is_some());
        let (true, Some(planned), Some(key)) = (is_base_there, plans.get(place), keys.get(place).copied()) else {
            continue;
        };
        if !(extension.needs)(&subject.features) {
            continue;
        }
        *entry = known(entry, key);
        if entry.as_ref().is_none_or(|known| known.is_due(now)) {
            let runs: Vec<Run> = planned.iter().map(Planned::run).collect();
            let told = match device.get_or_insert_with(|| begin(subject.uuid, ahead.clone())) {
                Ok(run) => run(runs.clone()),
                Err(e) => Err(*e),
            };
            let times = entry.as_ref().map_or(0, Entry::failures).saturating_add(1);
            let failed = Outcome::Failed { at: now, times };
            if let Some(outcome) = outcome(subject, extension, &runs, told, failed) {
                *entry = Some(Entry { key, outcome });
                is_news = true;
            }
        }
        found.put(place, entry.as_ref().and_then(Entry::numbers));
    }
    // From here on nobody needs the device any more.
    drop(device);
    if let Some(path) = path.filter(|_| is_news) {
        // Not being able to keep it costs the next start some time.
        let _ = kept::write(&path, &entries);
    }
    found
}

/// The shaders of all extensions of which nothing is known, which are compiled at the same time, as a host's compiler takes some tens of milliseconds for
/// each; longer ones first, which take it longer. None where an extension has failed before: then one is compiled after the other, and the one that fails is
/// seen.
fn ahead(subject: &Subject<'_>, plans: &[Vec<Planned>; COUNT], entries: &[Option<Entry>; COUNT]) -> Vec<Shader> {
    if entries.iter().flatten().any(|known| known.failures() > 0) {
        return Vec::new();
    }
    let rows = TABLE.iter().zip(plans).zip(entries);
    let unknown = rows.filter(|((extension, _), entry)| entry.is_none() && (extension.needs)(&subject.features));
    let mut shaders: Vec<Shader> = unknown.flat_map(|((_, planned), _)| planned).map(|p| p.shader.clone()).collect();
    shaders.sort_by_key(|shader| Reverse(shader.code.len()));
    shaders
}

/// What is to be kept of an extension whose runs told this; nothing where the next start may know more, and `failed` where it had better
/// leave the device alone.
fn outcome(
    subject: &Subject<'_>,
    extension: &Extension,
    runs: &[Run],
    told: Result<Vec<Told>, Failure>,
    failed: Outcome,
) -> Option<Outcome> {
    match told {
        Ok(told) => {
            let numbers = (extension.judge)(subject, runs, &told).filter(|n| (extension.possible)(n));
            Some(numbers.map_or(Outcome::Absent, Outcome::Found))
        }
        Err(e) => {
            debug!("{} can't be tried out on the host's device: {e:?}", extension.name.to_string_lossy());
            (!e.is_passing()).then_some(failed)
        }
    }
}

#[cfg(test)]
mod tests;
