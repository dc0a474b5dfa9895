//! llama-server on a host that stands still for a while, on a machine that does, and under clocks that jump: it says what it says undisturbed.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use hesper_rig::llama::{self, Server};
use hesper_rig::models::{self, Weights};
use hesper_rig::{Clocks, Driver, Host, Root, target_folder};

const PROMPT: [u32; 12] = [1, 300, 7, 301, 42, 400, 9, 17, 350, 260, 511, 33];
/// Tokens of an answer: some seconds of work, within the server's context.
const TOKENS: u32 = 300;
/// How often it is asked for an answer that lasts long enough to be disturbed.
const ATTEMPTS: u32 = 5;

/// A server, and what it says undisturbed.
pub struct Disturbed {
    server: Server,
    clocks: Clocks,
    tokens: Vec<u64>,
    /// How long an answer took lately, at the most.
    took: Cell<Duration>,
}

impl Disturbed {
    /// Starts a server on a host of its own, with more environment variables.
    ///
    /// # Errors
    /// When it doesn't start, or doesn't say the same twice.
    pub fn start(root: &Root, name: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let clocks = Clocks::new()?;
        let logs = target_folder()?.join("llama-logs");
        std::fs::create_dir_all(&logs)?;
        let (program, model, log) =
            (llama::server()?, models::tiny(Weights::Q4K)?, logs.join(format!("disturbed-{name}.log")));
        let environment = [&clocks.environment()[..], environment].concat();
        let host = Some(Host::start(root)?);
        let server = Server::start_on(root, Driver::Hesper, host, &program, &model, &log, &environment)?;
        let first = server.tokens(&PROMPT, TOKENS)?.0;
        let start = Instant::now();
        let tokens = server.tokens(&PROMPT, TOKENS)?.0;
        let took = start.elapsed();
        println!("{name}: {TOKENS} tokens in {took:?}");
        ensure!(tokens.len() == TOKENS as usize && tokens == first, "the server doesn't say the same twice");
        Ok(Self { server, clocks, tokens, took: Cell::new(took) })
    }

    /// Has the server answer once more, and disturbs it in the middle; it must say the same.
    ///
    /// # Errors
    /// When it doesn't, or was done before each time.
    pub fn through(&self, disturb: impl Fn(&Self) -> Result<()>) -> Result<()> {
        // A machine on which others work may be several times faster than a moment ago.
        for _ in 0..ATTEMPTS {
            let (server, third) = (&self.server, self.took.get() / 3);
            let disturbed = std::thread::scope(|s| {
                let answer = s.spawn(|| server.tokens(&PROMPT, TOKENS));
                std::thread::sleep(third);
                let in_time = !answer.is_finished();
                if in_time {
                    disturb(self)?;
                }
                let (tokens, _) = answer.join().map_err(|_| anyhow!("asking panicked"))??;
                ensure!(tokens == self.tokens, "the server says something else");
                Ok(in_time)
            })?;
            if disturbed {
                return Ok(());
            }
            self.took.set(third);
        }
        bail!("the answer was there too soon, {ATTEMPTS} times")
    }

    /// The host stands still.
    ///
    /// # Errors
    /// As [`Self::through`].
    pub fn with_a_host_that_stops(&self, time: Duration) -> Result<()> {
        self.through(|d| {
            d.host()?.stop()?;
            std::thread::sleep(time);
            d.host()?.go_on()
        })
        .with_context(|| format!("the host is stopped for {time:?}"))
    }

    /// Both stand still, and go on one after the other in the order in which they stopped.
    ///
    /// # Errors
    /// As [`Self::through`].
    pub fn with_a_pair_that_stops(&self, host_first: bool, time: Duration) -> Result<()> {
        const BETWEEN: Duration = Duration::from_millis(1500);
        self.through(|d| {
            let (host, server) = (d.host()?, &d.server);
            if host_first {
                host.stop()?;
                std::thread::sleep(BETWEEN);
                server.stop()?;
                std::thread::sleep(time);
                host.go_on()?;
                std::thread::sleep(BETWEEN);
                return server.go_on();
            }
            server.stop()?;
            std::thread::sleep(BETWEEN);
            host.stop()?;
            std::thread::sleep(time);
            server.go_on()?;
            std::thread::sleep(BETWEEN);
            host.go_on()
        })
        .with_context(|| format!("host and program are stopped, the host first: {host_first}"))
    }

    /// The program's clocks jump by seconds: the time of day, and the time since the start.
    ///
    /// # Errors
    /// As [`Self::through`].
    pub fn with_clocks_that_jump(&self, of_day: i64, since_start: i64) -> Result<()> {
        self.through(|d| d.clocks.set(of_day, since_start))
            .with_context(|| format!("the clocks are {of_day} s and {since_start} s off"))
    }

    /// What the server's log must not have.
    ///
    /// # Errors
    /// When a line says that the host is lost.
    pub fn end(self) -> Result<()> {
        let log = self.server.log();
        let lost = log.lines().find(|l| l.contains("the host is lost") || l.contains("DeviceLost"));
        lost.map_or(Ok(()), |line| Err(anyhow!("{line}")))
    }

    fn host(&self) -> Result<&Host> {
        self.server.host.as_ref().context("no host")
    }
}
