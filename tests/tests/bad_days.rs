//! Bad days of windows: other sizes, windows that go, servers that stop or die in the middle of a call. Each command says what Vulkan has it say, nothing hangs,
//! and the host's own driver says the same on the same server, but for what stands here.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use hesper_rig::{Driver, Host, Renderer, Weston, Xvfb};
use hesper_tests::compositor::{Compositor, Manners};
use hesper_tests::{ends, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
const SCREEN: [u32; 2] = [340, 300];

/// How long a day may take.
const LIMIT: Duration = Duration::from_secs(40);
/// How long a call waits for a server until that dies.
const SOON: Duration = Duration::from_millis(300);
/// How long a program may take to come to the call that is to wait for a stopped server; it waits in another one, then.
const STUCK: Duration = Duration::from_secs(8);

/// A display server.
enum Server {
    X11(Xvfb),
    Compositor(Compositor),
    Weston(Weston),
}

/// Which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    X11,
    /// The tests' own.
    Compositor,
    Weston,
}

impl Server {
    fn start(kind: Kind) -> Self {
        match kind {
            Kind::X11 => Self::X11(Xvfb::start(SCREEN, &[]).unwrap()),
            Kind::Compositor => Self::Compositor(Compositor::start(Manners::default())),
            Kind::Weston => Self::Weston(Weston::start(Renderer::Pixman, SCREEN).unwrap()),
        }
    }

    /// Has a program show its windows there; what the window system is called.
    fn shows(&self, command: &mut Command) -> &'static str {
        match self {
            Self::X11(x) => {
                command.env("DISPLAY", x.display());
                "xcb"
            }
            Self::Compositor(c) => {
                command.env("WAYLAND_DISPLAY", c.display());
                "wayland"
            }
            Self::Weston(w) => {
                command.env("WAYLAND_DISPLAY", w.display());
                "wayland"
            }
        }
    }

    fn stop(&self) {
        match self {
            Self::X11(x) => x.stop(),
            Self::Compositor(c) => c.stop(),
            Self::Weston(w) => w.stop(),
        }
    }

    fn go_on(&self) {
        match self {
            Self::X11(x) => x.go_on(),
            Self::Compositor(c) => c.go_on(),
            Self::Weston(w) => w.go_on(),
        }
    }

    fn kill(&mut self) {
        match self {
            Self::X11(x) => x.kill(),
            Self::Compositor(c) => c.kill(),
            Self::Weston(w) => w.kill(),
        }
    }
}

/// What a program printed on a day, and how it ended if not well.
fn day(driver: Driver, host: Option<&Host>, kind: Kind, day: &str, mode: &str) -> Vec<String> {
    let mut server = Server::start(kind);
    let mut command = root().client(driver, host, CLIENT).unwrap();
    let system = server.shows(&mut command);
    if mode == "mailbox" {
        // The others are drawn where the guest reads them.
        command.env("HESPER_DEBUG", "vtest,copied-windows");
    }
    command.args(["bad-day", system, day, mode]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let said = hear(&mut child);
    let lines = attend(&mut child, &said, &mut server);
    // One that is stopped would not end.
    server.go_on();
    lines
}

/// What a program prints, by lines.
fn hear(child: &mut Child) -> Receiver<String> {
    let (send, receive) = channel();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    receive
}

/// What is to happen to the server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    GoesOn,
    Dies,
}

/// Does what the program demands until it ends.
fn attend(child: &mut Child, said: &Receiver<String>, server: &mut Server) -> Vec<String> {
    let (start, mut lines, mut fate) = (Instant::now(), Vec::new(), None);
    loop {
        let end = fate.map_or(start + LIMIT, |(at, _)| at);
        match said.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let Some(demand) = line.strip_prefix('!') else {
                    lines.push(line);
                    continue;
                };
                let now = Instant::now();
                match demand {
                    "kill" => server.kill(),
                    "kill soon" => fate = Some((now + SOON, Fate::Dies)),
                    "stop" => {
                        server.stop();
                        fate = Some((now + STUCK, Fate::Dies));
                    }
                    "stop for 3 s" => {
                        server.stop();
                        fate = Some((now + Duration::from_secs(3), Fate::GoesOn));
                    }
                    other => panic!("the client demands {other:?}"),
                }
                // One that has ended is found below.
                let _ = child.stdin.as_mut().unwrap().write_all(b"\n");
            }
            Err(RecvTimeoutError::Timeout) => match fate.take() {
                Some((_, Fate::GoesOn)) => server.go_on(),
                Some((_, Fate::Dies)) => server.kill(),
                None => {
                    lines.push("hangs".into());
                    child.kill().unwrap();
                    child.wait().unwrap();
                    return lines;
                }
            },
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = ends(child, Duration::from_secs(10)).expect("the client has closed its output, and doesn't end");
    if !status.success() {
        let mut why = String::new();
        child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
        let why = why.lines().find_map(|l| l.strip_prefix("FAILED ")).unwrap_or_default();
        lines.push(format!("{status} {why}").trim().to_owned());
    }
    lines
}

/// The window's days, on which the server goes on, and the server's.
const DAYS: [&str; 12] = [
    "resized",
    "minimised",
    "destroyed",
    "destroyed-acquired",
    "destroyed-presenting",
    "stopped",
    "killed-acquired",
    "killed-acquiring",
    "killed-holding",
    "killed-waiting",
    "killed-waiting-ahead",
    "killed-presenting",
];
const MODES: [&str; 3] = ["fifo", "mailbox", "immediate"];

