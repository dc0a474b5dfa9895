//! A run: the drivers in turns, and what comes of them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use hesper_rig::Driver;

use crate::bench::{self, Bench, Measured};
use crate::machine::Machine;
use crate::model::Model;
use crate::output::{Output, Row};
use crate::scheduler::{Recorder, Scheduler};
use crate::section::Section;
use crate::variant::Variant;

/// Everything that sections share.
pub struct Run {
    pub machine: Machine,
    pub output: Output,
    /// The folder for models.
    pub models: PathBuf,
    pub drivers: Vec<Driver>,
    /// Of this project's driver, beside the one that is measured, where that is among the drivers.
    pub variants: Vec<Variant>,
    /// Processes of each driver in each row; a table has their medians.
    pub processes: u32,
    /// Samples that a process takes of each row.
    pub repetitions: u32,
    /// Tokens of a prompt that each process computes first and nothing is told of; 0 for none.
    pub warm_up: u32,
    /// How long one process may take.
    pub limit: Duration,
    /// Records who waited for a processor, and why, if that is asked for.
    pub scheduler: Option<Scheduler>,
}

/// One process among those of a row.
#[derive(Clone, Debug)]
pub struct Turn {
    pub section: &'static str,
    pub driver: Driver,
    /// Which of the driver's variants, if any.
    pub variant: Option<Variant>,
    /// From 1.
    pub process: u32,
}

impl Turn {
    /// The row of this name.
    pub fn row(&self, name: impl Into<String>) -> Row {
        let variant = self.variant.as_ref().map(Variant::to_string);
        Row { section: self.section, name: name.into(), driver: self.driver, variant, process: self.process }
    }
}

impl Run {
    /// Has `one` run for each process of each driver and variant, these in turns, so that a machine that gets slower or faster meanwhile does so for all. What fails is
    /// written down under `name`, and that driver or variant left out from then on; so is what there is no time for.
    ///
    /// # Errors
    /// When the results, or a folder for what drivers keep, can't be written.
    pub fn turns(
        &mut self,
        section: &'static str,
        name: &str,
        mut one: impl FnMut(&mut Self, &Turn) -> Result<()>,
    ) -> Result<()> {
        let mut contenders = self.contenders();
        for process in 1..=self.processes {
            for (driver, variant) in contenders.clone() {
                self.machine.variant.clone_from(&variant);
                let cache = self.machine.cache(driver);
                std::fs::create_dir_all(&cache).with_context(|| format!("making {}", cache.display()))?;
                let turn = Turn { section, driver, variant, process };
                let outcome = if self.output.is_over() {
                    Err(anyhow::anyhow!("left out: the time is over"))
                } else {
                    one(self, &turn)
                };
                if let Err(e) = outcome {
                    self.output.failure(&turn.row(name), &format!("{e:#}"))?;
                    contenders.retain(|(driver, variant)| (*driver, variant) != (turn.driver, &turn.variant));
                }
            }
        }
        self.machine.variant = None;
        Ok(())
    }

    /// The drivers, and behind this project's its variants.
    fn contenders(&self) -> Vec<(Driver, Option<Variant>)> {
        let variants = |driver| self.variants.iter().filter(move |_| driver == Driver::Hesper).cloned().map(Some);
        let all = |driver| std::iter::once(None).chain(variants(driver)).map(move |variant| (driver, variant));
        self.drivers.iter().flat_map(|driver| all(*driver)).collect()
    }

    /// The model's file; made if it isn't there.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn model(&self, model: Model) -> Result<PathBuf> {
        let start = std::time::Instant::now();
        let path = model.ensure(&self.models)?;
        if start.elapsed() > Duration::from_millis(100) {
            self.output.say(&format!("{model} made in {:.1} s", start.elapsed().as_secs_f64()));
        }
        Ok(path)
    }

    /// How long a process that starts now may take.
    pub fn limit(&self) -> Duration {
        self.limit.min(self.output.left())
    }

    /// Runs llama-bench for a turn; `name` makes a row's name of a result's.
    ///
    /// # Errors
    /// As [`bench::run`].
    pub fn bench(
        &mut self,
        turn: &Turn,
        model: Model,
        arguments: &[String],
        environment: &[(&'static str, String)],
        name: impl Fn(&Measured) -> String,
    ) -> Result<()> {
        let bench = Bench {
            model: self.model(model)?,
            arguments: arguments.to_vec(),
            environment: environment.to_vec(),
            limit: self.limit(),
            watched: false,
        };
        let output = &mut self.output;
        let warm_up = format!("pp{}", self.warm_up);
        let mut recorded = Vec::new();
        let recorder = self.scheduler.as_ref().map(|s| &s.recorder);
        // A process that failed may have left something.
        recorder.map(Recorder::begin).transpose()?;
        bench::run(&self.machine, turn.driver, &bench, recorder, |measured| {
            if measured.name.split(' ').next() == Some(&warm_up) {
                return Ok(());
            }
            let row = turn.row(name(&measured));
            recorded.push((row.clone(), measured.spans, measured.tokens));
            output.value(&row, "tokens/s", &measured.speeds)?;
            let has_host = turn.driver.needs_host();
            let mut used = measured.used.per_thousand(measured.tokens, has_host);
            if turn.section == Section::Load.name() {
                used.extend(measured.used.waited_per_thousand(measured.tokens, has_host));
            }
            used.into_iter().try_for_each(|(unit, value)| output.value(&row, unit, &[value]))
        })?;
        // Not before: reading takes longer than llama-bench needs to go on. The results stand without these tables.
        if let Some(Err(e)) = self.scheduler.as_ref().map(|scheduler| scheduler.write(&recorded)) {
            self.output.say(&format!("no table of what was waited for: {e:#}"));
        }
        Ok(())
    }
}
