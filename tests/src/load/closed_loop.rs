//! A closed loop: clients of a server with OpenAI's completions, each of which asks, reads the answer as it comes, and asks again at once.

use std::time::{Duration, Instant};

use hesper_rig::http;

use super::answer::ask;
use super::measured::Measured;

/// How long a client rests after an error, so that a server that is gone isn't asked a thousand times a second.
const REST: Duration = Duration::from_millis(100);

/// What a server is put under.
#[derive(Clone, Debug)]
pub struct Load {
    /// How many ask at a time.
    pub clients: u32,
    /// For how long new questions are asked; each client asks one at least.
    pub time: Duration,
    /// How long answers may be.
    pub tokens: u32,
    /// The model's name, for servers that have several.
    pub model: String,
}

impl Load {
    /// Puts the server at the URL `server` under it, such as `http://127.0.0.1:8080`.
    pub fn run(&self, server: &str) -> Measured {
        let url = format!("{}/v1/completions", server.trim_end_matches('/'));
        let start = Instant::now();
        let mut all = Measured::default();
        std::thread::scope(|s| {
            let url = url.as_str();
            let start_client = |client| s.spawn(move || self.client(url, client, start));
            for client in (0..self.clients).map(start_client).collect::<Vec<_>>() {
                match client.join() {
                    Ok(one) => all.add(one),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        all.took = start.elapsed();
        all
    }

    /// The same with a server on this machine.
    pub fn run_at(&self, port: u16) -> Measured {
        self.run(&http::url(port, ""))
    }

    fn client(&self, url: &str, client: u32, start: Instant) -> Measured {
        let mut measured = Measured::default();
        for question in 0.. {
            if question > 0 && start.elapsed() >= self.time {
                break;
            }
            match ask(url, &self.model, &prompt(client, question), self.tokens) {
                Ok(answer) => measured.take(&answer),
                Err(e) => {
                    measured.fail(format!("{e:#}"));
                    std::thread::sleep(REST);
                }
            }
        }
        measured
    }
}

/// A prompt whose first word is no other client's, so that servers find no beginning of it among what they have read: a dozen words, which are some 80 tokens to the rig's tiny models.
fn prompt(client: u32, question: u64) -> String {
    let words = (1..12).map(|i| (u64::from(client) * 31 + question * 7 + i * 17) % 250);
    let words = std::iter::once(u64::from(client)).chain(words);
    words.map(|w| format!("w{w}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn prompts_begin_differently() {
        let first = |client| prompt(client, 3).split(' ').next().map(str::to_owned);
        assert_ne!(first(1), first(2));
        assert_ne!(prompt(1, 3), prompt(1, 4));
    }

    /// Answers one question: two tokens with time between them, and breaks off every second time.
    fn answer(stream: TcpStream, whole: bool) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let line = line.trim().to_lowercase();
            if let Some(n) = line.strip_prefix("content-length: ") {
                length = n.parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let body: serde_json::Value = serde_json::from_slice(&body)?;
        assert_eq!((&body["stream"], &body["max_tokens"], &body["model"]), (&true.into(), &2.into(), &"m".into()));
        let mut stream = stream.into_inner();
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        stream.write_all(b"data: {\"choices\":[{\"text\":\" a\"}]}\n\n")?;
        std::thread::sleep(Duration::from_millis(20));
        if whole {
            stream.write_all(b"data: {\"choices\":[{\"text\":\" b\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"completion_tokens\":2}}\n\ndata: [DONE]\n\n")?;
        }
        Ok(())
    }

    #[test]
    fn what_a_server_does_is_counted() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for (i, stream) in listener.incoming().enumerate() {
                std::thread::spawn(move || answer(stream.unwrap(), i % 2 == 0));
            }
        });
        let load = Load { clients: 2, time: Duration::from_millis(500), tokens: 2, model: "m".into() };
        let measured = load.run_at(port);
        assert!(measured.answers > 2 && measured.failed > 1, "{measured:?}");
        assert_eq!(measured.tokens, 2 * measured.answers);
        assert!(measured.errors[0].contains("broke off"), "{measured:?}");
        let [first, between, tokens, _] = &measured.samples()[..] else { panic!("{measured:?}") };
        assert!(first.value < 20.0 && between.value >= 20.0 && tokens.value > 1.0, "{:?}", measured.samples());
        assert!(measured.took >= load.time && measured.took < Duration::from_secs(10));
    }

    #[test]
    fn nobody_there_is_an_error_each_time() {
        let load = Load { clients: 1, time: Duration::from_millis(250), tokens: 2, model: String::new() };
        let measured = load.run_at(http::free_port().unwrap());
        assert!(measured.answers == 0 && (1..5).contains(&measured.failed), "{measured:?}");
    }
}
