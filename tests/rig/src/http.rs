//! As much HTTP/1.1 as a local llama-server needs: one request a connection, answers read line by line.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

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
    let (status, _) = request(port, "GET", path, "", Duration::from_secs(5))?;
    Ok(status)
}

/// Posts JSON and hands the answer to `each` line by line as it comes; `silence` is how long the server may be silent.
///
/// # Errors
/// When nobody answers, the status isn't 200, or `each` fails.
pub fn post(
    port: u16,
    path: &str,
    json: &str,
    silence: Duration,
    mut each: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    let (status, mut body) = request(port, "POST", path, json, silence)?;
    if status != 200 {
        let mut text = String::new();
        body.read_to_string(&mut text).context("reading an error's text")?;
        bail!("{path}: HTTP status {status}: {}", text.trim());
    }
    for line in body.lines() {
        each(line.context("reading the answer")?.as_str())?;
    }
    Ok(())
}

fn request(port: u16, method: &str, path: &str, body: &str, silence: Duration) -> Result<(u16, Box<dyn BufRead>)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream =
        TcpStream::connect_timeout(&address, Duration::from_secs(5)).context("connecting to the server")?;
    stream.set_read_timeout(Some(silence))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    answer(BufReader::new(stream))
}

/// Reads the head of an answer; returns its status and the body.
fn answer(mut from: impl BufRead + 'static) -> Result<(u16, Box<dyn BufRead>)> {
    let mut line = String::new();
    from.read_line(&mut line).context("reading the server's answer")?;
    let status =
        line.split(' ').nth(1).and_then(|w| w.parse().ok()).with_context(|| format!("no HTTP answer: {line:?}"))?;
    let (mut chunked, mut length) = (false, None);
    loop {
        line.clear();
        from.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
            "content-length" => length = value.trim().parse().ok(),
            _ => {}
        }
    }
    let body: Box<dyn BufRead> = match length {
        _ if chunked => Box::new(BufReader::new(Chunks { from, left: 0, ended: false })),
        Some(length) => Box::new(from.take(length)),
        None => Box::new(from),
    };
    Ok((status, body))
}

/// A chunked body (RFC 9112, section 7.1).
struct Chunks<R> {
    from: R,
    left: u64,
    ended: bool,
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.left == 0 && !self.ended {
            let mut line = String::new();
            if self.from.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let size = line.trim().split(';').next().unwrap_or_default();
            if size.is_empty() {
                continue; // the line end after a chunk
            }
            self.left = u64::from_str_radix(size, 16).map_err(std::io::Error::other)?;
            self.ended = self.left == 0;
        }
        let n = (&mut self.from).take(self.left).read(buffer)?;
        if n == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Result<(u16, String)> {
        let (status, mut body) = answer(text.as_bytes())?;
        let mut all = String::new();
        body.read_to_string(&mut all)?;
        Ok((status, all))
    }

    #[test]
    fn bodies() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab\nc\r\na\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(read(chunked).unwrap(), (200, "ab\nc0123456789".into()));
        assert_eq!(read("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nnoX").unwrap(), (404, "no".into()));
        assert_eq!(read("HTTP/1.0 200 OK\r\n\r\nall of it").unwrap(), (200, "all of it".into()));
    }

    #[test]
    fn a_server_that_goes_away_is_an_error() {
        assert!(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab").is_err());
        assert!(read("").is_err());
    }
}
