//! llama-servers in a guest, one on each driver, all at the same time.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use hesper_rig::models::{self, Weights};
use hesper_rig::{Driver, GuestResult, llama};

/// How many tokens llama.cpp goes on for, greedily, after [`PROMPT`].
pub const TOKENS: u32 = 24;
/// For how many its speed is measured.
pub const MEASURED_TOKENS: u32 = 120;
/// How often in a turn: what makes a machine slower or faster for seconds hits all drivers alike where they take turns that are short.
pub const ANSWERS: u32 = 4;
/// Any tokens will do: the model's weights are random.
pub const PROMPT: [u32; 6] = [1, 300, 7, 301, 42, 400];

/// The files in which llama.cpp's log and answer come back.
pub const LOG: &str = "llama.log";
pub const ANSWER: &str = "answer.json";

/// By when an answer has come from a server that has given one.
const PATIENCE: Duration = Duration::from_secs(60);

/// What llama.cpp said.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The tokens.
    pub tokens: Vec<u64>,
    /// How many of them it wrote a second.
    pub speed: f64,
}

/// What a server does that nobody asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Idle {
    /// How often its threads woke up, a second.
    pub wake_ups: f64,
    /// Of a processor, in percent.
    pub percent: f64,
}

/// A server, of which a guest can have several.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// Where it listens; it is also what the file with its process's number is named for.
    pub port: u16,
}

impl Server {
    /// The one that is started on a driver.
    pub fn on(driver: Driver) -> Self {
        let port = match driver {
            Driver::Native => 8080,
            Driver::Mesa => 8081,
            Driver::Hesper => 8082,
        };
        Self { port }
    }

    /// The number of its process, in a shell.
    pub fn pid(self) -> String {
        format!("$(cat /run/llama-{}.pid)", self.port)
    }

    /// Starts it with the tiny model, and asks it once. It stays.
    ///
    /// # Errors
    /// When the model can't be made.
    pub fn start(self) -> Result<String> {
        let model = models::tiny(Weights::Q4K)?;
        let port = self.port;
        Ok(format!(
            "{} {} {} --port {port} --model {} >{LOG} 2>&1 &
             echo $! >/run/llama-{port}.pid
             until busybox wget -q -O /dev/null http://127.0.0.1:{port}/health 2>/dev/null; do kill -0 $! || {{ cat {LOG}; exit 1; }}; sleep 0.2; done
             {}",
            environment(),
            // The emulated processor isn't the machine's.
            llama::ANY_PROCESSOR,
            llama::ARGUMENTS.join(" "),
            model.display(),
            self.ask(TOKENS),
        ))
    }

    /// Asks it, when it has been started, to go on for so many tokens after [`PROMPT`].
    pub fn ask(self, tokens: u32) -> String {
        let request = format!(
            r#"{{"prompt":{PROMPT:?},"n_predict":{tokens},"temperature":0,"seed":1,"cache_prompt":false,"return_tokens":true,"ignore_eos":true}}"#
        );
        format!(
            "kill -0 {} || exit 1
             timeout {} busybox wget -q -O {ANSWER} --header 'Content-Type: application/json' --post-data '{request}' http://127.0.0.1:{}/completion",
            self.pid(),
            PATIENCE.as_secs(),
            self.port,
        )
    }
}

/// What llama.cpp needs to know, for a shell.
pub fn environment() -> String {
    llama::ENVIRONMENT.map(|(name, value)| format!("{name}={value}")).join(" ")
}

/// Leaves the servers alone for `length`, and says how often their threads woke up and for how long they ran (proc_pid_status(5) and
/// `Documentation/scheduler/sched-stats.rst` of the kernel).
pub fn idle(drivers: &[Driver], length: Duration) -> String {
    let mut script = String::from(
        "woken() { cat /proc/$1/task/*/status | busybox awk '/^voluntary_ctxt_switches/ { n += $2 } END { print n }'; }
         ran() { cat /proc/$1/task/*/schedstat | busybox awk '{ n += $1 } END { printf \"%.0f\\n\", n }'; }\n",
    );
    // Writing to a String can't fail.
    for driver in drivers {
        let _ = writeln!(script, "pid_{driver}={}", Server::on(*driver).pid());
        let _ = writeln!(script, "woken_{driver}=$(woken $pid_{driver}); ran_{driver}=$(ran $pid_{driver})");
    }
    let seconds = length.as_secs();
    let _ = writeln!(script, "sleep {seconds}");
    for driver in drivers {
        let _ = writeln!(
            script,
            "echo {driver} {seconds} $(($(woken $pid_{driver}) - woken_{driver})) $(($(ran $pid_{driver}) - ran_{driver}))"
        );
    }
    script
}

/// Reads what a server said; its log, where there is one, must have all layers on the device.
///
/// # Errors
/// When it said nothing.
pub fn answer(result: &GuestResult) -> Result<Answer> {
    result.good()?;
    let file = |name: &str| result.files.get(name).map(|bytes| String::from_utf8_lossy(bytes));
    if let Some(log) = file(LOG) {
        llama::device_in(&log)?;
    }
    let answer = file(ANSWER).with_context(|| format!("{} left no {ANSWER}", result.name))?;
    let answer: serde_json::Value = serde_json::from_str(&answer).context("reading llama.cpp's answer")?;
    let tokens = answer["tokens"].as_array().with_context(|| format!("no tokens in {answer}"))?;
    let speed = answer["timings"]["predicted_per_second"].as_f64().with_context(|| format!("no speed in {answer}"))?;
    Ok(Answer { tokens: tokens.iter().filter_map(serde_json::Value::as_u64).collect(), speed })
}

/// Reads what the job [`idle`] said of a driver's server.
///
/// # Errors
/// When it said nothing, or the server was gone.
pub fn idleness(result: &GuestResult, driver: Driver) -> Result<Idle> {
    let text = result.good()?;
    let line = text.lines().find_map(|l| l.strip_prefix(driver.name())?.strip_prefix(' '));
    let numbers: Option<Vec<f64>> = line.and_then(|l| l.split_whitespace().map(|n| n.parse().ok()).collect());
    let Some([seconds, woken, nanoseconds]) = numbers.as_deref() else {
        anyhow::bail!("nothing is said of {driver}:\n{text}")
    };
    Ok(Idle { wake_ups: woken / seconds, percent: nanoseconds / 1e9 / seconds * 100.0 })
}
