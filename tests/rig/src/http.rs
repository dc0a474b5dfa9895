//! Requests to a server of a model, by default one on this machine.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ureq::Agent;

/// A port of 127.0.0.1 that nobody listens on at this moment.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?.local_addr()?.port())
}

/// The status of a GET.
///
/// # Errors
/// When nobody answers.
pub fn get(port: u16, path: &str) -> Result<u16> {
    Ok(agent(Duration::from_secs(5)).get(url(port, path)).call()?.status().as_u16())
}

/// Posts JSON and hands the answer to `each` line by line as it comes; `silence` is how long the server may be silent.
///
/// # Errors
/// When nobody answers, the status isn't 200, or `each` fails.
pub fn post(port: u16, path: &str, json: &str, silence: Duration, each: impl FnMut(&str) -> Result<()>) -> Result<()> {
    post_to(&url(port, path), json, silence, each)
}

/// The same to a server anywhere, by its URL.
///
/// # Errors
/// As [`post`].
pub fn post_to(url: &str, json: &str, silence: Duration, mut each: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let request = agent(silence).post(url).content_type("application/json");
    let mut answer = request.send(json).with_context(|| format!("asking {url}"))?;
    let status = answer.status().as_u16();
    if status != 200 {
        let text = answer.body_mut().read_to_string().context("reading an error's text")?;
        bail!("{url}: HTTP status {status}: {}", text.trim());
    }
    for line in BufReader::new(answer.body_mut().as_reader()).lines() {
        each(line.context("reading the answer")?.as_str())?;
    }
    Ok(())
}

/// The URL of a path of a server on this machine.
pub fn url(port: u16, path: &str) -> String {
    format!("http://{}:{port}{path}", Ipv4Addr::LOCALHOST)
}

fn agent(silence: Duration) -> Agent {
    let config = Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(5)))
        .timeout_per_read(Some(silence))
        // An error's text is in the body.
        .http_status_as_error(false)
        // The server is on this machine or near it, whatever the environment says of proxies.
        .proxy(None);
    config.build().into()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::thread;

    use super::*;

    /// A server that answers one request with `answer`, waits for `before_end`, and goes away.
    fn server(answer: &'static str, before_end: Duration) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"{}") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            thread::sleep(before_end);
        });
        port
    }

    fn lines(answer: &'static str, before_end: Duration, silence: Duration) -> Result<Vec<String>> {
        let mut all = Vec::new();
        post(server(answer, before_end), "/", "{}", silence, |line| {
            all.push(line.to_owned());
            Ok(())
        })?;
        Ok(all)
    }

    const NOW: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn answers_come_by_lines() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab\nc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(lines(chunked, NOW, LONG).unwrap(), ["ab", "cd"]);
        let error = lines("HTTP/1.1 500 Oh\r\nContent-Length: 3\r\n\r\nno\n", NOW, LONG).unwrap_err();
        assert!(error.to_string().ends_with("/: HTTP status 500: no"), "{error}");
    }

    #[test]
    fn a_server_that_goes_away_or_says_nothing_is_an_error() {
        let half = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab";
        assert!(lines(half, NOW, LONG).is_err());
        assert!(lines("", NOW, LONG).is_err());
        let started = std::time::Instant::now();
        assert!(lines(half, Duration::from_secs(10), Duration::from_millis(50)).is_err());
        assert!(started.elapsed() < Duration::from_secs(5), "it was waited for after all");
        assert!(get(free_port().unwrap(), "/health").is_err());
    }
}
