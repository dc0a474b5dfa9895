//! Settings, read from the environment once. docs/SETTINGS.md has the table for users; a test compares the two.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use hesper_winsys::contention::Mode;

use crate::base::environment::variable;

/// Where compiled pipelines are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PipelineCache {
    Off,
    /// Here, whatever the host does by itself.
    In(PathBuf),
    /// In this folder, for hosts that keep nothing by themselves; there may be no folder.
    WhereOfUse(Option<PathBuf>),
}

/// Which way to see that the GPU is done (`sync::wait`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Polling for a bounded time, then blocking.
    Poll,
    /// Blocking, after a glance.
    Block,
    /// Blocking after one question that doesn't stay at the host, where it would keep other threads' commands waiting: for threads of the driver's own, and for timelines.
    Aside,
    /// The same, asleep until shortly before the work is due: for work that other work stands behind, so that the device has something to go on with while threads wake up.
    Followed,
}

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Settings {
    pub winsys: hesper_winsys::Config,
    /// Whether somebody wants to know why there is no device: the program was pointed at this driver, or a setting names a device or asks for
    /// the log. Else the driver is only one of those that a loader tries at every start of every program.
    pub chosen: bool,
    /// How long a wait for the GPU may keep a core busy.
    pub spin: Duration,
    /// How long the host's thread looks for commands before it sleeps.
    pub idle: Option<Duration>,
    /// `wait-poll`, `wait-block`: how waits for the GPU proceed.
    pub strategy: Option<Strategy>,
    /// `relaxed-waits`, `hurried-waits`: whether the host waits for work that other work stands behind, and nobody polls, however short it is.
    pub relaxed_waits: Option<bool>,
    /// When other programs count as wanting the processors.
    pub contention: Mode,
    /// `feedback`, `no-feedback`: whether the GPU tells of work that has ended.
    pub feedback: Option<bool>,
    /// `sync`: wait for every command, so that errors show where they arise.
    pub sync: bool,
    /// Whether small uploads travel with the next submission.
    pub uploads: bool,
    /// `staging`, `no-staging`: whether what was put off is copied from memory rather than written by commands.
    pub staging: Option<bool>,
    /// Whether copies to images by the host's processor may go without being waited for.
    pub posted_copies: bool,
    /// Whether the host is told of the first place alone where replies lie one behind the other.
    pub reply_runs: bool,
    /// Whether parts of memory that follow each other go to the host as one.
    pub joined_parts: bool,
    /// Whether the driver looks at what came of submissions.
    pub outcomes: bool,
    /// `notify-always`: whether a sleeping thread of the host is called again while a call is on its way.
    pub notify_always: bool,
    /// `one-compiler`: whether the host compiles one pipeline after the other, each when it is named at the latest.
    pub one_compiler: bool,
    /// Whether the driver counts what descriptor pools have left.
    pub pool_counts: bool,
    /// `probe`, `no-probe`: whether devices are tried out for what the protocol doesn't tell.
    pub probe: Option<bool>,
    /// Whether window systems may be handed memory of the device (dma-bufs).
    pub dma_bufs: bool,
    /// Whether the host's processor may draw pictures of windows where the guest reads them.
    pub drawn_in_place: bool,
    /// The folder for what is kept from one start to the next; there may be none.
    pub cache: Option<PathBuf>,
    /// The folder for pipelines that the host has compiled.
    pub pipeline_cache: PipelineCache,
    /// Where to write a trace.
    pub trace: Option<PathBuf>,
}

/// The settings of this process.
pub fn get() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| read(&variable))
}

/// `HESPER_SPIN_US` in nanoseconds.
pub fn spin_limit() -> u64 {
    u64::try_from(get().spin.as_nanos()).unwrap_or(u64::MAX)
}

/// The settings that these variables ask for.
pub fn read(var: &dyn Fn(&str) -> Option<String>) -> Settings {
    let debug = var("HESPER_DEBUG").unwrap_or_default();
    let switch = |name: &str| debug.split(',').any(|s| s.trim() == name);
    let number = |name: &str| {
        let text = var(name)?;
        let parsed = text.trim().parse::<u64>().ok();
        if parsed.is_none() {
            crate::base::log::warn_!("{name}={text} is no number and is not used");
        }
        parsed
    };
    let socket = var("HESPER_VTEST_SOCKET").map(PathBuf::from);
    Settings {
        winsys: hesper_winsys::Config {
            vtest: switch("vtest") || socket.is_some(),
            vtest_socket: socket,
            render_node: var("HESPER_RENDER_NODE").map(PathBuf::from),
            blob_alignment: number("HESPER_BLOB_ALIGNMENT"),
        },
        chosen: chosen(var) || switch("vtest"),
        spin: Duration::from_micros(number("HESPER_SPIN_US").unwrap_or(2_000).min(1_000_000)),
        idle: number("HESPER_IDLE_US").map(|us| Duration::from_micros(us.min(1_000_000))),
        strategy: match () {
            () if switch("wait-poll") => Some(Strategy::Poll),
            () if switch("wait-block") => Some(Strategy::Block),
            () => None,
        },
        relaxed_waits: match () {
            () if switch("hurried-waits") => Some(false),
            () if switch("relaxed-waits") => Some(true),
            () => None,
        },
        contention: match () {
            () if switch("contention") => Mode::Always,
            () if switch("no-contention") => Mode::Never,
            () => Mode::Noticed,
        },
        feedback: match () {
            () if switch("no-feedback") => Some(false),
            () if switch("feedback") => Some(true),
            () => None,
        },
        sync: switch("sync"),
        uploads: !switch("no-uploads") && !switch("sync"),
        staging: match () {
            () if switch("no-staging") => Some(false),
            () if switch("staging") => Some(true),
            () => None,
        },
        posted_copies: !switch("no-posted-copies"),
        reply_runs: !switch("no-reply-runs"),
        joined_parts: !switch("no-joined-parts"),
        outcomes: !switch("no-outcomes"),
        notify_always: switch("notify-always"),
        one_compiler: switch("one-compiler"),
        pool_counts: !switch("no-pool-counts") && !switch("sync"),
        probe: match () {
            () if switch("no-probe") => Some(false),
            () if switch("probe") => Some(true),
            () => None,
        },
        dma_bufs: !switch("shm-windows"),
        drawn_in_place: !switch("copied-windows"),
        cache: cache(var),
        pipeline_cache: pipeline_cache(var),
        trace: var("HESPER_TRACE").map(PathBuf::from),
    }
}

