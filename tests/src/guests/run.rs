//! One boot with all of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use hesper_rig::llama::{self, Server};
use hesper_rig::models::{self, Tiny};
use hesper_rig::{Architecture, Driver, Guest, Machine, Root, Vm, cross, target_folder};

use super::jobs::{self, PROMPT, TOKENS};
use super::{Outcome, Row};

/// Boots a machine, and runs the jobs on each of `drivers`; `client` is the test client for x86-64, and a job may take `limit`.
///
/// # Errors
/// When the machine can't be started or hangs. What drivers fail at is in the row.
pub fn run(root: &Root, machine: Machine, drivers: &[Driver], client: &Path, limit: Duration) -> Result<Row> {
    let client = client_for(machine, client)?;
    let mut all = vec![jobs::page_size()];
    for driver in drivers {
        all.extend(jobs::on(*driver, &client, limit)?);
    }
    let ran = Vm::new(machine).run(root, &all)?;
    let (page_size, results) = ran.results.split_first().context("the machine ran nothing")?;
    let number = page_size.output.split_whitespace().nth(1);
    let page_kib =
        number.and_then(|kib| kib.parse().ok()).with_context(|| format!("no size of a page in {page_size:?}"))?;
    let outcomes = drivers.iter().zip(results.chunks(results.len() / drivers.len().max(1)));
    let outcomes = outcomes.map(|(driver, results)| Ok((*driver, Outcome::read(results)?))).collect::<Result<_>>()?;
    Ok(Row { machine, kernel: ran.kernel, page_kib, boot: ran.boot, outcomes })
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
    let model = models::tiny(Tiny::Q4K)?;
    let native = Server::start(root, Driver::Native, Path::new(llama::ANY_PROCESSOR), &model, &log)?;
    Ok(native.tokens(&PROMPT, TOKENS)?.0)
}