/// What is to be heard on a day. Windows of Wayland have the size that the program gives them, and end unseen: their wl_surface stays.
fn expected(kind: Kind, day: &str) -> &'static [&'static str] {
    match (day, kind) {
        ("destroyed-presenting", Kind::X11) => &[
            "on its way SUCCESS",
            "on its way SUCCESS",
            "end ERROR_SURFACE_LOST_KHR",
            "capabilities ERROR_SURFACE_LOST_KHR",
        ],
        ("destroyed-presenting", _) => &["on its way SUCCESS", "on its way SUCCESS", "unseen SUCCESS"],
        ("resized", Kind::X11) => &[
            "resized SUBOPTIMAL_KHR",
            "held SUBOPTIMAL_KHR",
            "the held one SUBOPTIMAL_KHR",
            "another of the old ERROR_OUT_OF_DATE_KHR",
            "new SUCCESS",
            "after the old one's end SUCCESS",
            "tiny SUBOPTIMAL_KHR",
            "new and tiny SUCCESS",
        ],
        ("resized", _) => &[
            "resized SUCCESS",
            "held SUCCESS",
            "the held one SUCCESS",
            "another of the old ERROR_OUT_OF_DATE_KHR",
            "new SUCCESS",
            "after the old one's end SUCCESS",
            "tiny SUCCESS",
            "new and tiny SUCCESS",
        ],
        ("minimised", _) => &["minimised SUCCESS", "restored SUCCESS"],
        ("destroyed" | "destroyed-acquired", Kind::Compositor | Kind::Weston) => &["unseen SUCCESS"],
        ("stopped", _) => &["calls come back in time", "afterwards SUCCESS"],
        _ => &["end ERROR_SURFACE_LOST_KHR", "capabilities ERROR_SURFACE_LOST_KHR"],
    }
}

/// What the host's own driver says.
enum Native {
    /// The same.
    Same,
    /// Something else.
    Other(&'static [&'static str]),
    /// Nothing: it hangs.
    Hangs,
}

/// What the host's own driver, lavapipe 26.1, says on a day.
fn natively(kind: Kind, day: &str, mode: &str) -> Native {
    match (day, kind, mode) {
        // Where one would do that says that the window is another one, but can still be drawn to, it says that it can't.
        ("resized", Kind::X11, _) => Native::Other(&[
            "resized ERROR_OUT_OF_DATE_KHR",
            "held ERROR_OUT_OF_DATE_KHR",
            "another of the old ERROR_OUT_OF_DATE_KHR",
            "new SUCCESS",
            "after the old one's end SUCCESS",
            "tiny ERROR_OUT_OF_DATE_KHR",
            "new and tiny SUCCESS",
        ]),
        // Vulkan lets a program show an image that it had acquired before the swapchain was retired, and a driver refuse it.
        ("resized", _, _) => Native::Other(&[
            "resized SUCCESS",
            "held SUCCESS",
            "the held one ERROR_OUT_OF_DATE_KHR",
            "another of the old ERROR_OUT_OF_DATE_KHR",
            "new SUCCESS",
            "after the old one's end SUCCESS",
            "tiny SUCCESS",
            "new and tiny SUCCESS",
        ]),
        // Vulkan forbids such a wait, and nobody looks at the server meanwhile; in FIFO somebody does mostly.
        ("killed-holding", Kind::X11, _) => Native::Hangs,
        ("killed-waiting" | "killed-waiting-ahead", _, _) => Native::Other(&["left out: presents can't be waited for"]),
        // In FIFO it waits for the compositor to ask for the next picture, however long that takes, and no compositor asks for pictures of a window that has ended or was unmapped.
        ("destroyed" | "destroyed-acquired" | "destroyed-presenting" | "minimised", Kind::Weston, "fifo") => {
            Native::Hangs
        }
        ("stopped", Kind::Compositor | Kind::Weston, "fifo") => {
            Native::Other(&["calls come back late", "afterwards SUCCESS"])
        }
        // A new swapchain would fail then, and the surface doesn't tell.
        (day, Kind::Compositor | Kind::Weston, _) if day.starts_with("killed") => {
            Native::Other(&["end ERROR_OUT_OF_DATE_KHR", "capabilities SUCCESS"])
        }
        _ => Native::Same,
    }
}

/// A day on this driver and on the host's own; what is wrong about it.
fn spend(host: &Host, kind: Kind, name: &str, mode: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |driver, host, expected: &[&str]| {
        let seen = day(driver, host, kind, name, mode);
        let line = format!("{name} {mode} on {driver}: {}", seen.join(", "));
        println!("{kind:?} {line}");
        if seen != expected {
            wrong.push(line);
        }
    };
    let expected = expected(kind, name);
    check(Driver::Hesper, Some(host), expected);
    match natively(kind, name, mode) {
        // It shows pictures at once only where the compositor knows of such (tearing-control).
        _ if (kind, mode) == (Kind::Compositor, "immediate") => {
            check(Driver::Native, None, &["left out: there is no IMMEDIATE"]);
        }
        Native::Same => check(Driver::Native, None, expected),
        Native::Other(other) => check(Driver::Native, None, other),
        Native::Hangs => {}
    }
    wrong
}

/// Every day, in all modes at once: mostly servers are waited for.
fn days(kind: Kind) {
    let host = Host::start(&root()).unwrap();
    let mut wrong = Vec::new();
    for name in DAYS {
        std::thread::scope(|s| {
            let host = &host;
            let all = MODES.map(|mode| s.spawn(move || spend(host, kind, name, mode)));
            wrong.extend(all.into_iter().flat_map(|t| t.join().unwrap()));
        });
    }
    assert!(wrong.is_empty(), "{kind:?}:\n{}", wrong.join("\n"));
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

#[test]
fn bad_days_on_an_x_server() {
    days(Kind::X11);
}

#[test]
fn bad_days_on_a_compositor() {
    days(Kind::Compositor);
}

#[test]
fn bad_days_on_weston() {
    days(Kind::Weston);
}
