//! The CDI spec in podman's hands, in containers with namespaces and rules for devices of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hesper_rig::package_tools::check_cdi_spec;
use hesper_rig::podman::{Podman, User};
use hesper_rig::vulkaninfo::{self, VULKANINFO};
use hesper_rig::{DriverBuild, Host, Libraries, Nodes, Root, SmallTree, build_driver, lent_llama, llama};
use hesper_tests::program_copy::copy_program;
use hesper_tests::{both, good, quick, root};
use serde_json::Value;

const IMAGE: &str = "localhost/base";
const NODES: [&str; 2] = ["/dev/dri/renderD128", "/dev/dri/renderD129"];

/// A machine with two render nodes, and the driver installed for containers with glibc and under another prefix for those with musl, each with its spec.
struct Machine {
    podman: Podman,
    build: DriverBuild,
    host: Host,
}

impl Machine {
    /// `user` gets an image with vulkaninfo.
    fn new(user: User) -> Self {
        let root = root();
        let machine =
            Self { podman: Podman::new().unwrap(), build: build_driver().unwrap(), host: Host::start(&root).unwrap() };
        // Whoever runs podman may speak with the host.
        fs::set_permissions(machine.host.socket(), fs::Permissions::from_mode(0o777)).unwrap();
        for number in [128, 129] {
            machine.podman.add_node(number).unwrap();
        }
        copy_program(&machine.build.program, &machine.program(), 0o755);
        // The program doesn't look into the library.
        let musl = machine.podman.folder().join("built-for-musl.so");
        fs::write(&musl, "\x7fELF").unwrap();
        let nodes = NODES.map(|node| format!("--node={node}"));
        for (name, library, kind) in
            [("glibc", &machine.build.library, "hesper/gpu"), ("musl", &musl, "hesper/gpu-musl")]
        {
            let prefix = machine.prefix(name);
            let layout = [option("prefix", &prefix), option("libdir", &prefix.join("lib"))];
            machine.hesper(&[&["install".to_owned(), option("library", library)], &layout[..]].concat());
            let output = option("output", &machine.podman.spec(&format!("{name}.json")));
            machine.hesper(&[&["cdi".to_owned(), format!("--kind={kind}"), output], &nodes[..], &layout[..]].concat());
        }
        let base = SmallTree::make(&root, Libraries::Debian).unwrap();
        machine.podman.import(user, base.tree(), IMAGE).unwrap();
        machine
    }

    fn prefix(&self, name: &str) -> PathBuf {
        self.podman.folder().join(name)
    }

    /// The `hesper` program where every user may read it: the checkout may lie in root's home.
    fn program(&self) -> PathBuf {
        self.podman.folder().join("hesper")
    }

    fn manifest(&self, name: &str) -> PathBuf {
        self.prefix(name).join("share/vulkan/icd.d/hesper_icd.json")
    }

    /// The `hesper` program on the machine.
    fn hesper(&self, arguments: &[String]) -> String {
        good("hesper", Command::new(&self.build.program).args(arguments))
    }

    /// What a shell says in a container that is run with these options, with the way to the host.
    fn shell(&self, user: User, options: &[&str], script: &str) -> Output {
        let shared = self.host.socket().parent().unwrap().display();
        let mut command = self.podman.run(user).unwrap();
        command.env("HESPER_DEBUG", "vtest").env("HESPER_VTEST_SOCKET", self.host.socket());
        // The image has no shell.
        command.args(["--volume=/usr/bin/dash:/usr/bin/sh:ro", &format!("--volume={shared}:{shared}")]).args(options);
        command.args([IMAGE, "sh", "-c", script]).output().unwrap()
    }

    /// What the doctor says of the place and of render nodes in a container, by its JSON.
    fn doctor(&self, user: User, options: &[&str]) -> (Value, Value) {
        let volume = format!("--volume={}:/usr/bin/hesper:ro", self.program().display());
        let script = "unset HESPER_DEBUG HESPER_VTEST_SOCKET; hesper doctor --json";
        let out = self.shell(user, &[&[volume.as_str()], options].concat(), script);
        let report: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", both(&out)));
        let check = |id: &str| report["checks"].as_array().unwrap().iter().find(|c| c["id"] == id).unwrap().clone();
        (check("place"), check("node"))
    }
}

fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

/// A script's lines about nodes that are there, and whether they may be opened: without a device behind a node the kernel says ENXIO, and with one nothing.
fn nodes_there() -> String {
    NODES.map(|node| format!("[ ! -c {node} ] || {{ echo {node}; (: <>{node}) 2>&1; }}\n")).concat()
}

/// The nodes of a script's lines; none of them may be denied.
fn allowed(text: &str) -> Vec<&str> {
    assert!(!text.contains("Permission denied") && !text.contains("Operation not permitted"), "{text}");
    text.lines().filter(|l| NODES.contains(l)).collect()
}

fn fails_with(finding: &Value, advice: &str) {
    assert_eq!((&finding["status"], &finding["facts"]["obstacle"]), (&"fail".into(), &"no_permission".into()));
    assert!(finding["advice"].as_str().unwrap().contains(advice), "{finding}");
}

#[test]
fn specs_fit_the_specifications_schema() {
    if quick() {
        return;
    }
    let (podman, program) = (Podman::new().unwrap(), build_driver().unwrap().program);
    for arguments in
        [&[][..], &["--node=/dev/dri/renderD128", "--node=/dev/dri/renderD129"], &["--kind=hesper/gpu-musl"]]
    {
        let spec = podman.spec("hesper.json");
        // A spec that goes elsewhere may name files that aren't here.
        let text = good("hesper cdi", Command::new(&program).args(["cdi", "--output=-"]).args(arguments));
        fs::write(&spec, &text).unwrap();
        check_cdi_spec(&spec).unwrap();
        for (right, wrong) in
            [("hostPath", "hostpath"), ("deviceNodes", "nodes"), ("\"devices\"", "\"device\""), ("\"rw\"", "6")]
        {
            fs::write(&spec, text.replace(right, wrong)).unwrap();
            assert!(check_cdi_spec(&spec).is_err(), "{wrong} fits the schema");
        }
    }
}

#[test]
fn podman_takes_devices_of_the_spec() {
    if quick() {
        return;
    }
    let machine = Machine::new(User::Root);
    let script = format!("{}exec {VULKANINFO} --summary", nodes_there());
    for (options, nodes) in [
        (&["--device=hesper/gpu=all"][..], &NODES[..]),
        (&["--device=hesper/gpu=0"], &NODES[..1]),
        (&["--device=hesper/gpu=1"], &NODES[1..]),
        // The nodes are the user's in the container, whatever groups he is in.
        (&["--device=hesper/gpu=all", "--user=1000:1000"], &NODES[..]),
    ] {
        let text = both(&machine.shell(User::Root, options, &script));
        assert_eq!(
            (allowed(&text), vulkaninfo::drivers(&text)),
            (nodes.to_vec(), vec!["hesper"]),
            "{options:?}: {text}"
        );
    }
    let lent = Root::at(machine.podman.folder().join("lent"));
    lent_llama::lend(&root(), &lent).unwrap();
    let (llama, model) = (lent_llama::in_tree(&lent), lent_llama::model().unwrap());
    let backends = llama.join(lent_llama::BACKENDS.trim_start_matches('/'));
    let there = [lent_llama::FOLDER, lent_llama::BACKENDS].map(Path::new);
    let volumes = [(llama.as_path(), there[0]), (&backends, there[1]), (&model, &model)];
    let mut options = vec!["--device=hesper/gpu=all".to_owned()];
    options.extend(volumes.map(|(from, to)| format!("--volume={}:{}:ro", from.display(), to.display())));
    options.extend(llama::ENVIRONMENT.map(|(name, value)| format!("--env={name}={value}")));
    let script = format!("exec {}", lent_llama::words().unwrap().join(" "));
    let out = machine.shell(User::Root, &options.iter().map(String::as_str).collect::<Vec<_>>(), &script);
    lent_llama::told(&String::from_utf8_lossy(&out.stdout)).unwrap_or_else(|e| panic!("{e:#}: {}", both(&out)));
    let out = machine.shell(User::Root, &["--device=hesper/gpu=2"], "echo started");
    assert!(!out.status.success() && both(&out).contains("hesper/gpu=2"), "{}", both(&out));
    // A node that wasn't given to the container is there, and the kernel refuses it.
    let out = machine.shell(User::Root, &["--device=hesper/gpu=0", "--volume=/dev/dri:/dev/dri:dev"], &nodes_there());
    assert_eq!(both(&out).matches("Operation not permitted").count(), 1, "{}", both(&out));
    let (place, node) = machine.doctor(User::Root, &["--volume=/dev/dri:/dev/dri:dev"]);
    assert_eq!(place["facts"]["engine"], "podman", "{place}");
    fails_with(&node, "--device /dev/dri");
}

