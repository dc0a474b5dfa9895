//! One boot with all of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hesper_rig::llama::{self, Server};
use hesper_rig::models::{self, Weights};
use hesper_rig::{Architecture, Driver, Guest, Machine, Root, Vm, cross, target_folder};

use super::jobs::{self, Kind, Plan};
use super::servers::{PROMPT, TOKENS};
use super::{Outcome, Row};

/// Boots a machine, and runs the jobs of `plan` on each of `drivers`; `client` is the test client for x86-64.
///
/// # Errors
/// When the machine can't be started or hangs. What drivers fail at is in the row.
pub fn run(root: &Root, vm: &Vm, drivers: &[Driver], client: &Path, plan: Plan) -> Result<Row> {
    let client = client_for(vm.machine, client)?;
    let jobs = jobs::of(plan, drivers, &client)?;
    let ran = vm.run(root, &jobs.iter().map(|(_, job)| job.clone()).collect::<Vec<_>>())?;
    let results: Vec<_> = jobs.into_iter().zip(ran.results).collect();
    let page_size = results.iter().find(|((kind, _), _)| *kind == Kind::PageSize).context("the machine ran nothing")?;
    let number = page_size.1.output.split_whitespace().nth(1);
    let page_kib =
        number.and_then(|kib| kib.parse().ok()).with_context(|| format!("no size of a page in {page_size:?}"))?;
    let outcomes =
        drivers.iter().map(|driver| Ok((*driver, Outcome::read(*driver, &results)?))).collect::<Result<_>>()?;
    Ok(Row { machine: vm.machine, host: vm.host, kernel: ran.kernel, page_kib, boot: ran.boot, outcomes })
}

/// The test client for a machine; `client` is the one for x86-64.
pub(super) fn client_for(machine: Machine, client: &Path) -> Result<PathBuf> {
    match machine.architecture() {
        Architecture::Amd64 => Ok(client.to_path_buf()),
        Architecture::Arm64 => cross::build_client(Guest::Arm64),
    }
}

/// The tokens of the host's own driver.
///
/// # Errors
/// When llama-server can't be run.
pub fn tokens_of_the_host(root: &Root) -> Result<Vec<u64>> {
    let log = target_folder()?.join("llama-native-for-vm.log");
    let model = models::tiny(Weights::Q4K)?;
    let native = Server::start(root, Driver::Native, Path::new(llama::ANY_PROCESSOR), &model, &log)?;
    Ok(native.tokens(&PROMPT, TOKENS)?.0)
}
