//! Drivers of others: which devices programs find before this driver's.

use serde_json::json;

use crate::children::Shown;
use crate::doctor::finding::Finding;
use crate::doctor::seen::Machine;

/// Whether something stands before this driver's device, or shows the same GPU again.
pub fn check(machine: &Machine) -> Finding {
    let Some(all) = machine.devices() else { return Finding::skip("it isn't known which devices programs find") };
    let facts = json!({ "devices": all });
    judge(&all, &machine.environment_advice()).with(facts)
}

fn judge(all: &[Shown], advice: &str) -> Finding {
    let names = |devices: &[&Shown]| {
        devices.iter().map(|d| format!("{} ({})", d.name, d.driver)).collect::<Vec<_>>().join(" and ")
    };
    let Some(at) = all.iter().position(Shown::is_ours) else {
        let others: Vec<&Shown> = all.iter().collect();
        return match others.is_empty() {
            true => Finding::skip("programs find no device at all"),
            false => Finding::warn(format!("programs find {} alone", names(&others)), "see what failed"),
        };
    };
    let before: Vec<&Shown> = all.iter().take(at).collect();
    let twice: Vec<&Shown> = all.iter().filter(|d| d.venus && !d.is_ours()).collect();
    if !before.is_empty() {
        return Finding::warn(format!("programs that take the first device get {}", names(&before[..1])), advice);
    }
    if !twice.is_empty() {
        return Finding::warn(format!("another driver shows the same GPU: {}", names(&twice)), advice);
    }
    let after: Vec<&Shown> = all.iter().skip(at + 1).collect();
    match after.is_empty() {
        true => Finding::pass("programs find no other device"),
        false => Finding::pass(format!("programs find this driver's device first, then {}", names(&after))),
    }
}

impl Machine {
    /// How to have programs find this driver alone.
    fn environment_advice(&self) -> String {
        let path = self.manifests.ours().map(|m| m.path.display().to_string());
        let path = path.unwrap_or_else(|| "the manifest".to_owned());
        format!(
            "set VK_DRIVER_FILES={path} (VK_ICD_FILENAMES for loaders before 1.3.207), or choose the device in the program (llama.cpp: --device)"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Status;

    fn device(name: &str, driver: &str, kind: &str) -> Shown {
        Shown {
            name: name.into(),
            driver: driver.into(),
            driver_info: String::new(),
            kind: kind.into(),
            vendor: 0,
            api_version: "1.3.0".into(),
            venus: driver == "hesper" || driver == "venus",
        }
    }

    #[test]
    fn who_comes_first_is_told() {
        let (ours, theirs) = (device("A", "hesper", "discrete"), device("A", "venus", "discrete"));
        let lavapipe = device("llvmpipe", "llvmpipe", "cpu");
        let judged = |all: &[&Shown]| {
            let all: Vec<Shown> = all.iter().map(|d| (*d).clone()).collect();
            let f = judge(&all, "set it");
            (f.status, f.why)
        };
        assert_eq!(judged(&[&ours]).0, Status::Pass);
        assert_eq!(judged(&[&ours, &lavapipe]).0, Status::Pass);
        assert!(judged(&[&lavapipe, &ours]).1.contains("get llvmpipe (llvmpipe)"));
        assert!(judged(&[&ours, &theirs]).1.contains("the same GPU: A (venus)"));
        assert!(judged(&[&lavapipe]).1.contains("llvmpipe (llvmpipe) alone"));
        assert_eq!(judged(&[]).0, Status::Skip);
    }
}
