//! Mixes: how often each kind of wish comes.

use proptest::prelude::any;
use proptest::strategy::{BoxedStrategy, Strategy, Union};

/// How often each kind of wish comes: the names of `Op` and `Cmd` with weights; those not named have the weight 1.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    pub name: &'static str,
    pub ops: &'static [(&'static str, u32)],
    pub cmds: &'static [(&'static str, u32)],
    /// Whether lists of wishes are drawn for threads, which hold no further threads.
    pub threads: bool,
    /// Kinds that don't come at all.
    pub without: &'static [String],
}

/// All mixes; each program is of one of them, in turn.
pub const MIXES: &[Mix] = &[
    Mix {
        name: "all",
        ops: &[("Upload", 6), ("Record", 8), ("Submit", 8), ("SubmitBlocked", 2), ("ReadBack", 2), ("HostWrite", 2)],
        cmds: &[("Copy", 4), ("Dispatch", 4), ("Update", 2), ("Fill", 2)],
        threads: true,
        without: &[],
    },
    Mix {
        name: "uploads",
        ops: &[
            ("Upload", 30),
            ("Burst", 14),
            ("Series", 8),
            ("SubmitBlocked", 5),
            ("Map", 4),
            ("Unmap", 4),
            ("DestroyBuffer", 4),
            ("Renew", 2),
            ("ReadBack", 4),
            ("Submit", 4),
            ("Record", 3),
            ("SetEvent", 3),
            ("MapRace", 1),
            ("HostRead", 3),
        ],
        cmds: &[
            ("Copy", 8),
            ("Draws", 0),
            ("Pass", 0),
            ("ImageToBuffer", 0),
            ("BufferToImage", 0),
            ("ClearImage", 0),
            ("CopyImage", 0),
            ("BlitImage", 0),
            ("ResolveImage", 0),
        ],
        threads: true,
        without: &[],
    },
    Mix {
        name: "pipelines",
        ops: &[
            ("MakePipelines", 12),
            ("DestroyPipeline", 6),
            ("FreeSets", 4),
            ("ResetSets", 3),
            ("Record", 12),
            ("Submit", 6),
            ("Upload", 2),
        ],
        cmds: &[("Dispatch", 20)],
        threads: true,
        without: &[],
    },
    Mix {
        name: "queries",
        ops: &[
            ("Results", 14),
            ("ResetQueries", 6),
            ("Record", 12),
            ("Submit", 12),
            ("DestroyQueries", 2),
            ("Recount", 6),
        ],
        cmds: &[("Count", 10), ("Timestamp", 10), ("Pass", 8), ("ResetQueries", 8), ("CopyResults", 8)],
        threads: false,
        without: &[],
    },
    Mix {
        name: "draws",
        ops: &[("Record", 12), ("Submit", 10), ("ReadBack", 3), ("DestroyImage", 1), ("Upload", 2)],
        cmds: &[("Draws", 16), ("ImageToBuffer", 8), ("BufferToImage", 4), ("ClearImage", 3)],
        threads: false,
        without: &[],
    },
    Mix {
        name: "images",
        ops: &[
            ("CreateImage", 10),
            ("Record", 14),
            ("Submit", 12),
            ("ReadImage", 5),
            ("ReadRows", 3),
            ("HostWrite", 2),
        ],
        cmds: &[
            ("ClearImage", 5),
            ("ImageToBuffer", 8),
            ("BufferToImage", 8),
            ("CopyImage", 10),
            ("BlitImage", 8),
            ("ResolveImage", 4),
            ("Pass", 2),
        ],
        threads: true,
        without: &[],
    },
    Mix {
        name: "passes",
        ops: &[("CreateImage", 6), ("Record", 14), ("Submit", 12), ("ReadImage", 4), ("Results", 3)],
        cmds: &[("Pass", 24), ("ResolveImage", 2), ("CopyImage", 2), ("ClearImage", 2)],
        threads: false,
        without: &[],
    },
    Mix {
        name: "host copies",
        ops: &[
            ("CreateImage", 30),
            ("CopyToImage", 14),
            ("CopyFromImage", 14),
            ("CopyImages", 8),
            ("CarryImage", 6),
            ("TransitionImage", 3),
            ("ReadRows", 4),
            ("ReadImage", 4),
            ("Record", 8),
            ("Submit", 8),
            ("Upload", 3),
        ],
        cmds: &[("BufferToImage", 6), ("CopyImage", 6), ("ClearImage", 4), ("Pass", 2)],
        threads: false,
        without: &[],
    },
    Mix {
        name: "sync",
        ops: &[
            ("SubmitBlocked", 10),
            ("Submit", 16),
            ("Record", 10),
            ("SetEvent", 6),
            ("HostSignal", 8),
            ("HostWait", 4),
            ("FenceStatus", 4),
            ("WaitFences", 6),
            ("Upload", 6),
            ("Counter", 3),
        ],
        cmds: &[("SetEvent", 4), ("WaitEvent", 4), ("ResetEvent", 3), ("Barrier", 3), ("Copy", 4)],
        threads: true,
        without: &[],
    },
    Mix {
        name: "threads",
        ops: &[("Parallel", 12), ("MapRace", 6), ("Upload", 6), ("Record", 6), ("Submit", 6), ("Map", 3), ("Unmap", 3)],
        cmds: &[("Copy", 6), ("Dispatch", 3)],
        threads: true,
        without: &[],
    },
];

impl Mix {
    /// The mix of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        MIXES.iter().find(|m| m.name == name)
    }

    /// How often a kind of `list` comes.
    pub fn weight(&self, list: &[(&str, u32)], kind: &str) -> u32 {
        if self.without.iter().any(|w| w == kind) {
            return 0;
        }
        list.iter().find(|(k, _)| *k == kind).map_or(1, |(_, w)| *w)
    }
}

/// What a wish's numbers and lists are drawn from.
pub trait Drawn: Sized {
    fn drawn(mix: &Mix) -> BoxedStrategy<Self>;
}

impl Drawn for u8 {
    fn drawn(_: &Mix) -> BoxedStrategy<Self> {
        any::<Self>().boxed()
    }
}

impl Drawn for u16 {
    /// Small ones are as frequent as large ones, so that places meet.
    fn drawn(_: &Mix) -> BoxedStrategy<Self> {
        Union::new([(0..64u16).boxed(), (0..512u16).boxed(), any::<Self>().boxed()]).boxed()
    }
}

impl Drawn for bool {
    fn drawn(_: &Mix) -> BoxedStrategy<Self> {
        any::<Self>().boxed()
    }
}
