//! QEMU's monitor, by which a machine is stopped and let go on (QEMU's documentation, "QEMU Machine Protocol").

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// A connection to the monitor.
#[derive(Debug)]
pub struct Qmp {
    stream: BufReader<UnixStream>,
}

/// By when QEMU has answered, on a machine that is busy otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

impl Qmp {
    /// Connects to the socket at `path`, where QEMU listens.
    ///
    /// # Errors
    /// When nobody does, or what answers isn't QEMU.
    pub fn connect(path: &Path) -> Result<Self> {
        let stream = UnixStream::connect(path).with_context(|| format!("connecting to {}", path.display()))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut qmp = Self { stream: BufReader::new(stream) };
        let greeting = qmp.line()?;
        if greeting.get("QMP").is_none() {
            bail!("QEMU's monitor says {greeting}");
        }
        qmp.execute("qmp_capabilities")?;
        Ok(qmp)
    }

    /// Gives a command without arguments, such as `stop`, and waits for its answer.
    ///
    /// # Errors
    /// When QEMU refuses it or has ended.
    pub fn execute(&mut self, command: &str) -> Result<()> {
        writeln!(self.stream.get_mut(), "{}", json!({ "execute": command }))
            .with_context(|| format!("telling QEMU to {command}"))?;
        loop {
            let line = self.line()?;
            if line.get("return").is_some() {
                return Ok(());
            }
            if let Some(error) = line.get("error") {
                bail!("QEMU doesn't {command}: {error}");
            }
            // An event, which may come at any time.
        }
    }

    fn line(&mut self) -> Result<Value> {
        let mut text = String::new();
        self.stream.read_line(&mut text).context("reading from QEMU's monitor")?;
        serde_json::from_str(&text).with_context(|| format!("QEMU's monitor says {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A monitor that says these lines, the first one unasked and some for each command.
    fn monitor(name: &str, answers: &'static [&'static str]) -> Result<Qmp> {
        let path = std::env::temp_dir().join(format!("hesper-qmp-{name}-{}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut asked = BufReader::new(stream.try_clone().unwrap());
            let mut told = stream;
            for (i, answer) in answers.iter().enumerate() {
                if i > 0 && asked.read_line(&mut String::new()).unwrap_or_default() == 0 {
                    return;
                }
                writeln!(told, "{answer}").unwrap();
            }
        });
        let qmp = Qmp::connect(&path).and_then(|mut qmp| {
            qmp.execute("stop")?;
            Ok(qmp)
        });
        std::fs::remove_file(&path).unwrap();
        drop(server);
        qmp
    }

    #[test]
    fn answers_are_told_from_events() {
        let good = ["{\"QMP\":{}}", "{\"return\":{}}", "{\"event\":\"STOP\"}\n{\"return\":{}}"];
        monitor("good", Box::leak(Box::new(good))).unwrap();
        let refused = monitor("refused", &["{\"QMP\":{}}", "{\"return\":{}}", "{\"error\":{\"desc\":\"no\"}}"]);
        assert!(format!("{:#}", refused.unwrap_err()).contains("QEMU doesn't stop"));
        let other = monitor("other", &["{}"]);
        assert!(format!("{:#}", other.unwrap_err()).contains("QEMU's monitor says"));
        let gone = monitor("gone", &["{\"QMP\":{}}", "{\"return\":{}}"]);
        assert!(gone.is_err());
    }
}