#[test]
fn a_kind_of_its_own_has_the_library_for_another_c_library() {
    if quick() {
        return;
    }
    let machine = Machine::new(User::Root);
    let script =
        format!("{}echo $VK_DRIVER_FILES; while read line; do echo \"$line\"; done <$VK_DRIVER_FILES", nodes_there());
    let text = both(&machine.shell(User::Root, &["--device=hesper/gpu-musl=1"], &script));
    assert_eq!(allowed(&text), NODES[1..]);
    let library = machine.prefix("musl").join("lib/libvulkan_hesper.so");
    for path in [machine.manifest("musl"), library] {
        assert!(text.contains(path.to_str().unwrap()), "no {} in {text}", path.display());
    }
    assert!(!text.contains(machine.prefix("glibc").to_str().unwrap()), "{text}");
}

/// An ordinary user's containers have no numbers for the machine's groups: the node's is nobody's there, and he is in it only if his own are kept.
#[test]
fn an_ordinary_users_podman_keeps_the_nodes_group() {
    if quick() {
        return;
    }
    let machine = Machine::new(User::Ordinary);
    let device = "--device=hesper/gpu=all";
    let (place, node) = machine.doctor(User::Ordinary, &[device]);
    assert_eq!(place["facts"]["rootless"], true, "{place}");
    fails_with(&node, "--group-add keep-groups");
    let script = format!("{}exec {VULKANINFO} --summary", nodes_there());
    let text = both(&machine.shell(User::Ordinary, &[device, "--group-add=keep-groups"], &script));
    assert_eq!((allowed(&text), vulkaninfo::drivers(&text)), (NODES.to_vec(), vec!["hesper"]), "{text}");
}

#[test]
fn a_spec_has_the_nodes_of_every_virtio_gpu() {
    let nodes = [("renderD128", "driver i915"), ("renderD129", ""), ("renderD131", "param 1 0")];
    let nodes = Nodes::new(&nodes).unwrap();
    let mut command = root().client_on(&nodes, build_driver().unwrap().program).unwrap();
    let spec: Value = serde_json::from_str(&good("hesper cdi", command.args(["cdi", "--output=-"]))).unwrap();
    let device = |name: &str| {
        let device = spec["devices"].as_array().unwrap().iter().find(|d| d["name"] == name).unwrap();
        let nodes = device["containerEdits"]["deviceNodes"].as_array().unwrap().iter();
        nodes.map(|n| n["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = ["/dev/dri/renderD129", "/dev/dri/renderD131"];
    assert_eq!([device("0"), device("1"), device("all")], [&all[..1], &all[1..], &all[..]]);
}

/// `podman run $(hesper env --podman) …`, with the words as a shell splits them.
#[test]
fn podman_takes_what_the_program_prints() {
    if quick() {
        return;
    }
    let machine = Machine::new(User::Root);
    let mut env = Command::new(&machine.build.program);
    env.args(["env", "--podman"]).env("VK_DRIVER_FILES", machine.manifest("glibc"));
    let words = good("hesper env", &mut env);
    let words: Vec<&str> = words.split_whitespace().collect();
    let text = both(&machine.shell(User::Root, &words, &format!("{}exec {VULKANINFO} --summary", nodes_there())));
    assert_eq!(
        (allowed(&text), vulkaninfo::drivers(&text)),
        (NODES[..1].to_vec(), vec!["hesper"]),
        "{words:?}: {text}"
    );
}