/// Whether the loader's variables name this driver's manifest or library (Vulkan loader, "Loader Environment Variables"), or this driver's
/// own ask for something that can fail.
fn chosen(var: &dyn Fn(&str) -> Option<String>) -> bool {
    const LOADER: [&str; 4] =
        ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES", "VK_LOADER_DRIVERS_SELECT"];
    const OWN: [&str; 3] = ["HESPER_LOG", "HESPER_RENDER_NODE", "HESPER_VTEST_SOCKET"];
    let file = |path: &str| path.rsplit('/').next().is_some_and(|name| name.contains("hesper"));
    let named = |name| var(name).is_some_and(|list| list.split([':', ',']).any(file));
    LOADER.into_iter().any(named) || OWN.into_iter().any(|name| var(name).is_some())
}

/// This driver's part of the user's cache folder (XDG Base Directory Specification).
fn cache(var: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let absolute = |name: &str| var(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    cache.map(|c| c.join("hesper"))
}

/// The folder that was named, or the user's cache folder.
fn pipeline_cache(var: &dyn Fn(&str) -> Option<String>) -> PipelineCache {
    match var("HESPER_PIPELINE_CACHE").as_deref() {
        Some("off") => PipelineCache::Off,
        Some(folder) if !folder.is_empty() => PipelineCache::In(PathBuf::from(folder)),
        _ => PipelineCache::WhereOfUse(cache(var)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_set_and_nonsense_set() {
        let s = read(&|_| None);
        assert!(!s.winsys.vtest && s.spin == Duration::from_micros(2_000));
        let s = read(&|n| (n == "HESPER_SPIN_US").then(|| "soon".into()));
        assert_eq!(s.spin, Duration::from_micros(2_000));
    }

    #[test]
    fn how_long_the_host_stays_awake() {
        let with = |value: &str| read(&|n| (n == "HESPER_IDLE_US").then(|| value.to_owned())).idle;
        assert!(read(&|_| None).idle.is_none() && with("long").is_none());
        let [none, some, hours] = ["0", "1000", "99999999999"].map(|value| with(value).unwrap());
        assert!(none.is_zero() && some == Duration::from_millis(1) && hours <= Duration::from_secs(1));
    }

    #[test]
    fn whether_the_driver_was_chosen() {
        let with = |name: &str, value: &str| read(&|n| (n == name).then(|| value.to_owned())).chosen;
        assert!(!read(&|_| None).chosen);
        for name in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES"] {
            assert!(with(name, "/usr/share/vulkan/icd.d/lvp_icd.json:/a/hesper_icd.x86_64.json"), "{name}");
            assert!(!with(name, "/home/hesper/vulkan/lvp_icd.json"), "{name}");
        }
        assert!(with("VK_LOADER_DRIVERS_SELECT", "*lvp*,*hesper*") && !with("VK_LOADER_DRIVERS_SELECT", "*lvp*"));
        assert!(with("HESPER_LOG", "error") && with("HESPER_RENDER_NODE", "/dev/dri/renderD128"));
        assert!(with("HESPER_DEBUG", "sync,vtest") && !with("HESPER_DEBUG", "sync"));
    }

    #[test]
    fn folders_of_the_pipeline_cache() {
        let with = |set: &[(&str, &str)]| {
            let find = |n: &str| set.iter().find(|(name, _)| *name == n).map(|(_, v)| (*v).to_owned());
            read(&find).pipeline_cache
        };
        let default = |folder: &str| PipelineCache::WhereOfUse(Some(folder.into()));
        assert_eq!(with(&[]), PipelineCache::WhereOfUse(None));
        assert_eq!(with(&[("HOME", "/h")]), default("/h/.cache/hesper"));
        assert_eq!(with(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), default("/x/hesper"));
        assert_eq!(with(&[("HOME", "/h"), ("HESPER_PIPELINE_CACHE", "/p")]), PipelineCache::In("/p".into()));
        assert_eq!(with(&[("HOME", "/h"), ("HESPER_PIPELINE_CACHE", "off")]), PipelineCache::Off);
    }

    #[test]
    fn switches() {
        let s = read(&|n| (n == "HESPER_DEBUG").then(|| "sync, vtest".into()));
        assert!(s.winsys.vtest && s.sync);
    }

    /// The table names what the sources of the driver read, and nothing else.
    #[test]
    fn the_documented_settings_are_the_ones_read() {
        let names = |text: &str| -> std::collections::BTreeSet<String> {
            let words = text.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
            words.filter(|w| w.starts_with("HESPER_") && w.len() > 7).map(str::to_owned).collect()
        };
        let read = names(&[include_str!("settings.rs"), include_str!("log.rs")].concat());
        assert_eq!(names(include_str!("../../../docs/SETTINGS.md")), read);
    }
}
